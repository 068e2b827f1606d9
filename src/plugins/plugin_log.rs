//! Which messages of a plugin are logged: each one once, until the plugin works again.

use crate::base::shape::digest;

/// Largest number of logged names that the API rejects.
const NAMES: usize = 100;
/// Largest number of remembered messages. Then the oldest is removed.
const MESSAGES: usize = 16;

/// What has been logged about one plugin's command. Takes 1.2 kB at most.
#[derive(Debug, Default)]
pub(crate) struct PluginLog {
    trouble: Logged,
    stderr: Logged,
    /// Digests of rejected names.
    rejected: Vec<u64>,
}

/// Digests of logged messages, without the parts that differ each time.
#[derive(Debug, Default)]
struct Logged(Vec<u64>);

impl Logged {
    /// Records a message. Returns whether no message like it has been recorded.
    fn is_new(&mut self, message: u64) -> bool {
        let is_new = !self.0.contains(&message);
        if is_new {
            if self.0.len() >= MESSAGES {
                self.0.remove(0);
            }
            self.0.push(message);
        }
        is_new
    }
}

impl PluginLog {
    /// Records why the command failed, or with `None` that it works. Returns the line to log, if
    /// any, and whether the command works again.
    ///
    /// The part before the first colon is compared exactly: an exit code is not a number like
    /// others.
    pub(crate) fn trouble(&mut self, now: Option<String>) -> Option<(String, bool)> {
        let Some(reason) = now else {
            let was_on = !std::mem::take(&mut self.trouble.0).is_empty();
            return was_on.then(|| ("works again".to_owned(), true));
        };
        let (head, rest) = reason.split_once(':').unwrap_or((&reason, ""));
        let is_new = self.trouble.is_new(digest(head, rest));
        is_new.then_some((reason, false))
    }

    /// Records what the command wrote to stderr. Returns the text if it must be logged.
    pub(crate) fn stderr(&mut self, now: String) -> Option<String> {
        if now.is_empty() {
            self.stderr.0.clear();
            return None;
        }
        let is_new = self.stderr.is_new(digest("", &now));
        is_new.then_some(now)
    }

