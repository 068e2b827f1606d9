//! `cpu.{state}.percentage`: share of time by state, from `/proc/stat`.
//!
//! In percent of one core, so that the states of a host with four cores add up to 400.

use super::{CollectError, Collector, Values, View};
use crate::base::counter::growth;
use crate::parse::stat::{self, STATES, Stat};

/// Compares each reading with the one before.
#[derive(Default)]
pub(super) struct Cpu {
    before: Option<Stat>,
}

impl Collector for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn collect(&mut self, view: &mut View<'_>, out: &mut Values) -> Result<(), CollectError> {
        let now = stat::parse(&view.root.text("/proc/stat", view.buffer)?)?;
        if let Some(before) = &self.before {
            for (state, percent) in STATES.iter().zip(usage(before, &now)) {
                out.put(["cpu.", state, ".percentage"].concat(), percent);
            }
        }
        self.before = Some(now);
        Ok(())
    }

    fn forget(&mut self) {
        self.before = None;
    }
}

/// Percent of one core by state; NaN for a state that the kernel does not have, and throughout if
/// no time has passed.
///
/// A counter that went backwards has not grown. The kernel lets `iowait` do so, as well as `idle`
/// when a core comes back.
fn usage(before: &Stat, after: &Stat) -> [f64; STATES.len()] {
    let mut grown = [f64::NAN; STATES.len()];
    for (grown, ticks) in grown.iter_mut().zip(before.ticks.iter().zip(after.ticks)) {
        if let (Some(before), Some(after)) = ticks {
            *grown = growth(*before, after).unwrap_or(0) as f64;
        }
    }
    let all: f64 = grown.iter().filter(|grown| !grown.is_nan()).sum();
    grown.map(|grown| grown * 100.0 * after.cores as f64 / all)
}

#[cfg(test)]
mod tests {
    use super::super::testing::round;
    use super::*;

    const BEFORE: &str = "two-core/t0";
    const AFTER: &str = "two-core/t60";

    #[test]
    fn the_first_reading_reports_nothing() {
        assert_eq!(round(&mut Cpu::default(), BEFORE, 0), []);
    }

    #[test]
    fn the_second_reading_reports_the_minute_between() {
        let mut cpu = Cpu::default();
        round(&mut cpu, BEFORE, 0);
        let values = round(&mut cpu, AFTER, 60);
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
    fn an_older_kernel_has_fewer_states() {
        let stat = |text: &str| stat::parse(text).unwrap();
        let before = stat("cpu  0 0 0 0 0\ncpu0\n");
        let after = stat("cpu  1 0 1 2 0\ncpu0\n");
        let percent = usage(&before, &after);
        assert_eq!(percent[..5], [25.0, 0.0, 25.0, 50.0, 0.0]);
        assert!(percent[5..].iter().all(|percent| percent.is_nan()));
    }

    #[test]
    fn cores_are_counted_when_the_minute_is_over() {
        let stat = |text: &str| stat::parse(text).unwrap();
        let before = stat("cpu  0 0 0 0\ncpu0\ncpu1\n");
        let after = stat("cpu  5 0 0 5\ncpu0\n");
        assert_eq!(usage(&before, &after)[..4], [50.0, 0.0, 0.0, 50.0]);
    }

    #[test]
    fn no_time_passed_means_no_values() {
        let mut cpu = Cpu::default();
        round(&mut cpu, BEFORE, 0);
        assert_eq!(round(&mut cpu, BEFORE, 60), []);
    }

    #[test]
    fn a_counter_that_went_back_has_not_grown() {
        let stat = |text: &str| stat::parse(text).unwrap();
        let before = stat("cpu  0 0 0 0 90\ncpu0\n");
        let after = stat("cpu  1 0 0 3 20\ncpu0\n");
        assert_eq!(usage(&before, &after)[..5], [25.0, 0.0, 0.0, 75.0, 0.0]);

        let mut cpu = Cpu::default();
        round(&mut cpu, AFTER, 0);
        assert_eq!(round(&mut cpu, BEFORE, 60), [], "all of them");
    }
}
