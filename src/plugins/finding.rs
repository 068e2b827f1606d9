//! The result of one run of a check.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::base::clock::Unix;
use crate::config::CheckPlugin;
use crate::sys::exec::{End, ExecError, Outcome};
use crate::wire::check::{CheckStatus, Report, clipped};

/// Bytes of a message in the environment of an action.
///
/// The kernel does not start a program with a variable above 128 KiB, name included.
const MESSAGE_VARIABLE: usize = 127 << 10;

/// The result of one run of a check.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Finding {
    pub(crate) status: CheckStatus,
    /// What the check printed, or why it printed nothing.
    message: Vec<u8>,
}

impl Finding {
    /// The finding of a run that has no result.
    pub(crate) fn unknown(why: String) -> Finding {
        Finding {
            status: CheckStatus::Unknown,
            message: why.into_bytes(),
        }
    }

    /// The finding of a run. `None` if the agent stopped the run.
    pub(crate) fn of(run: Result<Outcome, ExecError>) -> Option<Finding> {
        let unknown = Finding::unknown;
        match run {
            Err(error) => Some(unknown(error.to_string())),
            Ok(outcome) => match outcome.end {
                End::Stopped => None,
                End::TimedOut => Some(unknown("command timed out".to_owned())),
                End::Exited(code) => Some(Finding {
                    status: match code {
                        0 => CheckStatus::Ok,
                        1 => CheckStatus::Warning,
                        2 => CheckStatus::Critical,
                        _ => CheckStatus::Unknown,
                    },
                    message: outcome.stdout.bytes,
                }),
            },
        }
    }

