//! Decides whether the wall clock is right, and at what time something was measured that was
//! stamped before the time was known. Pure arithmetic on both clocks of a [`Stamp`].
//!
//! The wall clock is right if
//!
//! 1. the kernel reports it as synchronised, or
//! 2. it agrees with the date of a response of the API, or
//! 3. the API's response has no date.
//!
//! If the API's time and the clock's differ and the kernel does not report the clock as
//! synchronised, the API's is used. Neither is used if it is a time at which this program could not
//! run ([`is_plausible`]).
//!
//! While the error of a wrong clock stays the same, no second answer is needed, and dates of other
//! responses are only compared. The start of the host is stored, and the time since then is counted
//! by a clock that is never set. The wall clock therefore only has to run at the right speed, or not
//! even that.

use crate::base::clock::{Stamp, Unix};

/// Seconds by which two clocks that agree may differ. A request takes up to half of it, and a graph
/// has a resolution of minutes.
const TOLERANCE: u64 = 60;
/// 2020-01-01. A clock that shows less has never been set.
const EARLIEST: Unix = Unix(1_577_836_800);
/// 2050-01-01. A clock that shows more is wrong.
const LATEST: Unix = Unix(2_524_608_000);

/// What is known about the wall clock of this boot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct ClockTrust {
    /// When the host started, as a Unix time; `None` until it is known.
    start: Option<u64>,
    /// The same by the wall clock, right or wrong, at the time when `start` was found out. It may
    /// lie before 1970, and then wraps.
    shown: u64,
    /// Whether the clocks have diverged since then.
    is_doubted: bool,
}

/// The time according to a response of the API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// The date of the response.
    Time(Unix),
    /// The response has no date.
    Silent,
}

impl ClockTrust {
    /// Uses the wall clock at the present moment `now`, if the kernel reports it as synchronised.
    pub(crate) fn ask_kernel(&mut self, now: Stamp, is_synchronised: bool) {
        if is_synchronised && is_plausible(now.wall) {
            self.settle(now.wall, now);
        }
    }

    /// Uses the API's time, unless the kernel reports the wall clock as synchronised.
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
        // A time that agrees with the known one does not replace it: they may differ by a few
        // seconds.
        if !self.is_near(Stamp { wall: time, ..now }) {
            self.start = Some(time.0.saturating_sub(now.age));
        }
    }

    /// Whether both clocks of a stamp agree, as far as is known.
    pub(crate) fn is_near(&self, stamp: Stamp) -> bool {
        self.start.is_some_and(|start| {
            start.saturating_add(stamp.age).abs_diff(stamp.wall.0) <= TOLERANCE
        })
    }

    /// Records a new stamp. Returns whether the wall clock is right, or has the same error as when
    /// that was found out. If not, or if nothing is known, the kernel or the server has to be asked
    /// before [`ClockTrust::time`] returns a time.
    pub(crate) fn is_known(&mut self, stamp: Stamp) -> bool {
        let off = start_by_wall(stamp).wrapping_sub(self.shown).cast_signed();
        let is_as_before = self.start.is_some() && off.unsigned_abs() <= TOLERANCE;
        self.is_doubted |= !is_as_before && !self.is_near(stamp);
        self.is_sure()
    }

    /// Records the date of a response. A time that it contradicts is doubted, unless the kernel
    /// reports the wall clock as synchronised: both clocks of a virtual machine stand still while it
    /// is paused, so that they agree afterwards, and are both wrong.
    pub(crate) fn compare(&mut self, now: Stamp, date: Unix, is_synchronised: &dyn Fn() -> bool) {
        let is_off = |time: Unix| time.0.abs_diff(date.0) > TOLERANCE;
        self.is_doubted |=
            is_plausible(date) && self.time(now).is_some_and(is_off) && !is_synchronised();
    }

    /// Whether [`ClockTrust::time`] returns a time.
    pub(crate) fn is_sure(&self) -> bool {
        self.start.is_some() && !self.is_doubted
    }

    /// The time of something in this boot: the stamp's wall-clock time if that is right, otherwise
    /// the host's start plus the time since then; `None` if it is not known.
    pub(crate) fn time(&self, stamp: Stamp) -> Option<Unix> {
        let start = self.start.filter(|_| !self.is_doubted)?;
        Some(time_since(start, stamp))
    }

    /// When the host started, even if that has become doubtful: the best value for a later process.
    pub(crate) fn start(&self) -> Option<u64> {
        self.start
    }

    /// Forgets the error of the wall clock: a fault that the rig has to detect.
    #[cfg(test)]
    pub(crate) fn forget_shown(&mut self) {
        self.shown = u64::MAX / 2;
    }

    /// The state in which an earlier process of this boot has recorded the host's start.
    pub(crate) fn inherited(start: u64) -> ClockTrust {
        ClockTrust {
            start: Some(start),
            shown: start,
            is_doubted: false,
        }
    }
}

