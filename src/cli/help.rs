//! The help, in the notation of Go's `flag` package. It is generated from the information that argh
//! derives from the structs of the commands. (argh's own help shows two dashes, and does not
//! support flags that commands share.)

use std::iter::repeat_n;

use argh::Optionality;

use super::command::{CommandSpec, FlagSet, PROGRAM, UsageError};
use super::normalise::{self, BOOL, COMMAND_LINE};
use super::table::{AGENT, COMMANDS};

/// The most characters of a line.
const WIDTH: usize = 80;
/// The column at which descriptions begin, counted from 0.
const COLUMN: usize = 20;

/// The help of one command, with each flag's meaning and default.
pub(super) fn command_help(spec: &CommandSpec) -> String {
    let info = (spec.info)();
    let mut text = format!("Usage: {PROGRAM}");
    if !spec.name.is_empty() {
        text.extend([" ", spec.name]);
    }
    if spec.takes != FlagSet::Ignored {
        text.push_str(" [<flags>]");
    }
    for operand in info.operands {
        text.extend(match operand.optionality {
            Optionality::Required => [" ", operand.name, ""],
            Optionality::Repeating if operand.name == COMMAND_LINE => {
                [" -- ", operand.name, " [ARGUMENT ...]"]
            }
            Optionality::Repeating => [" [", operand.name, "...]"],
            _ => [" [", operand.name, "]"],
        });
    }
    text.extend(["\n\n    ", info.about, "\n"]);
    if spec.takes != FlagSet::Ignored {
        text.push_str("\nOptions:\n\n");
    }
    for operand in info.operands {
        if !operand.description.is_empty() {
            row(
                &mut text,
                &format!("  {}", operand.name),
                operand.description,
            );
        }
    }
    for table in spec.tables() {
        for flag in normalise::flags(table) {
            let mut head = "  -".to_owned();
            if let Some(short) = flag.short {
                head.push(short);
                head.push_str(", -");
            }
            head.push_str(normalise::name(flag));
            let kind = normalise::kind(flag);
            if kind != BOOL {
                head.extend([" ", kind]);
            }
            row(&mut text, &head, flag.description);
        }
    }
    if *spec == AGENT {
        row(&mut text, "  -version", "print the version");
        text.push('\n');
        list_commands(&mut text);
    }
    text
}

/// The list of all commands.
pub(super) fn overview() -> String {
    let mut text = format!("Usage: {PROGRAM} <command> [<args>]\n\n");
    list_commands(&mut text);
    text.push_str(&format!(
        "\n{PROGRAM} help <command> explains a command.\n\
         {PROGRAM} -help explains the flags without a command.\n"
    ));
    text
}

/// The help, followed by the reason of the error. The reason is on the last line, where it is not
/// overlooked.
pub(super) fn error_help(error: &UsageError) -> String {
    let help = error.command.map_or_else(overview, command_help);
    format!("{help}\n{}\n", error.reason)
}

fn list_commands(text: &mut String) {
    text.push_str("Commands:\n\n");
    row(text, "    <no command>", (AGENT.info)().about);
    for spec in &COMMANDS {
        row(text, &format!("    {}", spec.name), (spec.info)().about);
    }
}

/// Appends `head`, then `about` from [`COLUMN`] on, wrapped at [`WIDTH`].
fn row(text: &mut String, head: &str, about: &str) {
    text.push_str(head);
    let mut at = head.len();
    for (index, word) in about.split_ascii_whitespace().enumerate() {
        let room = if index == 0 {
            COLUMN
        } else {
            WIDTH.saturating_sub(word.len())
        };
        if at >= room {
            text.push('\n');
            at = 0;
        }
        let gap = COLUMN.saturating_sub(at).max(1);
        text.extend(repeat_n(' ', gap));
        text.push_str(word);
        at += gap + word.len();
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Flags};

    #[test]
    fn help_wraps_long_descriptions() {
        let ten = "123456789 ".repeat(7);
        let table = [
            ("  -v", "short", "  -v                short\n".to_owned()),
            (
                "  -a-long-flag-name",
                "x",
                "  -a-long-flag-name x\n".to_owned(),
            ),
            (
                "  -a-longer-flag-name",
                "x",
                format!("  -a-longer-flag-name\n{:20}x\n", ""),
            ),
            (
                "  -v",
                &ten,
                format!("  -v{:16}{}\n{:20}123456789\n", "", &ten[..59], ""),
            ),
        ];
        for (head, about, expected) in table {
            let mut text = String::new();
            row(&mut text, head, about);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn help_has_every_flag_on_lines_of_80_columns() {
        for spec in [&AGENT].into_iter().chain(&COMMANDS) {
            let text = command_help(spec);
            let long = text.lines().find(|line| line.len() > WIDTH);
            assert_eq!(long, None, "{}", spec.name);
            for flag in spec.tables().into_iter().flat_map(normalise::flags) {
                let name = normalise::name(flag);
                let heads = text.lines().filter(|line| {
                    let mut words = line.split_whitespace();
                    line.starts_with("  -") && words.any(|word| word == format!("-{name}"))
                });
                assert_eq!(heads.count(), 1, "{} -{name}", spec.name);
            }
        }
        let long = overview().lines().any(|line| line.len() > WIDTH);
        assert!(!long);
    }

    #[test]
    fn help_shows_the_defaults_that_apply() {
        let config = Config::default();
        let conf = Flags::default().conf.display().to_string();
        let mut expected = vec![
            ("--apibase", config.apibase),
            ("--conf", conf.clone()),
            ("--pidfile", config.pidfile.display().to_string()),
            ("--root", config.root.display().to_string()),
        ];
        for (name, flags) in [("", &mut expected), ("init", &mut vec![("--conf", conf)])] {
            let spec = COMMANDS.iter().find(|spec| spec.name == name);
            let tables = spec.unwrap_or(&AGENT).tables();
            for flag in tables.into_iter().flat_map(normalise::flags) {
                let default = flags.iter().position(|(long, _)| *long == flag.long);
                match default.map(|at| flags.remove(at).1) {
                    Some(value) => {
                        let end = format!(" (default \"{value}\")");
                        assert!(flag.description.ends_with(&end), "{}", flag.description);
                    }
                    None => assert!(!flag.description.contains("(default")),
                }
            }
            assert!(flags.is_empty(), "{flags:?}");
        }
    }
}
