//! The outcome of a step, and its form on the screen.

/// Columns of the screen.
const COLUMNS: usize = 80;
/// What a line begins with: the state, and the same width.
const MARGIN: &str = "          ";
/// Escape sequences of the terminal: two colours, and the reset.
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// How a step ended.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum State {
    Ok,
    /// It was not tried, because another step failed or the configuration does not need it.
    Skipped,
    /// The agent works, but not as it should.
    Warn,
    Fail,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Skipped => "skipped",
            State::Warn => "warn",
            State::Fail => "FAIL",
        }
    }
}

/// The outcome of a step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Verdict {
    pub(super) state: State,
    /// What was found.
    pub(super) detail: String,
    /// What to do; empty if there is nothing to do.
    pub(super) remedy: String,
}

impl Verdict {
    pub(super) fn ok(detail: String) -> Verdict {
        Verdict::new(State::Ok, detail, "")
    }

    pub(super) fn new(state: State, detail: String, remedy: &str) -> Verdict {
        Verdict {
            state,
            detail,
            remedy: remedy.to_owned(),
        }
    }

    /// The outcome that a message of the form `what: value; what to do` describes. `otherwise` is
    /// the remedy of a message without one.
    pub(super) fn of(state: State, text: &str, otherwise: &str) -> Verdict {
        let (detail, remedy) = text.split_once("; ").unwrap_or((text, otherwise));
        Verdict::new(state, detail.to_owned(), remedy)
    }
}

#[cfg(test)]
impl Verdict {
    /// The verdict on one line, for comparisons.
    pub(super) fn shown(&self) -> String {
        let arrow = if self.remedy.is_empty() { "" } else { " -> " };
        [self.state.word(), ": ", &self.detail, arrow, &self.remedy].concat()
    }
}

/// A step that has ended.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The heading above it.
    pub(super) part: String,
    pub(super) name: String,
    pub(super) millis: u64,
    pub(super) verdict: Verdict,
}

impl Step {
    /// The lines of the step, at most 80 columns wide if no word is longer.
    pub(super) fn lines(&self, is_coloured: bool) -> String {
        let Verdict {
            state,
            detail,
            remedy,
        } = &self.verdict;
        let mut head = self.name.clone();
        if *state != State::Skipped {
            head.extend([" (", &self.millis.to_string(), " ms)"]);
        }
        head.extend([": ", detail]);
        let mut text = String::new();
        wrap(&head, &mut text);
        if !remedy.is_empty() {
            wrap(&["-> ", remedy].concat(), &mut text);
        }
        let word = state.word();
        let colour = match state {
            State::Fail if is_coloured => RED,
            State::Warn if is_coloured => YELLOW,
            _ => "",
        };
        let reset = if colour.is_empty() { "" } else { PLAIN };
        // The state takes the place of the margin of the first line.
        let rest = text.get(2 + word.len()..).unwrap_or_default();
        ["  ", colour, word, reset, rest].concat()
    }
}

/// Adds the words of `text` in lines of [`COLUMNS`], each after [`MARGIN`].
fn wrap(text: &str, out: &mut String) {
    for line in text.lines() {
        let mut width = COLUMNS;
        for word in line.split(' ') {
            let length = word.chars().count();
            if width + 1 + length > COLUMNS {
                if width < COLUMNS || out.ends_with(|c| c != '\n') && !out.is_empty() {
                    out.push('\n');
                }
                out.push_str(MARGIN);
                width = MARGIN.len();
            } else {
                out.push(' ');
                width += 1;
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

    fn step(state: State, name: &str, detail: &str, remedy: &str) -> Step {
        Step {
            part: "server".to_owned(),
            name: name.to_owned(),
            millis: 12,
            verdict: Verdict::new(state, detail.to_owned(), remedy),
        }
    }

    #[test]
    fn step_is_shown_with_its_remedy_in_80_columns() {
        let long = "word ".repeat(20);
        let long = long.trim_end();
        // (why this row exists, step, lines)
        let table = [
            (
                "ok",
                step(State::Ok, "TLS", "good", ""),
                "  ok      TLS (12 ms): good\n",
            ),
            (
                "not tried",
                step(State::Skipped, "TLS", "there is no connection", ""),
                "  skipped TLS: there is no connection\n",
            ),
            (
                "a remedy",
                step(State::Fail, "TLS", "bad", "repair it"),
                "  FAIL    TLS (12 ms): bad\n          -> repair it\n",
            ),
            (
                "longer than a line",
                step(State::Warn, "disk", long, "x"),
                "  warn    disk (12 ms): word word word word word word word word word word word\n          \
                 word word word word word word word word word\n          -> x\n",
            ),
            (
                "lines",
                step(State::Fail, "file", "a:1: x\nb:2: y", ""),
                "  FAIL    file (12 ms): a:1: x\n          b:2: y\n",
            ),
        ];
        for (why, step, expected) in table {
            let shown = step.lines(false);
            assert_eq!(shown, expected, "{why}");
            assert!(
                shown.lines().all(|line| line.chars().count() <= COLUMNS),
                "{why}"
            );
        }
        let url = "x".repeat(100);
        let shown = step(State::Ok, "TLS", &url, "").lines(false);
        assert_eq!(shown, format!("  ok      TLS (12 ms):\n{MARGIN}{url}\n"));
    }

    #[test]
    fn step_is_coloured_by_its_state_alone() {
        let coloured = |state| step(state, "TLS", "x", "").lines(true);
        assert_eq!(
            coloured(State::Fail),
            "  \x1b[31mFAIL\x1b[0m    TLS (12 ms): x\n"
        );
        assert!(coloured(State::Warn).starts_with("  \x1b[33mwarn\x1b[0m "));
        assert!(!coloured(State::Ok).contains('\x1b'));
        assert!(!coloured(State::Skipped).contains('\x1b'));
    }

    #[test]
    fn verdict_of_a_message_has_its_remedy() {
        // (message, detail, remedy)
        let table = [
            ("a: b; do c; or d", "a: b", "do c; or d"),
            ("a: b", "a: b", "otherwise"),
        ];
        for (text, detail, remedy) in table {
            let expected = Verdict::new(State::Fail, detail.to_owned(), remedy);
            assert_eq!(Verdict::of(State::Fail, text, "otherwise"), expected);
        }
    }
}
