//! What the poster publishes of itself for the main thread.

use super::Poster;
use crate::deliver::delivery::{Delivery, Queued, SharedDelivery};

impl Poster {
    /// Publishes its state in `delivery` from now on.
    pub(crate) fn published_in(mut self, delivery: SharedDelivery) -> Poster {
        self.context.delivery = delivery;
        self
    }

    /// Publishes what waits, and whether requests still fail. `is_refused`: the poster ends, because
    /// the server refuses this host.
    pub(super) fn publish(&self, is_refused: bool) {
        let (context, lanes) = (&self.context, &self.lanes);
        let (spool, reports) = (&lanes.values.spool, &lanes.reports);
        let is_waiting = !spool.is_empty() || reports.waiting() > 0;
        let queued = Queued {
            values: spool.waiting(),
            rounds: spool.rounds(),
            reports: reports.waiting(),
            disk_bytes: self.persister.length(),
            oldest: spool.oldest().into_iter().chain(reports.oldest()).min(),
            save_error: self.persister.error().filter(|_| is_waiting).cloned(),
        };
        let is_failing = is_refused
            || lanes.registration.is_failing()
            || lanes.values.is_failing()
            || reports.is_failing();
        let delivery = Delivery {
            failure: None,
            queued,
            trust: context.trust,
            is_held: lanes.registration.is_held,
        };
        context.delivery.publish(delivery, is_failing);
    }
}
