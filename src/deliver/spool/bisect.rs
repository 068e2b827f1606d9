//! Bisects what the server rejects, until it rejects a single value.

use super::{Batch, Part, Spool};
use crate::base::clock::Unix;

/// What was done with a rejected batch.
#[derive(Debug, PartialEq)]
pub(crate) enum Condemned {
    /// It is sent again in two parts.
    Halved,
    /// It is a single value. It is sent again once the server has accepted another one, because the
    /// server may be the cause.
    Doubted,
    /// It was a single value, which has been dropped.
    Dropped(RejectedValue),
    /// It no longer contained any value.
    Nothing,
}

/// A value that the server rejects.
#[derive(Debug, PartialEq)]
pub(crate) struct RejectedValue {
    /// Custom identifier of the value's host; `None` for this host.
    pub(crate) destination: Option<String>,
    pub(crate) name: String,
    pub(crate) time: Unix,
    pub(crate) value: f64,
}

impl Spool {
    /// Handles the rejection of `batch`, which [`Spool::batch`] or [`Spool::newest`] has returned.
    pub(crate) fn condemned(&mut self, batch: &Batch) -> Condemned {
        self.is_accepting &= !self.suspects.is_empty();
        self.suspects.retain(|suspect| suspect != batch);
        #[cfg(test)]
        if self.never_halves {
            self.drop_values(batch);
            return Condemned::Nothing;
        }
        let count = self.values(batch).count();
        if count > 1 {
            let (first, second) = self.halves(batch, count / 2);
            self.suspects.extend([second, first]);
            return Condemned::Halved;
        }
        if count == 1 && !self.is_accepting {
            self.suspects.insert(0, batch.clone());
            return Condemned::Doubted;
        }
        let offender = self
            .values(batch)
            .next()
            .map(|(destination, time, name, value)| RejectedValue {
                destination: destination.map(str::to_owned),
                name: name.to_owned(),
                time,
                value,
            });
        self.drop_values(batch);
        offender.map_or(Condemned::Nothing, Condemned::Dropped)
    }

    /// The first `count` values of a batch, and the others.
    fn halves(&self, batch: &Batch, count: usize) -> (Batch, Batch) {
        let mut left = count;
        let (mut first, mut second) = (Batch::default(), Batch::default());
        for round in &self.rounds {
            let Some(part) = batch.part(round) else {
                continue;
            };
            let values = round.values.get(part.clone()).unwrap_or_default();
            let finite = values
                .iter()
                .enumerate()
                .filter(|(_, value)| value.is_finite());
            // Where the first value of the second half is.
            let split = finite
                .clone()
                .nth(left)
                .map_or(part.end, |(at, _)| part.start + at);
            left = left.saturating_sub(finite.count());
            let add = |to: &mut Batch, values: std::ops::Range<usize>| {
                if !values.is_empty() {
                    to.0.push(Part {
                        number: round.number,
                        values,
                    });
                }
            };
            add(&mut first, part.start..split);
            add(&mut second, split..part.end);
        }
        (first, second)
    }

    /// What is sent next if there are suspects: first rounds of the newest time without suspects,
    /// then the next suspect. `None` if there is no suspect.
    pub(super) fn suspicious(&self, known: &dyn Fn(Option<&str>) -> bool) -> Option<Batch> {
        let is_known = |batch: &&Batch| {
            self.values(batch)
                .all(|(destination, ..)| known(destination))
        };
        let next = self.suspects.iter().rev().find(is_known)?;
        let fresh = self.fresh(known);
        let is_suspect = |number| {
            let parts = self.suspects.iter().flat_map(|suspect| &suspect.0);
            parts.into_iter().any(|part: &Part| part.number == number)
        };
        let mut live = fresh.into_iter().filter(|round| !is_suspect(round.number));
        let live = self.filled(&mut || live.next());
        Some(if live.is_empty() { next.clone() } else { live })
    }

    /// Removes suspects of which no value is left.
    pub(super) fn forget_empty_suspects(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        let is_left = |suspect: &Batch| self.values(suspect).next().is_some();
        self.suspects = suspects.into_iter().filter(is_left).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::at;
    use super::*;

    const MINUTE: u64 = 60;

    fn all_hosts(_: Option<&str>) -> bool {
        true
    }

    /// Rounds of consecutively numbered values.
    fn numbered(rounds: u64, width: u64) -> Spool {
        let names: Vec<String> = (0..width).map(|column| format!("s{column}")).collect();
        let mut spool = Spool::default();
        for round in 0..rounds {
            let values = names
                .iter()
                .zip(0..)
                .map(|(name, column): (_, u64)| (name.as_str(), (round * width + column) as f64));
            spool.push(at(round * MINUTE), true, None, values);
        }
        spool
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "made from whole numbers"
    )]
    fn whole(value: f64) -> u64 {
        value as u64
    }

