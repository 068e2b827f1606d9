//! What time it was when something was measured, and keeping it until it is delivered.

use std::path::PathBuf;

use super::keeper::{self, Undated, Waiting};
use super::values::until_next;
use super::{Poster, REFUSED_PAUSE};
use crate::base;
use crate::base::clock::{Clock, Stamp, Unix};
use crate::trust::Answer;
use crate::wire::check::Report;

impl Poster {
    /// The stamp with the time that it was, and whether that is known. If not, the server is asked
    /// before the next post.
    pub(super) fn dated(&mut self, stamp: Stamp, clock: &dyn Clock) -> (Stamp, bool) {
        let is_known = self.trust.is_known(stamp);
        // The kernel may vouch meanwhile for a clock of which the server knows better.
        if !is_known || !self.trust.is_near(stamp) {
            self.trust
                .ask_kernel(clock.stamp(), clock.is_synchronised());
            self.settle(clock);
        }
        match self.trust.time(stamp) {
            Some(wall) => (Stamp { wall, ..stamp }, true),
            None => (stamp, false),
        }
    }

    /// The time that it is, as far as is known.
    pub(super) fn time(&self, clock: &dyn Clock) -> Option<Unix> {
        self.trust.time(clock.stamp())
    }

    /// The server has just done as it was asked: what time it says it is counts if nothing better is
    /// known.
    pub(super) fn hear_time(&mut self, clock: &dyn Clock) {
        if self.trust.is_sure() {
            return;
        }
        let answer = self.api.date().map_or(Answer::Silent, Answer::Time);
        self.trust
            .ask_server(clock.stamp(), clock.is_synchronised(), answer);
        let now = clock.stamp();
        if let Some(time) = self.trust.time(now)
            && time != now.wall
        {
            let (behind, ahead) = (
                time.0.saturating_sub(now.wall.0),
                now.wall.0.saturating_sub(time.0),
            );
            log::warn!(
                "the clock of this host is {} seconds {} the server's, which is taken to be right: set it, or have it set by NTP",
                behind.max(ahead),
                if behind > 0 { "behind" } else { "ahead of" }
            );
        }
        self.settle(clock);
    }

    /// If it is known what time it is: gives everything its time that waits for it.
    pub(super) fn settle(&mut self, clock: &dyn Clock) {
        let trust = self.trust;
        if !trust.is_sure() {
            return;
        }
        self.spool.settle(&|stamp| trust.time(stamp));
        // What the file has of this boot is worth nothing without it.
        if self.keeper.lacks_clock(trust.start()) {
            self.save(clock);
        }
        for undated in std::mem::take(&mut self.undated) {
            let Undated {
                stamp,
                destination,
                mut report,
                is_urgent,
            } = undated;
            report.occurred_at = trust.time(stamp).unwrap_or(stamp.wall);
            self.queue(destination, report, is_urgent, clock);
        }
    }

    /// Takes a report, to be sent as soon as its time is known.
    pub(super) fn take_report(
        &mut self,
        destination: Option<String>,
        mut report: Report,
        is_urgent: bool,
        clock: &dyn Clock,
    ) {
        if self.is_unwanted(destination.as_deref()) {
            return;
        }
        let (stamp, is_sure) = self.dated(clock.stamp().at(report.occurred_at), clock);
        report.occurred_at = stamp.wall;
        if is_sure {
            self.queue(destination, report, is_urgent, clock);
        } else {
            let undated = Undated {
                stamp,
                destination,
                report,
                is_urgent,
            };
            let lost = keeper::hold(&mut self.undated, undated);
            if lost > 0 {
                log::warn!("{lost} check reports lost: the oldest make room for the newest");
            }
        }
        self.keeper.note(clock.moment());
    }

    fn queue(
        &mut self,
        destination: Option<String>,
        report: Report,
        is_urgent: bool,
        clock: &dyn Clock,
    ) {
        let lost = self
            .reports
            .push(destination.as_deref(), report, is_urgent, clock.moment());
        if lost > 0 {
            log::warn!("{lost} check reports lost: the oldest make room for the newest");
        }
    }

    /// Asks the server what time it is, since nobody else knows. Nothing is posted before.
    pub(super) fn ask_time(&mut self, clock: &dyn Clock) {
        let Some(id) = self.registration.host().map(|host| host.id.clone()) else {
            return;
        };
        match self.api.host(&id) {
            Ok(_) => {
                self.hear_time(clock);
                if !self.trust.is_sure() {
                    self.is_failing(
                        "the clock of this host has never been set: values are kept until it is; set it, or have it set by NTP".to_owned(),
                    );
                    self.try_again(REFUSED_PAUSE, clock);
                }
            }
            Err(error) => {
                self.is_failing(format!("{}; the values are kept", base::report(&error)));
                self.try_again(until_next(&error), clock);
            }
        }
    }

    /// Something has been delivered.
    pub(super) fn delivered(&mut self, clock: &dyn Clock) {
        let (keeper, mut waiting) = self.waiting(clock);
        keeper.delivered(&mut waiting);
    }

    /// Writes what waits, if there is something to write it to. Returns where it is.
    pub(super) fn save(&mut self, clock: &dyn Clock) -> Option<PathBuf> {
        let (keeper, mut waiting) = self.waiting(clock);
        keeper.save(&mut waiting, clock.moment())
    }

    fn waiting(&mut self, clock: &dyn Clock) -> (&mut keeper::Keeper, Waiting<'_>) {
        let waiting = Waiting {
            owner: self.registration.host().map(|host| host.id.as_str()),
            spool: &mut self.spool,
            reports: &self.reports,
            undated: &self.undated,
            start: self.trust.start(),
            now: clock.stamp(),
        };
        (&mut self.keeper, waiting)
    }
}
