//! Takes rounds: the collectors, and what they keep from one round to the next.

use std::time::Duration;

use super::trouble::Troubles;
use crate::base::Failures;
use crate::base::clock::Moment;
use crate::collect::{self, Collector, Values, View};
use crate::config::Config;
use crate::sys::fsstat::FsStats;
use crate::sys::root::Root;

/// Shortest time that a rate may stand for: a round that follows the last one sooner (the agent
/// started just before the minute) reports no rates.
const SHORTEST: Duration = Duration::from_secs(30);

/// The collectors and when they last ran.
pub(super) struct Measure {
    root: Root,
    collectors: Vec<Box<dyn Collector>>,
    troubles: Troubles,
    last: Option<Moment>,
    buffer: Vec<u8>,
    /// Values of the round before.
    expected: usize,
}

impl Measure {
    /// Nothing has been measured yet. Sizes are asked of `stats`.
    pub(super) fn new(config: &Config, root: Root, stats: FsStats) -> Measure {
        Measure {
            root,
            collectors: collect::builtin(config, stats),
            troubles: Troubles::new("collect", "mackerel_agent::collect"),
            last: None,
            buffer: Vec::new(),
            expected: 0,
        }
    }

    /// Goes on with the settings of `config`, and with the readings there are.
    pub(super) fn configure(&mut self, config: &Config) {
        for collector in &mut self.collectors {
            collector.configure(config);
        }
    }

    /// The values at `now`, with rates over the time since the round before.
    pub(super) fn round(&mut self, now: Moment) -> Values {
        if self.last.is_some_and(|last| now.since(last) < SHORTEST) {
            self.collectors
                .iter_mut()
                .for_each(|collector| collector.forget());
        }
        self.last = Some(now);
        self.sample(now)
    }

    /// Like [`Measure::round`], for a span of any length.
    pub(super) fn sample(&mut self, now: Moment) -> Values {
        let mut view = View {
            root: &self.root,
            now,
            buffer: &mut self.buffer,
        };
        let mut failures = Failures::new();
        let values = collect::run(
            &mut self.collectors,
            &mut view,
            &mut failures,
            self.expected,
        );
        self.expected = values.len();
        self.troubles.are(failures);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(tree: &str) -> Measure {
        let config = Config::default();
        let root = Root::at(format!("tests/fixtures/two-core/{tree}"));
        let stats = FsStats::new(&root);
        Measure::new(&config, root, stats)
    }

    fn has_rates(values: &Values) -> bool {
        values.iter().any(|(name, _)| name.starts_with("cpu."))
    }

    fn after(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn what_needs_no_minute_is_there_at_once() {
        let values = measure("t0").round(after(0));
        assert!(values.iter().any(|(name, _)| name == "loadavg5"));
        assert!(values.iter().any(|(name, _)| name == "memory.total"));
        assert!(!has_rates(&values));
    }

    #[test]
    fn a_rate_stands_for_half_a_minute_at_least() {
        // (why this row exists, seconds from the start to the next round, has rates)
        let table = [
            ("started on the minute", 60, true),
            ("started half a minute before", 30, true),
            ("started just before the minute", 2, false),
        ];
        for (why, seconds, expected) in table {
            let mut measure = measure("t0");
            measure.round(after(0));
            measure.root = Root::at("tests/fixtures/two-core/t60");
            assert_eq!(has_rates(&measure.round(after(seconds))), expected, "{why}");
        }
    }

    #[test]
    fn the_minute_after_a_short_one_has_its_rates() {
        let mut measure = measure("t0");
        measure.round(after(0));
        measure.round(after(2));
        measure.root = Root::at("tests/fixtures/two-core/t60");
        assert!(has_rates(&measure.round(after(62))));
    }

    #[test]
    fn other_settings_apply_to_the_readings_there_are() {
        let text = "filesystems.use_mountpoint = true\n\
                    disks.ignore = '^(loop|cciss)'\ninterfaces.ignore = 'eth0$'\n";
        let mut config = Config::default();
        config.read(text.as_bytes()).unwrap();
        let mut measure = measure("t0");
        measure.round(after(0));
        measure.root = Root::at("tests/fixtures/two-core/t60");
        measure.configure(&config);
        let values = measure.round(after(60));
        // (series, whether it is there)
        let table = [
            ("cpu.user.percentage", true),
            ("disk._.reads.delta", true),
            ("disk.sda1.reads.delta", false),
            ("disk.loop0.reads.delta", false),
            ("interface.eth0_100.txBytes.delta", true),
            ("interface.eth0.txBytes.delta", false),
        ];
        for (series, expected) in table {
            assert_eq!(
                values.iter().any(|(name, _)| name == series),
                expected,
                "{series}"
            );
        }
    }
}
