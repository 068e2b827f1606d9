//! Servers that are away, and what is sent when they are back.

use super::*;
use crate::deliver::otlp::ring::ROUNDS;

const LATER: Reply = Not(Verdict::Later, None);

#[test]
fn exporter_sends_every_round_of_an_hours_outage_once_with_its_own_time() {
    let hour = |at, _| match at {
        600..4_200 => LATER,
        _ => Taken,
    };
    let mut lab = Lab::new(hour);
    lab.run(6_000);
    assert_eq!(lab.taken(), minutes(0, 100));
    let calls = lab.calls();
    // One message has the whole backlog.
    let longest = calls.iter().filter(|call| call.is_taken);
    assert_eq!(longest.map(|call| call.rounds.len()).max(), Some(61));
    // Pauses of 5 s, 7.5 s and so on, up to 30 s, each of them three quarters for this `random`.
    let failed: Vec<u64> = calls
        .iter()
        .filter(|call| !call.is_taken)
        .map(|call| call.at)
        .collect();
    let pauses: Vec<u64> = failed.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses[..5], [3_749, 5_624, 8_437, 12_655, 18_983]);
    assert!(
        pauses[5..].iter().all(|pause| *pause == 22_499),
        "{pauses:?}"
    );
    assert!((155..170).contains(&failed.len()), "{}", failed.len());
    // It is reported once that it fails, and once that it works again.
    let events = lab.events();
    let is_posted = |event: &&OtlpEvent| **event != OtlpEvent::Posted;
    let news: Vec<&OtlpEvent> = events.iter().filter(is_posted).collect();
    let why = "agent.conf:3: otlp: server:4317 answers; what waits is sent later".to_owned();
    assert_eq!(
        news,
        [
            &OtlpEvent::Working,
            &OtlpEvent::Failing(why),
            &OtlpEvent::Working
        ]
    );
}

#[test]
fn exporter_drops_the_oldest_rounds_of_a_longer_outage() {
    let hours = |at, _| if at < 3 * 3_600 { LATER } else { Taken };
    let mut lab = Lab::new(hours);
    lab.run(4 * 3_600);
    let first = 3 * 60 - ROUNDS as i64;
    let taken = lab.taken();
    assert_eq!(taken, minutes(taken[0] / 60, 240));
    assert!(
        (first..=first + 1).contains(&(taken[0] / 60)),
        "{}",
        taken[0] / 60
    );
    const { assert!(ROUNDS >= 60) };
}

#[test]
fn exporter_sends_a_backlog_in_messages_of_three_megabytes() {
    let outage = |at, _| if at < 600 { LATER } else { Taken };
    let mut lab = Lab::new(outage);
    lab.size = 1_000_000;
    lab.run(900);
    assert_eq!(lab.taken(), minutes(0, 15));
    let calls = lab.calls();
    assert!(calls.iter().all(|call| call.bytes <= 3_000_000));
    let taken: Vec<&Call> = calls.iter().filter(|call| call.is_taken).collect();
    assert!(taken[0].rounds.len() >= 2);
    // With a pause between them.
    assert!(
        taken
            .windows(2)
            .all(|pair| pair[1].at - pair[0].at >= 1_000)
    );
}

#[test]
fn exporter_halves_messages_that_are_too_large() {
    let small = |at, rounds| match (at, rounds) {
        (0..1_200, _) => LATER,
        (_, 0..6) => Taken,
        _ => Not(Verdict::TooLarge, None),
    };
    let mut lab = Lab::new(small);
    lab.run(1_800);
    assert_eq!(lab.taken(), minutes(0, 30));
    let calls = lab.calls();
    let late = calls.iter().filter(|call| call.at >= 1_200_000);
    let sizes: Vec<usize> = late.map(|call| call.rounds.len()).take(7).collect();
    assert_eq!(sizes, [21, 10, 5, 5, 5, 5, 1]);
    // The server is not said to fail.
    assert_eq!(
        lab.events()
            .iter()
            .filter(|event| matches!(event, OtlpEvent::Failing(_)))
            .count(),
        1
    );
}

