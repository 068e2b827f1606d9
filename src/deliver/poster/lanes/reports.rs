//! Sends check reports: in order for each destination, repeated until the server accepts them.

use std::time::Duration;

use crate::base;
use crate::base::clock::{Clock, Moment, Stamp, Unix};
use crate::deliver::api::{Api, ApiError, Verdict};
use crate::deliver::clock_trust::ClockTrust;
use crate::deliver::poster::identities::Identified;
use crate::deliver::poster::lane::{Context, Lane, Step, asked_pause};
use crate::deliver::poster::losses::{Losses, NO_ROOM};
use crate::deliver::queue::{Queue, Sent};
use crate::sys::log_once::LogOnceFor;
use crate::wire::check::Report;

/// Maximum number of reports that are held until their time is known, and of their bytes.
const UNDATED: usize = 1_000;
const UNDATED_BYTES: usize = 1 << 20;

/// The reports that wait, and the state of sending them.
pub(crate) struct ReportsLane {
    pub(crate) queue: Queue,
    /// Reports whose time is not known yet.
    pub(crate) undated: Vec<Undated>,
    /// Whether the last request failed.
    is_failing: bool,
    /// The failures for each destination, by its custom identifier; empty for this host.
    logs: LogOnceFor,
    pub(crate) losses: Losses,
}

/// A report whose time is not known yet.
pub(crate) struct Undated {
    /// Its number in the queue, which it also has while it is not in there.
    pub(crate) number: u64,
    /// When the check began.
    pub(crate) stamp: Stamp,
    pub(crate) destination: Option<String>,
    pub(crate) report: Report,
    pub(crate) is_urgent: bool,
}

impl ReportsLane {
    pub(crate) fn new(now: Moment) -> ReportsLane {
        ReportsLane {
            queue: Queue::new(now),
            undated: Vec::new(),
            is_failing: false,
            logs: LogOnceFor::default(),
            losses: Losses::of("check reports"),
        }
    }

    /// Adds a report whose time is known.
    pub(crate) fn push(&mut self, dated: Undated, now: Moment) {
        let destination = dated.destination.as_deref();
        let (number, is_urgent) = (dated.number, dated.is_urgent);
        let queue = &mut self.queue;
        let lost = queue.push(number, destination, dated.report, is_urgent, now);
        self.losses.add(lost, NO_ROOM);
    }

    /// Adds a report that is sent once its time is known.
    pub(crate) fn hold(&mut self, report: Undated) {
        let lost = hold(&mut self.undated, report);
        self.losses.add(lost, NO_ROOM);
    }

    /// Queues the reports that were held until the time was known.
    pub(crate) fn settle(&mut self, trust: &ClockTrust, now: Moment) {
        for mut held in std::mem::take(&mut self.undated) {
            held.report.occurred_at = trust.time(held.stamp).unwrap_or(held.stamp.wall);
            self.push(held, now);
        }
    }

    /// Whether the last request failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing
    }

    /// When the oldest report that waits was found, by the host's clock.
    pub(crate) fn oldest(&self) -> Option<Unix> {
        let mut oldest = self.undated.iter().map(|held| held.stamp.wall).min();
        self.queue.each(&mut |_, _, report| {
            let found = report.occurred_at;
            oldest = Some(oldest.map_or(found, |known| known.min(found)));
        });
        oldest
    }

    /// The custom identifiers for which reports wait.
    pub(crate) fn destinations(&self) -> impl Iterator<Item = &str> {
        let undated = self
            .undated
            .iter()
            .filter_map(|report| report.destination.as_deref());
        self.queue.destinations().chain(undated)
    }

    /// Drops the reports for this destination. Returns their number.
    pub(crate) fn give_up(&mut self, destination: &str, now: Moment) -> usize {
        let before = self.undated.len();
        self.undated
            .retain(|report| report.destination.as_deref() != Some(destination));
        before - self.undated.len() + self.queue.give_up(destination, now)
    }

    /// Number of reports that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.waiting() + self.undated.len()
    }
}

impl Lane for ReportsLane {
    fn due(&self, _: &Context) -> Option<Moment> {
        self.queue.due()
    }

