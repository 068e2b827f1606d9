//! Decides when the supervisor starts a child, how long it waits before, and when it gives up. The
//! caller carries out the decisions.

use std::time::Duration;

use crate::base::backoff::Backoff;
use crate::base::clock::Moment;
use crate::sys::child::End;

/// A child that ran at least this long counts as proven.
const PROVEN: Duration = Duration::from_secs(30);
/// Longest pause before a child is started again.
const PAUSE: Duration = Duration::from_secs(5 * 60);

/// The state of the child, and pending requests.
pub(crate) struct Policy {
    random: fn() -> u32,
    backoff: Backoff,
    child: Child,
    /// Whether a child has ever been started.
    has_run: bool,
    /// Whether a child has ever run for [`PROVEN`]. From then on only a signal ends the supervisor.
    is_proven: bool,
    stops: bool,
    reloads: bool,
    /// The supervisor's result if it is stopped while there is no child.
    last: Result<(), String>,
}

enum Child {
    /// There is no child; the next is due at this time.
    Due(Moment),
    /// The child was started at this time.
    Runs(Moment),
    /// No further child will be started.
    Over,
}

/// What the caller must do next.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// Start a child, then call `started` or `not_started`.
    Start,
    /// Wait for an event, at most this long.
    Wait(Option<Duration>),
    /// End with this result.
    End(Result<(), String>),
}

impl Policy {
    /// A policy that starts a child at once.
    pub(crate) fn new(random: fn() -> u32, now: Moment) -> Policy {
        Policy {
            random,
            backoff: Backoff::up_to(PAUSE),
            child: Child::Due(now),
            has_run: false,
            is_proven: false,
            stops: false,
            reloads: false,
            last: Ok(()),
        }
    }

    /// What to do at `now`.
    pub(crate) fn next(&self, now: Moment) -> Next {
        match self.child {
            Child::Over => Next::End(self.last.clone()),
            Child::Due(_) if self.stops => Next::End(self.last.clone()),
            Child::Due(due) if due <= now => Next::Start,
            Child::Due(due) => Next::Wait(Some(due.since(now))),
            Child::Runs(_) => Next::Wait(None),
        }
    }

    /// Records that a child has been started.
    pub(crate) fn started(&mut self, now: Moment) {
        self.child = Child::Runs(now);
        self.has_run = true;
    }

    /// Records that no child could be started. The first time, the supervisor ends: a retry is
    /// pointless then. Later the program may just be being replaced. Returns the pause before the
    /// next attempt; `None` if there is none.
    pub(crate) fn not_started(&mut self, why: String, now: Moment) -> Option<Duration> {
        self.last = Err(why);
        if self.has_run {
            self.pause(now)
        } else {
            self.is_over()
        }
    }

    /// Records the end of the child. Returns the pause before the next start; `None` if there is
    /// none.
    ///
    /// - If the supervisor is stopping, it ends too.
    /// - If a reload was requested, or the child ran for [`PROVEN`], the next is started at once.
    /// - If it exited by itself before any child was proven, the supervisor ends. Such a child has
    ///   logged why it cannot run (configuration, key, host id), and the next would fail likewise.
    /// - Otherwise the next is started after a pause, which grows each time.
    pub(crate) fn ended(&mut self, end: End, now: Moment) -> Option<Duration> {
        let age = match self.child {
            Child::Runs(since) => now.since(since),
            _ => Duration::ZERO,
        };
        self.last = match end {
            End::Code(0) => Ok(()),
            end => Err(end.to_string()),
        };
        if age >= PROVEN {
            self.is_proven = true;
            self.backoff.succeeded();
        }
        if self.stops {
            self.is_over()
        } else if self.reloads || age >= PROVEN {
            self.reloads = false;
            self.child = Child::Due(now);
            Some(Duration::ZERO)
        } else if matches!(end, End::Code(_)) && !self.is_proven {
            self.is_over()
        } else {
            self.pause(now)
        }
    }

    fn is_over(&mut self) -> Option<Duration> {
        self.child = Child::Over;
        None
    }

    fn pause(&mut self, now: Moment) -> Option<Duration> {
        let pause = self.backoff.failed(Duration::ZERO, (self.random)());
        self.child = Child::Due(Moment(now.0 + pause));
        Some(pause)
    }

    /// Requests the end of the supervisor and its child.
    pub(crate) fn stop(&mut self) {
        self.stops = true;
    }

    /// Whether the end has been requested.
    pub(crate) fn stops(&self) -> bool {
        self.stops
    }

    /// Requests a restart with the new configuration, which is valid. Returns whether the child
    /// must be ended for that. If there is no child, the next one is started at once.
    pub(crate) fn reload(&mut self, now: Moment) -> bool {
        self.backoff.succeeded();
        match self.child {
            Child::Due(_) => self.child = Child::Due(now),
            Child::Runs(_) if !self.stops && !self.reloads => {
                self.reloads = true;
                return true;
            }
            Child::Runs(_) | Child::Over => {}
        }
        false
    }
}

#[cfg(test)]
mod tests;
