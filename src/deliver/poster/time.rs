//! At what time something was measured, and everything that waits until that is known.

use std::path::PathBuf;

use super::Poster;
use super::lanes::Undated;
use super::persister::{Persister, Waiting};
use crate::base::clock::{Clock, Stamp};
use crate::wire::check::Report;

impl Poster {
    /// The stamp with the time that it was, and whether that is known. If not, the server is asked
    /// before the next post.
    pub(super) fn dated(&mut self, stamp: Stamp, clock: &dyn Clock) -> (Stamp, bool) {
        let trust = &mut self.context.trust;
        let is_known = trust.is_known(stamp);
        // The kernel may confirm meanwhile a clock of which the server has said otherwise.
        if !is_known || !trust.is_near(stamp) {
            trust.ask_kernel(clock.stamp(), clock.is_synchronised());
            self.settle(clock);
        }
        match self.context.trust.time(stamp) {
            Some(wall) => (Stamp { wall, ..stamp }, true),
            None => (stamp, false),
        }
    }

    /// Gives everything that waits for the time its time, if that is known.
    pub(super) fn settle(&mut self, clock: &dyn Clock) {
        let trust = self.context.trust;
        if !trust.is_sure() {
            return;
        }
        self.lanes.values.spool.settle(&|stamp| trust.time(stamp));
        // What the file has of this boot is worth nothing without it.
        if self.persister.lacks_clock(trust.start()) {
            self.save(clock);
        }
        self.lanes.reports.settle(&trust, clock.moment());
    }

    /// Takes a report, to be sent as soon as its time is known.
    pub(super) fn on_report(
        &mut self,
        destination: Option<String>,
        mut report: Report,
        is_urgent: bool,
        clock: &dyn Clock,
    ) {
        if self.context.is_unwanted(destination.as_deref()) {
            return;
        }
        let (stamp, is_sure) = self.dated(clock.stamp().at(report.occurred_at), clock);
        report.occurred_at = stamp.wall;
        let reports = &mut self.lanes.reports;
        if is_sure {
            reports.push(destination.as_deref(), report, is_urgent, clock.moment());
        } else {
            reports.hold(Undated {
                stamp,
                destination,
                report,
                is_urgent,
            });
        }
        self.persister.request_save(clock.moment());
    }

    /// Something has been delivered or dropped: the file may have to go.
    pub(super) fn delivered(&mut self, clock: &dyn Clock) {
        let (persister, mut waiting) = self.waiting(clock);
        persister.delivered(&mut waiting);
    }

    /// Writes what waits, if there is something to write it to. Returns where it is.
    pub(super) fn save(&mut self, clock: &dyn Clock) -> Option<PathBuf> {
        let (persister, mut waiting) = self.waiting(clock);
        persister.save(&mut waiting, clock.moment())
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
