//! How long a failed attempt waits before it is repeated.

use std::time::Duration;

/// Longest pause that a server may ask for.
pub(crate) const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);
/// Pause between two attempts while the agent is about to end.
pub(crate) const STOPPING: Duration = Duration::from_secs(1);

/// The pause after a failure. It doubles with each further one, up to a limit, and is spread so
/// that hosts that failed together do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    /// Seconds of the first pause, before it is spread.
    first: u32,
    /// Seconds of the longest pause.
    limit: u32,
    failures: u32,
    is_stopping: bool,
}

impl Backoff {
    /// Pauses of one second, two, four and so on, up to `limit`, which is a number of whole
    /// seconds.
    pub(crate) fn up_to(limit: Duration) -> Backoff {
        Backoff {
            first: 1,
            limit: seconds(limit),
            failures: 0,
            is_stopping: false,
        }
    }

    /// The same pause after each failure, in whole seconds.
    pub(crate) fn every(pause: Duration) -> Backoff {
        Backoff {
            first: seconds(pause),
            ..Backoff::up_to(pause)
        }
    }

    /// The pause after one more failure, for which the server has asked to wait as long as `asked`.
    ///
    /// Its own part is between half and all of the doubled pause: half if `random` is 0, all if it
    /// is `u32::MAX`. While the agent is about to end, the pause is [`STOPPING`].
    pub(crate) fn failed(&mut self, asked: Duration, random: u32) -> Duration {
        let doubled = (u64::from(self.first) << self.failures.min(20)).min(u64::from(self.limit));
        self.failures = self.failures.saturating_add(1);
        if self.is_stopping {
            return STOPPING;
        }
        // In milliseconds: Duration's own arithmetic with fractions is three times the code.
        let half = doubled * 500;
        let spread = half + half * u64::from(random) / u64::from(u32::MAX);
        Duration::from_millis(spread).max(asked.min(LONGEST_ASKED))
    }

    /// The last attempt succeeded: the next failure counts as the first one.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The agent is about to end: from now on, pauses are short.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Whether [`Backoff::stop`] was called.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping
    }
}

fn seconds(pause: Duration) -> u32 {
    u32::try_from(pause.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_the_limit_and_starts_over() {
        let mut backoff = Backoff::up_to(Duration::from_secs(300));
        let longest = |backoff: &mut Backoff| backoff.failed(Duration::ZERO, u32::MAX).as_secs();
        let pauses: Vec<u64> = (0..11).map(|_| longest(&mut backoff)).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        backoff.succeeded();
        let least = |backoff: &mut Backoff| backoff.failed(Duration::ZERO, 0);
        assert_eq!(least(&mut backoff), Duration::from_millis(500));
        for _ in 0..100 {
            assert!(least(&mut backoff) >= Duration::from_millis(500));
        }
        assert_eq!(least(&mut backoff), Duration::from_secs(150));
    }

    #[test]
    fn backoff_waits_as_asked_within_limits() {
        // (why this row exists, seconds asked for, whether it is stopping, seconds of the pause)
        let table = [
            ("not asked for", 0, false, 30),
            ("less than its own", 10, false, 30),
            ("more than its own", 90, false, 90),
            ("more than a server may ask for", 86_400, false, 3_600),
            ("not asked for at a stop", 0, true, 1),
            ("asked for at a stop", 90, true, 1),
        ];
        for (why, asked, is_stopping, expected) in table {
            let mut backoff = Backoff::every(Duration::from_secs(30));
            if is_stopping {
                backoff.stop();
            }
            for _ in 0..3 {
                let pause = backoff.failed(Duration::from_secs(asked), u32::MAX);
                assert_eq!(pause, Duration::from_secs(expected), "{why}");
            }
        }
    }
}
