//! Runs the host's commands during an installation.

use std::time::Duration;

use crate::sys::exec::{self, End, ExecError, Limits, Outcome, Stop, StopSign, Task};
use crate::sys::log::escaped_lines;

/// Time limit of a command. To stop an agent and to start it again may take a minute each.
const LIMIT: Duration = Duration::from_secs(180);
/// A variable that services must not inherit: the key is in the configuration.
const SECRET: &str = "MACKEREL_APIKEY";

/// Runs commands with a time limit.
pub(super) struct Commands {
    sign: StopSign,
    _stop: Stop,
}

impl Commands {
    pub(super) fn new() -> Result<Commands, String> {
        let (_stop, sign) =
            exec::stop().map_err(|error| format!("cannot run commands: {error}"))?;
        Ok(Commands { sign, _stop })
    }

    /// Runs a command to its end.
    ///
    /// Fails with the command's output if its exit code is not 0.
    pub(super) fn run(&self, words: &[&str]) -> Result<(), String> {
        self.output(words).map(drop)
    }

    /// The command's stdout.
    ///
    /// Fails as [`Commands::run`] does.
    pub(super) fn output(&self, words: &[&str]) -> Result<String, String> {
        let Outcome {
            end,
            stdout,
            stderr,
        } = self.end(words).map_err(|error| error.to_string())?;
        let said = |bytes: &[u8]| escaped_lines(String::from_utf8_lossy(bytes).trim_end());
        let how = match end {
            End::Exited(0) => return Ok(said(&stdout.bytes)),
            End::Exited(code) => format!("ends with {code}"),
            End::TimedOut | End::Stopped => "takes too long".to_owned(),
        };
        let why = [said(&stderr.bytes), said(&stdout.bytes)].join("\n");
        Err(format!("{} {how}: {}", words.join(" "), why.trim()))
    }

    fn end(&self, words: &[&str]) -> Result<Outcome, ExecError> {
        let argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let task = Task {
            argv: &argv,
            user: None,
            env: &[(SECRET, None)],
        };
        exec::run(&task, &Limits::of(LIMIT), &self.sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_that_fails_is_named_with_its_output() {
        let commands = Commands::new().unwrap();
        assert_eq!(commands.output(&["echo", "a b"]), Ok("a b".to_owned()));
        let error = commands.run(&["sh", "-c", "echo out; echo why >&2; exit 3"]);
        let expected = "sh -c echo out; echo why >&2; exit 3 ends with 3: why\nout";
        assert_eq!(error, Err(expected.to_owned()));
        let error = commands.run(&["/nowhere"]).unwrap_err();
        assert!(error.contains("/nowhere: no such file"), "{error}");
    }
}
