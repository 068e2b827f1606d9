//! Completions of commands and flags for bash, zsh and fish.
//!
//! A flag whose value is a path completes files, and no other value is completed. `help` completes
//! the names of commands.

use argh::Optionality;

use super::{Flag, names, own, shared, specs, takes_shared, value};
use crate::cli::command::CommandSpec;
use crate::cli::normalise::{self, BOOL, PATH};
use crate::settings::reference::check;

const HEAD: &str = "made of src/cli by `make docs`.";
const BASH: &str = r#"_mackerel_agent() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=''
@SHARED@    # -conf=FILE is three words here: -conf, = and FILE.
    if [[ $word == = ]]; then
        word=''
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} != -* ]]; then
        command=${COMP_WORDS[1]}
    fi
    case $command in
@CASES@    esac
    COMPREPLY=()
    # A flag has one dash or two.
    before=${before/#--/-}
    case " $paths " in
    *" $before "*)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    esac
    case " $texts " in
    *" $before "*) return ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$switches $paths $texts -help" -- "$word")
    elif [[ -z $command || $command == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "@COMMANDS@" -- "$word")
    fi
}
complete -F _mackerel_agent mackerel-agent
"#;
const ZSH: &str = r#"local -a names shared
names=(
@COMMANDS@)
shared=(
@SHARED@)
if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
    _describe -t commands command names
    return
fi
local command=
if [[ $words[2] != -* ]]; then
    command=$words[2]
    shift words
    ((CURRENT--))
fi
case $command in
@CASES@esac
"#;

/// The flags that commands share, without those that nobody should type.
fn offered() -> Vec<Flag> {
    let mut all = shared();
    all.retain(|flag| {
        let about = flag.description;
        !about.starts_with("internal use") && !about.starts_with("(DEPRECATED")
    });
    all
}

/// The names of the commands, with spaces between them.
fn commands() -> String {
    let names: Vec<_> = specs().map(|spec| spec.name).collect();
    names.join(" ").trim().to_owned()
}

/// The name of a command as a pattern in a shell's `case`.
fn pattern(spec: &CommandSpec) -> &'static str {
    match spec.name {
        "" => "''",
        name => name,
    }
}

/// A description on one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Assignments of the flags to the variables of bash, a line each with `before` in front.
fn bash(flags: &[Flag], before: &str, operator: &str) -> String {
    type IsOf = fn(&str) -> bool;
    let kinds: [(&str, IsOf); 3] = [
        ("switches", |kind| kind == BOOL),
        ("paths", |kind| kind == PATH),
        ("texts", |kind| kind != BOOL && kind != PATH),
    ];
    let mut out = String::new();
    for (variable, is_of) in kinds {
        let found = flags.iter().filter(|flag| is_of(normalise::kind(flag)));
        let found: Vec<_> = found.flat_map(|flag| names(flag)).collect();
        if !found.is_empty() {
            out += &format!("{before}{variable}{operator}'{}'\n", found.join(" "));
        }
    }
    // Only what is appended needs a space before it.
    if operator == "+=" {
        out = out.replace("'-", "' -");
    }
    out
}

#[test]
fn completions_for_bash_are_made_of_the_table() {
    let mut cases = String::new();
    for spec in specs() {
        let (own, space) = (own(spec), " ".repeat(8));
        let body = if takes_shared(spec) {
            bash(&own, &space, "+=")
        } else {
            format!("{space}switches='' paths='' texts=''\n") + &bash(&own, &space, "=")
        };
        if !body.is_empty() {
            cases += &format!("    {})\n{body}        ;;\n", spec.name);
        }
    }
    let text = BASH
        .replace("@SHARED@", &bash(&offered(), "    local ", "="))
        .replace("@CASES@", &cases)
        .replace("@COMMANDS@", &commands());
    let text =
        format!("# shellcheck shell=bash\n# Completion of mackerel-agent for bash, {HEAD}\n{text}");
    check("packaging/completions/mackerel-agent.bash", &text);
}

