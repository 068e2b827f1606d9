//! The only module that asks the operating system what time it is.
//!
//! Two kinds of time are kept apart by type. [`Unix`] is wall-clock time: it is stamped on
//! metrics, decides on which minute a job falls, and may jump when the host clock is corrected.
//! [`Moment`] and [`Deadline`] lie on the monotonic clock: they measure and wait, and are never
//! shown or sent.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall-clock time, in whole seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Unix(pub(crate) u64);

impl Unix {
    /// The start of the minute in which this moment lies.
    pub(crate) fn minute(self) -> Unix {
        Unix(self.0 - self.0 % 60)
    }
}

/// When something was, by the wall clock, which may be wrong, and by the time since the host started,
/// which is not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Stamp {
    pub(crate) wall: Unix,
    /// Seconds since the host started, while it was suspended too.
    pub(crate) age: u64,
}

impl Stamp {
    /// The moment at which the wall clock, going on as it does, shows `wall`.
    pub(crate) fn at(self, wall: Unix) -> Stamp {
        let ahead = wall.0.saturating_sub(self.wall.0);
        let behind = self.wall.0.saturating_sub(wall.0);
        Stamp {
            wall,
            age: self.age.saturating_add(ahead).saturating_sub(behind),
        }
    }
}

/// A point on the monotonic clock, as the time since an origin that means nothing. Stands still
/// while the host is suspended.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Moment(pub(crate) Duration);

impl Moment {
    /// The time from `before` to this moment; zero if it lies ahead.
    pub(crate) fn since(self, before: Moment) -> Duration {
        self.0.saturating_sub(before.0)
    }
}

/// A source of both kinds of time.
pub(crate) trait Clock {
    /// Wall-clock time since the epoch. Two calls may go backwards. A clock set before 1970 reads
    /// as zero.
    fn wall(&self) -> Duration;

    /// The present moment on the monotonic clock.
    fn moment(&self) -> Moment;

    /// [`Clock::wall`] in whole seconds.
    fn unix(&self) -> Unix {
        Unix(self.wall().as_secs())
    }

    /// Seconds since the host started, while it was suspended too, or since any moment in this boot.
    fn age(&self) -> u64 {
        self.moment().0.as_secs()
    }

    /// Whether somebody vouches for the wall clock.
    fn is_synchronised(&self) -> bool {
        true
    }

    /// The present moment by both clocks.
    fn stamp(&self) -> Stamp {
        Stamp {
            wall: self.unix(),
            age: self.age(),
        }
    }
}

/// The clock of the host the agent runs on.
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

/// The monotonic instant by which something has to be finished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// The deadline that lies `limit` ahead of now.
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

/// Waits for as long as `time`, or until a signal ends the process: for commands that nothing else
/// can wake.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A clock that stands still until the test moves it.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct FakeClock {
    pub(crate) wall: std::cell::Cell<Duration>,
    pub(crate) moment: std::cell::Cell<Duration>,
}

#[cfg(test)]
impl FakeClock {
    /// Both clocks go on by `time`.
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
