//! Which values go in one request, and which are sent first.

use super::*;

const MINUTE: u64 = 60;

/// A spool with `rounds` minutes. Each has `width` values, which are the number of the minute.
fn minutes(rounds: u64, width: usize) -> Spool {
    let names: Vec<String> = (0..width).map(|column| format!("series{column}")).collect();
    let mut spool = Spool::default();
    for round in 0..rounds {
        let values = names.iter().map(|name| (name.as_str(), round as f64));
        assert_eq!(spool.push(at(round * MINUTE), true, None, values), 0);
    }
    spool
}

/// A stamp with this time by both clocks.
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
    // A round that was measured meanwhile precedes what is left.
    let values = (0..width).map(|_| ("late", 0.0));
    spool.push(at(10 * MINUTE), true, None, values);
    assert_eq!(numbers(&spool.batch(&all)), [3, 4, 5, 10]);
}

#[test]
fn spool_posts_a_round_larger_than_a_batch_in_parts() {
    // (why this row exists, rounds, values of each, values of each request)
    let table: [(_, _, _, &[usize]); 4] = [
        ("just as large", 1, BATCH, &[BATCH]),
        (
            "one value more, with the next round",
            2,
            BATCH + 1,
            &[BATCH, 1, BATCH, 1],
        ),
        (
            "several times as large",
            1,
            3 * BATCH + 5,
            &[BATCH, BATCH, BATCH, 5],
        ),
        ("small ones", 2, 1, &[2]),
    ];
    for (why, rounds, width, expected) in table {
        let mut spool = minutes(rounds, width);
        let mut counts = Vec::new();
        let mut names = Vec::new();
        while !spool.is_empty() {
            let batch = spool.batch(&all);
            counts.push(spool.values(&batch).count());
            names.extend(
                spool
                    .values(&batch)
                    .map(|(_, time, name, _)| (time, name.to_owned())),
            );
            spool.posted(&batch);
        }
        assert_eq!(counts, expected, "{why}");
        names.sort();
        names.dedup();
        assert_eq!(
            names.len() as u64,
            rounds * width as u64,
            "{why}: each value once"
        );
    }
}

#[test]
fn rounds_pushed_during_a_post_survive_it() {
    let mut spool = minutes(2, 1);
    let batch = spool.batch(&all);
    spool.push(at(2 * MINUTE), true, None, [("new", 1.0)].into_iter());
    spool.posted(&batch);
    assert_eq!(times(&spool, &spool.batch(&all)), [2]);
}

#[test]
fn rounds_that_the_server_would_ignore_expire() {
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
fn spool_drops_the_oldest_rounds_when_full() {
    let width = CAPACITY / 64;
    let mut spool = minutes(3, width);
    let names: Vec<String> = (0..width).map(|column| format!("other{column}")).collect();
    // The old names go with the last round that has them. The new ones take more than the values.
    let values = names.iter().map(|name| (name.as_str(), 3.0));
    assert_eq!(spool.push(at(3 * MINUTE), true, None, values), 3);
    assert!(spool.bytes + spool.names_bytes <= CAPACITY);
    let kept: Vec<Unix> = spool.rounds.iter().map(|round| round.stamp.wall).collect();
    assert_eq!(kept, [Unix(3 * MINUTE)]);
}

#[test]
fn spool_does_not_grow_by_names_that_come_and_go() {
    // Names of a plugin in each minute, and whether the server accepts them.
    type Row = (
        &'static str,
        fn(u64, usize) -> String,
        usize,
        fn(u64) -> bool,
    );
    const NEVER: fn(u64) -> bool = |_| false;
    const ALWAYS: fn(u64) -> bool = |_| true;
    let table: [Row; 6] = [
        (
            "the same each minute",
            |_, at| format!("custom.{at}"),
            8_000,
            ALWAYS,
        ),
        (
            "others each minute",
            |minute, at| format!("custom.{minute}.{at}"),
            8_000,
            ALWAYS,
        ),
        (
            "one of them new",
            |minute, at| {
                format!(
                    "custom.{}",
                    if at == 0 { minute + 99_999 } else { at as u64 }
                )
            },
            5_000,
            ALWAYS,
        ),
        (
            "others, and an outage",
            |minute, at| format!("custom.{minute}.{at}"),
            8_000,
            NEVER,
        ),
        (
            "in turns, and outages",
            |minute, at| format!("custom.{}.{at}", minute % 3),
            8_000,
            |minute| minute % 20 > 15,
        ),
        (
            "long names, and an outage",
            |minute, at| format!("custom.{minute}.{at}.{}", "x".repeat(10_000)),
            50,
            NEVER,
        ),
    ];
    for (why, name, count, is_taken) in table {
        let mut spool = Spool::default();
        spool.fit(32 << 20);
        for minute in 0..50 {
            let names: Vec<String> = (0..count).map(|at| name(minute, at)).collect();
            let values = names.iter().map(|name| (name.as_str(), minute as f64));
            spool.push(at(minute * MINUTE), true, None, values);
            while is_taken(minute) && !spool.is_empty() {
                let batch = spool.batch(&all);
                spool.posted(&batch);
            }
            let held = held(&spool);
            let (most, claimed) = (spool.capacity, spool.bytes + spool.names_bytes);
            assert!(
                held <= most && claimed <= most,
                "{why}: {held} bytes in minute {minute}"
            );
            assert!(
                claimed.abs_diff(held) <= held / 8 + 4_096,
                "{why}: {claimed}, not {held}"
            );
            if spool.is_empty() {
                assert!(
                    held <= IDLE,
                    "{why}: {held} bytes are left in minute {minute}"
                );
            }
        }
        assert_eq!(spool.is_empty(), is_taken(49), "{why}");
    }
}

/// Bytes of all names and values in a spool.
fn held(spool: &Spool) -> usize {
    let names = spool
        .shapes
        .iter()
        .flat_map(|shape| shape.names.iter())
        .map(|name| size_of::<String>() + name.len());
    let values = spool.rounds.iter().map(|round| size_of_val(&*round.values));
    names.chain(values).sum()
}

#[test]
fn spool_takes_an_eighth_of_limited_memory() {
    // (why this row exists, bytes of memory, bytes of the spool)
    let table = [
        ("the documented container", 16 << 20, 2 << 20),
        ("a larger one", 64 << 20, 8 << 20),
        ("a small one", 1 << 20, LEAST),
        ("a large one", 1 << 30, CAPACITY),
        (
            "no limit, as version 1 of control groups says it",
            9_223_372_036_854_771_712,
            CAPACITY,
        ),
    ];
    for (why, memory, expected) in table {
        let mut spool = Spool::default();
        spool.fit(memory);
        assert_eq!(spool.capacity, expected, "{why}");
    }
}

#[test]
fn an_empty_round_is_nothing_to_post() {
    let mut spool = Spool::default();
    spool.push(at(0), true, None, std::iter::empty());
    assert!(spool.batch(&all).is_empty());
}
#[test]
fn rounds_of_the_newest_time_go_first() {
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
fn values_for_an_unknown_host_wait_and_can_be_dropped() {
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
    let names: Vec<String> = (0..200).map(|n| format!("custom.{n}")).collect();
    for minute in 0..10 {
        for name in &names {
            let value = [(name.as_str(), 1.0)];
            spool.push(at(minute * MINUTE), true, None, value.into_iter());
        }
    }
    assert_eq!(spool.shapes.len(), names.len());
    spool.keep(|_| false);
    // The names are kept, because the next minute has them again.
    assert_eq!(spool.shapes.len(), names.len());
}
