//! One second of the live page: reads the host and compares it with the second before. Keeps
//! readings of its own, so that a look at the page does not change the rounds' rates.

use std::time::Duration;

use crate::base::Failures;
use crate::base::clock::Moment;
use crate::base::program::VERSION;
use crate::collect::readings::extra::Wanted;
use crate::collect::readings::{RESOURCES, Readings};
use crate::collect::{self, CollectContext, Collector};
use crate::config::Config;
use crate::parse::{pressure, stat};
use crate::render::live::{self, Moments, Source};
use crate::sys::fsstat::FsStats;
use crate::sys::root::Root;
use crate::sys::uname::host_name;

/// Every which event has what seldom changes: filesystems and what the agent adds.
const EACH: u32 = 10;

/// Reads the host for events.
pub(crate) struct Live {
    root: Root,
    /// Those of every event.
    collectors: Vec<Box<dyn Collector>>,
    /// Those of an event that [`Source::is_full`] announces.
    seldom: Vec<Box<dyn Collector>>,
    before: Readings,
    /// Events since the last [`Source::forget`].
    count: u32,
    buffer: Vec<u8>,
}

impl Live {
    /// Reads what `config` lets the agent measure. Sizes of filesystems are asked of `stats`, which
    /// must not be shared with another thread: one that hangs delays one event by half a second.
    pub(crate) fn new(config: &Config, root: Root, stats: FsStats) -> Live {
        let mut collectors = collect::builtin(config, stats);
        // What the agent itself uses is no reading of the host.
        collectors.retain(|collector| collector.name() != "agent");
        let seldom = collectors.extract_if(.., |collector| collector.name() == "filesystem");
        Live {
            seldom: seldom.collect(),
            root,
            collectors,
            before: Readings::default(),
            count: 0,
            buffer: Vec::new(),
        }
    }
}

impl Source for Live {
    fn host(&mut self) -> String {
        let text = self.root.table("/proc/stat", &mut self.buffer);
        let text = text.map(|(text, _)| text).unwrap_or_default();
        live::host(
            &host_name(),
            VERSION,
            stat::cores(&text),
            stat::boot_time(&text),
        )
    }

    fn is_full(&self) -> bool {
        self.count.is_multiple_of(EACH)
    }

    fn event(&mut self, now: Moment, wall: Duration, agent: Option<&str>) -> String {
        let is_full = self.is_full();
        self.count = self.count.wrapping_add(1);
        let mut context = CollectContext {
            root: &self.root,
            now,
            buffer: &mut self.buffer,
        };
        // The rounds log the same failures.
        let mut failures = Failures::new();
        let wanted = Wanted::default();
        let mut now = collect::run(&mut self.collectors, &mut context, wanted, &mut failures);
        if is_full {
            for collector in &mut self.seldom {
                let _ = collector.collect(&mut context, &mut now);
            }
        }
        let pressure = RESOURCES.map(|resource| {
            let path = ["/proc/pressure/", resource].concat();
            let text = self.root.text(path, &mut self.buffer).ok()?;
            pressure::some_avg10(&text)
        });
        let text = live::event(&Moments {
            wall,
            before: &self.before,
            now: &now,
            pressure,
            agent,
        });
        self.before.keep_counters(now);
        text
    }

