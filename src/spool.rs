//! Layer 3: rounds of values waiting to be posted. Holds them, orders them, forgets them; decides
//! nothing about time except what is too old.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::clock::Unix;

/// Seconds after which the server ignores a value, and answers 200 all the same.
const USE: u64 = 24 * 60 * 60;
/// Bytes of names and values kept, about: a day of 2,000 series.
const CAPACITY: usize = 32 << 20;
/// Values in one request, unless a single round has more.
const BATCH: usize = 2_000;

/// Rounds of values, oldest first. When full, the oldest make room for the newest.
#[derive(Default)]
pub(crate) struct Spool {
    rounds: VecDeque<Round>,
    /// Bytes that [`Round::bytes`] adds up to.
    bytes: usize,
    /// Number of the next round.
    next: u64,
}

/// What was measured at one moment.
struct Round {
    number: u64,
    time: Unix,
    /// Shared by all rounds that have the same series, as nearly all have.
    names: Arc<[String]>,
    /// One for each name.
    values: Box<[f64]>,
    /// About what it costs to keep this round.
    bytes: usize,
}

/// The rounds of one request, by number.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Batch(Vec<u64>);

impl Batch {
    /// Number of rounds.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to post.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Spool {
    /// Adds the newest round, which may be empty. Returns how many rounds had to go to make room.
    pub(crate) fn push<'a>(
        &mut self,
        time: Unix,
        values: impl Iterator<Item = (&'a str, f64)> + Clone,
    ) -> usize {
        let (names, names_bytes) = self.names(values.clone().map(|(name, _)| name));
        let values: Box<[f64]> = values.map(|(_, value)| value).collect();
        if values.is_empty() {
            return 0;
        }
        let bytes = size_of::<Round>() + size_of_val(&*values) + names_bytes;
        self.rounds.push_back(Round {
            number: self.next,
            time,
            names,
            values,
            bytes,
        });
        self.next += 1;
        self.bytes += bytes;
        let mut lost = 0;
        while self.bytes > CAPACITY && self.rounds.len() > 1 {
            self.bytes -= self.rounds.pop_front().map_or(0, |round| round.bytes);
            lost += 1;
        }
        lost
    }

    /// The names, shared with the newest round where they are the same, and the bytes that this
    /// round costs for them.
    fn names<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> (Arc<[String]>, usize) {
        let newest = self.rounds.back().map(|round| &round.names);
        match newest.filter(|known| known.iter().map(String::as_str).eq(names.clone())) {
            Some(known) => (Arc::clone(known), 0),
            None => {
                let names: Arc<[String]> = names.map(str::to_owned).collect();
                let bytes = names.iter().map(|name| size_of::<String>() + name.len());
                let bytes = bytes.sum();
                (names, bytes)
            }
        }
    }

    /// Forgets the rounds that the server would ignore at `now`. Returns how many they were.
    pub(crate) fn expire(&mut self, now: Unix) -> usize {
        let oldest = Unix(now.0.saturating_sub(USE));
        let before = self.rounds.len();
        self.keep(|round| round.time >= oldest);
        before - self.rounds.len()
    }

    fn keep(&mut self, wanted: impl Fn(&Round) -> bool) {
        self.rounds.retain(wanted);
        self.bytes = self.rounds.iter().map(|round| round.bytes).sum();
    }

    /// The rounds of the next request: the newest, which alerts wait for, and then the oldest, as
    /// many as [`BATCH`] allows. They stay in the spool until [`Spool::posted`].
    pub(crate) fn batch(&self) -> Batch {
        let mut room = BATCH;
        let newest_then_oldest = self.rounds.iter().rev().take(1).chain(&self.rounds);
        let mut batch = Vec::new();
        for round in newest_then_oldest.take(self.rounds.len()) {
            if !batch.is_empty() && round.values.len() > room {
                break;
            }
            room = room.saturating_sub(round.values.len());
            batch.push(round.number);
        }
        Batch(batch)
    }

    /// The newest round alone.
    pub(crate) fn newest(&self) -> Batch {
        Batch(
            self.rounds
                .back()
                .map(|round| round.number)
                .into_iter()
                .collect(),
        )
    }

