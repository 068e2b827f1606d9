//! Saves what waits to the journal's file, so that it survives the agent. Decides when to write and
//! what, and what is done with the data of an earlier agent.
//!
//! Nothing is written as long as everything is delivered within [`Persister`]'s window. What was
//! not delivered by then is appended in one write. The file is rewritten once most of its contents
//! are obsolete, and removed once nothing waits any more.

use std::path::PathBuf;
use std::time::Duration;

use crate::base;
use crate::base::clock::{Moment, Stamp};
use crate::deliver::clock_trust;
use crate::deliver::queue::Queue;
use crate::deliver::record::{self, Kind, Record, Round, Rounds, Span};
use crate::deliver::spool::{Kept, Spool};
use crate::sys::journal::Journal;
use crate::sys::log_once::LogOnce;
use crate::wire::check;

use super::lanes::Undated;

mod load;

/// Maximum number of rounds in one record. They are lost together if the record is damaged.
const GROUP: usize = 10;
/// Number of obsolete rounds and reports that the file may always contain.
const GARBAGE: usize = 64;
/// How long before the end of its window something is written: a request may be in progress.
const AHEAD: Duration = Duration::from_secs(30);

/// The file, and what it contains as far as is known.
pub(crate) struct Persister {
    /// `None` if nothing is to be saved.
    journal: Option<Journal>,
    boot: u128,
    /// The id that this host had when the agent started.
    owner: Option<String>,
    /// Longest time that something waits before it is written.
    window: Duration,
    /// Whether the first thing is written at once.
    is_hasty: bool,
    /// At the last [`Persister::is_to_save`]: the numbers of the next round and of the next report.
    seen: (u64, u64),
    due: Option<Moment>,
    /// Whether the file has to be rewritten.
    is_stale: bool,
    /// When this boot began, according to the file.
    clock: Option<u64>,
    /// Number of obsolete rounds and reports in the file.
    garbage: usize,
    /// Numbers of the reports in the file.
    reports: Vec<u64>,
    /// The records of an earlier agent, until [`Persister::restore`] takes them.
    found: Vec<Record>,
    log: LogOnce,
    /// Why the last write failed; `None` if it succeeded.
    error: Option<String>,
}

/// What waits in memory.
pub(super) struct Waiting<'a> {
    pub(super) spool: &'a mut Spool,
    pub(super) reports: &'a Queue,
    pub(super) undated: &'a [Undated],
    /// The id of this host, if it is known.
    pub(super) owner: Option<&'a str>,
    /// When this boot began, if it is known.
    pub(super) start: Option<u64>,
    pub(super) now: Stamp,
}

impl Waiting<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.spool.is_empty() && self.reports.is_empty() && self.undated.is_empty()
    }

    /// The numbers of the reports.
    fn report_numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.undated.iter().map(|held| held.number).collect();
        self.reports.each(&mut |number, _, _| numbers.push(number));
        numbers
    }
}

impl Persister {
    /// A persister that saves nothing.
    pub(crate) fn none() -> Persister {
        Persister {
            journal: None,
            boot: 0,
            owner: None,
            window: Duration::MAX,
            is_hasty: false,
            seen: (0, 0),
            due: None,
            is_stale: false,
            clock: None,
            garbage: 0,
            reports: Vec::new(),
            found: Vec::new(),
            log: LogOnce::default(),
            error: None,
        }
    }

    /// Length of the file in bytes; 0 if there is none.
    pub(super) fn length(&self) -> u64 {
        self.journal.as_ref().map_or(0, Journal::length)
    }

    /// Why the last write failed; `None` if it succeeded.
    pub(super) fn error(&self) -> Option<&String> {
        self.error.as_ref()
    }

    /// The same persister, but it writes the first thing at once. The last agent may have crashed,
    /// and this one may crash before the end of the window.
    pub(crate) fn hasty(mut self) -> Persister {
        self.is_hasty = self.journal.is_some();
        self
    }

    /// Whether the first thing that waits is written at once, and has not been written yet.
    pub(super) fn is_hasty(&self) -> bool {
        self.is_hasty
    }

    /// Schedules [`Persister::is_to_save`], which is called twice within the window. Called when
    /// something waits that is in no file.
    pub(super) fn request_save(&mut self, now: Moment) {
        if self.journal.is_some() {
            let pause = if self.is_hasty {
                Duration::ZERO
            } else {
                self.window.saturating_sub(AHEAD) / 2
            };
            self.due.get_or_insert(Moment(now.0.saturating_add(pause)));
        }
    }

    /// Whether there is a file that does not record `start` as the beginning of this boot.
    pub(super) fn lacks_clock(&self, start: Option<u64>) -> bool {
        self.journal.as_ref().is_some_and(Journal::is_there) && self.clock != start
    }

    /// Whether something that is in no file has waited since the last call, half a window ago. If
    /// not, the next call is scheduled: what is delivered in time is not written.
    pub(super) fn is_to_save(&mut self, waiting: &Waiting<'_>, now: Moment) -> bool {
        let next = (waiting.spool.next, waiting.reports.next);
        let (round, report) = std::mem::replace(&mut self.seen, next);
        let mut is_to_save = self.is_hasty || waiting.spool.has_unkept_before(round);
        for number in waiting.report_numbers() {
            is_to_save |= number < report && !self.reports.contains(&number);
        }
        if !is_to_save {
            self.due = None;
            self.request_save(now);
        }
        is_to_save
    }

    /// When [`Persister::is_to_save`] has to be called; `None` if it need not be.
    pub(super) fn due(&self) -> Option<Moment> {
        self.due
    }