/// `text` in single quotes, for zsh's specifications, where these characters have a meaning.
fn zsh(text: &str, special: &[char]) -> String {
    let mut out = String::new();
    for c in line(text).chars() {
        if c == '\'' {
            out += r"'\''";
            continue;
        }
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The arguments of `_arguments` for a flag, a line each.
fn zsh_flag(flag: Flag) -> String {
    let about = zsh(flag.description, &['[', ']', '\\']);
    let mut out = String::new();
    for name in names(flag) {
        out += &match value(flag) {
            None => format!("    '{name}[{about}]'\n"),
            Some(PATH) => format!("    '{name}=[{about}]:path:_files'\n"),
            Some(kind) => format!("    '{name}=[{about}]:{kind}: '\n"),
        };
    }
    out
}

#[test]
fn completions_for_zsh_are_made_of_the_table() {
    let (mut list, mut cases) = (String::new(), String::new());
    for spec in specs() {
        if !spec.name.is_empty() {
            let about = zsh((spec.info)().about, &[':', '\\']);
            list += &format!("    '{}:{about}'\n", spec.name);
        }
        let flags: String = own(spec).into_iter().map(zsh_flag).collect();
        let flags = flags.replace("\n    ", " \\\n        ");
        let mut arguments = vec![];
        if takes_shared(spec) {
            arguments.push("$shared".to_owned());
        }
        if !flags.is_empty() {
            arguments.push(flags.trim().to_owned());
        }
        arguments.push("'-help[print the flags]'".to_owned());
        match spec.name {
            "" => arguments.push("'-version[print the version]'".to_owned()),
            "help" => {
                arguments.push("'1:command:{_describe -t commands command names}'".to_owned())
            }
            _ => match (spec.info)().operands {
                [] => {}
                [all] if all.optionality == Optionality::Repeating => {
                    arguments.push("'*::command:_normal'".to_owned());
                }
                _ => arguments.push("'1:name: '".to_owned()),
            },
        }
        let arguments = arguments.join(" \\\n        ");
        cases += &format!("{})\n    _arguments {arguments}\n    ;;\n", pattern(spec));
    }
    let shared: String = offered().into_iter().map(zsh_flag).collect();
    let text = ZSH
        .replace("@COMMANDS@", &list)
        .replace("@SHARED@", &shared)
        .replace("@CASES@", &cases);
    let text =
        format!("#compdef mackerel-agent\n# Completion of mackerel-agent for zsh, {HEAD}\n{text}");
    check("packaging/completions/_mackerel-agent", &text);
}

/// `text` in single quotes.
fn fish(text: &str) -> String {
    format!(
        "'{}'",
        line(text).replace('\\', "\\\\").replace('\'', "\\'")
    )
}

/// The line of fish for a flag that is offered on `condition`.
fn fish_flag(flag: Flag, condition: &str) -> String {
    let short = flag
        .short
        .map_or(String::new(), |short| format!(" -s {short}"));
    let name = names(flag).pop().unwrap();
    let kind = match value(flag) {
        None => "",
        Some(PATH) => " -r -F",
        Some(_) => " -x",
    };
    let about = fish(flag.description);
    format!(
        "complete -c mackerel-agent -n {condition}{short} -o {}{kind} -d {about}\n",
        &name[1..]
    )
}

#[test]
fn completions_for_fish_are_made_of_the_table() {
    let without: Vec<_> = specs()
        .filter(|spec| !takes_shared(spec))
        .map(|spec| spec.name)
        .collect();
    let mut out =
        format!("# Completion of mackerel-agent for fish, {HEAD}\ncomplete -c mackerel-agent -f\n");
    for spec in specs().filter(|spec| !spec.name.is_empty()) {
        let about = fish((spec.info)().about);
        out += &format!(
            "complete -c mackerel-agent -n __fish_use_subcommand -a {} -d {about}\n",
            spec.name
        );
    }
    out += &format!(
        "complete -c mackerel-agent -n '__fish_seen_subcommand_from help' -a {}\n",
        fish(&commands())
    );
    out += &format!(
        "function __mackerel_agent_shared\n    not __fish_seen_subcommand_from {}\nend\n",
        without.join(" ")
    );
    for flag in offered() {
        out += &fish_flag(flag, "__mackerel_agent_shared");
    }
    for spec in specs() {
        let condition = format!("'__fish_seen_subcommand_from {}'", spec.name);
        for flag in own(spec) {
            out += &fish_flag(flag, &condition);
        }
    }
    check("packaging/completions/mackerel-agent.fish", &out);
}