#[test]
fn exporter_does_not_drop_a_backlog_for_one_refusal() {
    const REFUSED: Reply = Not(Verdict::Refused("see the log"), None);
    let starts = |at, _| match at {
        0..3_000 => LATER,
        3_000..3_040 => REFUSED,
        _ => Taken,
    };
    let one_by_one = |at, rounds| match (at, rounds) {
        (0..3_000, _) => LATER,
        (_, 1) => Taken,
        _ => REFUSED,
    };
    let always = |at, _| if at < 3_000 { LATER } else { REFUSED };
    // (why this row exists, the server, whether all arrives, requests at most after an hour)
    let table: [(&str, Rule, bool, usize); 3] = [
        ("a proxy begins before the server", starts, true, 70),
        ("it takes single rounds alone", one_by_one, true, 130),
        (
            "a server that refuses everything is not asked more often",
            always,
            false,
            150,
        ),
    ];
    for (why, rule, arrives, most) in table {
        let mut lab = Lab::new(rule);
        lab.run(7_200);
        let expected = if arrives { minutes(0, 120) } else { Vec::new() };
        assert_eq!(lab.taken(), expected, "{why}");
        let calls = lab.calls();
        let late = calls.iter().filter(|call| call.at >= 3_600_000).count();
        assert!(late <= most, "{why}: {late}");
        assert!(calls.last().unwrap().rounds.len() == 1, "{why}");
        // A line about the outage, and one about what is dropped.
        let events = lab.events();
        let failing = events
            .iter()
            .filter(|event| matches!(event, OtlpEvent::Failing(_)));
        assert_eq!(failing.count(), if arrives { 1 } else { 2 }, "{why}");
    }
}

#[test]
fn exporter_drops_what_is_refused_and_goes_on() {
    let key = |at, _| match at {
        0..600 => Not(Verdict::Refused("check the API key"), None),
        _ => Taken,
    };
    let large = |at, _| match at {
        0..600 => Not(Verdict::TooLarge, None),
        _ => Taken,
    };
    // (why this row exists, the server, the end of the only line about it)
    let table: [(&str, Rule, &str); 2] = [
        ("the key", key, "; check the API key"),
        (
            "a round that is too large by itself",
            large,
            "or request fewer metrics",
        ),
    ];
    for (why, rule, end) in table {
        let mut lab = Lab::new(rule);
        lab.run(1_200);
        assert_eq!(lab.taken(), minutes(10, 20), "{why}");
        // One request a minute, and no line but the first.
        assert_eq!(lab.calls().len(), 20, "{why}");
        let events = lab.events();
        let OtlpEvent::Failing(text) = &events[0] else {
            panic!("{why}: {events:?}");
        };
        assert!(
            text.contains("; rounds dropped: 1; ") && text.ends_with(end),
            "{text}"
        );
        assert_eq!(events[1], OtlpEvent::Working, "{why}");
    }
}

#[test]
fn exporter_does_not_repeat_a_partial_success() {
    let mut lab = Lab::new(|_, _| Warned("the server has rejected 2 of the data points"));
    lab.run(600);
    assert_eq!(lab.taken(), minutes(0, 10));
    assert_eq!(lab.calls().len(), 10);
    let mut events = vec![OtlpEvent::Posted; 10];
    events[0] = OtlpEvent::Working;
    assert_eq!(lab.events(), events);
}

#[test]
fn exporter_waits_as_long_as_the_server_asks() {
    // (seconds that are asked for, the least and the longest pause in milliseconds)
    let table: [(Rule, u64, u64); 4] = [
        (|_, _| Not(Verdict::Later, Some(90)), 90_000, 95_000),
        (|_, _| Not(Verdict::Later, Some(0)), 1_000, 6_000),
        (
            |_, _| Not(Verdict::Later, Some(86_400)),
            3_600_000,
            3_605_000,
        ),
        (|_, _| LATER, 2_500, 5_000),
    ];
    for (rule, least, most) in table {
        let mut lab = Lab::new(rule);
        lab.run(2 * 3_600);
        let calls = lab.calls();
        let pause = calls[1].at - calls[0].at;
        assert!((least..=most).contains(&pause), "{pause}");
    }
}

#[test]
fn exporter_sends_at_a_second_of_its_own() {
    type Row = (fn() -> u32, u64, u64);
    // (random number, milliseconds from the first round and from the next to their requests)
    let table: [Row; 3] = [
        (|| 0, 375, 3_000),
        (|| u32::MAX / 2, 2_062, 16_499),
        (|| u32::MAX, 3_750, 30_000),
    ];
    for (random, first, next) in table {
        let mut lab = Lab::with(|_, _| Taken, random);
        lab.run(180);
        let times: Vec<u64> = lab.calls().iter().map(|call| call.at).collect();
        assert_eq!(times, [first, 60_000 + next, 120_000 + next]);
    }
}

#[test]
fn exporter_sends_what_waits_to_a_new_destination_at_once() {
    let mut lab = Lab::new(|_, _| LATER);
    lab.run(1_200);
    assert!(lab.taken().is_empty());
    let new = destination(|_, _| Taken, &lab.now, &lab.calls);
    lab.command(Command::Configure(Box::new(new)));
    lab.run(1_200);
    assert_eq!(lab.taken(), minutes(0, 20));
    lab.command(Command::Answer);
    assert_eq!(lab.events().last(), Some(&OtlpEvent::Alive));
}