    fn forget(&mut self) {
        self.before = Readings::default();
        self.count = 0;
        self.buffer = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fsstat::Usage;

    fn live(tree: &str, config: &Config) -> Live {
        let stats = FsStats::answering(|_| Ok(Usage::new(100, 10, 7, 6)));
        Live::new(config, at(tree), stats)
    }

    fn at(tree: &str) -> Root {
        Root::at(["tests/fixtures/", tree].concat())
    }

    /// The event after `seconds`.
    fn event(live: &mut Live, seconds: u64, agent: Option<&str>) -> String {
        let time = Duration::from_secs(seconds);
        live.event(
            Moment(time),
            Duration::from_millis(1_764_380_000_123) + time,
            agent,
        )
    }

    /// What neither a reading before nor a tenth event adds.
    const PLAIN: &str = r#""load":[0.37,0.42,0.51],"memory":{"total":1048576000,"used":419430400,"buffers":52428800,"cached":262144000,"free":314572800,"available":629145600,"swap_total":524288000,"swap_free":419430400}"#;
    const FILESYSTEMS: &str =
        r#""filesystems":[["/",1000,300],["/srv",1000,300],["/var",1000,300]]"#;

    #[test]
    fn live_events_are_those_of_the_host() {
        let mut live = live("two-core/t0", &Config::default());
        let first = [
            r#"{"time":1764380000123,"#,
            PLAIN,
            ",",
            FILESYSTEMS,
            r#","checks":[]}"#,
        ];
        let found = event(&mut live, 0, Some(r#""checks":[]"#));
        assert_eq!(found, first.concat());
        live.root = at("two-core/t60");
        let second = [
            r#"{"time":1764380060123,"cpu":{"user":25,"nice":5,"system":10,"idle":47.5,"iowait":1,"#,
            r#""irq":0.5,"softirq":0.5,"steal":0.5,"guest":10},"#,
            &PLAIN
                .replace("\"used\":419430400", "\"used\":524288000")
                .replace("\"free\":314572800", "\"free\":209715200")
                .replace("629145600", "524288000"),
            r#","network":[["eth0",600,60],["eth0.100",null,10]],"#,
            r#""disks":[["sda",2,1,8192,4096],["sdb1",1,null,4096,null],"#,
            r#"["cciss/c0d0",1,0,2048,512]]}"#,
        ];
        assert_eq!(event(&mut live, 60, None), second.concat());
    }

    #[test]
    fn live_host_has_name_version_cores_and_start() {
        let found = live("two-core/t0", &Config::default()).host();
        let (_, rest) = found.split_once(",\"version\"").unwrap();
        assert_eq!(
            rest,
            [":\"", VERSION, "\",\"cores\":2,\"boot\":1700000000}"].concat()
        );
    }

    #[test]
    fn live_filesystems_come_with_every_tenth_event_and_again_after_forgetting() {
        let mut live = live("two-core/t0", &Config::default());
        let has_filesystems = |live: &mut Live, second| {
            let is_full = live.is_full();
            let is_there = event(live, second, None).contains(FILESYSTEMS);
            assert_eq!(is_there, is_full, "{second}");
            is_there
        };
        for second in 0..25 {
            assert_eq!(has_filesystems(&mut live, second), second % 10 == 0);
        }
        live.forget();
        assert!(has_filesystems(&mut live, 25));
        assert!(!has_filesystems(&mut live, 26));
    }

    #[test]
    fn live_rates_are_not_those_of_a_time_that_was_forgotten() {
        let mut live = live("two-core/t0", &Config::default());
        event(&mut live, 0, None);
        live.forget();
        live.root = at("two-core/t60");
        let found = event(&mut live, 60, None);
        for rate in ["\"cpu\"", "\"network\"", "\"disks\""] {
            assert!(!found.contains(rate), "{found}");
        }
    }

    #[test]
    fn live_pressure_is_that_of_the_kernel() {
        let tree = tempfile::tempdir().unwrap();
        let pressure = tree.path().join("proc/pressure");
        std::fs::create_dir_all(&pressure).unwrap();
        std::fs::write(pressure.join("cpu"), "some avg10=0.10 avg60=0.00\n").unwrap();
        std::fs::write(pressure.join("io"), "some avg10=2.53 avg60=0.00\n").unwrap();
        let mut live = live("two-core/t0", &Config::default());
        live.root = Root::at(tree.path());
        assert_eq!(
            event(&mut live, 0, None),
            r#"{"time":1764380000123,"pressure":{"cpu":0.1,"memory":null,"io":2.53}}"#
        );
    }

    #[test]
    fn live_event_has_a_bound() {
        let tree = tempfile::tempdir().unwrap();
        let net = tree.path().join("proc/net");
        std::fs::create_dir_all(&net).unwrap();
        let lines: String = (0..3000)
            .map(|at| format!("dummy{at}: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n"))
            .collect();
        std::fs::write(net.join("dev"), lines).unwrap();
        let mut live = live("two-core/t0", &Config::default());
        live.root = Root::at(tree.path());
        event(&mut live, 0, None);
        let found = event(&mut live, 1, None);
        assert_eq!(found.matches("dummy").count(), live::MOST);
    }

    #[test]
    fn live_events_of_each_fixture_are_json() {
        for tree in std::fs::read_dir("tests/fixtures").unwrap() {
            let name = tree.unwrap().file_name().into_string().unwrap();
            let mut live = live(&[&name, "/t0"].concat(), &Config::default());
            for second in 0..2 {
                let found = event(&mut live, second, None);
                let read: serde_json::Value = serde_json::from_str(&found).unwrap();
                assert!(read["time"].is_number(), "{name}: {found}");
            }
        }
    }
}
