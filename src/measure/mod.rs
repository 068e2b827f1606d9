//! Takes rounds: reads the host, makes values of that, and keeps the counters for the next round.
//! `scrape` reads the host for one exposition, beside the rounds.

pub(crate) mod scrape;

use std::time::Duration;

use crate::base::Failures;
use crate::base::clock::Moment;
use crate::base::values::Values;
use crate::collect::readings::Readings;
use crate::collect::{self, CollectContext, Collector};
use crate::config::Config;
use crate::render::mackerel::Mackerel;
use crate::sys::fsstat::FsStats;
use crate::sys::log_once::LogEachOnce;
use crate::sys::root::Root;

/// Shortest time that a rate may stand for: a round that follows the last one sooner (the agent
/// started just before the minute) reports no rates.
const SHORTEST: Duration = Duration::from_secs(30);

/// The collectors, and what they read last.
pub(crate) struct Measure {
    root: Root,
    collectors: Vec<Box<dyn Collector>>,
    renderer: Mackerel,
    /// The counters of the round before.
    before: Readings,
    troubles: LogEachOnce,
    last: Option<Moment>,
    buffer: Vec<u8>,
    /// Values of the round before.
    expected: usize,
}

impl Measure {
    /// Nothing has been measured yet. Sizes are asked of `stats`.
    pub(crate) fn new(config: &Config, root: Root, stats: FsStats) -> Measure {
        Measure {
            root,
            collectors: collect::builtin(config, stats),
            renderer: Mackerel::new(config),
            before: Readings::default(),
            troubles: LogEachOnce::new("collect", "mackerel_agent::collect"),
            last: None,
            buffer: Vec::new(),
            expected: 0,
        }
    }

    /// Goes on with the settings of `config`, and with the readings there are.
    pub(crate) fn configure(&mut self, config: &Config) {
        for collector in &mut self.collectors {
            collector.configure(config);
        }
        self.renderer = Mackerel::new(config);
        if !config.diagnostic {
            // Should it be wanted again, no share is to cover the time between.
            self.before.agent_cpu = None;
        }
    }

    /// The values at `now`, with rates over the time since the round before.
    pub(crate) fn round(&mut self, now: Moment) -> Values {
        if self.last.is_some_and(|last| now.since(last) < SHORTEST) {
            self.before = Readings::default();
        }
        self.last = Some(now);
        self.sample(now)
    }

    /// Like [`Measure::round`], for a span of any length.
    pub(crate) fn sample(&mut self, now: Moment) -> Values {
        let mut context = CollectContext {
            root: &self.root,
            now,
            buffer: &mut self.buffer,
        };
        let mut failures = Failures::new();
        let now = collect::run(&mut self.collectors, &mut context, &mut failures);
        let values = self.renderer.values(&self.before, &now, self.expected);
        self.before.keep_counters(now);
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
    fn the_agents_own_cpu_time_starts_anew_once_it_is_wanted_again() {
        // (what `diagnostic` is at each round, whether the last one has a share)
        let table = [([true, true, true], true), ([true, false, true], false)];
        for (wanted, expected) in table {
            let mut measure = measure("t0");
            let has_share = wanted.map(|diagnostic| {
                measure.configure(&Config {
                    diagnostic,
                    ..Config::default()
                });
                let next = measure.last.map_or(0, |last| last.0.as_secs() + 60);
                let values = measure.round(after(next));
                let mut names = values.iter().map(|(name, _)| name);
                names.any(|name| name == "custom.agent.cpu.percentage")
            });
            assert_eq!(has_share[2], expected, "{wanted:?}");
        }
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
