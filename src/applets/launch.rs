//! Which applet a command line, or the `command` of a plugin, names.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::applet::Applet;
use super::list::find;
use crate::sys::exec::{self, Task};
use crate::sys::executable::Executable;

/// Characters with a meaning for the shell. A command with one of them is left to the shell. `=` has
/// one in front of a program's name alone.
const META: &[u8] = b"|&;<>()$`\\\"'*?[]#~{}!\n\r";
/// How a `command` that is a string is run: with the string as the last word.
const SHELL: [&str; 2] = ["sh", "-c"];

/// The applet that a command line names, and its arguments. The program was called by a link with
/// the applet's name, or the name is its first argument, or that of `help`.
pub(crate) fn named(words: &[OsString]) -> Option<(&'static Applet, Vec<OsString>)> {
    let (program, rest) = words.split_first()?;
    if let Some(applet) = Path::new(program).file_name().and_then(find) {
        return Some((applet, rest.to_vec()));
    }
    match rest {
        [help, name, ..] if help == "help" => Some((find(name)?, vec!["--help".into()])),
        [name, rest @ ..] => Some((find(name)?, rest.to_vec())),
        [] => None,
    }
}

/// The command with which the plugin's command `task` runs as an applet of this program.
///
/// `None` if its first word names no applet, or also names a program that `task` may find, which
/// then wins; or if it is a string with characters that have a meaning for the shell.
pub(crate) fn built_in(task: &Task<'_>) -> Option<Vec<String>> {
    let own = || Some(Executable::own().ok()?.path().to_str()?.to_owned());
    in_place_of(task.argv, &|name| exec::may_find(task, name), &own)
}

fn in_place_of(
    argv: &[String],
    is_program: &dyn Fn(&str) -> bool,
    own: &dyn Fn() -> Option<String>,
) -> Option<Vec<String>> {
    let mut words = Vec::new();
    match argv {
        [shell, flag, line] if [&**shell, &**flag] == SHELL => {
            if line.bytes().any(|byte| META.contains(&byte)) {
                return None;
            }
            words.extend(line.split_ascii_whitespace().map(str::to_owned));
        }
        argv => words.extend_from_slice(argv),
    }
    let name = words.first()?;
    if find(OsStr::new(name)).is_none() || is_program(name) {
        return None;
    }
    words.insert(0, own()?);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Words = &'static [&'static str];

    #[test]
    fn applet_is_named_by_the_program_or_its_first_argument() {
        // (words, applet and its arguments)
        let table: [(Words, Option<(&str, Words)>); 8] = [
            (
                &["mackerel-agent", "check-uptime", "-w", "1"],
                Some(("check-uptime", &["-w", "1"])),
            ),
            (
                &["/usr/lib/x/check-uptime", "-w"],
                Some(("check-uptime", &["-w"])),
            ),
            (&["check-uptime"], Some(("check-uptime", &[]))),
            (
                &["mackerel-agent", "help", "check-uptime"],
                Some(("check-uptime", &["--help"])),
            ),
            (&["mackerel-agent", "check", "check-uptime"], None),
            (&["mackerel-agent", "-v", "check-uptime"], None),
            (&["mackerel-agent"], None),
            (&[], None),
        ];
        for (words, expected) in table {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let found = named(&words);
            let expected = expected.map(|(name, rest)| {
                let rest: Vec<OsString> = rest.iter().map(OsString::from).collect();
                (name, rest)
            });
            let found = found.map(|(applet, rest)| (applet.name, rest));
            assert_eq!(found, expected, "{words:?}");
        }
    }

    #[test]
    fn applet_runs_for_a_command_that_no_program_answers() {
        // (why this row exists, command, programs on PATH, words after the program of the agent)
        let table: [(&str, Words, &str, Option<Words>); 11] = [
            (
                "a string",
                &["sh", "-c", "check-uptime  -w 1"],
                "",
                Some(&["check-uptime", "-w", "1"]),
            ),
            (
                "an array",
                &["check-uptime", "-w", "a b"],
                "",
                Some(&["check-uptime", "-w", "a b"]),
            ),
            (
                "a percentage is no character of the shell",
                &["sh", "-c", "check-uptime -w 1%"],
                "",
                Some(&["check-uptime", "-w", "1%"]),
            ),
            (
                "nor is an equals sign in an argument",
                &["sh", "-c", "check-uptime --warning-over=1"],
                "",
                Some(&["check-uptime", "--warning-over=1"]),
            ),
            (
                "one before the program sets a variable",
                &["sh", "-c", "A=1 check-uptime"],
                "",
                None,
            ),
            (
                "an installed plugin wins",
                &["check-uptime"],
                "check-uptime",
                None,
            ),
            (
                "and so in a string",
                &["sh", "-c", "check-uptime"],
                "check-uptime",
                None,
            ),
            (
                "a pipe is for the shell",
                &["sh", "-c", "check-uptime | cat"],
                "",
                None,
            ),
            ("another program", &["sh", "-c", "check-other"], "", None),
            ("a path is that program", &["/opt/check-uptime"], "", None),
            ("an empty string", &["sh", "-c", ""], "", None),
        ];
        for (why, argv, programs, expected) in table {
            let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
            let found = in_place_of(&argv, &|name| name == programs, &|| {
                Some("/agent".to_owned())
            });
            let expected = expected.map(|words| [&["/agent"], words].concat());
            let found = found
                .as_ref()
                .map(|words| words.iter().map(String::as_str).collect());
            assert_eq!(found, expected, "{why}");
        }
    }
}
