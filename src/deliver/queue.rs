//! Check reports that wait to be sent: in order, limited, and separate for each destination, so
//! that a failing one delays no other. Decides what is sent next and when. Time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::backoff::{Backoff, STOPPING};
use crate::base::clock::{Moment, Unix};
use crate::wire::check::Report;

/// Maximum number of reports in one request.
const BATCH: usize = 20;
/// Seconds after which the server ignores a report, although it answers 200.
const USE: u64 = 6 * 60 * 60;
/// Maximum number of bytes of reports for one destination, approximately: six hours of a dozen
/// failing checks.
const CAPACITY: usize = 2 << 20;
/// The same for all destinations together.
const ALL: usize = 4 << 20;
/// Time between two requests that send what has accumulated, unless something is urgent.
const ROUND: Duration = Duration::from_secs(60);
/// Pause after a full request.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause after a full request while more waits than [`BACKLOG`] rounds of all checks.
const LONG_PAUSE: Duration = Duration::from_secs(15);
const BACKLOG: usize = 2;
/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(30);
/// A request without an answer is repeated once, at once, if it took less time than this.
const AT_ONCE: Duration = Duration::from_secs(25);

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    /// The server has accepted the reports.
    Accepted,
    /// The server rejects at least one of the reports.
    Refused,
    /// The reports can never be sent, because the host does not exist.
    Unwanted,
    /// The server may accept the reports later, after this time at the earliest.
    Later(Duration),
    /// There was no answer.
    Silence,
}

/// The reports of one request. They stay in the queue until [`Queue::done`].
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Batch {
    lane: usize,
    /// Number of the last report.
    last: u64,
    begun: Moment,
}

/// Reports by destination, oldest first. If a destination has too many, its oldest are dropped. If
/// all destinations together have too many, the oldest of the largest one are dropped.
pub(crate) struct Queue {
    lanes: Vec<Lane>,
    /// Number of checks: the most reports of one round.
    checks: usize,
    /// Number of the next report.
    pub(crate) next: u64,
    /// When what has accumulated is sent.
    round: Moment,
    backoff: Backoff,
}

/// The reports for one destination.
struct Lane {
    /// Custom identifier of the host; `None` for this one.
    destination: Option<String>,
    reports: VecDeque<(u64, Report)>,
    /// Sum of [`cost`] over the reports.
    bytes: usize,
    /// Whether what waits is sent when due, and does not accumulate until the next round.
    is_open: bool,
    /// The earliest time of the next request.
    due: Moment,
    /// Whether the last request was repeated at once.
    is_repeated: bool,
    /// Maximum number of reports in the next request. It is below [`BATCH`] during the search for a
    /// report that the server rejects.
    most: usize,
}

/// Memory that a report takes, in bytes, approximately.
fn cost(report: &Report) -> usize {
    size_of::<(u64, Report)>() + report.name.len() + report.message.len()
}

impl Queue {
    /// An empty queue for the reports of no checks.
    pub(crate) fn new(now: Moment) -> Queue {
        Queue {
            lanes: Vec::new(),
            checks: 0,
            next: 0,
            round: Moment(now.0 + ROUND),
            backoff: Backoff::every(RETRY),
        }
    }

    /// Sets the number of checks.
    pub(crate) fn expect(&mut self, checks: usize) {
        self.checks = checks;
    }

