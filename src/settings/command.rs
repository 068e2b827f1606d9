//! The keys that describe a command and how it is run, for plugins and for their actions.

use std::time::Duration;

use crate::config::Command;
use crate::config::item::Item;
use crate::config::key::quoted;
use crate::config::walk::Walk;

/// Default timeout of a command, in seconds.
const TIMEOUT: u64 = 30;
/// Upper bound of a timeout, in seconds. Longer timeouts are cut to it, so that sums do not
/// overflow.
const LONGEST: u64 = 366 * 24 * 60 * 60;
/// A valid `env`, for messages.
const EXAMPLE: &str = "env = { NAME = \"value\" }";
/// Go's type name for a `command` that is missing.
const MISSING: &str = "<nil>";

/// The values of the keys, as written in the file.
#[derive(Default)]
pub(super) struct Run {
    /// The arguments and the line; if the value is no command, Go's name of its type in place of
    /// the arguments.
    pub(super) command: Option<(Result<Vec<String>, &'static str>, usize)>,
    pub(super) user: Option<String>,
    /// Name, value and line.
    pub(super) env: Vec<(String, String, usize)>,
    pub(super) timeout_seconds: i64,
}

/// The arguments of a command: `sh -c TEXT` for a string, the elements of a list of strings. Fails
/// with Go's name of the value's type if it is neither, or if the list is empty.
pub(super) fn argv(item: Item<'_>) -> Result<Vec<String>, &'static str> {
    if let Ok(line) = item.string() {
        return Ok(["sh", "-c", line].map(str::to_owned).into());
    }
    let argv = item.strings().ok().filter(|argv| !argv.is_empty());
    argv.ok_or_else(|| item.go_type())
}

/// Reads a table of environment variables. Blanks around a name are removed, and a variable with an
/// empty name is ignored.
pub(super) fn env(walk: &mut Walk<'_>, run: &mut Run, item: Item<'_>) {
    // Ignored if it is not a table.
    let Some(table) = item.table() else { return };
    walk.each(table, |walk, item| match item.string() {
        Ok(value) => match walk.last().trim_matches(' ') {
            "" => {}
            name => run.env.push((name.to_owned(), value.to_owned(), item.line)),
        },
        Err(why) => walk.wrong(item.line, &why),
    });
}

impl Run {
    /// Whether the key `command` is set.
    pub(super) fn is_given(&self) -> bool {
        self.command.is_some()
    }

    /// The line of the command.
    pub(super) fn line(&self) -> Option<usize> {
        self.command.as_ref().map(|(_, line)| *line)
    }

    /// Whether the timeout is negative, so that the command is ended at once.
    pub(super) fn ends_at_once(&self) -> bool {
        self.timeout_seconds < 0
    }

    /// The command of the table that begins on `line`. Fails with the line and the text of the
    /// first problem.
    pub(super) fn command(self, line: usize) -> Result<Command, (usize, String)> {
        if let Some((name, _, line)) = self.env.iter().find(|(name, ..)| name.contains('=')) {
            let name = quoted(name);
            let why = "failed to parse plugin env. A name in `env` must not contain `=`, but is";
            return Err((*line, format!("{why} {name}; write {EXAMPLE}")));
        }
        let (argv, line) = self.command.unwrap_or((Err(MISSING), line));
        let argv = argv.map_err(|go_type| {
            let why = format!(
                "failed to parse plugin command. A configuration value of `command` should be \
                 string or string slice, but {go_type}; write command = \"program argument\" or \
                 command = [\"program\", \"argument\"]"
            );
            (line, why)
        })?;
        let env = self.env.into_iter();
        let seconds = match self.timeout_seconds {
            0 => TIMEOUT,
            seconds => u64::try_from(seconds).unwrap_or(0).min(LONGEST),
        };
        Ok(Command {
            argv,
            user: self.user,
            env: env.map(|(name, value, _)| (name, value)).collect(),
            timeout: Duration::from_secs(seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::findings::Problem;

    #[test]
    fn command_of_a_wrong_type_is_reported() {
        let command = |found: &str| {
            format!(
                "failed to parse plugin command. A configuration value of `command` should be \
                 string or string slice, but {found}; write command = \"program argument\" or \
                 command = [\"program\", \"argument\"]"
            )
        };
        // (file, line of the problem, expected text)
        let table = [
            ("[plugin.checks.N]", 1, format!("plugin.checks.N: {}", command("<nil>"))),
            (
                "\n[plugin.metrics.N]\ncommand = 1",
                3,
                format!("plugin.metrics.N: {}", command("int64")),
            ),
            (
                "[plugin.metadata.N]\ncommand = []",
                2,
                format!("plugin.metadata.N: {}", command("[]interface {}")),
            ),
            (
                "[plugin.metrics.N]\ncommand = ['a', 1]",
                2,
                format!("plugin.metrics.N: {}", command("[]interface {}")),
            ),
            (
                "[plugin.checks.N]\ncommand = 'x'\naction.command = true",
                3,
                format!("plugin.checks.N: {}", command("bool")),
            ),
            (
                "[plugin.metrics.N.deeper]\ncommand = 'x'",
                1,
                format!("plugin.metrics.N: {}", command("<nil>")),
            ),
            (
                "[plugin.metrics.N]\ncommand = 'x'\nenv = { 'A=B' = 'c' }",
                3,
                "plugin.metrics.N: failed to parse plugin env. A name in `env` must not contain `=`, but is \"A=B\"; write env = { NAME = \"value\" }".to_owned(),
            ),
            (
                "[plugin.metrics.N]\ncommand = 'x'\nenv.A = 1",
                3,
                "toml: line 3 (last key \"plugin.metrics.N.env.A\"): incompatible types: TOML value has type integer; destination has type string; write it in quotes".to_owned(),
            ),
        ];
        for (text, line, expected) in table {
            let error = Config::default().read(text.as_bytes()).unwrap_err();
            assert_eq!(
                error.problems,
                [Problem {
                    line,
                    text: expected
                }],
                "{text}"
            );
        }
    }
}
