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
/// Lists of names that are remembered although no round has them.
const IDLE_SHAPES: usize = 64;

/// The host that values belong to: its custom identifier; `None` for this one.
pub(crate) type Destination = Option<Arc<str>>;

/// Rounds of values, in the order in which they came. When full, the oldest make room for the
/// newest.
#[derive(Default)]
pub(crate) struct Spool {
    rounds: VecDeque<Round>,
    /// The lists of names that rounds have or had.
    shapes: Vec<Arc<[String]>>,
    /// Bytes that [`Round::bytes`] adds up to.
    bytes: usize,
    /// Number of the next round.
    next: u64,
}

/// What was measured at one moment: of this host by itself, or by one plugin.
struct Round {
    number: u64,
    time: Unix,
    destination: Destination,
    /// Shared by all rounds that have the same series, as nearly all have.
    names: Arc<[String]>,
    /// One for each name.
    values: Box<[f64]>,
    /// About what it costs to keep this round.
    bytes: usize,
}

/// The rounds of one request: their numbers, ascending.
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

    fn has(&self, round: &Round) -> bool {
        self.0.binary_search(&round.number).is_ok()
    }
}

impl Spool {
    /// Adds the newest round, which may be empty. Returns how many rounds had to go to make room.
    pub(crate) fn push<'a>(
        &mut self,
        time: Unix,
        destination: Destination,
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
            destination,
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

