//! Layer 3: whether the wall clock is right, and at what time something was that was stamped while
//! nobody knew. Arithmetic on both clocks of a [`Stamp`]; asks nobody.
//!
//! The wall clock is right if
//!
//! 1. the kernel says that something keeps it in step with the world's, or
//! 2. it agrees with the time in an answer of the API, or
//! 3. the API answers without saying what time it is.
//!
//! Where the API's time and the clock's differ and the kernel does not report the clock as
//! synchronised, the API's is used. Neither counts where it is no time at which this program could run ([`is_plausible`]).
//! A clock that goes on being wrong by as much as it was needs no second answer. The wall clock then only has to go on at the right speed, or not even that: what is kept
//! is when the host started, and the time since then is counted by a clock that nobody sets.

use crate::base::clock::{Stamp, Unix};

/// Seconds by which two clocks may differ that agree: a request takes up to half of it, and a graph
/// shows minutes.
const TOLERANCE: u64 = 60;
/// A clock that shows less has never been set: 2020-01-01.
const EARLIEST: Unix = Unix(1_577_836_800);
/// A clock that shows more is wrong: 2050-01-01.
const LATEST: Unix = Unix(2_524_608_000);

/// What is known of the wall clock of this boot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct ClockTrust {
    /// When the host started; `None` until it is known.
    start: Option<u64>,
    /// The same by the wall clock, right or wrong, when that was found out. It may lie before 1970,
    /// and wraps then.
    shown: u64,
    /// Whether the clocks have moved apart since then.
    is_doubted: bool,
}

/// What the API has said of the time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// It is this late.
    Time(Unix),
    /// Nothing, but it has answered.
    Silent,
}

impl ClockTrust {
    /// Takes the kernel's word for the wall clock, if it gives it, at the present moment `now`.
    pub(crate) fn ask_kernel(&mut self, now: Stamp, is_synchronised: bool) {
        if is_synchronised && is_plausible(now.wall) {
            self.settle(now.wall, now);
        }
    }

    /// Uses the API's time, unless the kernel reports its clock as synchronised.
    pub(crate) fn ask_server(&mut self, now: Stamp, is_synchronised: bool, answer: Answer) {
        let own = is_plausible(now.wall).then_some(now.wall);
        let time = match answer {
            _ if is_synchronised && own.is_some() => own,
            Answer::Time(time) if is_plausible(time) => {
                let is_equal = time.0.abs_diff(now.wall.0) <= TOLERANCE;
                Some(if is_equal { now.wall } else { time })
            }
            Answer::Time(_) | Answer::Silent => own,
        };
        if let Some(time) = time {
            self.settle(time, now);
        }
    }

    fn settle(&mut self, time: Unix, now: Stamp) {
        self.is_doubted = false;
        self.shown = start_by_wall(now);
        // What agrees with what is known is no reason to know it otherwise by a few seconds.
        if !self.is_near(Stamp { wall: time, ..now }) {
            self.start = Some(time.0.saturating_sub(now.age));
        }
    }

    /// Whether both clocks of a stamp say the same, as far as is known.
    pub(crate) fn is_near(&self, stamp: Stamp) -> bool {
        self.start.is_some_and(|start| {
            start.saturating_add(stamp.age).abs_diff(stamp.wall.0) <= TOLERANCE
        })
    }

    /// Notes a new stamp. Returns whether the wall clock is right, or as wrong as it was when that was
    /// found out; if not, or if nothing is known, somebody has to be asked before [`ClockTrust::time`] is of
    /// use.
    pub(crate) fn is_known(&mut self, stamp: Stamp) -> bool {
        let off = start_by_wall(stamp).wrapping_sub(self.shown).cast_signed();
        let is_as_before = self.start.is_some() && off.unsigned_abs() <= TOLERANCE;
        self.is_doubted |= !is_as_before && !self.is_near(stamp);
        self.is_sure()
    }

    /// Whether [`ClockTrust::time`] can be relied upon.
    pub(crate) fn is_sure(&self) -> bool {
        self.start.is_some() && !self.is_doubted
    }

    /// The time of something in this boot: what its stamp says if that is right, else what follows from
    /// the time since the host started; `None` if that is not known.
    pub(crate) fn time(&self, stamp: Stamp) -> Option<Unix> {
        let start = self.start.filter(|_| !self.is_doubted)?;
        Some(time_since(start, stamp))
    }

    /// When the host started, as far as has ever been known: the best there is for who comes later.
    pub(crate) fn start(&self) -> Option<u64> {
        self.start
    }

    /// Forgets how wrong the wall clock was, which the fault rig has to notice.
    #[cfg(test)]
    pub(crate) fn forget_shown(&mut self) {
        self.shown = u64::MAX / 2;
    }

