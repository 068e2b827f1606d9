//! What the agent says of itself: to the service manager, and to clients of the listener.

use std::time::Duration;

use super::Agent;
use crate::agent::health;
use crate::agent::watchdog::Turn;
use crate::base::clock::{Clock, Moment, Stamp};
use crate::base::json::Json;
use crate::listen::Question;
use crate::plugins::output::Output;
use crate::render::live::JsonText;
use crate::render::prometheus::AgentState;
use crate::render::status::json;
use crate::sys::log;
use crate::sys::log::excerpt;
use crate::wire::check::{CheckStatus, Report};

/// Characters of a check's message in an event.
const MESSAGE: usize = 200;
/// Values of plugins in an event.
const VALUES: usize = 300;
/// Bytes of an event's checks, and of both, so that the rest of the event finds room.
const CHECKS: usize = 24 << 10;
const BOTH: usize = 40 << 10;
/// Names of jobs that are kept. Of more jobs, every OK is sent.
const JOBS: usize = 1000;

impl Agent<'_> {
    /// The state of all destinations in one line for people.
    pub(super) fn text(&self) -> String {
        let all = self.destinations.texts().chain(self.exporters.texts());
        let texts: Vec<String> = all.collect();
        if texts.is_empty() {
            "measuring".to_owned()
        } else {
            texts.join("; ")
        }
    }

    /// The answer to a question of a client.
    pub(super) fn reply(&mut self, question: Question, clock: &dyn Clock) -> String {
        let now = clock.moment();
        match question {
            Question::Health => self.health(now),
            Question::Status => json(&self.report(clock)),
            Question::Live => self.live(now),
            Question::Report(report) => {
                self.report_job(report, clock.stamp());
                String::new()
            }
        }
    }

    /// Sends the report of a job, which has arrived `now`, unless it is OK as the last one was.
    fn report_job(&mut self, report: Report, now: Stamp) {
        let known = self.jobs.iter().position(|name| *name == report.name);
        match (known, report.status) {
            (Some(_), CheckStatus::Ok) => return,
            (None, CheckStatus::Ok) if self.jobs.len() < JOBS => {
                self.jobs.push(report.name.clone());
            }
            (Some(at), _) => drop(self.jobs.swap_remove(at)),
            (None, _) => {}
        }
        self.destinations.output(Output::Report {
            destination: None,
            report,
            began: now,
            is_urgent: true,
        });
    }

    /// The agent's part of an event: the last finding of each check, the last values of plugins, and
    /// the state of each destination.
    fn live(&self, now: Moment) -> String {
        let mut out = JsonText::default();
        out.name("checks");
        out.begin('[');
        add_checks(&mut out, &self.plugins.findings().collect::<Vec<_>>());
        out.end(']');
        out.name("plugins");
        out.begin('[');
        let latest = self.latest.as_ref();
        let values = latest.map(|latest| latest.values(now)).unwrap_or_default();
        for (name, value) in values.iter().take(VALUES) {
            if out.len() > BOTH {
                break;
            }
            out.begin('[');
            out.text(&["custom.", name].concat());
            out.raw(&Json::Number(*value).to_string());
            out.end(']');
        }
        out.end(']');
        out.name("destinations");
        out.begin('[');
        let mut add = |(name, works, state): (String, bool, String)| {
            out.begin('[');
            out.text(&name);
            out.raw(if works { "true" } else { "false" });
            out.text(&state);
            out.end(']');
        };
        self.destinations.states().for_each(&mut add);
        self.exporters.states().for_each(&mut add);
        out.end(']');
        out.into_text()
    }

    /// The answer to a health question.
    pub(super) fn health(&self, now: Moment) -> String {
        let measured = self.last_round.map(|(_, moment)| moment);
        let posts = self.destinations.posts().chain(self.exporters.posts());
        health::answer(measured, posts, now)
    }

    /// What an exposition says of the agent. The listener adds what the kernel says of it.
    pub(super) fn state(&self, now: Moment) -> AgentState {
        let ago = |then: Moment| now.since(then).as_secs();
        let mut posted_ago = Vec::new();
        let mut add = |(name, then): (String, Option<Moment>)| {
            posted_ago.push((name, then.map(ago)));
        };
        self.destinations.posted().for_each(&mut add);
        self.exporters.posted().for_each(&mut add);
        AgentState {
            measured_ago: self.last_round.map(|(_, moment)| ago(moment)),
            posted_ago,
            custom: self
                .latest
                .as_ref()
                .map_or_else(Vec::new, |latest| latest.values(now)),
            ..AgentState::default()
        }
    }

    /// Sends WATCHDOG=1 if it is due and the posters answer. Returns the time until the next turn.
    pub(super) fn watch(&mut self, now: Moment) -> Duration {
        let Some(watchdog) = &mut self.watchdog else {
            return Duration::MAX;
        };
        let turn = watchdog.turn(now);
        let idle = watchdog.idle(now);
        match turn {
            Turn::Rest => {}
            Turn::Complain => {
                let silent = self.destinations.silent();
                let silent = silent.map(|at| self.destinations.label(at));
                let labels: String = silent.chain(self.exporters.silent()).collect();
                log::error!("{labels}the thread that posts hangs: WATCHDOG=1 is not sent");
            }
            Turn::Tell { ask } => {
                self.notify.alive();
                if ask {
                    self.destinations.ask();
                    self.exporters.ask();
                    self.settle_watchdog();
                }
            }
        }
        idle
    }

    /// Records an answer for the watchdog if no poster owes one.
    pub(super) fn settle_watchdog(&mut self) {
        if let Some(watchdog) = &mut self.watchdog
            && self.destinations.silent().next().is_none()
            && self.exporters.silent().next().is_none()
        {
            watchdog.answered();
        }
    }
}

/// Adds checks up to [`CHECKS`] bytes, those that are not OK first, and how many are left out, with
/// the status of the first of these.
fn add_checks(out: &mut JsonText, all: &[(&str, CheckStatus, &str)]) {
    let (mut left_out, mut of_left_out) = (0, CheckStatus::Ok);
    for is_ok in [false, true] {
        for (name, status, message) in all {
            if (*status == CheckStatus::Ok) != is_ok {
                continue;
            }
            if out.len() > CHECKS {
                if left_out == 0 {
                    of_left_out = *status;
                }
                left_out += 1;
                continue;
            }
            out.begin('[');
            out.text(name);
            out.text(status.word());
            out.text(&excerpt(message.trim_ascii_end(), MESSAGE));
            out.end(']');
        }
    }
    if left_out > 0 {
        out.begin('[');
        out.text("...");
        out.text(of_left_out.word());
        out.text(&format!("checks left out: {left_out}"));
        out.end(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_has_the_checks_that_find_room_and_those_not_ok_first() {
        let message = "m".repeat(MESSAGE);
        // (checks, of which every fourth is CRITICAL, left out)
        for (count, left_out) in [(8, 0), (200, 88)] {
            let status = |at: &usize| match at % 4 {
                3 => CheckStatus::Critical,
                _ => CheckStatus::Ok,
            };
            let all: Vec<_> = (0..count)
                .map(|at| ("check", status(&at), &*message))
                .collect();
            let mut out = JsonText::default();
            add_checks(&mut out, &all);
            let text = out.into_text();
            assert!(text.len() < CHECKS + 2 * MESSAGE, "{count}: {}", text.len());
            assert_eq!(text.matches("CRITICAL").count(), count / 4, "{count}");
            let said = format!("[\"...\",\"OK\",\"checks left out: {left_out}\"]");
            assert_eq!(text.ends_with(&said), left_out > 0, "{count}: {said}");
        }
    }
}
