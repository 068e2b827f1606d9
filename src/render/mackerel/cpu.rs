//! `cpu.{state}.percentage`: share of CPU time by state.
//!
//! The unit is percent of one core: the states of a host with four cores add up to 400.

use std::time::Duration;

use crate::base::counter::{UNKNOWN, growth};
use crate::base::values::Values;
use crate::collect::readings::Timed;
use crate::parse::stat::{GUEST, STATES, STEAL, Stat, USER};

/// Ticks per core and second.
const TICKS: f64 = 100.0;
/// Plausible growth of a state, as a multiple of the time that the cores had.
const TOLERANCE: f64 = 2.0;
/// Shortest span assumed for the plausible growth.
const SHORTEST: Duration = Duration::from_secs(60);

/// Adds the share of each state since `before`.
pub(super) fn put(out: &mut Values, before: &Timed<Stat>, now: &Timed<Stat>) {
    let usage = usage(&before.reading, &now.reading, now.since(before));
    for (state, percent) in STATES.iter().zip(usage) {
        out.put(["cpu.", state, ".percentage"].concat(), percent);
    }
}

/// Percent of one core by state. NaN for a state that the kernel lacks or whose growth is unknown;
/// all NaN if no time has passed.
///
/// A counter that went backwards counts as unchanged. The kernel decreases `iowait` at times,
/// `idle` when a core comes back, and `steal` even below zero. A counter that grew by far more than
/// the cores can have spent in `span` has jumped and is ignored. The others are then shares of the
/// time that has passed, not of the sum of the counters.
fn usage(before: &Stat, after: &Stat, span: Duration) -> [f64; STATES.len()] {
    let of_span = |span: Duration, cores: usize| span.as_secs_f64() * TICKS * cores as f64;
    // Cores may have come or gone meanwhile.
    let most = TOLERANCE * of_span(span.max(SHORTEST), before.cores.max(after.cores));
    let mut grown = [f64::NAN; STATES.len()];
    let mut is_whole = true;
    let pairs = before.ticks.iter().zip(after.ticks);
    for (at, (grown, pair)) in grown.iter_mut().zip(pairs).enumerate() {
        let (Some(before), Some(after)) = pair else {
            continue;
        };
        let is_known = *before != UNKNOWN && after != UNKNOWN;
        let went_back = after < *before || at == STEAL;
        let ticks = match growth(*before, after) {
            Some(ticks) => Some(ticks as f64).filter(|ticks| *ticks <= most),
            None => (is_known && went_back).then_some(0.0),
        };
        is_whole &= ticks.is_some();
        *grown = ticks.unwrap_or(f64::NAN);
    }
    // The kernel's `user` contains `guest`. They are read one after the other and may differ
    // slightly.
    if !grown[USER].is_nan() && !grown[GUEST].is_nan() {
        grown[USER] = (grown[USER] - grown[GUEST]).max(0.0);
    }
    let mut all: f64 = grown.iter().filter(|grown| !grown.is_nan()).sum();
    if !is_whole {
        all = all.max(of_span(span, after.cores));
    }
    grown.map(|grown| grown * 100.0 * after.cores as f64 / all)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rig;
    use super::*;
    use crate::parse::stat;

    const BEFORE: &str = "two-core/t0";
    const AFTER: &str = "two-core/t60";

    #[test]
    fn cpu_shares_need_two_readings() {
        assert_eq!(Rig::of("cpu").round(BEFORE, 0), []);
    }

    #[test]
    fn cpu_shares_are_those_of_the_minute_between_two_readings() {
        let mut cpu = Rig::of("cpu");
        cpu.round(BEFORE, 0);
        let values = cpu.round(AFTER, 60);
        let expected = [
            ("cpu.user.percentage", 50.0),
            ("cpu.nice.percentage", 10.0),
            ("cpu.system.percentage", 20.0),
            ("cpu.idle.percentage", 95.0),
            ("cpu.iowait.percentage", 2.0),
            ("cpu.irq.percentage", 1.0),
            ("cpu.softirq.percentage", 1.0),
            ("cpu.steal.percentage", 1.0),
            ("cpu.guest.percentage", 20.0),
        ];
        assert_eq!(values, expected);
        let all: f64 = values.iter().map(|(_, percent)| percent).sum();
        assert_eq!(all, 200.0, "two cores");
    }

    #[test]
    fn cpu_states_may_be_fewer_on_older_kernels() {
        let stat = |text: &str| stat::parse(text).unwrap();
        let before = stat("cpu  0 0 0 0 0\ncpu0\n");
        let after = stat("cpu  1 0 1 2 0\ncpu0\n");
        let percent = usage(&before, &after, SHORTEST);
        assert_eq!(percent[..5], [25.0, 0.0, 25.0, 50.0, 0.0]);
        assert!(percent[5..].iter().all(|percent| percent.is_nan()));
    }

    #[test]
    fn cores_are_counted_when_the_minute_is_over() {
        let stat = |text: &str| stat::parse(text).unwrap();
        let before = stat("cpu  0 0 0 0\ncpu0\ncpu1\n");
        let after = stat("cpu  5 0 0 5\ncpu0\n");
        assert_eq!(
            usage(&before, &after, SHORTEST)[..4],
            [50.0, 0.0, 0.0, 50.0]
        );
    }

    #[test]
    fn cpu_shares_over_no_time_are_dropped() {
        let mut cpu = Rig::of("cpu");
        cpu.round(BEFORE, 0);
        assert_eq!(cpu.round(BEFORE, 60), []);
    }

    #[test]
    fn counter_that_went_backwards_counts_as_unchanged() {
        let stat = |text: &str| stat::parse(text).unwrap();
        let before = stat("cpu  0 0 0 0 90\ncpu0\n");
        let after = stat("cpu  1 0 0 3 20\ncpu0\n");
        assert_eq!(
            usage(&before, &after, SHORTEST)[..5],
            [25.0, 0.0, 0.0, 75.0, 0.0]
        );

        let mut cpu = Rig::of("cpu");
        cpu.round(AFTER, 0);
        assert_eq!(cpu.round(BEFORE, 60), [], "all of them");
    }
}
