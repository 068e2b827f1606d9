//! When each job is due.

use std::time::Duration;

use crate::base::clock::Unix;

/// A job of the main thread.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Job {
    /// Measure a round of metrics.
    Collect,
    /// Send the host's description again.
    Describe,
    /// Check whether the program's file is still the same.
    LookAtProgram,
}

/// The jobs, each with the time at which it is next due.
#[derive(Default)]
pub(crate) struct Schedule {
    entries: Vec<Entry>,
}

struct Entry {
    job: Job,
    /// Seconds between two runs. Not 0.
    every: u64,
    /// Seconds after the start of each period, less than `every`.
    phase: u64,
    due: Unix,
}

impl Schedule {
    /// Adds a job that is due at every `k * every + phase` seconds, first after `now`.
    ///
    /// `every` must not be 0: such a configuration is refused earlier.
    pub(crate) fn add(&mut self, job: Job, every: u64, phase: u64, now: Unix) {
        let phase = phase % every;
        self.entries.push(Entry {
            job,
            every,
            phase,
            due: slot_after(now, every, phase),
        });
    }

    /// The jobs due at `now`. Each is moved to its next slot.
    ///
    /// A job that missed slots (the host was suspended, the agent was busy) is returned once. A
    /// slot more than one period ahead means that the clock was set back: the job is moved closer.
    pub(crate) fn take_due(&mut self, now: Unix) -> Vec<Job> {
        let mut due = Vec::new();
        for entry in &mut self.entries {
            let is_due = entry.due <= now;
            if is_due {
                due.push(entry.job);
            }
            if is_due || entry.due.0 - now.0 > entry.every {
                entry.due = slot_after(now, entry.every, entry.phase);
            }
        }
        due
    }

    /// Time until the next job is due, for a wall clock at `wall` since the epoch.
    /// [`Duration::MAX`] if there are no jobs.
    pub(crate) fn idle(&self, wall: Duration) -> Duration {
        let next = self.entries.iter().map(|entry| entry.due).min();
        next.map_or(Duration::MAX, |next| {
            Duration::from_secs(next.0).saturating_sub(wall)
        })
    }
}

/// The first `k * every + phase` after `now`.
fn slot_after(now: Unix, every: u64, phase: u64) -> Unix {
    let into = (now.0 + every - phase) % every;
    Unix(now.0 + every - into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Clock, FakeClock};

    fn clock_at(seconds: u64) -> FakeClock {
        let clock = FakeClock::default();
        clock.pass(Duration::from_secs(seconds));
        clock
    }

    /// Simulates the loop without waiting: the clock moves by what the loop would have waited.
    #[test]
    fn a_minute_job_and_an_hourly_job() {
        let clock = clock_at(1_700_002_700);
        let mut schedule = Schedule::default();
        schedule.add(Job::Collect, 60, 0, clock.unix());
        schedule.add(Job::Describe, 3_600, 30, clock.unix());

        let mut ran = Vec::new();
        while clock.unix() < Unix(1_700_002_900) {
            let due = schedule.take_due(clock.unix());
            ran.extend(due.into_iter().map(|job| (clock.unix().0, job)));
            clock.pass(schedule.idle(clock.wall()));
        }
        assert_eq!(
            ran,
            [
                (1_700_002_740, Job::Collect),
                (1_700_002_800, Job::Collect),
                (1_700_002_830, Job::Describe),
                (1_700_002_860, Job::Collect),
            ]
        );
    }

    #[test]
    fn a_job_is_due_at_the_very_start_of_its_second() {
        let mut schedule = Schedule::default();
        schedule.add(Job::Collect, 60, 0, Unix(30));
        let wall = Duration::from_millis(59_900);
        assert_eq!(schedule.idle(wall), Duration::from_millis(100));
    }

    #[test]
    fn a_suspended_hour_is_one_run_not_sixty() {
        let mut schedule = Schedule::default();
        schedule.add(Job::Collect, 60, 0, Unix(0));
        assert_eq!(schedule.take_due(Unix(3_601)), [Job::Collect]);
        assert_eq!(
            schedule.idle(Duration::from_secs(3_601)),
            Duration::from_secs(59)
        );
    }

    #[test]
    fn a_clock_set_back_a_day_does_not_stop_the_agent() {
        let mut schedule = Schedule::default();
        schedule.add(Job::Collect, 60, 0, Unix(90_000));
        assert_eq!(schedule.take_due(Unix(3_600)), []);
        assert!(schedule.idle(Duration::from_secs(3_600)) <= Duration::from_secs(60));
    }
}
