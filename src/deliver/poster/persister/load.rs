//! Loads what an earlier agent has left.

use std::path::Path;

use super::{
    Duration, Journal, Kind, Persister, Record, Rounds, Span, Spool, Stamp, Undated, base,
    clock_trust,
};
use crate::base::clock::Unix;
use crate::sys::journal::Disk;
use crate::sys::log;
use crate::wire::check;

/// What an earlier agent has left, apart from the rounds, which go into the spool.
#[derive(Default)]
pub(in crate::deliver::poster) struct Left {
    /// When this boot began, if an earlier agent has recorded it.
    pub(in crate::deliver::poster) start: Option<u64>,
    /// Reports to be sent, each with its destination.
    pub(in crate::deliver::poster) reports: Vec<(Option<String>, check::Report)>,
    /// The reports of this boot whose time is not known. There are none if `start` is known.
    pub(in crate::deliver::poster) undated: Vec<Undated>,
}

impl Persister {
    /// A persister that saves what waits to the file `name` below `root`, within `window` at the
    /// latest. `boot` is the number of this boot. `owner` is the id of this host, if it has one.
    ///
    /// Reads the records in the file, and logs what is wrong with it.
    pub(crate) fn open(
        disk: Box<dyn Disk>,
        (root, name): (&Path, &str),
        window: Duration,
        boot: u128,
        owner: Option<&str>,
    ) -> Persister {
        let (mut journal, found) = Journal::open(disk, root, name);
        if let Some(notice) = &found.notice {
            log::warn!("{notice}");
        }
        let mut records: Vec<Record> = Vec::new();
        let mut strange = 0;
        for frame in found.frames() {
            match Record::read(frame) {
                Some(record) => records.push(record),
                None => strange += 1,
            }
        }
        if strange > 0 {
            let path = journal.path();
            log::error!(
                "{strange} records in {} are invalid, and are lost",
                path.display()
            );
        }
        let is_foreign = |record: &Record| match record {
            Record::Owner(id) => Some(id.as_str()) != owner,
            _ => false,
        };
        if records.iter().any(is_foreign) {
            log::warn!(
                "{}",
                journal.disown("what it holds was measured for another host id")
            );
            records.clear();
        }
        Persister {
            // Something waits already: the server may be unreachable, and for long.
            is_hasty: journal.is_there(),
            journal: Some(journal),
            boot,
            owner: owner.map(str::to_owned),
            window,
            found: records,
            is_stale: strange > 0,
            ..Persister::none()
        }
    }

    /// Puts the rounds of an earlier agent into `spool`, before any other, and returns the rest.
    /// Sets aside what was measured in an earlier boot whose wall clock was never right.
    pub(in crate::deliver::poster) fn restore(&mut self, spool: &mut Spool) -> Left {
        let records = std::mem::take(&mut self.found);
        let Some(journal) = &mut self.journal else {
            return Left::default();
        };
        if records.is_empty() {
            return Left::default();
        }
        let start_of = |wanted: u128| {
            records.iter().rev().find_map(|record| match record {
                // The start of a boot according to an implausible clock is ignored.
                Record::Clock { boot, start }
                    if *boot == wanted && clock_trust::is_plausible(Unix(*start)) =>
                {
                    Some(*start)
                }
                _ => None,
            })
        };
        let boot = self.boot;
        // The stamp, and whether it is right; `None` if its time can never be found out.
        let dated = |is_sure: bool, of: u128, stamp: Stamp| match start_of(of) {
            _ if is_sure => Some((stamp, true)),
            Some(start) => Some((
                Stamp {
                    wall: clock_trust::time_since(start, stamp),
                    ..stamp
                },
                true,
            )),
            None => (of == boot && of != 0).then_some((stamp, false)),
        };
        let mut left = Left {
            start: start_of(boot).filter(|_| boot != 0),
            ..Left::default()
        };
        let (mut gone_rounds, mut gone_reports): (Vec<Span>, Vec<Span>) = Default::default();
        for record in &records {
            if let Record::Gone { of, numbers } = record {
                match of {
                    Kind::Round => gone_rounds.extend(numbers),
                    Kind::Report => gone_reports.extend(numbers),
                }
            }
        }
        let is_in = |spans: &[Span], number| {
            spans
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&number))
        };
        let (mut aside, mut timeless) = (Vec::new(), 0);
        for record in &records {
            match record {
                Record::Rounds(rounds) => {
                    let is_timeless = rounds.rounds.first().is_some_and(|round| {
                        dated(rounds.is_sure, rounds.boot, round.stamp).is_none()
                    });
                    if is_timeless {
                        timeless += rounds.rounds.len() * rounds.names.len();
                        aside.push(record.write());
                        continue;
                    }
                    restore_rounds(rounds, spool, &|stamp| {
                        dated(rounds.is_sure, rounds.boot, stamp)
                    });
                }
                Record::Report(report) if !is_in(&gone_reports, report.number) => {
                    let mut taken = report.report.clone();
                    match dated(report.is_sure, report.boot, report.stamp()) {
                        Some((stamp, true)) => {
                            taken.occurred_at = stamp.wall;
                            left.reports.push((report.destination.clone(), taken));
                        }
                        Some((stamp, false)) => left.undated.push(Undated {
                            // Reports get new numbers. Earlier builds wrote u64::MAX.
                            number: 0,
                            stamp,
                            destination: report.destination.clone(),
                            report: taken,
                            is_urgent: true,
                        }),
                        None => {
                            timeless += 1;
                            aside.push(record.write());
                        }
                    }
                }
                _ => {}
            }
        }
        spool.forget(&|number| is_in(&gone_rounds, number));
        self.clock = left.start;
        // Reports get new numbers, which begin at 0 again, and what is set aside has to leave the
        // file.
        self.is_stale |= timeless > 0
            || !gone_reports.is_empty()
            || !left.reports.is_empty()
            || !left.undated.is_empty();
        let path = journal.path();
        if timeless > 0 {
            match journal.set_aside(&aside) {
                Ok(aside) => log::warn!(
                    "{timeless} values in {} are of a boot whose clock was never set, so that their time is unknown; they are now in {}",
                    path.display(),
                    aside.display()
                ),
                Err(error) => log::error!(
                    "{timeless} values in {} are of a boot whose clock was never set, and are lost: {}",
                    path.display(),
                    base::report(&error)
                ),
            }
        }
        let (values, reports) = (spool.waiting(), left.reports.len() + left.undated.len());
        if values + reports > 0 {
            log::info!(
                "{values} values and {reports} check reports of an earlier agent are in {}, and are sent now",
                path.display()
            );
        }
        left
    }
}

fn restore_rounds(
    rounds: &Rounds,
    spool: &mut Spool,
    dated: &dyn Fn(Stamp) -> Option<(Stamp, bool)>,
) {
    for round in &rounds.rounds {
        let is_left = round.values.iter().any(|value| value.is_finite());
        if let Some(stamp) = dated(round.stamp).filter(|_| is_left) {
            let destination = rounds.destination.as_deref().map(Into::into);
            spool.restore(
                round.number,
                stamp,
                destination,
                &rounds.names,
                &round.values,
            );
        }
    }
}
