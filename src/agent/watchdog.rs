//! When to tell the service manager that the agent is alive, and whether it is: the main thread says
//! so, and only as long as the poster answers it.

use std::time::Duration;

use crate::base::clock::Moment;

/// How long the poster may leave the main thread without an answer: some requests, each of which
/// may take its whole time.
const PATIENCE: Duration = Duration::from_secs(2 * 60);

/// The service manager's watchdog, which has to be told in time.
pub(crate) struct Watchdog {
    every: Duration,
    due: Moment,
    /// When the poster was asked for the answer that it owes.
    asked: Option<Moment>,
    /// Whether it has been found to hang.
    hangs: bool,
}

/// What there is to be done.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// Nothing.
    Rest,
    /// Tell the service manager, and ask the poster, unless it owes an answer.
    Tell { ask: bool },
    /// Say that the poster hangs, for which the service manager is told nothing any more.
    Complain,
}

impl Watchdog {
    /// One that bites when it has heard nothing for `limit`.
    pub(crate) fn new(limit: Duration, now: Moment) -> Watchdog {
        Watchdog {
            every: limit / 2,
            due: now,
            asked: None,
            hangs: false,
        }
    }

    /// How long there is nothing to be done.
    pub(crate) fn idle(&self, now: Moment) -> Duration {
        self.due.since(now)
    }

    /// What there is to be done at `now`, which the caller does.
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

    /// The poster has answered.
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