    fn step(&mut self, context: &mut Context, api: &mut Api, clock: &dyn Clock) -> Step {
        let expired = context.time(clock).map_or(0, |now| self.queue.expire(now));
        self.losses
            .add(expired, "the server takes none older than six hours");
        let now = clock.moment();
        let Some(batch) = self.queue.batch(now) else {
            return Step::Idle;
        };
        let id = match context.id_of(self.queue.destination(&batch)) {
            Identified::As(id) => id,
            // No host is looked up at a stop.
            Identified::NotYet if context.stop.is_some() => {
                self.queue.park(&batch);
                return Step::Idle;
            }
            Identified::NotYet => {
                let later = Sent::Later(Duration::ZERO);
                self.queue.done(&batch, later, now);
                return Step::Idle;
            }
            // Logged at the look-up.
            Identified::Absent => {
                self.queue.done(&batch, Sent::Unwanted, now);
                return Step::Idle;
            }
        };
        let reported = api.report_checks(id, &self.queue.reports(&batch));
        self.is_failing = reported.is_err();
        let now = clock.moment();
        let to = self.queue.destination(&batch);
        let of = to.map(|to| [" of ", to].concat()).unwrap_or_default();
        let log = self.logs.of(to.unwrap_or_default());
        let Err(error) = reported else {
            let is_over = log.succeeded(|| format!("check reports{of} are taken again"));
            self.queue.done(&batch, Sent::Accepted, now);
            if is_over || self.waiting() == 0 {
                self.losses.end();
            }
            return Step::Sent;
        };
        if error.verdict() == Verdict::Refused && to.is_some() {
            context.identities.doubt(now);
        }
        let sent = how_it_ended(&error);
        let lost = self.queue.done(&batch, sent, now);
        let why = base::report(&error);
        let why = match lost {
            None => format!("{why}; the check reports{of} are kept"),
            Some(report) => format!("{why}; a report of {} is lost", report.name),
        };
        context.delivery.failed(error.failed_step(), &why, clock);
        log.failed(why);
        if sent == Sent::Refused {
            Step::Refused
        } else {
            Step::Later
        }
    }

    fn stop(&mut self, now: Moment) {
        self.queue.end(now);
    }
}

/// What an error means for the reports of a request.
fn how_it_ended(error: &ApiError) -> Sent {
    if error.is_silence() {
        Sent::Silence
    } else if error.condemns_content() {
        Sent::Refused
    } else {
        Sent::Later(asked_pause(error))
    }
}

/// Adds a report whose time is not known. Returns how many older ones were dropped.
fn hold(undated: &mut Vec<Undated>, report: Undated) -> usize {
    undated.push(report);
    let (mut count, mut bytes) = (0, 0);
    let is_to_stay = |held: &&Undated| {
        count += 1;
        bytes += size_of::<Undated>() + held.report.name.len() + held.report.message.len();
        count <= UNDATED && bytes <= UNDATED_BYTES
    };
    let stay = undated.iter().rev().take_while(is_to_stay).count().max(1);
    undated.drain(..undated.len() - stay).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::CheckStatus;

    #[test]
    fn reports_without_a_time_are_bounded_in_number_and_in_bytes() {
        // (why this row exists, bytes of each message, how many are held)
        let table = [
            ("short ones", 1, UNDATED..=UNDATED),
            ("as long as they may be", 4_096, 200..=255),
            ("longer than all may be", 2 * UNDATED_BYTES, 1..=1),
        ];
        for (why, bytes, expected) in table {
            let (mut undated, mut lost) = (Vec::new(), 0);
            let message = "x".repeat(bytes);
            let count = 1_500;
            for age in 0..count {
                let report = Report {
                    name: "a".to_owned(),
                    status: CheckStatus::Critical,
                    message: message.clone(),
                    occurred_at: Unix(0),
                    notification_interval: None,
                    max_check_attempts: None,
                };
                let stamp = Stamp {
                    age,
                    ..Stamp::default()
                };
                let report = Undated {
                    number: age,
                    stamp,
                    destination: None,
                    report,
                    is_urgent: false,
                };
                lost += hold(&mut undated, report);
                assert_eq!(
                    undated.last().map(|held| held.stamp.age),
                    Some(age),
                    "{why}"
                );
            }
            assert!(
                expected.contains(&undated.len()),
                "{why}: {}",
                undated.len()
            );
            assert_eq!(undated.len() + lost, 1_500, "{why}");
        }
    }
}