    /// Sends everything to a server that rejects each request with one of the values `bad`. Returns
    /// the accepted values, the dropped values, and the number of requests.
    fn deliver(mut spool: Spool, bad: &[u64]) -> (Vec<u64>, Vec<u64>, usize) {
        let (mut arrived, mut dropped, mut requests) = (Vec::new(), Vec::new(), 0);
        loop {
            let batch = spool.batch(&all_hosts);
            if batch.is_empty() {
                return (arrived, dropped, requests);
            }
            requests += 1;
            if requests > 1_000 {
                return (arrived, dropped, requests);
            }
            let values: Vec<u64> = spool
                .values(&batch)
                .map(|(.., value)| whole(value))
                .collect();
            if values.iter().any(|value| bad.contains(value)) {
                if let Condemned::Dropped(offender) = spool.condemned(&batch) {
                    dropped.push(whole(offender.value));
                }
            } else {
                arrived.extend(values);
                spool.posted(&batch);
            }
        }
    }

    #[test]
    fn only_the_values_that_are_refused_are_dropped() {
        // (why this row exists, rounds, values in each, those that are refused, most requests)
        let table: [(&str, u64, u64, &[u64], usize); 6] = [
            ("none", 10, 50, &[], 1),
            ("one among 500", 10, 50, &[217], 20),
            ("the first", 10, 50, &[0], 20),
            ("the last", 10, 50, &[499], 20),
            ("a series", 5, 10, &[3, 13, 23, 33, 43], 60),
            (
                "in a backlog of several requests",
                100,
                50,
                &[1, 2_500, 4_999],
                80,
            ),
        ];
        for (why, rounds, width, bad, most) in table {
            let (mut arrived, mut dropped, requests) = deliver(numbered(rounds, width), bad);
            arrived.sort_unstable();
            dropped.sort_unstable();
            let good: Vec<u64> = (0..rounds * width)
                .filter(|value| !bad.contains(value))
                .collect();
            assert_eq!(arrived, good, "{why}");
            assert_eq!(dropped, bad, "{why}");
            assert!(requests <= most, "{why}: {requests} requests");
        }
    }

    #[test]
    fn values_survive_a_server_that_rejects_everything() {
        let all: Vec<u64> = (0..8).collect();
        let (arrived, dropped, _) = deliver(numbered(2, 4), &all);
        assert_eq!((arrived.len(), dropped.len()), (0, 0));
        let mut spool = numbered(2, 4);
        for _ in 0..100 {
            let batch = spool.batch(&all_hosts);
            spool.condemned(&batch);
        }
        assert_eq!(spool.waiting(), 8);
        while !spool.is_empty() {
            let batch = spool.batch(&all_hosts);
            spool.posted(&batch);
        }
    }

    #[test]
    fn rejected_value_is_named() {
        let mut spool = Spool::default();
        let value = [("custom.bad", 7.5)].into_iter();
        spool.push(at(120), true, Some("other".into()), value);
        let batch = spool.batch(&all_hosts);
        assert_eq!(spool.condemned(&batch), Condemned::Doubted);
        spool.push(at(180), true, None, [("good", 1.0)].into_iter());
        spool.posted(&spool.batch(&all_hosts));
        assert_eq!(spool.batch(&all_hosts), batch);
        assert_eq!(
            spool.condemned(&batch),
            Condemned::Dropped(RejectedValue {
                destination: Some("other".to_owned()),
                name: "custom.bad".to_owned(),
                time: Unix(120),
                value: 7.5,
            })
        );
        assert!(spool.is_empty());
        assert_eq!(spool.condemned(&batch), Condemned::Nothing);
    }

    #[test]
    fn the_newest_round_does_not_wait_for_the_search() {
        let mut spool = numbered(10, 50);
        let batch = spool.batch(&all_hosts);
        assert_eq!(spool.condemned(&batch), Condemned::Halved);
        spool.push(at(600), true, None, [("late", 9_999.0)].into_iter());
        let live = spool.batch(&all_hosts);
        assert!(spool.values(&live).map(|(_, _, name, _)| name).eq(["late"]));
        assert_eq!(spool.newest(&all_hosts), live);
        spool.posted(&live);
        assert_eq!(spool.values(&spool.batch(&all_hosts)).count(), 250);
    }

    #[test]
    fn suspects_that_expire_are_removed() {
        let mut spool = numbered(10, 50);
        let batch = spool.batch(&all_hosts);
        spool.condemned(&batch);
        spool.expire(Unix(25 * 60 * MINUTE));
        assert!(spool.is_empty() && spool.suspects.is_empty());
        assert!(spool.batch(&all_hosts).is_empty());
    }
}
