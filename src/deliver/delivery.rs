//! What the thread of a destination publishes of itself: why it fails, and what waits. The main
//! thread reads it at any time, without waiting for a request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::clock::{Clock, Unix};
use crate::deliver::clock_trust::ClockTrust;
use crate::deliver::failed_step::FailedStep;

/// What is known of the delivery to one destination.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Delivery {
    /// `None` if the last request succeeded, or if there was none.
    pub(crate) failure: Option<DeliveryFailure>,
    pub(crate) queued: Queued,
    /// What the destination knows of the time.
    pub(crate) trust: ClockTrust,
    /// Whether the registration waits for the readiness probe.
    pub(crate) is_held: bool,
}

/// Why requests fail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct DeliveryFailure {
    /// The name of the step that fails.
    pub(crate) step: &'static str,
    /// What ends the failure.
    pub(crate) remedy: &'static str,
    /// The last error, in one line.
    pub(crate) reason: String,
    /// The host's time at the first of these failures.
    pub(crate) since: Unix,
}

/// What waits for a destination.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Queued {
    /// Number of values; 0 for OTLP, which counts rounds alone.
    pub(crate) values: usize,
    /// Number of rounds, those of plugins among them.
    pub(crate) rounds: usize,
    /// Number of check reports.
    pub(crate) reports: usize,
    /// Length of the file in which it is saved; 0 if it is in memory alone.
    pub(crate) disk_bytes: u64,
    /// When the oldest of it was measured, by the host's clock.
    pub(crate) oldest: Option<Unix>,
    /// Why it cannot be saved to the file. `None` if it can, or if nothing has to be saved.
    pub(crate) save_error: Option<String>,
}

/// A [`Delivery`] that the destination's thread writes and the main thread reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedDelivery(Arc<Mutex<Delivery>>);

impl SharedDelivery {
    fn lock(&self) -> MutexGuard<'_, Delivery> {
        // No code that can panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state as it was published last.
    pub(crate) fn read(&self) -> Delivery {
        self.lock().clone()
    }

    /// What the destination knows of the time.
    pub(crate) fn trust(&self) -> ClockTrust {
        self.lock().trust
    }

    /// Records a failure at the step, for this reason.
    pub(super) fn failed(&self, step: FailedStep, reason: &str, clock: &dyn Clock) {
        self.failed_with(step, step.remedy(), reason, clock);
    }

    /// The same with another remedy.
    pub(super) fn failed_with(
        &self,
        step: FailedStep,
        remedy: &'static str,
        reason: &str,
        clock: &dyn Clock,
    ) {
        let now = clock.unix();
        let mut delivery = self.lock();
        let since = delivery.failure.as_ref().map_or(now, |last| last.since);
        delivery.failure = Some(DeliveryFailure {
            step: step.word(),
            remedy,
            reason: reason.to_owned(),
            since,
        });
    }

    /// Publishes everything but the failure, and removes that if nothing fails any more.
    pub(super) fn publish(&self, now: Delivery, is_failing: bool) {
        let mut delivery = self.lock();
        let failure = delivery.failure.take().filter(|_| is_failing);
        *delivery = Delivery { failure, ..now };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::FakeClock;

    #[test]
    fn delivery_keeps_the_time_of_the_first_failure_until_nothing_fails() {
        let clock = FakeClock::default();
        let shared = SharedDelivery::default();
        let since = || {
            shared
                .read()
                .failure
                .map(|failure| (failure.since.0, failure.step))
        };
        // (seconds, step that fails or none, expected: since when, and step)
        let table = [
            (60, Some(FailedStep::Server), Some((60, "server"))),
            (120, Some(FailedStep::Key), Some((60, "key"))),
            (180, None, None),
            (240, Some(FailedStep::Time), Some((240, "time"))),
        ];
        for (second, step, expected) in table {
            clock.pass(Duration::from_secs(second).saturating_sub(clock.wall()));
            if let Some(step) = step {
                shared.failed(step, "it fails", &clock);
            }
            let waiting = Delivery {
                is_held: true,
                ..Delivery::default()
            };
            shared.publish(waiting, step.is_some());
            assert_eq!(since(), expected, "{second}");
            assert!(shared.read().is_held);
        }
    }
}
