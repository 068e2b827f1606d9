//! Clocks that are wrong, or that nobody confirms.

use super::*;
use crate::base::program;

/// Something that happens at a second since the start.
type Turn = (u64, fn(&mut Lab));

fn set_right_by_ntp(lab: &mut Lab) {
    lab.clock.skew.set(0);
    lab.clock.is_synchronised.set(true);
}

fn confirm(lab: &mut Lab) {
    lab.command(Command::Trusted(NOW - AGE));
}

#[test]
fn rounds_wait_until_the_time_is_known() {
    const YEAR: i64 = 365 * 86_400;
    const ZERO: i64 = -(NOW as i64);
    let before = program::COMMITTED.0 as i64 - NOW as i64 - 86_400;
    // (why this row exists, seconds that the clock is ahead, what happens, the first request in
    // seconds, seconds by which the times of the rounds are off)
    let table: [(&str, i64, &[Turn], u64, i64); 8] = [
        ("nobody confirms it", 0, &[], 62, 0),
        ("nobody says that it is wrong", 3_600, &[], 62, 3_600),
        ("NTP, in time", -YEAR, &[(30, set_right_by_ntp)], 32, 0),
        (
            "1970, then NTP",
            ZERO,
            &[(1_000, set_right_by_ntp)],
            1_022,
            0,
        ),
        (
            "of before the program",
            before,
            &[(1_000, set_right_by_ntp)],
            1_022,
            0,
        ),
        ("Mackerel confirms it", 0, &[(30, confirm)], 30, 0),
        (
            "1970, and Mackerel has the time",
            ZERO,
            &[(30, confirm)],
            30,
            0,
        ),
        (
            "ahead, and Mackerel has the time",
            7_200,
            &[(30, confirm)],
            30,
            0,
        ),
    ];
    for (why, skew, turns, first, off) in table {
        let mut lab = Lab::new(|_, _| Taken);
        lab.clock.skew.set(skew);
        lab.clock.is_synchronised.set(false);
        for (at, turn) in turns {
            lab.run(*at);
            turn(&mut lab);
        }
        lab.run(2_400);
        let right: Vec<i64> = minutes(0, 40).iter().map(|time| time + off).collect();
        assert_eq!(lab.taken(), right, "{why}");
        assert_eq!(lab.calls()[0].at / 1_000, first, "{why}");
    }
}

#[test]
fn exporter_reports_a_clock_of_1970_once() {
    let mut lab = Lab::new(|_, _| Taken);
    lab.clock.skew.set(-(NOW as i64));
    lab.clock.is_synchronised.set(false);
    lab.run(1_800);
    assert!(lab.calls().is_empty());
    let day = program::COMMITTED.day();
    let why = format!(
        "agent.conf:3: otlp: the clock shows 1970-01-01, but this program is of {day}: \
         rounds are held until it is right; set the clock, or have it set by NTP"
    );
    assert_eq!(lab.events(), [OtlpEvent::Failing(why)]);
}

#[test]
fn rounds_that_wait_get_the_time_of_a_corrected_clock() {
    // An hour behind, and accepted after a minute. The server is away until NTP has set the clock.
    let rule = |at, _| {
        if at < 600 {
            Not(Verdict::Later, None)
        } else {
            Taken
        }
    };
    let mut lab = Lab::new(rule);
    lab.clock.skew.set(-3_600);
    lab.clock.is_synchronised.set(false);
    lab.run(300);
    let calls = lab.calls();
    assert_eq!(calls[0].rounds[0], -3_600);
    set_right_by_ntp(&mut lab);
    lab.run(1_200);
    assert_eq!(lab.taken(), minutes(0, 20));
}

#[test]
fn date_of_the_server_corrects_a_clock_that_nobody_confirms() {
    let rule = |at, _| Dated(NOW + at);
    let mut lab = Lab::new(rule);
    lab.clock.skew.set(7_200);
    lab.clock.is_synchronised.set(false);
    lab.run(600);
    let wrong = lab.calls()[0].rounds.len();
    let taken = lab.taken();
    assert!(taken[..wrong].iter().all(|time| *time >= 7_200));
    assert_eq!(taken[wrong..], minutes(wrong as i64, 10));
}

/// The wall clock and the time since the boot are cut to seconds at different phases.
#[test]
fn sums_start_at_the_same_second_in_every_round() {
    let mut lab = Lab::new(|_, _| Taken);
    for minute in 0..10 {
        lab.clock.skew.set(minute % 2);
        lab.run((minute as u64 + 1) * ROUND);
    }
    let calls = lab.calls();
    let boots: Vec<u64> = calls.into_iter().flat_map(|call| call.boots).collect();
    assert!(boots.len() > 8, "{boots:?}");
    assert!(boots.iter().all(|boot| *boot == NOW - AGE), "{boots:?}");
}
