//! The end: what waits is saved, sent while that works, and left to the next agent otherwise.

use super::{Outcome, Poster};
use crate::base;
use crate::base::clock::{Clock, Moment};

impl Poster {
    /// The agent is about to end: what waits is saved, and sent until `limit`.
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
        // It is not known how long the agent has for delivering it.
        self.is_kept = self.save(clock).is_some();
        if is_waiting && !self.is_kept {
            self.cancel.clear();
        }
        // A request that has just been cut short for this is the attempt that is made.
        self.has_failed = self.cancel.has_cut();
    }

    /// Whether an attempt at the end has failed, and the next agent can make the others.
    pub(super) fn may_stop_trying(&self) -> bool {
        #[cfg(test)]
        if self.fault.is_stubborn {
            return false;
        }
        self.is_kept && self.has_failed
    }

    /// Gives the host the status that it is to have when the agent has stopped.
    pub(super) fn set_final_status(&mut self) {
        let on_stop = &self.context.config.host_status.on_stop;
        let (Some(id), Some(status)) = (self.context.own_id(), on_stop) else {
            return;
        };
        if let Err(error) = self.api.set_status(id, status) {
            log::error!("host_status.on_stop not set: {}", base::report(&error));
        }
    }

    /// Saves what has not been delivered. Returns how the poster ends.
    pub(super) fn outcome(&mut self, clock: &dyn Clock) -> Outcome {
        if self.lanes.registration.is_held {
            // The host was never registered.
            return Outcome::Delivered;
        }
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