    /// The names, shared with the rounds that have the same, and the bytes that this round costs
    /// for them.
    fn names<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str> + Clone,
    ) -> (Arc<[String]>, usize) {
        let is_same = |known: &&Arc<[String]>| known.iter().map(String::as_str).eq(names.clone());
        if let Some(known) = self.shapes.iter().find(is_same) {
            return (Arc::clone(known), 0);
        }
        if self.shapes.len() >= IDLE_SHAPES {
            self.shapes.retain(|shape| Arc::strong_count(shape) > 1);
        }
        let names: Arc<[String]> = names.map(str::to_owned).collect();
        self.shapes.push(Arc::clone(&names));
        let bytes = names.iter().map(|name| size_of::<String>() + name.len());
        let bytes = bytes.sum();
        (names, bytes)
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

    /// The rounds of the next request: those of the newest time, which alerts wait for, and then
    /// the oldest, as many as [`BATCH`] allows. They stay in the spool until [`Spool::posted`].
    /// Those whose destination is not `known` are left out.
    pub(crate) fn batch(&self, known: &dyn Fn(Option<&str>) -> bool) -> Batch {
        let fresh = self.fresh(known);
        let newest_then_oldest = fresh.iter().copied().chain(self.ready(known));
        self.filled(newest_then_oldest)
    }

    /// The rounds of the newest time alone, as many as [`BATCH`] allows.
    pub(crate) fn newest(&self, known: &dyn Fn(Option<&str>) -> bool) -> Batch {
        self.filled(self.fresh(known).into_iter())
    }

    fn ready<'a>(
        &'a self,
        known: &'a dyn Fn(Option<&str>) -> bool,
    ) -> impl DoubleEndedIterator<Item = &'a Round> {
        let is_known = |round: &&Round| known(round.destination.as_deref());
        self.rounds.iter().filter(is_known)
    }

    /// The rounds that came last and have the time of the very last.
    fn fresh<'a>(&'a self, known: &'a dyn Fn(Option<&str>) -> bool) -> Vec<&'a Round> {
        let mut newest = self.ready(known).rev().peekable();
        let time = newest.peek().map(|round| round.time);
        newest
            .take_while(|round| Some(round.time) == time)
            .collect()
    }

    /// The first of `rounds`, each of them once.
    fn filled<'a>(&self, rounds: impl Iterator<Item = &'a Round>) -> Batch {
        let mut room = BATCH;
        let mut batch = Vec::new();
        for round in rounds {
            if batch.contains(&round.number) {
                continue;
            }
            if !batch.is_empty() && round.values.len() > room {
                break;
            }
            room = room.saturating_sub(round.values.len());
            batch.push(round.number);
        }
        batch.sort_unstable();
        Batch(batch)
    }

    /// Destination, time, name and value of everything in `batch`.
    pub(crate) fn values<'a>(
        &'a self,
        batch: &'a Batch,
    ) -> impl Iterator<Item = (Option<&'a str>, Unix, &'a str, f64)> {
        let rounds = self.rounds.iter().filter(|round| batch.has(round));
        rounds.flat_map(|round| {
            let destination = round.destination.as_deref();
            let named = round.names.iter().zip(&round.values);
            named.map(move |(name, value)| (destination, round.time, name.as_str(), *value))
        })
    }

    /// Forgets what `batch` holds: it has been accepted.
    pub(crate) fn posted(&mut self, batch: &Batch) {
        self.keep(|round| !batch.has(round));
    }

    /// Forgets what waits for this destination. Returns how many values that were.
    pub(crate) fn give_up(&mut self, destination: &str) -> usize {
        let before = self.waiting();
        self.keep(|round| round.destination.as_deref() != Some(destination));
        before - self.waiting()
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
            assert_eq!(spool.push(Unix(round * MINUTE), None, values), 0);
        }
        spool
    }

    fn all(_: Option<&str>) -> bool {
        true
    }

    fn times(spool: &Spool, batch: &Batch) -> Vec<u64> {
        let mut times: Vec<u64> = spool
            .values(batch)
            .map(|(_, time, ..)| time.0 / MINUTE)
            .collect();
        times.dedup();
        times
    }

    #[test]
    fn one_round_is_one_request() {
        let mut spool = minutes(1, 2);
        let batch = spool.batch(&all);
        let expected = ["series0", "series1"].map(|name| (None, Unix(0), name, 0.0));
        assert!(spool.values(&batch).eq(expected));
        spool.posted(&batch);
        assert!(spool.batch(&all).is_empty());
        assert_eq!((spool.waiting(), spool.bytes), (0, 0));
    }

    #[test]
    fn a_backlog_goes_oldest_first_with_the_newest_round_ahead() {
        let width = BATCH / 4;
        let mut spool = minutes(10, width);
        let first = spool.batch(&all);
        assert_eq!(first, Batch(vec![0, 1, 2, 9]));
        spool.posted(&first);
        // A round that was measured meanwhile goes ahead of what is left.
        let values = (0..width).map(|_| ("late", 0.0));
        spool.push(Unix(10 * MINUTE), None, values);
        assert_eq!(spool.batch(&all), Batch(vec![3, 4, 5, 10]));
    }

    #[test]
    fn a_round_larger_than_a_batch_is_posted_whole() {
        let spool = minutes(2, BATCH + 1);
        assert_eq!(spool.values(&spool.batch(&all)).count(), BATCH + 1);
    }

    #[test]
    fn what_was_pushed_meanwhile_survives_the_post() {
        let mut spool = minutes(2, 1);
        let batch = spool.batch(&all);
        spool.push(Unix(2 * MINUTE), None, [("new", 1.0)].into_iter());
        spool.posted(&batch);
        assert_eq!(times(&spool, &spool.batch(&all)), [2]);
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
        assert_eq!(spool.push(Unix(3 * MINUTE), None, values), 1);
        assert!(spool.bytes <= CAPACITY);
        let kept: Vec<Unix> = spool.rounds.iter().map(|round| round.time).collect();
        assert_eq!(kept, [1, 2, 3].map(|minute| Unix(minute * MINUTE)));
    }

    #[test]
    fn an_empty_round_is_nothing_to_post() {
        let mut spool = Spool::default();
        spool.push(Unix(0), None, std::iter::empty());
        assert!(spool.batch(&all).is_empty());
    }
    #[test]
    fn all_that_is_of_the_newest_time_goes_ahead() {
        let mut spool = minutes(BATCH as u64 + 5, 1);
        let now = Unix(1_000_000 * MINUTE);
        for name in ["custom.a", "custom.b", "custom.c"] {
            spool.push(now, None, [(name, 1.0)].into_iter());
        }
        let fresh = spool.newest(&all);
        assert_eq!(spool.values(&fresh).count(), 3);
        let batch = spool.batch(&all);
        assert_eq!(batch.len(), BATCH);
        assert!(fresh.0.iter().all(|number| batch.0.contains(number)));
    }

    #[test]
    fn what_is_for_an_unknown_host_waits_and_may_be_given_up() {
        let mut spool = Spool::default();
        let to = |name: &str| Some(Arc::from(name));
        let values = [("custom.a", 1.0), ("custom.b", 2.0)];
        for destination in [to("x"), None, to("y")] {
            spool.push(Unix(0), destination, values.into_iter());
        }
        let known = |destination: Option<&str>| destination != Some("x");
        let batch = spool.batch(&known);
        let destinations: Vec<_> = spool.values(&batch).map(|(to, ..)| to).collect();
        assert_eq!(destinations, [None, None, Some("y"), Some("y")]);
        spool.posted(&batch);
        assert!(spool.batch(&known).is_empty() && !spool.is_empty());
        assert_eq!((spool.give_up("y"), spool.give_up("x")), (0, 2));
        assert!(spool.is_empty());
    }

    #[test]
    fn names_are_kept_once_however_many_plugins_take_turns() {
        let mut spool = Spool::default();
        let names: Vec<String> = (0..3 * IDLE_SHAPES)
            .map(|n| format!("custom.{n}"))
            .collect();
        for minute in 0..10 {
            for name in &names {
                let value = [(name.as_str(), 1.0)];
                spool.push(Unix(minute * MINUTE), None, value.into_iter());
            }
        }
        assert_eq!(spool.shapes.len(), names.len());
        let batch = Batch((0..spool.next).collect());
        spool.posted(&batch);
        spool.push(Unix(0), None, [("new", 1.0)].into_iter());
        assert_eq!(spool.shapes.len(), 1);
    }
}
