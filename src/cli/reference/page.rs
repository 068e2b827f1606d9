//! The page that describes every command.

use std::path::Path;

use super::{
    EXIT_CODES, Flag, NOTATION, names, operands, own, sentence, shared, specs, takes_shared, value,
};
use crate::cli::command::{CommandSpec, FlagSet};
use crate::settings::reference::{check, wrap};

const PAGE: &str = "docs/cli.md";
const HEAD: &str = "\
# Command line

<!-- Made of src/cli by `make docs`. -->

Every command with every flag, to look up what the [README](../README.md#commands) lists.
`mackerel-agent help COMMAND` prints the same.

    mackerel-agent [FLAGS]
    mackerel-agent COMMAND [FLAGS] [NAME]

";
const AFTER_NOTATION: &str = "\
Packages install the man pages `mackerel-agent(8)` and `mackerel-agent.conf(5)`, and completions for
bash, zsh and fish: see [install.md](install.md#man-pages-and-completions).
";
const SHARED: &str = "\
Every command that reads the configuration accepts them. They win over the environment and the
configuration file. [configuration.md](configuration.md) describes the settings.
";
/// The pages that say more about a command, where it is not `docs/COMMAND.md`.
const PAGES: &[(&str, &str)] = &[
    ("check", "[plugins.md](plugins.md)"),
    ("health", "[containers.md](containers.md)"),
    ("init", "[install.md](install.md#the-api-key)"),
    ("install", "[install.md](install.md#what-install-does)"),
    ("logs", "[live.md](live.md)"),
    ("plugin", "[plugins.md](plugins.md)"),
    ("retire", "[install.md](install.md#remove)"),
    ("supervise", "[reliability.md](reliability.md)"),
    ("top", "[live.md](live.md)"),
    ("uninstall", "[install.md](install.md#remove)"),
    ("upgrade", "[install.md](install.md#upgrade)"),
];

#[test]
fn page_of_commands_is_made_of_the_table() {
    let mut out = HEAD.to_owned();
    wrap(&mut out, "", NOTATION);
    out += &format!("\n{AFTER_NOTATION}\n| command | effect |\n|---|---|\n");
    for spec in specs() {
        let anchor = heading(spec).to_lowercase().replace(' ', "-");
        let about = cell((spec.info)().about);
        out += &format!("| [{}](#{anchor}) | {about} |\n", name(spec));
    }
    out += "\n## Exit codes\n\n| code | meaning |\n|--:|---|\n";
    for (code, meaning) in EXIT_CODES {
        out += &format!("| {code} | {meaning} |\n");
    }
    out += "\n[`status`](status.md#exit-codes) and `logs` have further codes; [`wrap`](wrap.md) ends with \
            that of its job.\n";
    out += &format!("\n## Flags of the configuration\n\n{SHARED}");
    table(&mut out, &shared());
    for spec in specs() {
        describe(&mut out, spec);
    }
    check(PAGE, &out);
    for (command, _) in PAGES {
        let is_there = specs().any(|spec| spec.name == *command);
        assert!(is_there, "{command}: no such command");
    }
}

/// The heading of a command, without code.
fn heading(spec: &CommandSpec) -> &'static str {
    match spec.name {
        "" => "Without a command",
        name => name,
    }
}

/// The name of a command as code; words for the agent, which has none.
fn name(spec: &CommandSpec) -> String {
    match spec.name {
        "" => "no command".to_owned(),
        name => format!("`{name}`"),
    }
}

/// Appends the section of a command.
fn describe(out: &mut String, spec: &CommandSpec) {
    let command = if spec.name.is_empty() {
        *out += &format!("\n## {}\n\n", heading(spec));
        "mackerel-agent".to_owned()
    } else {
        *out += &format!("\n## `{}`\n\n", spec.name);
        format!("mackerel-agent {}", spec.name)
    };
    let flags = match spec.takes {
        FlagSet::Ignored => "",
        _ => " [FLAGS]",
    };
    *out += &format!("    {command}{flags}{}\n\n", operands(spec));
    let mut text = sentence((spec.info)().about);
    if takes_shared(spec) {
        text += " The [flags of the configuration](#flags-of-the-configuration) apply.";
    }
    let namesake = format!("{}.md", spec.name);
    if let Some((_, page)) = PAGES.iter().find(|(name, _)| *name == spec.name) {
        text += &format!(" More: {page}.");
    } else if Path::new("docs").join(&namesake).exists() {
        text += &format!(" More: [{namesake}]({namesake}).");
    }
    wrap(out, "", &text);
    table(out, &own(spec));
}

/// Appends the table of `flags`; nothing if there are none.
fn table(out: &mut String, flags: &[Flag]) {
    if flags.is_empty() {
        return;
    }
    *out += "\n| flag | meaning |\n|---|---|\n";
    for flag in flags {
        let kind = value(flag).map_or(String::new(), |kind| format!(" {kind}"));
        let names = names(flag).join("`, `");
        *out += &format!("| `{names}{kind}` | {} |\n", cell(flag.description));
    }
}

/// A text of the help as a cell of a table.
fn cell(text: &str) -> String {
    let text = sentence(text);
    text.trim_end_matches('.').replace('|', "\\|")
}
