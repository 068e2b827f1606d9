//! Clocks. Only this module reads the time from the operating system.
//!
//! The types separate two kinds of time. [`Unix`] is wall-clock time: it timestamps metrics,
//! determines the minute of a job, and may jump when the host's clock is corrected. [`Moment`] and
//! [`Deadline`] are points on the monotonic clock: they serve to measure and to wait, and are never
//! displayed or sent.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall-clock time, in whole seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Unix(pub(crate) u64);

impl Unix {
    /// The start of the minute that contains this time.
    pub(crate) fn minute(self) -> Unix {
        Unix(self.0 - self.0 % 60)
    }

    /// The start of a day of a year from 1970 on. `month` is from 1 to 12, `day` from 1 on; `None` for
    /// other months.
    pub(crate) fn of_day(year: u64, month: u64, day: u64) -> Option<Unix> {
        /// Days before each month of a year that is not a leap year.
        const DAYS: [u16; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let at = usize::try_from(month.checked_sub(1)?).ok()?;
        let is_leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let before = year.checked_sub(1)?;
        // Leap years from 1970 to `before`. There are 477 from the year 1 to 1969.
        let leaps = (before / 4 - before / 100 + before / 400).checked_sub(477)?;
        let leap_day = u64::from(is_leap && month > 2);
        let days = year.checked_sub(1970)? * 365 + leaps + u64::from(*DAYS.get(at)?) + leap_day;
        Some(Unix((days + day.checked_sub(1)?) * 86_400))
    }

    /// The day that contains this time, e.g. `2026-01-31`. Days up to the year 9999 sort as
    /// strings.
    pub(crate) fn day(self) -> String {
        // Years are counted from March, so that a leap day is the last day of its year. 400 years
        // have exactly 146,097 days.
        let days = self.0 / 86_400 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (year, month) = match month {
            0..10 => (year, month + 3),
            _ => (year + 1, month - 9),
        };
        format!("{:04}-{month:02}-{day:02}", era * 400 + year)
    }
}

/// A point in time by two clocks: the wall clock, which may be wrong, and the time since boot,
/// which is always right.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Stamp {
    pub(crate) wall: Unix,
    /// Seconds since boot, including time in suspend.
    pub(crate) age: u64,
}

impl Stamp {
    /// The stamp of the time at which the wall clock shows `wall`, if the clock is not corrected.
    pub(crate) fn at(self, wall: Unix) -> Stamp {
        let ahead = wall.0.saturating_sub(self.wall.0);
        let behind = self.wall.0.saturating_sub(wall.0);
        Stamp {
            wall,
            age: self.age.saturating_add(ahead).saturating_sub(behind),
        }
    }
}

/// A point on the monotonic clock, as the time since an arbitrary origin. The clock stops while the
/// host is suspended.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Moment(pub(crate) Duration);

impl Moment {
    /// The time from `before` to this moment; zero if `before` is later.
    pub(crate) fn since(self, before: Moment) -> Duration {
        self.0.saturating_sub(before.0)
    }
}

/// A source of both kinds of time.
pub(crate) trait Clock {
    /// Wall-clock time since the epoch. It may decrease between two calls. Zero if the clock is set
    /// before 1970.
    fn wall(&self) -> Duration;

    /// The current time of the monotonic clock.
    fn moment(&self) -> Moment;

    /// [`Clock::wall`] in whole seconds.
    fn unix(&self) -> Unix {
        Unix(self.wall().as_secs())
    }

    /// Seconds since boot, including time in suspend, or since an arbitrary moment after the boot.
    fn age(&self) -> u64 {
        self.moment().0.as_secs()
    }

    /// Whether the kernel reports the wall clock as synchronised.
    fn is_synchronised(&self) -> bool {
        true
    }

    /// The current time by both clocks.
    fn stamp(&self) -> Stamp {
        Stamp {
            wall: self.unix(),
            age: self.age(),
        }
    }
}

/// The clock of the host.
#[derive(Clone, Copy)]
pub(crate) struct HostClock {
    origin: Instant,
}

impl HostClock {
    /// A clock whose moments count from now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub(crate) fn new() -> HostClock {
        HostClock {
            origin: Instant::now(),
        }
    }
}

impl Clock for HostClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn wall(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }

    fn moment(&self) -> Moment {
        Moment(self.origin.elapsed())
    }
}

/// A point on the monotonic clock at which a limit expires.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// The deadline `limit` from now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub(crate) fn after(limit: Duration) -> Deadline {
        Deadline(Instant::now() + limit)
    }

    /// Time left; zero once the deadline has passed.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub(crate) fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Sleeps for `time`, or until a signal ends the process. For commands without other events.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A clock that only advances when the test does so.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct FakeClock {
    pub(crate) wall: std::cell::Cell<Duration>,
    pub(crate) moment: std::cell::Cell<Duration>,
}

#[cfg(test)]
impl FakeClock {
    /// Advances both clocks by `time`.
    pub(crate) fn pass(&self, time: Duration) {
        self.wall.set(self.wall.get() + time);
        self.moment.set(self.moment.get() + time);
    }
}

#[cfg(test)]
impl Clock for FakeClock {
    fn wall(&self) -> Duration {
        self.wall.get()
    }

    fn moment(&self) -> Moment {
        Moment(self.moment.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_is_that_of_the_calendar() {
        // (why this row exists, seconds, day)
        let table = [
            ("the epoch, on hosts without a clock", 0, "1970-01-01"),
            ("the last second of a day", 86_399, "1970-01-01"),
            ("a leap day", 951_782_400, "2000-02-29"),
            ("the day after it", 951_868_800, "2000-03-01"),
            ("a century without leap day", 4_107_542_400, "2100-03-01"),
            ("the end of a year", 1_798_761_599, "2026-12-31"),
            ("32 bits", 4_294_967_295, "2106-02-07"),
        ];
        for (why, seconds, day) in table {
            assert_eq!(Unix(seconds).day(), day, "{why}");
        }
    }
}
