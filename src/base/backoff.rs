//! Pauses between repeated attempts.

use std::time::Duration;

/// Maximum pause that a server can request.
pub(crate) const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);
/// Pause between two attempts while the agent is stopping.
pub(crate) const STOPPING: Duration = Duration::from_secs(1);

/// The pause after a failure. It grows with each further failure, up to a limit. It is randomised,
/// so that hosts that failed at the same time do not retry at the same time.
#[derive(Debug)]
pub(crate) struct Backoff {
    /// First pause in milliseconds, before it is randomised. The same holds for the next two.
    first: u64,
    limit: u64,
    next: u64,
    /// Two times the factor by which each pause is longer than the one before.
    growth: u64,
    is_stopping: bool,
}

impl Backoff {
    /// Pauses of 1 s, 2 s, 4 s and so on, up to `limit`.
    pub(crate) fn up_to(limit: Duration) -> Backoff {
        Backoff::new(Duration::from_secs(1), limit, 4)
    }

    /// Pauses of `first`, one and a half times that, and so on, up to `limit`.
    pub(crate) fn by_half(first: Duration, limit: Duration) -> Backoff {
        Backoff::new(first, limit, 3)
    }

    /// The same pause after each failure.
    pub(crate) fn every(pause: Duration) -> Backoff {
        Backoff::new(pause, pause, 2)
    }

    fn new(first: Duration, limit: Duration, growth: u64) -> Backoff {
        let limit = millis(limit);
        let first = millis(first).min(limit);
        Backoff {
            first,
            limit,
            next: first,
            growth,
            is_stopping: false,
        }
    }

    /// Records a failure and returns the pause after it. It is at least `asked`, the pause that the
    /// server requests, up to [`LONGEST_ASKED`].
    ///
    /// The own part is between half the own pause, if `random` is 0, and all of it, if `random`
    /// is `u32::MAX`. While the agent is stopping, the pause is [`STOPPING`].
    pub(crate) fn failed(&mut self, asked: Duration, random: u32) -> Duration {
        let own = self.next;
        self.next = (own.saturating_mul(self.growth) / 2).min(self.limit);
        if self.is_stopping {
            return STOPPING;
        }
        // Computed in milliseconds: fractions of a `Duration` need three times the code.
        let half = own / 2;
        let spread = half + half * u64::from(random) / u64::from(u32::MAX);
        Duration::from_millis(spread).max(asked.min(LONGEST_ASKED))
    }

    /// Records a success: the next failure counts as the first one.
    pub(crate) fn succeeded(&mut self) {
        self.next = self.first;
    }

    /// Records that the agent is stopping: from now on, pauses are short.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Whether [`Backoff::stop`] was called.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping
    }
}

/// Milliseconds of `pause`, of which none is longer than 49 days.
fn millis(pause: Duration) -> u64 {
    u32::try_from(pause.as_millis()).map_or(u64::from(u32::MAX), u64::from)
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
    fn backoff_by_half_grows_by_half_up_to_the_limit() {
        let mut backoff = Backoff::by_half(Duration::from_secs(5), Duration::from_secs(30));
        let pauses: Vec<u128> = (0..7)
            .map(|_| backoff.failed(Duration::ZERO, u32::MAX).as_millis())
            .collect();
        assert_eq!(
            pauses,
            [5_000, 7_500, 11_250, 16_874, 25_312, 30_000, 30_000]
        );
        backoff.succeeded();
        assert_eq!(
            backoff.failed(Duration::ZERO, 0),
            Duration::from_millis(2_500)
        );
    }

    #[test]
    fn backoff_waits_as_asked_within_limits() {
        // (why this row exists, seconds requested, whether it is stopping, seconds of the pause)
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
