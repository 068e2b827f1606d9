//! What is saved to a file for the next process, and what is restored from it.

use super::{Destination, IDLE, Round, Spool};
use crate::base::clock::{Stamp, Unix};

/// A round, in the form in which it is saved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept<'a> {
    pub(crate) number: u64,
    pub(crate) stamp: Stamp,
    pub(crate) is_sure: bool,
    pub(crate) destination: Option<&'a str>,
    pub(crate) names: &'a [String],
    /// One for each name; NaN if it has been posted or dropped.
    pub(crate) values: &'a [f64],
}

impl Spool {
    /// The rounds that are in no file, or all of them; oldest first.
    pub(crate) fn to_keep(&self, all: bool) -> impl Iterator<Item = Kept<'_>> {
        let rounds = self
            .rounds
            .iter()
            .filter(move |round| all || !round.is_kept);
        rounds.map(|round| Kept {
            number: round.number,
            stamp: round.stamp,
            is_sure: round.is_sure,
            destination: round.destination.as_deref(),
            names: &round.names,
            values: &round.values,
        })
    }

    /// Whether a round below this number is in no file.
    pub(crate) fn has_unkept_before(&self, number: u64) -> bool {
        let mut rounds = self.rounds.iter();
        rounds.any(|round| !round.is_kept && round.number < number)
    }

    /// The numbers of the rounds that are in the file and are no longer needed.
    pub(crate) fn gone(&self) -> &[u64] {
        &self.gone
    }

    /// Records that the file contains everything now, and which rounds are gone. If not `is_there`,
    /// there is no file.
    pub(crate) fn kept(&mut self, is_there: bool) {
        self.gone.clear();
        for round in &mut self.rounds {
            round.is_kept = is_there;
        }
    }

    /// Number of rounds.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// Adds a round from a file, as the newest. Returns how many were dropped to make room.
    pub(crate) fn restore(
        &mut self,
        number: u64,
        (stamp, is_sure): (Stamp, bool),
        destination: Destination,
        names: &[String],
        values: &[f64],
    ) -> usize {
        let names = self.names(names.iter().map(String::as_str));
        self.add(Round {
            number,
            stamp,
            is_sure,
            is_kept: true,
            destination,
            names,
            values: values.into(),
            bytes: size_of::<Round>() + size_of_val(values),
        })
    }

    /// Drops the restored rounds with these numbers, and sorts the others by number.
    pub(crate) fn forget(&mut self, is_gone: &dyn Fn(u64) -> bool) {
        let rounds = self.rounds.make_contiguous();
        rounds.sort_by_key(|round| round.number);
        let mut last = None;
        self.rounds.retain(|round| {
            let is_new = last.replace(round.number) != Some(round.number);
            is_new && !is_gone(round.number)
        });
        self.bytes = self.rounds.iter().map(|round| round.bytes).sum();
        self.forget_names(IDLE);
    }

    /// Sets the time of the rounds whose time was not known. `time_of` returns the time of a stamp.
    pub(crate) fn settle(&mut self, time_of: &dyn Fn(Stamp) -> Option<Unix>) {
        for round in self.rounds.iter_mut().filter(|round| !round.is_sure) {
            if let Some(time) = time_of(round.stamp) {
                round.stamp.wall = time;
                round.is_sure = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::at;
    use super::*;

    fn all(_: Option<&str>) -> bool {
        true
    }

    fn spool(rounds: u64) -> Spool {
        let mut spool = Spool::default();
        for round in 0..rounds {
            let value = [("a", round as f64), ("b", 1.0)].into_iter();
            spool.push(at(round * 60), true, None, value);
        }
        spool
    }

    fn numbers(spool: &Spool, all: bool) -> Vec<u64> {
        spool.to_keep(all).map(|round| round.number).collect()
    }

    #[test]
    fn rounds_are_saved_once_and_listed_when_gone() {
        let mut spool = spool(3);
        assert_eq!(numbers(&spool, false), [0, 1, 2]);
        spool.kept(true);
        assert_eq!(numbers(&spool, false), [0; 0]);
        spool.push(at(180), true, None, [("a", 3.0)].into_iter());
        assert_eq!(numbers(&spool, false), [3]);
        assert_eq!(numbers(&spool, true), [0, 1, 2, 3]);
        spool.expire(Unix(24 * 60 * 60 + 60));
        assert_eq!(spool.gone(), [0]);
        spool.posted(&spool.batch(&all));
        assert_eq!(spool.gone(), [0, 1, 2], "the last one was not kept");
        spool.kept(false);
        assert_eq!(spool.gone(), [0; 0]);
    }

    #[test]
    fn rounds_restored_from_a_file_are_as_before() {
        let from = spool(3);
        let mut to = Spool::default();
        for round in from.to_keep(true) {
            let stamp = (round.stamp, round.is_sure);
            to.restore(round.number + 7, stamp, None, round.names, round.values);
        }
        to.forget(&|number| number == 8);
        assert_eq!(numbers(&to, true), [7, 9]);
        assert!(to.gone().is_empty());
        to.push(at(180), true, None, [("a", 3.0)].into_iter());
        assert_eq!(numbers(&to, true), [7, 9, 10]);
        assert_eq!(to.values(&to.batch(&all)).count(), 5);
    }

    #[test]
    fn rounds_are_not_posted_before_their_time_is_known() {
        let mut spool = spool(1);
        spool.push(at(5), false, None, [("a", 5.0)].into_iter());
        let batch = spool.batch(&all);
        assert_eq!(spool.values(&batch).count(), 2);
        spool.posted(&batch);
        assert!(spool.batch(&all).is_empty() && !spool.is_empty());
        assert_eq!(spool.expire(Unix(1 << 40)), 0, "it may be new");
        spool.settle(&|_| None);
        assert!(spool.batch(&all).is_empty());
        spool.settle(&|stamp| Some(Unix(stamp.age + 1_000)));
        let batch = spool.batch(&all);
        assert_eq!(spool.values(&batch).next().unwrap().1, Unix(1_005));
    }
}