    /// The message as it is reported: each invalid byte of UTF-8 becomes U+FFFD, and the text is
    /// clipped to the API's limit.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for chunk in self.message.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        }
        clipped(&text).to_owned()
    }

    /// The report of the finding. `name` is the check's name, `at` the start of the run.
    pub(crate) fn report(&self, name: &str, plugin: &CheckPlugin, at: Unix) -> Report {
        Report {
            name: name.to_owned(),
            status: self.status,
            message: self.text(),
            occurred_at: at,
            notification_interval: plugin.notification_interval,
            max_check_attempts: plugin.max_check_attempts,
        }
    }

    /// The environment variables for the check's action. `previous` is the status of the run
    /// before; `None` if there was none.
    ///
    /// The message is complete, except for NUL bytes and what exceeds [`MESSAGE_VARIABLE`].
    pub(crate) fn action_env(
        &self,
        previous: Option<CheckStatus>,
    ) -> [(&'static str, OsString); 3] {
        let mut message = self.message.clone();
        message.retain(|byte| *byte != 0);
        message.truncate(MESSAGE_VARIABLE);
        [
            ("MACKEREL_STATUS", self.status.word().into()),
            (
                "MACKEREL_PREVIOUS_STATUS",
                previous.map_or("", CheckStatus::word).into(),
            ),
            (
                "MACKEREL_CHECK_MESSAGE",
                OsStr::from_bytes(&message).to_owned(),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::sys::exec::Output;

    fn ended(end: End, stdout: &[u8]) -> Result<Outcome, ExecError> {
        let output = |bytes: &[u8]| Output {
            bytes: bytes.to_vec(),
            was_cut: false,
        };
        Ok(Outcome {
            end,
            stdout: output(stdout),
            stderr: output(b"stderr is for the log"),
        })
    }

    #[test]
    fn the_exit_code_is_the_status_and_the_output_the_message() {
        // (why this row exists, end, status, message)
        let table = [
            ("well", End::Exited(0), CheckStatus::Ok, "out\n"),
            ("warning", End::Exited(1), CheckStatus::Warning, "out\n"),
            ("critical", End::Exited(2), CheckStatus::Critical, "out\n"),
            ("unknown", End::Exited(3), CheckStatus::Unknown, "out\n"),
            ("any other", End::Exited(4), CheckStatus::Unknown, "out\n"),
            (
                "not found by the shell",
                End::Exited(127),
                CheckStatus::Unknown,
                "out\n",
            ),
            ("killed", End::Exited(137), CheckStatus::Unknown, "out\n"),
            (
                "too late",
                End::TimedOut,
                CheckStatus::Unknown,
                "command timed out",
            ),
        ];
        for (why, end, status, message) in table {
            let finding = Finding::of(ended(end, b"out\n")).unwrap();
            assert_eq!(
                (finding.status, &*finding.text()),
                (status, message),
                "{why}"
            );
        }
        assert_eq!(Finding::of(ended(End::Stopped, b"out\n")), None);
    }

    #[test]
    fn a_check_that_cannot_be_started_says_why() {
        let (_stop, sign) = crate::sys::exec::stop().unwrap();
        let task = crate::sys::exec::Task {
            argv: &["/nowhere".to_owned()],
            user: None,
            env: &[],
        };
        let limits = crate::sys::exec::Limits::of(std::time::Duration::from_secs(60));
        let finding = Finding::of(crate::sys::exec::run(&task, &limits, &sign)).unwrap();
        assert_eq!(finding.status, CheckStatus::Unknown);
        assert_eq!(
            finding.text(),
            "exit code: 127, fork/exec /nowhere: no such file or directory"
        );
    }

    #[test]
    fn the_text_is_what_the_api_takes() {
        let text = |bytes: &[u8]| Finding::of(ended(End::Exited(0), bytes)).unwrap().text();
        assert_eq!(text(b" a\nb\n\n"), " a\nb\n\n");
        assert_eq!(text(b"\xffa\xe3\x81"), "\u{fffd}a\u{fffd}\u{fffd}");
        assert_eq!(text("あ".repeat(2_000).as_bytes()), "あ".repeat(1_024));
    }

    #[test]
    fn a_report_has_what_the_configuration_says() {
        // (keys, minutes between notifications, attempts)
        let table = [
            ("", None, None),
            (
                "notification_interval = 0\nmax_check_attempts = -1",
                Some(10),
                None,
            ),
            (
                "notification_interval = 0\nmax_check_attempts = 0",
                Some(10),
                None,
            ),
            (
                "notification_interval = 1\nmax_check_attempts = 1",
                Some(10),
                Some(1),
            ),
            (
                "notification_interval = 9\nmax_check_attempts = 9",
                Some(10),
                Some(9),
            ),
            (
                "notification_interval = 10\nmax_check_attempts = 10",
                Some(10),
                Some(10),
            ),
            (
                "notification_interval = 11\nmax_check_attempts = 11",
                Some(11),
                Some(11),
            ),
        ];
        for (keys, notification_interval, max_check_attempts) in table {
            let mut config = Config::default();
            let text = format!("[plugin.checks.a]\ncommand = 'x'\n{keys}");
            config.read(text.as_bytes()).unwrap();
            let finding = Finding::of(ended(End::Exited(2), b"bad\n")).unwrap();
            let report = finding.report("a", &config.check_plugins["a"], Unix(7));
            let expected = Report {
                name: "a".to_owned(),
                status: CheckStatus::Critical,
                message: "bad\n".to_owned(),
                occurred_at: Unix(7),
                notification_interval,
                max_check_attempts,
            };
            assert_eq!(report, expected);
        }
    }

    #[test]
    fn the_action_is_told_all() {
        let finding = Finding::of(ended(End::Exited(1), b"a\0b\xff\n")).unwrap();
        let env = finding.action_env(Some(CheckStatus::Ok));
        let expected = [
            ("MACKEREL_STATUS", OsStr::new("WARNING")),
            ("MACKEREL_PREVIOUS_STATUS", OsStr::new("OK")),
            ("MACKEREL_CHECK_MESSAGE", OsStr::from_bytes(b"ab\xff\n")),
        ];
        for ((name, value), expected) in env.iter().zip(expected) {
            assert_eq!((*name, &**value), expected);
        }
        let [_, (_, previous), _] = finding.action_env(None);
        assert_eq!(previous, "");
        let finding = Finding::of(ended(End::Exited(2), &[b'x'; 1 << 20])).unwrap();
        let [_, _, (_, message)] = finding.action_env(None);
        assert_eq!(message.len(), MESSAGE_VARIABLE);
    }
}
