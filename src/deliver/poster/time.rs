//! The time at which something was measured, and what is held until that time is known.

use std::path::PathBuf;

use super::Poster;
use super::lanes::Undated;
use super::persister::{Persister, Waiting};
use crate::base::clock::{Clock, Stamp};
use crate::deliver::message::PosterEvent;
use crate::wire::check::Report;

impl Poster {
    /// The stamp with its wall-clock time, and whether that time is known. If not, the server is
    /// asked for the time before the next post.
    pub(super) fn dated(&mut self, stamp: Stamp, clock: &dyn Clock) -> (Stamp, bool) {
        let trust = &mut self.context.trust;
        let is_known = trust.is_known(stamp);
        // The kernel may now confirm a clock that the server's time has contradicted.
        if !is_known || !trust.is_near(stamp) {
            trust.ask_kernel(clock.stamp(), clock.is_synchronised());
            self.settle(clock);
        }
        match self.context.trust.time(stamp) {
            Some(wall) => (Stamp { wall, ..stamp }, true),
            None => (stamp, false),
        }
    }

    /// Sets the time of everything that is held until the time is known, if it is known now.
    pub(super) fn settle(&mut self, clock: &dyn Clock) {
        let trust = self.context.trust;
        if !trust.is_sure() {
            return;
        }
        if let Some(start) = trust.start()
            && !self.context.config.otlp.is_empty()
        {
            (self.context.events)(PosterEvent::Trusted(start));
        }
        self.lanes.values.spool.settle(&|stamp| trust.time(stamp));
        // Without the beginning of this boot, what the file holds of this boot cannot be used.
        if self.persister.lacks_clock(trust.start()) {
            self.save(clock);
        }
        self.lanes.reports.settle(&trust, clock.moment());
    }

    /// Adds the report of a check that began at `began`, which is sent as soon as its time is known.
    pub(super) fn on_report(
        &mut self,
        destination: Option<String>,
        (mut report, began): (Report, Stamp),
        is_urgent: bool,
        clock: &dyn Clock,
    ) {
        if self.context.is_unwanted(destination.as_deref()) {
            return;
        }
        let (stamp, is_sure) = self.dated(began, clock);
        report.occurred_at = stamp.wall;
        let reports = &mut self.lanes.reports;
        let report = Undated {
            number: reports.queue.number(),
            stamp,
            destination,
            report,
            is_urgent,
        };
        if is_sure {
            reports.push(report, clock.moment());
        } else {
            reports.hold(report);
        }
        self.persister.request_save(clock.moment());
    }

    /// Removes the file if nothing waits any more. Called after a delivery or a drop.
    pub(super) fn delivered(&mut self, clock: &dyn Clock) {
        let (persister, mut waiting) = self.waiting(clock);
        persister.delivered(&mut waiting);
    }

    /// Writes what waits, if it can be saved. Returns the path of the file.
    pub(super) fn save(&mut self, clock: &dyn Clock) -> Option<PathBuf> {
        let (persister, mut waiting) = self.waiting(clock);
        persister.save(&mut waiting, clock.moment())
    }

    /// Whether what waits has to be written now.
    pub(super) fn is_to_save(&mut self, clock: &dyn Clock) -> bool {
        let now = clock.moment();
        let (persister, waiting) = self.waiting(clock);
        persister.due().is_some_and(|due| due <= now) && persister.is_to_save(&waiting, now)
    }

    fn waiting(&mut self, clock: &dyn Clock) -> (&mut Persister, Waiting<'_>) {
        let waiting = Waiting {
            owner: self.context.own_id(),
            spool: &mut self.lanes.values.spool,
            reports: &self.lanes.reports.queue,
            undated: &self.lanes.reports.undated,
            start: self.context.trust.start(),
            now: clock.stamp(),
        };
        (&mut self.persister, waiting)
    }
}
