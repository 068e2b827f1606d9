//! Which values go out together, and which first.

use super::*;

const MINUTE: u64 = 60;

/// A spool that holds `rounds` minutes, each with `width` values that tell their minute.
fn minutes(rounds: u64, width: usize) -> Spool {
    let names: Vec<String> = (0..width).map(|column| format!("series{column}")).collect();
    let mut spool = Spool::default();
    for round in 0..rounds {
        let values = names.iter().map(|name| (name.as_str(), round as f64));
        assert_eq!(spool.push(at(round * MINUTE), true, None, values), 0);
    }
    spool
}

/// The moment at which it is so late, by both clocks.
pub(super) fn at(wall: u64) -> Stamp {
    Stamp {
        wall: Unix(wall),
        age: wall,
    }
}

fn all(_: Option<&str>) -> bool {
    true
}

fn numbers(batch: &Batch) -> Vec<u64> {
    batch.0.iter().map(|part| part.number).collect()
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
    assert_eq!(numbers(&first), [0, 1, 2, 9]);
    spool.posted(&first);
    // A round that was measured meanwhile goes ahead of what is left.
    let values = (0..width).map(|_| ("late", 0.0));
    spool.push(at(10 * MINUTE), true, None, values);
    assert_eq!(numbers(&spool.batch(&all)), [3, 4, 5, 10]);
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
    spool.push(at(2 * MINUTE), true, None, [("new", 1.0)].into_iter());
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
    assert_eq!(spool.push(at(3 * MINUTE), true, None, values), 1);
    assert!(spool.bytes <= CAPACITY);
    let kept: Vec<Unix> = spool.rounds.iter().map(|round| round.stamp.wall).collect();
    assert_eq!(kept, [1, 2, 3].map(|minute| Unix(minute * MINUTE)));
}

#[test]
fn an_empty_round_is_nothing_to_post() {
    let mut spool = Spool::default();
    spool.push(at(0), true, None, std::iter::empty());
    assert!(spool.batch(&all).is_empty());
}
#[test]
fn all_that_is_of_the_newest_time_goes_ahead() {
    let mut spool = minutes(BATCH as u64 + 5, 1);
    let now = at(1_000_000 * MINUTE);
    for name in ["custom.a", "custom.b", "custom.c"] {
        spool.push(now, true, None, [(name, 1.0)].into_iter());
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
        spool.push(at(0), true, destination, values.into_iter());
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
            spool.push(at(minute * MINUTE), true, None, value.into_iter());
        }
    }
    assert_eq!(spool.shapes.len(), names.len());
    spool.keep(|_| false);
    spool.push(at(0), true, None, [("new", 1.0)].into_iter());
    assert_eq!(spool.shapes.len(), 1);
}