    /// Time, name and value of everything in `batch`.
    pub(crate) fn values<'a>(
        &'a self,
        batch: &'a Batch,
    ) -> impl Iterator<Item = (Unix, &'a str, f64)> {
        let rounds = self
            .rounds
            .iter()
            .filter(|round| batch.0.contains(&round.number));
        rounds.flat_map(|round| {
            let named = round.names.iter().zip(&round.values);
            named.map(|(name, value)| (round.time, name.as_str(), *value))
        })
    }

    /// Forgets what `batch` holds: it has been accepted.
    pub(crate) fn posted(&mut self, batch: &Batch) {
        self.keep(|round| !batch.0.contains(&round.number));
    }

    /// Number of values waiting.
    pub(crate) fn waiting(&self) -> usize {
        self.rounds.iter().map(|round| round.values.len()).sum()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;

    /// A spool that holds `rounds` minutes, each with `width` values that tell their minute.
    fn minutes(rounds: u64, width: usize) -> Spool {
        let names: Vec<String> = (0..width).map(|column| format!("series{column}")).collect();
        let mut spool = Spool::default();
        for round in 0..rounds {
            let values = names.iter().map(|name| (name.as_str(), round as f64));
            assert_eq!(spool.push(Unix(round * MINUTE), values), 0);
        }
        spool
    }

    fn times(spool: &Spool, batch: &Batch) -> Vec<u64> {
        let mut times: Vec<u64> = spool
            .values(batch)
            .map(|(time, ..)| time.0 / MINUTE)
            .collect();
        times.dedup();
        times
    }

    #[test]
    fn one_round_is_one_request() {
        let mut spool = minutes(1, 2);
        let batch = spool.batch();
        let expected = [(Unix(0), "series0", 0.0), (Unix(0), "series1", 0.0)];
        assert!(spool.values(&batch).eq(expected));
        spool.posted(&batch);
        assert!(spool.batch().is_empty());
        assert_eq!((spool.waiting(), spool.bytes), (0, 0));
    }

    #[test]
    fn a_backlog_goes_oldest_first_with_the_newest_round_ahead() {
        let width = BATCH / 4;
        let mut spool = minutes(10, width);
        let first = spool.batch();
        assert_eq!(first, Batch(vec![9, 0, 1, 2]));
        spool.posted(&first);
        // A round that was measured meanwhile goes ahead of what is left.
        let values = (0..width).map(|_| ("late", 0.0));
        spool.push(Unix(10 * MINUTE), values);
        assert_eq!(spool.batch(), Batch(vec![10, 3, 4, 5]));
    }

    #[test]
    fn a_round_larger_than_a_batch_is_posted_whole() {
        let spool = minutes(2, BATCH + 1);
        assert_eq!(spool.values(&spool.batch()).count(), BATCH + 1);
    }

    #[test]
    fn what_was_pushed_meanwhile_survives_the_post() {
        let mut spool = minutes(2, 1);
        let batch = spool.batch();
        spool.push(Unix(2 * MINUTE), [("new", 1.0)].into_iter());
        spool.posted(&batch);
        assert_eq!(times(&spool, &spool.batch()), [2]);
    }

    #[test]
    fn the_server_gets_nothing_that_it_would_ignore() {
        let mut spool = minutes(25 * 60, 40);
        let now = Unix(25 * 60 * MINUTE);
        assert_eq!(spool.expire(now), 60);
        assert_eq!(spool.rounds.len(), 24 * 60);
        assert_eq!(spool.expire(now), 0);
    }

    #[test]
    fn a_day_of_a_plain_host_takes_less_than_a_megabyte() {
        let spool = minutes(24 * 60, 40);
        assert!(spool.bytes < 1 << 20, "{} bytes", spool.bytes);
    }

    #[test]
    fn when_full_the_oldest_rounds_make_room() {
        let width = CAPACITY / 64;
        let mut spool = minutes(3, width);
        let names: Vec<String> = (0..width).map(|column| format!("other{column}")).collect();
        // New names cost more than new values.
        let values = names.iter().map(|name| (name.as_str(), 3.0));
        assert_eq!(spool.push(Unix(3 * MINUTE), values), 1);
        assert!(spool.bytes <= CAPACITY);
        let kept: Vec<Unix> = spool.rounds.iter().map(|round| round.time).collect();
        assert_eq!(kept, [1, 2, 3].map(|minute| Unix(minute * MINUTE)));
    }

    #[test]
    fn an_empty_round_is_nothing_to_post() {
        let mut spool = Spool::default();
        spool.push(Unix(0), std::iter::empty());
        assert!(spool.batch().is_empty());
    }
}