    /// A number for a report.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Adds a report for the host with a custom identifier, or for this host. Its number is higher
    /// than those of the reports that wait. If it is urgent, everything that waits is sent at once.
    /// Returns how many reports were dropped to make room.
    pub(crate) fn push(
        &mut self,
        number: u64,
        destination: Option<&str>,
        report: Report,
        is_urgent: bool,
        now: Moment,
    ) -> usize {
        if is_urgent {
            self.round = now;
        } else if self.is_empty() && self.round <= now {
            // The rounds that have passed had nothing to send.
            let behind = now.since(self.round).as_secs() % ROUND.as_secs();
            self.round = Moment(now.0 + ROUND - Duration::from_secs(behind));
        }
        let is_ending = self.backoff.is_stopping();
        let lane = self.lane(destination, now);
        lane.is_open |= is_ending;
        lane.bytes += cost(&report);
        debug_assert!(lane.reports.back().is_none_or(|(last, _)| *last < number));
        lane.reports.push_back((number, report));
        let mut lost = 0;
        while lane.bytes > CAPACITY && lane.reports.len() > 1 {
            lane.take_first();
            lost += 1;
        }
        while self.lanes.iter().map(|lane| lane.bytes).sum::<usize>() > ALL {
            let largest = self.lanes.iter_mut().max_by_key(|lane| lane.bytes);
            if largest.and_then(Lane::take_first).is_none() {
                break;
            }
            lost += 1;
        }
        lost
    }

    fn lane(&mut self, destination: Option<&str>, now: Moment) -> &mut Lane {
        let is_it = |lane: &Lane| lane.destination.as_deref() == destination;
        let at = self.lanes.iter().position(is_it).unwrap_or_else(|| {
            self.lanes.push(Lane {
                destination: destination.map(str::to_owned),
                reports: VecDeque::new(),
                bytes: 0,
                is_open: false,
                due: now,
                is_repeated: false,
                most: BATCH,
            });
            self.lanes.len() - 1
        });
        &mut self.lanes[at]
    }

    /// Drops the reports that the server would ignore at `now`. Returns their number.
    pub(crate) fn expire(&mut self, now: Unix) -> usize {
        let mut expired = 0;
        for lane in &mut self.lanes {
            let before = lane.reports.len();
            lane.reports
                .retain(|(_, report)| now.0.saturating_sub(report.occurred_at.0) < USE);
            expired += before - lane.reports.len();
            lane.bytes = lane.reports.iter().map(|(_, report)| cost(report)).sum();
        }
        expired
    }