    /// What an earlier process of this boot has known.
    pub(crate) fn inherited(start: u64) -> ClockTrust {
        ClockTrust {
            start: Some(start),
            shown: start,
            is_doubted: false,
        }
    }
}

/// Whether this program could run at this time: a test for the clocks of hosts and servers alike.
pub(crate) fn is_plausible(time: Unix) -> bool {
    (EARLIEST..=LATEST).contains(&time)
}

/// When the host started, by the wall clock of a stamp. Wraps below zero.
fn start_by_wall(stamp: Stamp) -> u64 {
    stamp.wall.0.wrapping_sub(stamp.age)
}

/// The time of something in a boot that began at `start`.
pub(crate) fn time_since(start: u64, stamp: Stamp) -> Unix {
    let counted = start.saturating_add(stamp.age);
    match counted.abs_diff(stamp.wall.0) <= TOLERANCE {
        true => stamp.wall,
        false => Unix(counted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time at which the tests take place.
    const NOW: u64 = 1_700_000_040;
    /// 2099-01-01.
    const FAR: Unix = Unix(4_070_908_800);
    /// How long the host has been up then.
    const AGE: u64 = 1_000;

    fn stamp(wall: u64, age: u64) -> Stamp {
        Stamp {
            wall: Unix(wall),
            age,
        }
    }

    #[test]
    fn who_is_believed() {
        use Answer::{Silent, Time};
        let hour = 3_600;
        // (why this row exists, wall clock, kernel is synchronised, the API's answer, time that results)
        let table = [
            ("nobody knows", NOW, false, None, None),
            ("the kernel is synchronised", NOW, true, None, Some(NOW)),
            (
                "the API agrees",
                NOW,
                false,
                Some(Time(Unix(NOW + 60))),
                Some(NOW),
            ),
            (
                "the API does not",
                NOW - hour,
                false,
                Some(Time(Unix(NOW))),
                Some(NOW),
            ),
            (
                "just not",
                NOW - 61,
                false,
                Some(Time(Unix(NOW))),
                Some(NOW),
            ),
            (
                "ahead",
                NOW + 9 * hour,
                false,
                Some(Time(Unix(NOW))),
                Some(NOW),
            ),
            (
                "the kernel knows better",
                NOW,
                true,
                Some(Time(Unix(NOW - hour))),
                Some(NOW),
            ),
            (
                "an API without a clock",
                NOW,
                false,
                Some(Silent),
                Some(NOW),
            ),
            ("never set", 120, false, Some(Silent), None),
            ("never set, and synchronised", 120, true, None, None),
            (
                "never set, and told",
                120,
                false,
                Some(Time(Unix(NOW))),
                Some(NOW),
            ),
            (
                "never set, synchronised, answered",
                120,
                true,
                Some(Time(Unix(NOW))),
                Some(NOW),
            ),
            (
                "a server in 1970",
                NOW,
                false,
                Some(Time(Unix(0))),
                Some(NOW),
            ),
            (
                "a server in 2019",
                NOW,
                false,
                Some(Time(Unix(EARLIEST.0 - 1))),
                Some(NOW),
            ),
            ("a server in 2099", NOW, false, Some(Time(FAR)), Some(NOW)),
            (
                "a server at the end of time",
                NOW,
                false,
                Some(Time(Unix(u64::MAX))),
                Some(NOW),
            ),
            ("a host in 2099", FAR.0, false, Some(Silent), None),
            ("the same, synchronised", FAR.0, true, None, None),
            (
                "the same, and told",
                FAR.0,
                false,
                Some(Time(Unix(NOW))),
                Some(NOW),
            ),
            ("both in 1970", 120, false, Some(Time(Unix(60))), None),
            ("both in 2099", FAR.0, false, Some(Time(FAR)), None),
            (
                "one in 1970, one in 2099",
                120,
                false,
                Some(Time(FAR)),
                None,
            ),
        ];
        for (why, wall, is_synchronised, answer, expected) in table {
            let now = stamp(wall, AGE);
            let mut trust = ClockTrust::default();
            match answer {
                None => trust.ask_kernel(now, is_synchronised),
                Some(answer) => trust.ask_server(now, is_synchronised, answer),
            }
            assert_eq!(trust.time(now), expected.map(Unix), "{why}");
            assert_eq!(trust.is_sure(), expected.is_some(), "{why}");
            assert_eq!(trust.start(), expected.map(|time| time - AGE), "{why}");
        }
    }

    /// A Pi without a battery: an hour in the past, then set right.
    #[test]
    fn what_was_stamped_before_the_clock_was_set_gets_its_time() {
        let mut trust = ClockTrust::default();
        let early: Vec<Stamp> = (0..5)
            .map(|minute| stamp(NOW - 3_600 + minute * 60, minute * 60))
            .collect();
        for stamp in &early {
            assert!(!trust.is_known(*stamp));
            assert_eq!(trust.time(*stamp), None);
        }
        let set = stamp(NOW + 300, 300);
        trust.ask_kernel(set, true);
        assert!(trust.is_known(set));
        let times = early
            .iter()
            .map(|stamp| trust.time(*stamp).unwrap().0 - NOW);
        assert!(times.eq([0, 60, 120, 180, 240]));
    }

    #[test]
    fn a_time_that_is_right_stays_as_it_was_stamped() {
        let mut trust = ClockTrust::default();
        trust.ask_kernel(stamp(NOW, AGE), true);
        // (why this row exists, stamp, time)
        let table = [
            ("on the minute", stamp(NOW + 60, AGE + 59), NOW + 60),
            (
                "a clock that is slewed",
                stamp(NOW + 600, AGE + 570),
                NOW + 600,
            ),
            (
                "a clock set back",
                stamp(NOW + 60 - 7_200, AGE + 60),
                NOW + 60,
            ),
            (
                "a clock set ahead",
                stamp(NOW + 120 + 86_400, AGE + 120),
                NOW + 120,
            ),
        ];
        for (why, stamp, expected) in table {
            assert_eq!(trust.time(stamp), Some(Unix(expected)), "{why}");
        }
    }

    #[test]
    fn clocks_that_move_apart_are_believed_again_when_somebody_has_been_asked() {
        let hour = 3_600;
        // (why this row exists, kernel is synchronised afterwards, the API's time, time that results)
        let table = [
            ("set wrong by hand", false, Some(NOW + 60), NOW + 60),
            (
                "set right, which the kernel knows",
                true,
                None,
                NOW + 60 + hour,
            ),
            // The clock that counts from the start stands still while a virtual machine is paused.
            (
                "a machine that was paused",
                false,
                Some(NOW + 60 + hour),
                NOW + 60 + hour,
            ),
        ];
        for (why, is_synchronised, server, expected) in table {
            let mut trust = ClockTrust::default();
            trust.ask_kernel(stamp(NOW, AGE), true);
            assert!(trust.is_known(stamp(NOW, AGE)));
            let odd = stamp(NOW + 60 + hour, AGE + 60);
            assert!(!trust.is_known(odd), "{why}");
            assert!(!trust.is_sure() && trust.time(odd).is_none(), "{why}");
            // One that agrees with what was known says nothing of who is right.
            assert!(!trust.is_known(stamp(NOW + 60, AGE + 60)), "{why}");
            trust.ask_kernel(odd, is_synchronised);
            if let Some(server) = server {
                trust.ask_server(odd, is_synchronised, Answer::Time(Unix(server)));
            }
            assert_eq!(trust.time(odd), Some(Unix(expected)), "{why}");
        }
    }

    /// Nobody has to be asked again, and nothing waits, as long as the error stays what it is.
    #[test]
    fn clock_that_goes_on_being_wrong_is_known() {
        let hour = 3_600;
        // (why this row exists, wall clock, the API's time)
        let table = [
            ("just too far", NOW - 61, NOW),
            ("behind", NOW - hour, NOW),
            ("ahead", NOW + 9 * hour, NOW),
            ("never set", 120, NOW),
            ("since before 1970 by the host's age", 0, NOW),
        ];
        for (why, wall, server) in table {
            let mut trust = ClockTrust::default();
            let now = stamp(wall, AGE);
            assert!(!trust.is_known(now), "{why}");
            trust.ask_server(now, false, Answer::Time(Unix(server)));
            for minute in 1..=24 * 60 {
                let later = stamp(wall + minute * 60, AGE + minute * 60);
                assert!(trust.is_known(later), "{why}: minute {minute}");
                assert_eq!(trust.time(later), Some(Unix(server + minute * 60)), "{why}");
            }
            // Set right by hand: that is known at once, too.
            let right = stamp(server + 2 * 86_400, AGE + 2 * 86_400);
            assert!(trust.is_known(right), "{why}");
            assert_eq!(trust.time(right), Some(right.wall), "{why}");
            // Another error is not.
            assert!(
                !trust.is_known(stamp(wall + 3 * 86_400 + 200, AGE + 3 * 86_400)),
                "{why}"
            );
        }
    }

    #[test]
    fn no_clock_overflows() {
        for wall in [0, NOW, u64::MAX] {
            for age in [0, AGE, u64::MAX] {
                let mut trust = ClockTrust::default();
                trust.ask_server(stamp(NOW, AGE), false, Answer::Time(Unix(wall)));
                assert!(trust.time(stamp(wall, age)).is_some());
                trust.is_known(stamp(wall, age));
                assert!(time_since(wall, stamp(NOW, age)) >= Unix(NOW.min(wall)));
            }
        }
    }
}
