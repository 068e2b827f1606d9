//! The files that are generated from the commands and their flags: the page, the man page and the
//! completions of shells. `make docs` writes them; the tests fail if they are stale.

mod completions;
mod man;
mod page;

use argh::{FlagInfo, Optionality};

use super::command::{CommandSpec, FlagSet, info};
use super::config_flags::ConfigFlags;
use super::normalise::{self, BOOL};
use super::table::{AGENT, COMMANDS};

type Flag = &'static FlagInfo<'static>;

/// How flags are written, on the page and on the man page.
const NOTATION: &str = "Flags are written as Go's flag package reads them: with one dash or two, \
    and with the value as the next word or after `=`. A switch is true if it has no value; \
    `-verbose=false` turns it off. Flags come before the operand, or after it. Of a flag that is \
    given twice the last one wins, unless its entry says otherwise.";

/// The exit codes of the program, on the page and on the man page.
const EXIT_CODES: [(&str, &str); 3] = [
    (
        "0",
        "The command has done its work, or the agent was stopped.",
    ),
    (
        "1",
        "Something failed, or a value cannot be used; the reason is on stderr or in the log.",
    ),
    (
        "2",
        "The command line is wrong: an unknown word or flag, or a flag without its value.",
    ),
];

/// The agent, which has no name, and all commands.
fn specs() -> impl Iterator<Item = &'static CommandSpec> {
    [&AGENT].into_iter().chain(&COMMANDS)
}

/// The command's own flags.
fn own(spec: &CommandSpec) -> Vec<Flag> {
    normalise::flags(spec.tables()[0]).collect()
}

/// The flags that commands share.
fn shared() -> Vec<Flag> {
    normalise::flags(info::<ConfigFlags>().flags).collect()
}

/// Whether the command accepts the flags that commands share.
fn takes_shared(spec: &CommandSpec) -> bool {
    spec.takes == FlagSet::OwnAndConfig
}

/// The names of a flag with a dash each, the short one first.
fn names(flag: Flag) -> Vec<String> {
    let short = flag.short.map(|short| format!("-{short}"));
    let long = format!("-{}", normalise::name(flag));
    short.into_iter().chain([long]).collect()
}

/// The kind of a flag's value; `None` for a switch.
fn value(flag: Flag) -> Option<&'static str> {
    let kind = normalise::kind(flag);
    (kind != BOOL).then_some(kind)
}

/// The operands of a command as in its help, each with a space before it.
fn operands(spec: &CommandSpec) -> String {
    let mut out = String::new();
    for operand in (spec.info)().operands {
        out += &match operand.optionality {
            Optionality::Required => format!(" {}", operand.name),
            Optionality::Repeating => format!(" -- {0} [{0} ...]", operand.name),
            _ => format!(" [{}]", operand.name),
        };
    }
    out
}

/// A text of the help as a sentence.
fn sentence(text: &str) -> String {
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    let end = if text.ends_with('.') { "" } else { "." };
    [&first.to_uppercase(), rest, end].concat()
}

#[test]
fn texts_of_the_help_become_sentences() {
    let table = [
        ("run it", "Run it."),
        ("(DEPRECATED) key", "(DEPRECATED) key."),
        ("API key. Use another", "API key. Use another."),
        ("", "."),
    ];
    for (text, expected) in table {
        assert_eq!(sentence(text), expected);
    }
}
