//! Which signal a command gets, and when. Pure: the time is an argument.

use std::time::Duration;

use super::Limits;
use crate::base::clock::Moment;

/// The pause between two SIGTERM is at least the grace divided by this.
const PART: u32 = 10;

/// Why a command is ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    Limit,
    Stop,
}

/// The signal to send to the command's group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    Terminate,
    Kill,
}

/// The signals that a command gets unless it ends earlier.
pub(super) struct Plan {
    /// Pause between two SIGTERM.
    every: Duration,
    grace: Duration,
    stop_grace: Duration,
    terminate: Moment,
    /// `None` before the first SIGTERM.
    kill: Option<Moment>,
    cause: Option<Cause>,
    is_killed: bool,
}

impl Plan {
    /// The plan of a command that starts now.
    pub(super) fn new(limits: &Limits, now: Moment) -> Plan {
        Plan {
            every: limits.time.max(limits.grace / PART),
            grace: limits.grace,
            stop_grace: limits.stop_grace,
            terminate: Moment(now.0 + limits.time),
            kill: None,
            cause: None,
            is_killed: false,
        }
    }

    /// Plans the end of the command for now, because the agent stops.
    pub(super) fn stop(&mut self, now: Moment) {
        self.cause.get_or_insert(Cause::Stop);
        self.terminate = now;
        let kill = Moment(now.0 + self.stop_grace);
        self.kill = Some(self.kill.map_or(kill, |planned| planned.min(kill)));
    }

    /// When the next signal is due; `None` after SIGKILL.
    pub(super) fn due(&self) -> Option<Moment> {
        if self.is_killed {
            return None;
        }
        [Some(self.terminate), self.kill]
            .into_iter()
            .flatten()
            .min()
    }

    /// The signal to send now, if one is due.
    pub(super) fn take(&mut self, now: Moment) -> Option<Action> {
        if self.due()? > now {
            return None;
        }
        if self.kill.is_some_and(|kill| kill <= now) {
            self.is_killed = true;
            return Some(Action::Kill);
        }
        self.cause.get_or_insert(Cause::Limit);
        self.kill.get_or_insert(Moment(now.0 + self.grace));
        self.terminate = Moment(now.0 + self.every);
        Some(Action::Terminate)
    }

    /// Why the command is being ended; `None` if it has not got any signal.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Whether SIGKILL has been sent.
    pub(super) fn is_killed(&self) -> bool {
        self.is_killed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    /// The seconds at which a command that never ends gets SIGTERM, and the second of SIGKILL.
    fn signals(time: u64, stop: Option<u64>) -> (Vec<u64>, u64) {
        let mut plan = Plan::new(&Limits::of(Duration::from_secs(time)), moment(0));
        let mut terminated = Vec::new();
        for now in 0.. {
            if stop == Some(now) {
                plan.stop(moment(now));
            }
            match plan.take(moment(now)) {
                Some(Action::Terminate) => terminated.push(now),
                Some(Action::Kill) => {
                    assert_eq!(plan.due(), None);
                    assert!(plan.is_killed());
                    assert_eq!(plan.take(moment(now + 100)), None);
                    return (terminated, now);
                }
                None => assert!(plan.due() > Some(moment(now))),
            }
        }
        unreachable!("the kill comes");
    }

    #[test]
    fn plan_sends_sigterm_repeatedly_and_then_sigkill() {
        // (why this row exists, limit, SIGTERM, SIGKILL)
        let table: [(_, _, &[u64], _); 4] = [
            ("observed", 2, &[2, 4, 6, 8, 10], 12),
            ("the default", 30, &[30], 40),
            ("as long as the grace", 10, &[10], 20),
            ("a limit below zero", 0, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 10),
        ];
        for (why, time, terminated, killed) in table {
            assert_eq!(signals(time, None), (terminated.to_vec(), killed), "{why}");
        }
    }

    #[test]
    fn plan_stop_leaves_less_time_and_never_more() {
        // (why this row exists, when, SIGTERM, SIGKILL)
        let table: [(_, _, &[u64], _); 3] = [
            ("before the limit", 5, &[5], 7),
            ("while it is being ended", 31, &[30, 31], 33),
            ("just before the kill", 39, &[30, 39], 40),
        ];
        for (why, stop, terminated, killed) in table {
            let expected = (terminated.to_vec(), killed);
            assert_eq!(signals(30, Some(stop)), expected, "{why}");
        }
    }

    #[test]
    fn plan_keeps_the_first_cause() {
        let mut plan = Plan::new(&Limits::of(Duration::ZERO), moment(0));
        assert_eq!(plan.cause(), None);
        plan.take(moment(0));
        plan.stop(moment(1));
        assert_eq!(plan.cause(), Some(Cause::Limit));
    }
}
