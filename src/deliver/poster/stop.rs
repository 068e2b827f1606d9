//! The stop: what waits is saved, sent while that works, and otherwise left to the next agent.

use super::{Outcome, Poster};
use crate::base;
use crate::base::clock::{Clock, Moment};
use crate::sys::log;

impl Poster {
    /// Handles the command to stop: saves what waits, and sends it until `limit`.
    pub(super) fn on_stop(&mut self, limit: Moment, clock: &dyn Clock) {
        let now = clock.moment();
        self.context.stop = Some(limit);
        let lanes = self.lanes.by_priority().into_iter();
        #[cfg(test)]
        let lanes = self.fault.stopped(lanes);
        for lane in lanes {
            lane.stop(now);
        }
        let is_waiting =
            !self.lanes.values.spool.is_empty() || !self.lanes.reports.queue.is_empty();
        self.lanes.registration.due = is_waiting.then_some(now);
        // The time that the agent has for delivery is unknown.
        self.is_kept = self.save(clock).is_some();
        if is_waiting && !self.is_kept {
            self.cancel.clear();
        }
        // A request that the stop has cut short counts as the attempt.
        self.has_failed = self.cancel.has_cut();
    }

    /// Whether an attempt has failed since the stop, and the next agent can make the others.
    pub(super) fn may_stop_trying(&self) -> bool {
        #[cfg(test)]
        if self.fault.is_stubborn {
            return false;
        }
        self.is_kept && self.has_failed
    }

    /// Sets the configured status of the host for a stopped agent, if there is one.
    pub(super) fn set_final_status(&mut self) {
        let on_stop = &self.context.config.host_status.on_stop;
        let (Some(id), Some(status)) = (self.context.own_id(), on_stop) else {
            return;
        };
        if let Err(error) = self.api.set_status(id, status) {
            log::error!("host_status.on_stop not set: {}", base::report(&error));
        }
    }

    /// Saves what has not been delivered. Returns the outcome of the poster.
    pub(super) fn outcome(&mut self, clock: &dyn Clock) -> Outcome {
        if self.lanes.registration.is_held {
            // The host was never registered.
            return Outcome::Delivered;
        }
        self.lanes.reports.losses.end();
        self.lanes.values.losses.end();
        let values = self.lanes.values.spool.waiting();
        let reports = self.lanes.reports.waiting();
        if values + reports == 0 {
            self.save(clock);
            return Outcome::Delivered;
        }
        match self.save(clock) {
            Some(path) => {
                log::info!(
                    "{values} values and {reports} check reports could not be delivered: the next agent sends them from {}",
                    path.display()
                );
                Outcome::Delivered
            }
            None => Outcome::Undelivered { values, reports },
        }
    }
}
