//! Layer 3: whether the wall clock is right, and at what time something was that was stamped while
//! nobody knew. Arithmetic on both clocks of a [`Stamp`]; asks nobody.
//!
//! The wall clock is right if
//!
//! 1. the kernel says that something keeps it in step with the world's, or
//! 2. it agrees with the time in an answer of the API, or
//! 3. the API answers without saying what time it is, and the clock shows a time at which this program
//!    could exist.
//!
//! Where the API's time and the clock's differ and the kernel does not vouch for the clock, the API's
//! is right. The wall clock then only has to go on at the right speed, or not even that: what is kept
//! is when the host started, and the time since then is counted by a clock that nobody sets.

use crate::base::clock::{Stamp, Unix};

/// Seconds by which two clocks may differ that agree: a request takes up to half of it, and a graph
/// shows minutes.
const TOLERANCE: u64 = 60;
/// A clock that shows less has never been set: 2020-01-01.
const EARLIEST: Unix = Unix(1_577_836_800);

/// What is known of the wall clock of this boot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Trust {
    /// When the host started; `None` until it is known.
    start: Option<u64>,
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

impl Trust {
    /// Takes the kernel's word for the wall clock, if it gives it, at the present moment `now`.
    pub(crate) fn ask_kernel(&mut self, now: Stamp, is_synchronised: bool) {
        if is_synchronised && now.wall >= EARLIEST {
            self.settle(now.wall, now);
        }
    }

    /// Takes the API's word for the time, unless the kernel vouches for its own.
    pub(crate) fn ask_server(&mut self, now: Stamp, is_synchronised: bool, answer: Answer) {
        match answer {
            _ if is_synchronised && now.wall >= EARLIEST => self.settle(now.wall, now),
            Answer::Time(time) if time.0.abs_diff(now.wall.0) <= TOLERANCE => {
                self.settle(now.wall, now);
            }
            // What is known agrees with it: no reason to know it otherwise by a few seconds.
            Answer::Time(time) if self.is_near(Stamp { wall: time, ..now }) => {
                self.is_doubted = false;
            }
            Answer::Time(time) => self.settle(time, now),
            Answer::Silent if now.wall >= EARLIEST => self.settle(now.wall, now),
            Answer::Silent => {}
        }
    }

    fn settle(&mut self, time: Unix, now: Stamp) {
        self.is_doubted = false;
        if !self.is_near(Stamp { wall: time, ..now }) {
            self.start = Some(time.0.saturating_sub(now.age));
        }
    }

    /// Whether both clocks of a stamp say the same, as far as is known.
    fn is_near(&self, stamp: Stamp) -> bool {
        self.start.is_some_and(|start| {
            start.saturating_add(stamp.age).abs_diff(stamp.wall.0) <= TOLERANCE
        })
    }

    /// Notes a new stamp. Returns whether its wall-clock time is right; if not, or if nothing is known,
    /// somebody has to be asked before [`Trust::time`] is of use.
    pub(crate) fn is_right(&mut self, stamp: Stamp) -> bool {
        let is_near = self.is_near(stamp);
        self.is_doubted |= !is_near;
        is_near && !self.is_doubted
    }

    /// Whether [`Trust::time`] can be relied upon.
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

    /// What an earlier process of this boot has known.
    pub(crate) fn inherited(start: u64) -> Trust {
        Trust {
            start: Some(start),
            is_doubted: false,
        }
    }
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
        // (why this row exists, wall clock, kernel vouches, the API's answer, time that results)
        let table = [
            ("nobody knows", NOW, false, None, None),
            ("the kernel vouches", NOW, true, None, Some(NOW)),
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
            ("never set, and vouched for", 120, true, None, None),
            (
                "never set, and told",
                120,
                false,
                Some(Time(Unix(NOW))),
                Some(NOW),
            ),
            (
                "never set, vouched for, told",
                120,
                true,
                Some(Time(Unix(NOW))),
                Some(NOW),
            ),
        ];
        for (why, wall, vouches, answer, expected) in table {
            let now = stamp(wall, AGE);
            let mut trust = Trust::default();
            match answer {
                None => trust.ask_kernel(now, vouches),
                Some(answer) => trust.ask_server(now, vouches, answer),
            }
            assert_eq!(trust.time(now), expected.map(Unix), "{why}");
            assert_eq!(trust.is_sure(), expected.is_some(), "{why}");
            assert_eq!(trust.start(), expected.map(|time| time - AGE), "{why}");
        }
    }

    /// A Pi without a battery: an hour in the past, then set right.
    #[test]
    fn what_was_stamped_before_the_clock_was_set_gets_its_time() {
        let mut trust = Trust::default();
        let early: Vec<Stamp> = (0..5)
            .map(|minute| stamp(NOW - 3_600 + minute * 60, minute * 60))
            .collect();
        for stamp in &early {
            assert!(!trust.is_right(*stamp));
            assert_eq!(trust.time(*stamp), None);
        }
        let set = stamp(NOW + 300, 300);
        trust.ask_kernel(set, true);
        assert!(trust.is_right(set));
        let times = early
            .iter()
            .map(|stamp| trust.time(*stamp).unwrap().0 - NOW);
        assert!(times.eq([0, 60, 120, 180, 240]));
    }

    #[test]
    fn a_time_that_is_right_stays_as_it_was_stamped() {
        let mut trust = Trust::default();
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
        // (why this row exists, kernel vouches afterwards, the API's time, time that results)
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
        for (why, vouches, server, expected) in table {
            let mut trust = Trust::default();
            trust.ask_kernel(stamp(NOW, AGE), true);
            assert!(trust.is_right(stamp(NOW, AGE)));
            let odd = stamp(NOW + 60 + hour, AGE + 60);
            assert!(!trust.is_right(odd), "{why}");
            assert!(!trust.is_sure() && trust.time(odd).is_none(), "{why}");
            // One that agrees with what was known says nothing of who is right.
            assert!(!trust.is_right(stamp(NOW + 60, AGE + 60)), "{why}");
            trust.ask_kernel(odd, vouches);
            if let Some(server) = server {
                trust.ask_server(odd, vouches, Answer::Time(Unix(server)));
            }
            assert_eq!(trust.time(odd), Some(Unix(expected)), "{why}");
        }
    }

    #[test]
    fn no_clock_overflows() {
        for wall in [0, NOW, u64::MAX] {
            for age in [0, AGE, u64::MAX] {
                let mut trust = Trust::default();
                trust.ask_server(stamp(NOW, AGE), false, Answer::Time(Unix(wall)));
                assert!(trust.time(stamp(wall, age)).is_some());
                assert!(time_since(wall, stamp(NOW, age)) >= Unix(NOW.min(wall)));
            }
        }
    }
}
