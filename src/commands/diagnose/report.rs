//! The steps that have ended. Each is printed at once, unless JSON is wanted.

use std::env;
use std::io::{self, Write};
use std::time::Duration;

use super::secrets::Secrets;
use super::verdict::{State, Step, Verdict};
use crate::base::clock::{Clock, Deadline, HostClock, Moment};
use crate::base::json::Json;
use crate::sys::log as backend;
use crate::sys::terminal::{Stream, is_terminal};
use crate::sys::time_limit::TimeLimit;

/// The version of the document of `-json`. It changes if a member changes its meaning.
const VERSION: f64 = 1.0;

/// The report of one run.
pub(super) struct Report {
    steps: Vec<Step>,
    part: String,
    secrets: Secrets,
    is_quiet: bool,
    is_coloured: bool,
    clock: HostClock,
    /// The end of the time for the network.
    by: Deadline,
    limit: Option<TimeLimit>,
}

impl Report {
    /// A report without steps. Steps are not printed if `is_quiet`.
    /// `by` is the end of the time for the network.
    pub(super) fn new(is_quiet: bool, secrets: Secrets, by: Deadline) -> Report {
        let variable = |name| env::var_os(name).unwrap_or_default();
        Report {
            steps: Vec::new(),
            part: String::new(),
            secrets,
            is_quiet,
            is_coloured: is_terminal(Stream::Output)
                && variable("NO_COLOR").is_empty()
                && variable("TERM") != "dumb",
            clock: HostClock::new(),
            by,
            limit: None,
        }
    }

    /// Starts the time limit of the whole command.
    pub(super) fn limit(&mut self, limit: Duration) {
        self.limit = TimeLimit::start(limit, |task| {
            backend::say(&format!(
                "diagnose: {task} does not end; a mount or a program hangs"
            ));
        })
        .ok();
    }

    /// The time for a step that may take `limit`; `None` if no time is left.
    pub(super) fn time(&self, limit: Duration) -> Option<Duration> {
        let left = self.by.remaining().min(limit);
        (!left.is_zero()).then_some(left)
    }

    pub(super) fn clock(&self) -> &HostClock {
        &self.clock
    }

    /// Sets the heading of the following steps.
    pub(super) fn part(&mut self, name: &str) {
        name.clone_into(&mut self.part);
        self.say(&format!("{name}\n"));
    }

    /// The start of a step.
    pub(super) fn begin(&self, name: &str) -> Moment {
        if let Some(limit) = &self.limit {
            limit.task(format!("{}: {name}", self.part));
        }
        self.clock.moment()
    }

    /// Adds a step that began at `since`. Returns whether it has not failed.
    pub(super) fn end(&mut self, name: &str, since: Moment, verdict: Verdict) -> bool {
        let took = self.clock.moment().since(since);
        self.took(name, took, verdict)
    }

    /// The same for a step that took this time.
    pub(super) fn took(&mut self, name: &str, took: Duration, mut verdict: Verdict) -> bool {
        let shown = |text: &str| {
            let lines = text.lines().map(backend::escaped);
            self.secrets.hide(&lines.collect::<Vec<_>>().join("\n"))
        };
        verdict.detail = shown(&verdict.detail);
        verdict.remedy = shown(&verdict.remedy);
        let step = Step {
            part: self.part.clone(),
            name: shown(name),
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            verdict,
        };
        self.say(&step.lines(self.is_coloured));
        let is_good = step.verdict.state != State::Fail;
        self.steps.push(step);
        is_good
    }

    /// Adds a step that took no time. Returns whether it has not failed.
    pub(super) fn add(&mut self, name: &str, verdict: Verdict) -> bool {
        let now = self.begin(name);
        self.end(name, now, verdict)
    }

    /// Adds a step that was not tried.
    pub(super) fn skip(&mut self, name: &str, why: &str) {
        self.add(name, Verdict::new(State::Skipped, why.to_owned(), ""));
    }

    fn say(&self, text: &str) {
        if !self.is_quiet {
            // An error can be ignored: nothing is left for a reader that has closed stdout.
            drop(io::stdout().write_all(text.as_bytes()));
        }
    }

    /// The secrets of the configuration.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// All steps as they are printed.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut part = "";
        for step in &self.steps {
            if step.part != part {
                part = &step.part;
                text.extend([part, "\n"]);
            }
            text.push_str(&step.lines(false));
        }
        text
    }

    fn count(&self, state: State) -> usize {
        let steps = self.steps.iter();
        steps.filter(|step| step.verdict.state == state).count()
    }

    /// Prints the document if JSON is wanted. Fails with the text for the user if a step failed.
    pub(super) fn finish(&self, is_json: bool) -> Result<(), String> {
        if is_json {
            let line = format!("{}\n", document(&self.steps));
            let written = io::stdout().write_all(line.as_bytes());
            written.map_err(|error| format!("cannot print: {error}"))?;
        }
        let [failed, warnings] = [State::Fail, State::Warn].map(|state| self.count(state));
        let all = self.steps.len();
        if failed > 0 {
            return Err(format!("diagnose: {failed} of {all} steps failed"));
        }
        self.say(&format!("no step failed; warnings: {warnings}\n"));
        Ok(())
    }
}

/// The document of `-json`.
fn document(steps: &[Step]) -> Json {
    let text = |text: &str| Json::Text(text.to_owned());
    let member = |name: &str, value| (name.to_owned(), value);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a minute")]
    let step = |step: &Step| {
        Json::Object(vec![
            member("part", text(&step.part)),
            member("name", text(&step.name)),
            member(
                "state",
                text(&step.verdict.state.word().to_ascii_lowercase()),
            ),
            member("milliseconds", Json::Number(step.millis as f64)),
            member("detail", text(&step.verdict.detail)),
            member("remedy", text(&step.verdict.remedy)),
        ])
    };
    let is_failure = |step: &Step| step.verdict.state == State::Fail;
    Json::Object(vec![
        member("diagnose_version", Json::Number(VERSION)),
        member("passed", Json::Bool(!steps.iter().any(is_failure))),
        member("steps", Json::List(steps.iter().map(step).collect())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_has_a_member_for_each_step() {
        let step = Step {
            part: "server".to_owned(),
            name: "TLS".to_owned(),
            millis: 12,
            verdict: Verdict::of(State::Fail, "bad; repair \"it\"", ""),
        };
        assert_eq!(
            document(&[step]).to_string(),
            "{\"diagnose_version\":1,\"passed\":false,\"steps\":[{\"part\":\"server\",\"name\":\"TLS\",\
             \"state\":\"fail\",\"milliseconds\":12,\"detail\":\"bad\",\"remedy\":\"repair \\\"it\\\"\"}]}"
        );
        assert!(document(&[]).to_string().contains("\"passed\":true"));
    }
}
