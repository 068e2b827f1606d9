//! Takes rounds: runs the collectors, renders values, and keeps the counters for the next round.
//! `scrape` reads the host for one exposition, and `live` for an event of the live page, both beside
//! the rounds.

pub(crate) mod live;
pub(crate) mod scrape;

use std::time::Duration;

use crate::base::Failures;
use crate::base::clock::{Moment, Stamp};
use crate::base::values::Values;
use crate::collect::readings::Readings;
use crate::collect::readings::extra::Wanted;
use crate::collect::{self, CollectContext, Collector};
use crate::config::Config;
use crate::render::mackerel::Mackerel;
use crate::render::otlp::{Otlp, Round};
use crate::sys::fsstat::FsStats;
use crate::sys::log_once::LogEachOnce;
use crate::sys::root::Root;

/// Shortest interval for a rate. A round that follows the previous one sooner reports no rates, for
/// example if the agent started just before the minute.
const SHORTEST: Duration = Duration::from_secs(30);

/// The collectors, the renderer and the readings of the previous round.
pub(crate) struct Measure {
    root: Root,
    collectors: Vec<Box<dyn Collector>>,
    renderer: Mackerel,
    /// A renderer for each OTLP destination, and what they need together.
    otlp: Vec<Otlp>,
    wanted: Wanted,
    /// The rounds of the last measurement, one for each OTLP destination.
    rounds: Vec<Round>,
    /// The counters of the previous round.
    before: Readings,
    troubles: LogEachOnce,
    last: Option<Moment>,
    buffer: Vec<u8>,
    /// Number of values of the previous round.
    expected: usize,
}

impl Measure {
    /// No round has been taken yet. Sizes of filesystems come from `stats`.
    pub(crate) fn new(config: &Config, root: Root, stats: FsStats) -> Measure {
        Measure {
            root,
            collectors: collect::builtin(config, stats),
            renderer: Mackerel::new(config),
            otlp: otlp(config),
            wanted: Wanted::of(config),
            rounds: Vec::new(),
            before: Readings::default(),
            troubles: LogEachOnce::new("collect", "metrics"),
            last: None,
            buffer: Vec::new(),
            expected: 0,
        }
    }

    /// Applies the settings of `config` and keeps the readings.
    pub(crate) fn configure(&mut self, config: &Config) {
        for collector in &mut self.collectors {
            collector.configure(config);
        }
        self.renderer = Mackerel::new(config);
        self.otlp = otlp(config);
        self.wanted = Wanted::of(config);
        self.rounds.clear();
        if !config.diagnostic {
            // If `diagnostic` is set again later, the CPU share must not cover the time between.
            self.before.agent_cpu = None;
        }
    }

    /// The values at `now`. Rates cover the time since the previous round.
    pub(crate) fn round(&mut self, now: Moment) -> Values {
        if self.last.is_some_and(|last| now.since(last) < SHORTEST) {
            self.before = Readings::default();
        }
        self.last = Some(now);
        self.sample(now)
    }

    /// Like [`Measure::round`], but without a shortest interval.
    pub(crate) fn sample(&mut self, now: Moment) -> Values {
        let mut context = CollectContext {
            root: &self.root,
            now,
            buffer: &mut self.buffer,
        };
        let mut failures = Failures::new();
        let now = collect::run(
            &mut self.collectors,
            &mut context,
            self.wanted,
            &mut failures,
        );
        let values = self.renderer.values(&self.before, &now, self.expected);
        let renderers = self.otlp.iter_mut();
        self.rounds = renderers.map(|otlp| otlp.round(&now)).collect();
        self.before.keep_counters(now);
        self.expected = values.len();
        self.troubles.are(failures);
        values
    }

    /// Takes the rounds of the last measurement: one for each OTLP destination, in their order, all
    /// with this stamp. Empty if they have been taken before.
    pub(crate) fn take_otlp(&mut self, stamp: Stamp) -> Vec<Round> {
        let mut rounds = std::mem::take(&mut self.rounds);
        for round in &mut rounds {
            round.set_stamp(stamp);
        }
        rounds
    }
}

/// A renderer for each OTLP destination.
fn otlp(config: &Config) -> Vec<Otlp> {
    let mut all = Vec::new();
    for destination in &config.otlp {
        all.push(Otlp::new(config, destination));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Unix;

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
    fn gauges_are_reported_in_the_first_round() {
        let values = measure("t0").round(after(0));
        assert!(values.iter().any(|(name, _)| name == "loadavg5"));
        assert!(values.iter().any(|(name, _)| name == "memory.total"));
        assert!(!has_rates(&values));
    }

    #[test]
    fn rates_need_at_least_half_a_minute() {
        // (why this row exists, seconds from the start to the next round, whether it has rates)
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
    fn rates_return_in_the_minute_after_a_short_one() {
        let mut measure = measure("t0");
        measure.round(after(0));
        measure.round(after(2));
        measure.root = Root::at("tests/fixtures/two-core/t60");
        assert!(has_rates(&measure.round(after(62))));
    }

    #[test]
    fn agent_cpu_share_does_not_cover_the_time_without_diagnostic() {
        // (`diagnostic` in each round, whether the last round has a CPU share)
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
    fn settings_apply_to_readings_taken_before_them() {
        let text = "filesystems.use_mountpoint = true\n\
                    disks.ignore = '^(loop|cciss)'\ninterfaces.ignore = 'eth0$'\n";
        let mut config = Config::default();
        config.read(text.as_bytes()).unwrap();
        let mut measure = measure("t0");
        measure.round(after(0));
        measure.root = Root::at("tests/fixtures/two-core/t60");
        measure.configure(&config);
        let values = measure.round(after(60));
        // (series, whether it is reported)
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

    #[test]
    fn rounds_for_otlp_are_taken_once_by_each_destination() {
        let mut config = Config::default();
        let mut measure = measure("t0");
        let stamp = Stamp {
            wall: Unix(1_700_000_000),
            age: 7,
        };
        // (destinations, seconds)
        for (destinations, seconds) in [(0, 0), (2, 60), (1, 120)] {
            config.otlp = vec![crate::config::Otlp::default(); destinations];
            measure.configure(&config);
            assert!(measure.take_otlp(stamp).is_empty());
            measure.round(after(seconds));
            let rounds = measure.take_otlp(stamp);
            assert_eq!(rounds.len(), destinations);
            let is_whole = |round: &Round| round.stamp() == stamp && round.len() > 30;
            assert!(rounds.iter().all(is_whole));
            assert!(measure.take_otlp(stamp).is_empty());
        }
    }
}
