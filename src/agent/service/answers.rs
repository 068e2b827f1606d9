//! What the agent says of itself: to the service manager, to `mackerel-agent health`, and to the
//! listener.

use std::time::Duration;

use super::Agent;
use crate::agent::health;
use crate::agent::watchdog::Turn;
use crate::base::clock::Moment;
use crate::render::prometheus::AgentState;

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

    /// The answer to a health question.
    pub(super) fn health(&self, now: Moment) -> String {
        let measured = self.last_round.map(|(_, moment)| moment);
        let posts = self.destinations.posts().chain(self.exporters.posts());
        health::answer(measured, posts, now)
    }

    /// What an exposition says of the agent. The listener adds what the kernel says of it.
    pub(super) fn state(&self, now: Moment) -> AgentState {
        let ago = |then: Moment| now.since(then).as_secs();
        let posted = self.destinations.posted().chain(self.exporters.posted());
        AgentState {
            measured_ago: self.last_round.map(|(_, moment)| ago(moment)),
            posted_ago: posted.map(|(name, then)| (name, then.map(ago))).collect(),
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
