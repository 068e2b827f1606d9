//! The steps that have ended, each printed at once.

use std::io::{self, Write};
use std::time::Duration;

use super::secrets::Secrets;
use crate::base::clock::{Clock, Deadline, HostClock, Moment};
use crate::sys::log::escaped;
use crate::sys::terminal::is_coloured;

/// Columns of the screen.
const COLUMNS: usize = 80;
/// What a continued line begins with.
const MARGIN: &str = "          ";

/// How a step ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    Ok,
    /// The agent works, but not as it should.
    Warn,
    Fail,
    /// It was not tried.
    Skipped,
}

/// The outcome of a step: the state, and a text of the form `what: value; what to do`.
pub(super) type Verdict = (State, String);

/// A verdict with a text of these words.
pub(super) fn verdict(state: State, words: &[&str]) -> Verdict {
    (state, words.concat())
}

/// The verdict on an error with this text. `remedy` follows unless the text has one.
pub(super) fn failed(text: &str, remedy: &str) -> Verdict {
    let remedy = if text.contains("; ") { "" } else { remedy };
    verdict(State::Fail, &[text, remedy])
}

/// The report of one run.
pub(super) struct Report {
    /// What has been printed, without colours.
    text: String,
    steps: u32,
    failed: u32,
    secrets: Secrets,
    is_coloured: bool,
    clock: HostClock,
    /// When the step began that runs.
    began: Moment,
    /// The end of the time for the network.
    by: Deadline,
}

impl Report {
    /// A report without steps. The first one began with `clock`. `by` is the end of the time for the network.
    pub(super) fn new(secrets: Secrets, clock: HostClock, by: Deadline) -> Report {
        Report {
            text: String::new(),
            steps: 0,
            failed: 0,
            secrets,
            is_coloured: is_coloured(),
            clock,
            began: Moment::default(),
            by,
        }
    }

    /// The time for a step that may take `limit`: less if the time for the network ends before.
    pub(super) fn time(&self, limit: Duration) -> Duration {
        self.by.remaining().min(limit)
    }

    pub(super) fn clock(&self) -> &HostClock {
        &self.clock
    }

    /// Prints the heading of the following steps.
    pub(super) fn part(&mut self, name: &str) {
        self.print("", &[name, "\n"].concat());
    }

    /// Adds a step, which began when the last one ended. Returns whether it has not failed.
    pub(super) fn add(&mut self, name: &str, (state, text): Verdict) -> bool {
        let now = self.clock.moment();
        let millis = now.since(self.began).as_millis().to_string();
        self.began = now;
        self.steps += 1;
        self.failed += u32::from(state == State::Fail);
        let (word, colour) = match state {
            State::Ok => ("  ok      ", ""),
            State::Warn => ("  warn    ", "\x1b[33m"),
            State::Fail => ("  FAIL    ", "\x1b[31m"),
            State::Skipped => ("  skipped ", ""),
        };
        let head = match state {
            State::Skipped => String::new(),
            _ => [name, " (", &millis, " ms): "].concat(),
        };
        let mut lines = word.to_owned();
        wrap(&self.secrets.hide(&[&head, &*text].concat()), &mut lines);
        self.print(colour, &lines);
        state != State::Fail
    }

    /// Adds what was not tried: `NAMES: REASON`.
    pub(super) fn skip(&mut self, text: &str) {
        self.add("", verdict(State::Skipped, &[text]));
    }

    /// Prints `lines`, the first word of them in this colour.
    fn print(&mut self, colour: &str, lines: &str) {
        self.text.push_str(lines);
        let (word, rest) = lines.split_at_checked(6).unwrap_or((lines, ""));
        let shown = if self.is_coloured && !colour.is_empty() {
            &[colour, word, "\x1b[0m", rest].concat()
        } else {
            lines
        };
        // An error can be ignored: nothing is left for a reader that has closed stdout.
        drop(io::stdout().write_all(shown.as_bytes()));
    }

    /// The secrets of the configuration.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// All steps as they were printed, without colours.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Fails with the text for the user if a step failed.
    pub(super) fn finish(&self) -> Result<(), String> {
        let Report { steps, failed, .. } = self;
        match failed {
            0 => Ok(()),
            _ => Err(format!("diagnose: {failed} of {steps} steps failed")),
        }
    }
}

/// Adds the words of `text` in lines of [`COLUMNS`]. `out` has the margin of the first line.
fn wrap(text: &str, out: &mut String) {
    for (at, line) in text.lines().enumerate() {
        let mut width = MARGIN.len();
        if at > 0 {
            out.push_str(MARGIN);
        }
        for word in escaped(line).split(' ') {
            let length = word.chars().count();
            if width > MARGIN.len() {
                if width + 1 + length > COLUMNS {
                    out.extend(["\n", MARGIN]);
                    width = MARGIN.len();
                } else {
                    out.push(' ');
                    width += 1;
                }
            }
            out.push_str(word);
            width += length;
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_is_shown_in_80_columns() {
        let long = ["word"; 20].join(" ");
        // (why this row exists, text, lines after the state)
        let table = [
            ("short", "TLS: good", "TLS: good\n".to_owned()),
            ("nothing", "", String::new()),
            (
                "longer than a line",
                &long,
                format!(
                    "{}\n{MARGIN}{}\n",
                    ["word"; 14].join(" "),
                    ["word"; 6].join(" ")
                ),
            ),
            (
                "lines",
                "a:1: x\nb:2: y",
                format!("a:1: x\n{MARGIN}b:2: y\n"),
            ),
            (
                "a word longer than a line",
                &["a ", &"x".repeat(100), " b"].concat(),
                format!("a\n{MARGIN}{}\n{MARGIN}b\n", "x".repeat(100)),
            ),
            ("an escape sequence", "\x1b[2J", "\\u{1b}[2J\n".to_owned()),
        ];
        for (why, text, expected) in table {
            let mut out = String::new();
            wrap(text, &mut out);
            assert_eq!(out, expected, "{why}");
            let is_long = |line: &str| line.chars().count() > COLUMNS && line.contains("word");
            assert!(!out.lines().any(is_long), "{why}");
        }
    }
}
