//! The service manager's watchdog: WATCHDOG=1 is sent by the main thread, and only while the poster
//! answers it.

use std::time::Duration;

use crate::base::clock::Moment;

/// How long the poster may take to answer the main thread: the full time limits of some requests.
const PATIENCE: Duration = Duration::from_secs(2 * 60);

/// When WATCHDOG=1 is due, and whether the poster answers.
pub(crate) struct Watchdog {
    every: Duration,
    due: Moment,
    /// When the poster was asked. `None` if it has answered.
    asked: Option<Moment>,
    /// Whether the poster has been reported as hanging.
    hangs: bool,
}

/// What the caller does next.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// Nothing.
    Rest,
    /// Send WATCHDOG=1. Ask the poster too if `ask`, that is, if no answer is outstanding.
    Tell { ask: bool },
    /// Log that the poster hangs. WATCHDOG=1 is no longer sent.
    Complain,
}

impl Watchdog {
    /// A watchdog whose service manager waits at most `limit` for WATCHDOG=1. It is sent twice in
    /// that time.
    pub(crate) fn new(limit: Duration, now: Moment) -> Watchdog {
        Watchdog {
            every: limit / 2,
            due: now,
            asked: None,
            hangs: false,
        }
    }

    /// Time until the next turn.
    pub(crate) fn idle(&self, now: Moment) -> Duration {
        self.due.since(now)
    }

    /// What is due at `now`. The caller does it.
    pub(crate) fn turn(&mut self, now: Moment) -> Turn {
        if self.due > now {
            return Turn::Rest;
        }
        self.due = Moment(now.0 + self.every);
        match self.asked {
            Some(_) if self.hangs => Turn::Rest,
            Some(asked) if now.since(asked) > PATIENCE => {
                self.hangs = true;
                Turn::Complain
            }
            Some(_) => Turn::Tell { ask: false },
            None => {
                self.asked = Some(now);
                Turn::Tell { ask: true }
            }
        }
    }

    /// Records that the poster has answered.
    pub(crate) fn answered(&mut self) {
        self.asked = None;
        self.hangs = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn it_is_told_twice_in_its_time() {
        let mut watchdog = Watchdog::new(Duration::from_secs(30), at(100));
        for second in [100, 115, 131, 146] {
            assert_eq!(watchdog.turn(at(second)), Turn::Tell { ask: true });
            watchdog.answered();
            assert_eq!(watchdog.turn(at(second + 1)), Turn::Rest);
            assert_eq!(watchdog.idle(at(second + 1)), Duration::from_secs(14));
        }
    }

    #[test]
    fn a_poster_that_hangs_is_no_longer_covered_for() {
        let mut watchdog = Watchdog::new(Duration::from_secs(60), at(0));
        assert_eq!(watchdog.turn(at(0)), Turn::Tell { ask: true });
        for second in [30, 60, 90, 120] {
            let told = watchdog.turn(at(second));
            assert_eq!(told, Turn::Tell { ask: false }, "a request may take long");
        }
        assert_eq!(watchdog.turn(at(150)), Turn::Complain);
        assert_eq!(watchdog.turn(at(180)), Turn::Rest);
        assert_eq!(watchdog.idle(at(180)), Duration::from_secs(30));
        watchdog.answered();
        assert_eq!(watchdog.turn(at(210)), Turn::Tell { ask: true });
    }
}