    /// The next request; `None` if none is due.
    pub(crate) fn batch(&mut self, now: Moment) -> Option<Batch> {
        if self.round <= now {
            for lane in &mut self.lanes {
                lane.is_open |= !lane.reports.is_empty();
            }
            self.round = Moment(now.0 + ROUND);
        }
        let ready = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| lane.is_waiting());
        let (at, lane) = ready.min_by_key(|(_, lane)| lane.due)?;
        let end = lane.reports.len().min(lane.most);
        let (last, _) = lane.reports.get(end.checked_sub(1)?)?;
        (lane.due <= now).then_some(Batch {
            lane: at,
            last: *last,
            begun: now,
        })
    }

    /// The destination of a batch: a custom identifier, or `None` for this host.
    pub(crate) fn destination(&self, batch: &Batch) -> Option<&str> {
        self.lanes.get(batch.lane)?.destination.as_deref()
    }

    /// The reports of a batch, oldest first.
    pub(crate) fn reports(&self, batch: &Batch) -> Vec<&Report> {
        let mut reports = Vec::new();
        if let Some(lane) = self.lanes.get(batch.lane) {
            for (number, report) in &lane.reports {
                if *number > batch.last {
                    break;
                }
                reports.push(report);
            }
        }
        reports
    }

    /// Records how the request with `batch` ended. A rejected batch is sent again in halves, until
    /// the server rejects a single report. That report is dropped and returned.
    pub(crate) fn done(&mut self, batch: &Batch, sent: Sent, now: Moment) -> Option<Report> {
        let backlog = BACKLOG * self.checks;
        let is_ending = self.backoff.is_stopping();
        let lane = self.lanes.get_mut(batch.lane)?;
        let may_repeat = !lane.is_repeated && now.since(batch.begun) < AT_ONCE;
        lane.is_repeated = sent == Sent::Silence && may_repeat;
        let usual = match sent {
            Sent::Accepted | Sent::Refused if lane.reports.len() > backlog => LONG_PAUSE,
            Sent::Accepted | Sent::Refused => PAUSE,
            Sent::Unwanted => Duration::ZERO,
            Sent::Silence if may_repeat => Duration::ZERO,
            Sent::Silence => self.backoff.failed(Duration::ZERO, u32::MAX),
            Sent::Later(asked) => self.backoff.failed(asked, u32::MAX),
        };
        let pause = if is_ending {
            usual.min(STOPPING)
        } else {
            usual
        };
        lane.due = Moment(now.0 + pause);
        if sent == Sent::Silence && !may_repeat {
            // Other traffic has its turn before the reports for another destination.
            let free = Moment(now.0 + PAUSE);
            for lane in &mut self.lanes {
                lane.due = lane.due.max(free);
            }
            return None;
        }
        let of_batch = |(number, _): &&(u64, Report)| *number <= batch.last;
        let count = lane.reports.iter().take_while(of_batch).count();
        match sent {
            Sent::Later(_) | Sent::Silence => return None,
            Sent::Refused if count > 1 => {
                lane.most = count / 2;
                return None;
            }
            Sent::Accepted | Sent::Refused | Sent::Unwanted => {}
        }
        let last = (0..count).filter_map(|_| lane.take_first()).last();
        let is_full = count >= lane.most;
        lane.most = BATCH.min(2 * lane.most);
        // Everything that was to be sent has been sent. What has arrived meanwhile accumulates.
        if !is_full && !is_ending {
            lane.due = now;
        }
        lane.is_open &= is_ending || (is_full && !lane.reports.is_empty());
        last.filter(|_| sent == Sent::Refused)
    }

    /// Leaves the reports for the destination of `batch` to the next agent.
    pub(crate) fn park(&mut self, batch: &Batch) {
        if let Some(lane) = self.lanes.get_mut(batch.lane) {
            lane.due = Moment(Duration::MAX);
        }
    }

    /// The custom identifiers for which something waits.
    pub(crate) fn destinations(&self) -> impl Iterator<Item = &str> {
        let lanes = self.lanes.iter().filter(|lane| !lane.reports.is_empty());
        lanes.filter_map(|lane| lane.destination.as_deref())
    }

    /// Drops what waits for this destination. Returns the number of reports.
    pub(crate) fn give_up(&mut self, destination: &str, now: Moment) -> usize {
        let lane = self.lane(Some(destination), now);
        lane.bytes = 0;
        lane.is_open = false;
        std::mem::take(&mut lane.reports).len()
    }

    /// When [`Queue::batch`] has to be called next; `None` if nothing waits.
    pub(crate) fn due(&self) -> Option<Moment> {
        let lanes = self.lanes.iter().filter(|lane| !lane.reports.is_empty());
        let dues = lanes.map(|lane| if lane.is_open { lane.due } else { self.round });
        dues.min()
    }

    /// Handles the stop of the agent: everything that waits is sent now, with short pauses.
    pub(crate) fn end(&mut self, now: Moment) {
        self.backoff.stop();
        for lane in &mut self.lanes {
            lane.is_open = !lane.reports.is_empty();
            lane.due = now;
        }
    }

    /// Calls `each` with number, destination and report of everything that waits.
    pub(crate) fn each(&self, each: &mut dyn FnMut(u64, Option<&str>, &Report)) {
        for lane in &self.lanes {
            for (number, report) in &lane.reports {
                each(*number, lane.destination.as_deref(), report);
            }
        }
    }

    /// Number of reports waiting.
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.reports.len()).sum()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.reports.is_empty())
    }
}

impl Lane {
    fn is_waiting(&self) -> bool {
        self.is_open && !self.reports.is_empty()
    }

    fn take_first(&mut self) -> Option<Report> {
        let (_, report) = self.reports.pop_front()?;
        self.bytes -= cost(&report);
        Some(report)
    }
}

#[cfg(test)]
mod tests;