    /// Removes the file if nothing waits any more. Called after a delivery.
    pub(super) fn delivered(&mut self, waiting: &mut Waiting<'_>) {
        if !waiting.is_empty() {
            return;
        }
        self.due = None;
        self.error = None;
        let Some(journal) = self.journal.as_mut().filter(|journal| journal.is_there()) else {
            return;
        };
        if let Err(error) = journal.clear() {
            self.log.failed(base::report(&error));
        }
        self.is_empty_now(waiting.spool);
    }

    fn is_empty_now(&mut self, spool: &mut Spool) {
        spool.kept(false);
        self.reports.clear();
        self.garbage = 0;
        self.clock = None;
        self.is_stale = false;
    }

    /// Writes what waits and is in no file yet. Returns the path of the file if everything is in
    /// it.
    pub(super) fn save(&mut self, waiting: &mut Waiting<'_>, now: Moment) -> Option<PathBuf> {
        // What an earlier agent has left may be written before there is anything new.
        self.is_hasty &= self.due.take().is_none();
        if waiting.is_empty() {
            self.delivered(waiting);
            return None;
        }
        match self.write(waiting)? {
            Ok(path) => {
                self.error = None;
                self.log
                    .succeeded(|| format!("what waits is kept in {} again", path.display()));
                Some(path)
            }
            Err(why) => {
                self.error = Some(why.clone());
                self.log
                    .failed(format!("what waits is kept in memory alone: {why}"));
                self.request_save(now);
                None
            }
        }
    }

    /// Writes what waits. Returns the path, or why it failed; `None` if nothing is to be saved.
    fn write(&mut self, waiting: &mut Waiting<'_>) -> Option<Result<PathBuf, String>> {
        let journal = self.journal.as_mut()?;
        let waiting_reports = waiting.report_numbers();
        let mut gone_reports: Vec<u64> = self.reports.clone();
        gone_reports.retain(|number| !waiting_reports.contains(number));
        let garbage = self.garbage + waiting.spool.gone().len() + gone_reports.len();
        let is_worn = garbage > GARBAGE.max((waiting.spool.rounds() + waiting_reports.len()) / 2);
        let mut written = Ok(());
        let mut is_whole = self.is_stale || is_worn || !journal.is_open();
        if !is_whole {
            let kept = &self.reports;
            let mut frames = frames(waiting, self.boot, &|number| kept.contains(&number), false);
            let clock = waiting.start.filter(|_| self.clock != waiting.start);
            frames.extend(clock.map(|start| clock_record(self.boot, start)));
            let gone = [
                (Kind::Round, waiting.spool.gone()),
                (Kind::Report, gone_reports.as_slice()),
            ];
            for (of, numbers) in gone {
                frames.extend((!numbers.is_empty()).then(|| gone_record(of, numbers)));
            }
            if !frames.is_empty() {
                written = journal.append(&frames);
            }
            is_whole = written.is_err();
        }
        if is_whole {
            let mut frames = frames(waiting, self.boot, &|_| false, true);
            let owner = waiting
                .owner
                .or(self.owner.as_deref())
                .map(|id| Record::Owner(id.to_owned()).write());
            let clock = waiting.start.map(|start| clock_record(self.boot, start));
            frames.extend(owner.into_iter().chain(clock));
            written = journal.replace(&frames);
        }
        if let Err(error) = written {
            return Some(Err(base::report(&error)));
        }
        self.clock = waiting.start;
        self.is_stale = false;
        self.garbage = if is_whole { 0 } else { garbage };
        self.reports = waiting_reports;
        waiting.spool.kept(true);
        Some(Ok(journal.path()))
    }
}

/// The waiting rounds and reports as frames: all of them, or those that are in no file.
fn frames(
    waiting: &Waiting<'_>,
    boot: u128,
    is_kept: &dyn Fn(u64) -> bool,
    all: bool,
) -> Vec<Vec<u8>> {
    let mut groups: Vec<Rounds> = Vec::new();
    for round in waiting.spool.to_keep(all) {
        let room = groups.iter_mut().rev().find(|group| fits(group, &round));
        let entry = Round {
            number: round.number,
            stamp: round.stamp,
            values: round.values.to_vec(),
        };
        match room {
            Some(group) => group.rounds.push(entry),
            None => groups.push(Rounds {
                boot,
                is_sure: round.is_sure,
                destination: round.destination.map(str::to_owned),
                names: round.names.to_vec(),
                rounds: vec![entry],
            }),
        }
    }
    let mut frames = Vec::new();
    for group in groups {
        frames.push(Record::Rounds(group).write());
    }
    let mut add = |number, is_sure, age, destination: Option<&str>, report: &check::Report| {
        let report = record::Report {
            number,
            boot,
            is_sure,
            age,
            destination: destination.map(str::to_owned),
            report: report.clone(),
        };
        frames.push(Record::Report(report).write());
    };
    waiting.reports.each(&mut |number, destination, report| {
        if !is_kept(number) {
            let age = waiting.now.at(report.occurred_at).age;
            add(number, true, age, destination, report);
        }
    });
    for held in waiting.undated {
        if !is_kept(held.number) {
            let destination = held.destination.as_deref();
            add(
                held.number,
                false,
                held.stamp.age,
                destination,
                &held.report,
            );
        }
    }
    frames
}

fn fits(group: &Rounds, round: &Kept<'_>) -> bool {
    group.rounds.len() < GROUP
        && group.is_sure == round.is_sure
        && group.destination.as_deref() == round.destination
        && group.names == round.names
}

fn clock_record(boot: u128, start: u64) -> Vec<u8> {
    Record::Clock { boot, start }.write()
}

fn gone_record(of: Kind, numbers: &[u64]) -> Vec<u8> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    let numbers = record::spans(numbers.into_iter());
    Record::Gone { of, numbers }.write()
}
