//! The end of the agent.

use super::*;

/// The limit for delivery, in seconds.
const LIMIT: u64 = 10;

#[test]
fn stop_sends_what_waits_within_its_limit() {
    const LATER: Reply = Not(Verdict::Later, None);
    // (why this row exists, the server, requests after the stop, rounds lost, seconds to the end)
    let table: [(&str, Rule, usize, usize, u64); 6] = [
        ("it is there", |_, _| Taken, 1, 0, 0),
        ("it stays away", |_, _| LATER, 10, 10, 9),
        (
            "it is back in time",
            |at, _| if at < 605 { LATER } else { Taken },
            6,
            0,
            5,
        ),
        (
            "it asks for more time than there is",
            |_, _| Not(Verdict::Later, Some(60)),
            1,
            10,
            0,
        ),
        (
            "it takes one round at a time",
            |at, rounds| match (at, rounds) {
                (..600, _) => LATER,
                (_, 1) => Taken,
                _ => Not(Verdict::TooLarge, None),
            },
            13,
            0,
            0,
        ),
        (
            "it refuses them",
            |at, _| {
                if at < 600 {
                    LATER
                } else {
                    Not(Verdict::Refused(""), None)
                }
            },
            1,
            0,
            0,
        ),
    ];
    for (why, rule, requests, lost, seconds) in table {
        // Nothing is sent before.
        let mut lab = Lab::new(|_, _| Not(Verdict::Later, Some(3_600)));
        lab.run(600);
        lab.calls.lock().unwrap().clear();
        let server = destination(rule, &lab.now, &lab.calls);
        lab.command(Command::Configure(Box::new(server)));
        lab.is_measuring = false;
        let limit = Moment(Duration::from_secs(600 + LIMIT));
        lab.command(Command::Stop(limit));
        lab.run(1_200);
        assert_eq!(lab.ended, Some(lost), "{why}");
        assert_eq!(lab.calls().len(), requests, "{why}");
        assert_eq!(lab.clock.passed.get().as_secs(), 600 + seconds, "{why}");
        // No request may take longer than the agent lives.
        for call in lab.calls() {
            let left = Duration::from_secs(600 + LIMIT) - Duration::from_millis(call.at);
            assert!(call.limit <= left, "{why}");
        }
    }
}

#[test]
fn stop_ends_at_once_if_nothing_waits_or_the_time_is_unknown() {
    // (why this row exists, whether the kernel confirms the time, rounds lost)
    for (why, is_synchronised, lost) in [("all is sent", true, 0), ("no time", false, 1)] {
        let mut lab = Lab::new(|_, _| Taken);
        lab.clock.is_synchronised.set(is_synchronised);
        lab.run(50);
        lab.command(Command::Stop(Moment(Duration::from_secs(55))));
        lab.run(100);
        assert_eq!(lab.ended, Some(lost), "{why}");
        assert_eq!(lab.clock.passed.get().as_secs(), 50, "{why}");
    }
}
