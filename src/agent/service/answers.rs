//! What the agent says of itself: to the service manager, and to clients of the listener.

use std::time::Duration;

use super::Agent;
use crate::agent::health;
use crate::agent::watchdog::Turn;
use crate::base::clock::{Clock, Moment};
use crate::base::json::Json;
use crate::listen::Question;
use crate::render::live::JsonText;
use crate::render::prometheus::AgentState;
use crate::render::status::json;
use crate::sys::log::excerpt;

/// Characters of a check's message in an event.
const MESSAGE: usize = 200;
/// Values of plugins in an event.
const VALUES: usize = 300;

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
    pub(super) fn reply(&self, question: Question, clock: &dyn Clock) -> String {
        let now = clock.moment();
        match question {
            Question::Health => self.health(now),
            Question::Status => json(&self.report(clock)),
            Question::Live => self.live(now),
        }
    }

    /// The agent's part of an event: the last finding of each check, the last values of plugins, and
    /// the state of each destination.
    fn live(&self, now: Moment) -> String {
        let mut out = JsonText::default();
        out.name("checks");
        out.begin('[');
        self.plugins.findings().for_each(|(name, status, message)| {
            out.begin('[');
            out.text(name);
            out.text(status.word());
            out.text(&excerpt(message.trim_ascii_end(), MESSAGE));
            out.end(']');
        });
        out.end(']');
        out.name("plugins");
        out.begin('[');
        let latest = self.latest.as_ref();
        let values = latest.map(|latest| latest.values(now)).unwrap_or_default();
        for (name, value) in values.iter().take(VALUES) {
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