/// Whether this program could run at this time. Applied to the clocks of hosts and of servers.
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
    if counted.abs_diff(stamp.wall.0) <= TOLERANCE {
        stamp.wall
    } else {
        Unix(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Unix time at which the tests take place.
    const NOW: u64 = 1_700_000_040;
    /// 2099-01-01.
    const FAR: Unix = Unix(4_070_908_800);
    /// Uptime of the host at that time, in seconds.
    const AGE: u64 = 1_000;

    fn stamp(wall: u64, age: u64) -> Stamp {
        Stamp {
            wall: Unix(wall),
            age,
        }
    }

    #[test]
    fn time_comes_from_the_clock_that_is_trusted() {
        use Answer::{Silent, Time};
        let hour = 3_600;
        // (why this row exists, wall clock, kernel is synchronised, the API's answer, resulting
        // time)
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

    /// A Raspberry Pi without a battery: its clock is an hour behind, and is then set right.
    #[test]
    fn stamps_from_before_the_clock_was_set_get_their_time() {
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
    fn clocks_that_diverge_are_trusted_again_after_an_answer() {
        let hour = 3_600;
        // (why this row exists, kernel is synchronised afterwards, the API's time, resulting time)
        let table = [
            ("set wrong by hand", false, Some(NOW + 60), NOW + 60),
            (
                "set right, which the kernel knows",
                true,
                None,
                NOW + 60 + hour,
            ),
            // The clock that counts from the start stops while a virtual machine is paused.
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
            // A stamp that agrees with the known time does not show which clock is right.
            assert!(!trust.is_known(stamp(NOW + 60, AGE + 60)), "{why}");
            trust.ask_kernel(odd, is_synchronised);
            if let Some(server) = server {
                trust.ask_server(odd, is_synchronised, Answer::Time(Unix(server)));
            }
            assert_eq!(trust.time(odd), Some(Unix(expected)), "{why}");
        }
    }

    #[test]
    fn a_date_that_contradicts_both_clocks_is_followed_by_another_question() {
        let hour = 3_600;
        // (why this row exists, kernel is synchronised, date of a response, whether the time is
        // known afterwards)
        let table = [
            ("both agree", false, NOW + 60, true),
            ("a machine that was paused", false, NOW + 30 * hour, false),
            ("a clock that is too fast by now", false, NOW - 61, false),
            ("the kernel knows better", true, NOW + 30 * hour, true),
            ("a server without a clock", false, FAR.0, true),
        ];
        for (why, is_synchronised, date, is_known) in table {
            let mut trust = ClockTrust::default();
            let now = stamp(NOW, AGE);
            trust.ask_server(now, is_synchronised, Answer::Time(Unix(NOW)));
            trust.compare(now, Unix(date), &|| is_synchronised);
            assert_eq!(trust.time(now).is_some(), is_known, "{why}");
            trust.ask_server(now, is_synchronised, Answer::Time(Unix(date)));
            assert!(trust.is_sure(), "{why}");
        }
    }

    /// As long as the error stays the same, no further answer is needed and nothing waits.
    #[test]
    fn clock_with_a_constant_error_is_known() {
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
            // A clock that was set right by hand is detected at once, too.
            let right = stamp(server + 2 * 86_400, AGE + 2 * 86_400);
            assert!(trust.is_known(right), "{why}");
            assert_eq!(trust.time(right), Some(right.wall), "{why}");
            // Another error is not known.
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
