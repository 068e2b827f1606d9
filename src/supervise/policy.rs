//! When the supervisor starts a child, how long it waits before, and when it gives up: decisions, which
//! the caller carries out.

use std::time::Duration;

use crate::base::backoff::Backoff;
use crate::base::clock::Moment;
use crate::sys::child::End;

/// A child that lived for so long has done its work.
const PROVEN: Duration = Duration::from_secs(30);
/// Longest pause before a child is started again.
const PAUSE: Duration = Duration::from_secs(5 * 60);

/// What is known of the child, and what is wanted of it.
pub(crate) struct Policy {
    random: fn() -> u32,
    backoff: Backoff,
    child: Child,
    /// Whether there has been one.
    has_run: bool,
    /// Whether one has ever lived for [`PROVEN`]: then nothing but a signal ends the supervisor.
    is_proven: bool,
    stops: bool,
    reloads: bool,
    /// What the supervisor ends with if it is told to while there is no child.
    last: Result<(), String>,
}

enum Child {
    /// There is none; the next is due then.
    Due(Moment),
    /// It was started then.
    Runs(Moment),
    /// There will be none any more.
    Over,
}

/// What there is to do.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// Start a child, and say how that went.
    Start,
    /// Wait for something to happen, or for so long.
    Wait(Option<Duration>),
    /// End like this.
    End(Result<(), String>),
}

impl Policy {
    /// Wants a child at once.
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

    /// What there is to do at `now`.
    pub(crate) fn next(&self, now: Moment) -> Next {
        match self.child {
            Child::Over => Next::End(self.last.clone()),
            Child::Due(_) if self.stops => Next::End(self.last.clone()),
            Child::Due(due) if due <= now => Next::Start,
            Child::Due(due) => Next::Wait(Some(due.since(now))),
            Child::Runs(_) => Next::Wait(None),
        }
    }

    /// A child has been started.
    pub(crate) fn started(&mut self, now: Moment) {
        self.child = Child::Runs(now);
        self.has_run = true;
    }

    /// None could be. At the start there is no sense in trying again; later the program may just be
    /// being replaced. Returns how long that is waited for.
    pub(crate) fn not_started(&mut self, why: String, now: Moment) -> Option<Duration> {
        self.last = Err(why);
        match self.has_run {
            true => self.pause(now),
            false => self.is_over(),
        }
    }

    /// The child has ended. Returns how long it takes until the next is started; `None` if none is.
    ///
    /// - If it was told to, so does the supervisor, or the next is started at once.
    /// - If it was old enough, the next is started at once.
    /// - If it was young and ended by itself, before any has ever got old, it has said why it cannot
    ///   go on (its configuration, its key, its host's id): so it would be the next time.
    /// - Otherwise, the next is started after a pause, each time a longer one.
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

    /// Somebody wants the supervisor to end: it does so with its child.
    pub(crate) fn stop(&mut self) {
        self.stops = true;
    }

    /// Whether somebody does.
    pub(crate) fn stops(&self) -> bool {
        self.stops
    }

    /// Somebody wants another configuration, which is in order, to be taken over. Returns whether
    /// the child is to be ended for that; the next one is started as soon as there is none.
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