    /// Records names that the command printed and that cannot be sent. Returns those to log.
    pub(crate) fn rejected(&mut self, mut names: Vec<String>) -> Vec<String> {
        names.retain(|name| {
            let digest = digest(name, "");
            let is_new = self.rejected.len() < NAMES && !self.rejected.contains(&digest);
            self.rejected.extend(is_new.then_some(digest));
            is_new
        });
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_log_logs_a_reason_when_it_comes_changes_and_goes() {
        // (the reason now, what is logged)
        let table = [
            (None, None),
            (Some("timed out"), Some(("timed out", false))),
            (Some("timed out"), None),
            (Some("no such file"), Some(("no such file", false))),
            // Two reasons in turns, as with a service that restarts.
            (Some("timed out"), None),
            (Some("no such file"), None),
            (None, Some(("works again", true))),
            (None, None),
            (Some("timed out"), Some(("timed out", false))),
            (
                Some("exit code 3: no value"),
                Some(("exit code 3: no value", false)),
            ),
            (
                Some("exit code 4: no value"),
                Some(("exit code 4: no value", false)),
            ),
            (Some("exit code 3: no value"), None),
            (
                Some("exit code 3: pid 17 has gone"),
                Some(("exit code 3: pid 17 has gone", false)),
            ),
            (Some("exit code 3: pid 18 has gone"), None),
        ];
        let mut log = PluginLog::default();
        for (reason, expected) in table {
            let logged = log.trouble(reason.map(str::to_owned));
            let logged = logged
                .as_ref()
                .map(|(line, is_good)| (line.as_str(), *is_good));
            assert_eq!(logged, expected, "{reason:?}");
        }
    }

    #[test]
    fn plugin_log_logs_stderr_when_it_is_another() {
        let mut log = PluginLog::default();
        for (text, expected) in [
            ("", None),
            ("warn", Some("warn")),
            ("warn", None),
            ("", None),
            ("warn", Some("warn")),
        ] {
            assert_eq!(log.stderr(text.to_owned()).as_deref(), expected);
        }
    }

    #[test]
    fn plugin_log_logs_once_what_differs_in_numbers_alone() {
        // (why this row exists, one minute's error, the next one's, whether that is logged too)
        let table = [
            (
                "a time",
                "2026/11/28 15:04:05 cannot connect",
                "2026/11/28 15:05:05 cannot connect",
                false,
            ),
            (
                "with a fraction or without",
                "2026-11-28T15:04:05.123Z down",
                "2026-11-28T15:05:06Z down",
                false,
            ),
            (
                "seconds since 1970",
                "1795878245: down",
                "1795878305: down",
                false,
            ),
            (
                "a process id",
                "helper[47] died",
                "helper[1061] died",
                false,
            ),
            (
                "an address",
                "fault at 0x7ffd12ab34",
                "fault at 0x55e0f00d00",
                false,
            ),
            (
                "a port",
                "127.0.0.1:48210: refused",
                "127.0.0.1:51002: refused",
                false,
            ),
            (
                "IPv6",
                "[2001:db8::1]:48210: refused",
                "[2001:db8::2]:9: refused",
                false,
            ),
            ("a duration", "took 1.5s", "took 13.25s", false),
            ("a counter", "attempt 9", "attempt 10", false),
            ("a negative number", "off by -5 s", "off by -17 s", false),
            (
                "a temporary file",
                "/tmp/tmp.aB3xY9 is full",
                "/tmp/tmp.Q7Zk2m is full",
                false,
            ),
            (
                "a digest",
                "layer e3b0c44298fc1c14 is missing",
                "layer 9f86d081884c7d65 is missing",
                false,
            ),
            (
                "an identifier",
                "req 550e8400-e29b-41d4-a716-446655440000 failed",
                "req 6ba7b810-9dad-11d1-80b4-00c04fd430c8 failed",
                false,
            ),
            (
                "a stack of lines",
                "panic at 1\n line 2\n line 3",
                "panic at 4\n line 5\n line 6",
                false,
            ),
            (
                "another error",
                "15:04:05 cannot connect",
                "15:05:05 cannot write",
                true,
            ),
            (
                "another at the end",
                "15:04:05 cannot connect: refused",
                "15:05:05 cannot connect: timed out",
                true,
            ),
            (
                "another file",
                "/etc/a is missing",
                "/etc/b is missing",
                true,
            ),
            ("more of it", "15:04:05 a", "15:05:05 a\n15:05:05 b", true),
            ("words alone", "a", "b", true),
        ];
        for (why, one, next, is_logged) in table {
            let mut log = PluginLog::default();
            assert_eq!(log.stderr(one.to_owned()).as_deref(), Some(one), "{why}");
            assert_eq!(log.stderr(next.to_owned()).is_some(), is_logged, "{why}");
            assert_eq!(log.stderr(one.to_owned()), None, "{why}: the first again");
            let trouble = |text: &str| Some(format!("command: {text}"));
            assert!(log.trouble(trouble(one)).is_some(), "{why}");
            assert_eq!(log.trouble(trouble(next)).is_some(), is_logged, "{why}");
        }
    }

    #[test]
    fn plugin_log_remembers_a_limited_number() {
        let mut log = PluginLog::default();
        let word = |at: usize| "x".repeat(at + 1);
        for at in 0..1_000 {
            assert!(log.stderr(word(at)).is_some() && log.trouble(Some(word(at))).is_some());
        }
        assert!(log.stderr(word(999)).is_none() && log.stderr(word(1_000 - MESSAGES)).is_none());
        assert!(log.stderr(word(0)).is_some(), "the oldest is forgotten");
        assert!(log.stderr.0.len() + log.trouble.0.len() <= 2 * MESSAGES);
    }

    #[test]
    fn plugin_log_logs_a_name_once_and_there_is_an_end_to_it() {
        let mut log = PluginLog::default();
        let names = |range: std::ops::Range<usize>| range.map(|name| name.to_string()).collect();
        assert_eq!(log.rejected(names(0..2)), ["0", "1"]);
        assert_eq!(log.rejected(names(1..3)), ["2"]);
        assert_eq!(log.rejected(names(3..3 * NAMES)).len(), NAMES - 3);
        assert_eq!(log.rejected(names(0..2)), [""; 0]);
    }
}
