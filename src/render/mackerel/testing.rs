//! Rounds of one group over fixture trees, read and rendered, and tests that apply to every group.

use std::path::Path;
use std::time::Duration;

use super::Mackerel;
use crate::base::clock::Moment;
use crate::collect::readings::Readings;
use crate::collect::{self, CollectContext, CollectError, Collector};
use crate::config::Config;
use crate::sys::fsstat::{FsStats, Usage};
use crate::sys::root::Root;

/// Names and values, in the order in which they were added.
pub(super) type Measured = Vec<(&'static str, f64)>;

/// One group, from the host's files to values.
pub(super) struct Rig {
    pub(super) name: &'static str,
    collectors: Vec<Box<dyn Collector>>,
    renderer: Mackerel,
    before: Readings,
}

impl Rig {
    /// The group `name` with default settings.
    pub(super) fn of(name: &'static str) -> Rig {
        Rig::with(name, "")
    }

    /// The group `name` with the settings of a configuration file. The filesystems are those of
    /// [`thousand_bytes_each`].
    pub(super) fn with(name: &'static str, settings: &str) -> Rig {
        Rig::new(name, &config(settings), thousand_bytes_each())
    }

    /// The group `name`; `stats` supplies the sizes of filesystems.
    pub(super) fn new(name: &'static str, config: &Config, stats: FsStats) -> Rig {
        let mut collectors = collect::builtin(config, stats);
        // Disks that are named after mount points need the mounts.
        let needs_mounts = name == "disk" && config.filesystems.use_mountpoint;
        let is_needed = |other| other == name || (needs_mounts && other == "filesystem");
        collectors.retain(|collector| is_needed(collector.name()));
        Rig {
            name,
            collectors,
            renderer: Mackerel::new(config),
            before: Readings::default(),
        }
    }

    /// Applies other settings.
    pub(super) fn configure(&mut self, settings: &str) {
        let config = config(settings);
        self.collectors
            .iter_mut()
            .for_each(|collector| collector.configure(&config));
        self.renderer = Mackerel::new(&config);
    }

    /// Forgets the readings of the previous round.
    pub(super) fn forget(&mut self) {
        self.before = Readings::default();
    }

    /// One round of the host below `top`, `seconds` after the clock's origin: its values, and the
    /// result of the group's collector.
    pub(super) fn attempt_at(
        &mut self,
        top: &Path,
        seconds: u64,
    ) -> (Measured, Result<(), CollectError>) {
        let mut context = CollectContext {
            root: &Root::at(top),
            now: Moment(Duration::from_secs(seconds)),
            buffer: &mut Vec::new(),
        };
        let mut now = Readings::default();
        let mut result = Ok(());
        for collector in &mut self.collectors {
            let ended = collector.collect(&mut context, &mut now);
            if collector.name() == self.name {
                result = ended;
            }
        }
        let values = self.renderer.values(&self.before, &now, 0);
        self.before.keep_counters(now);
        let values = values
            .iter()
            .filter(|(name, _)| self.name != "disk" || name.starts_with("disk."));
        let measured = values.map(|(name, value)| (&*name.to_owned().leak(), value));
        (measured.collect(), result)
    }

    /// Like [`Rig::attempt_at`], for a host below `tests/fixtures`.
    pub(super) fn attempt(
        &mut self,
        tree: &str,
        seconds: u64,
    ) -> (Measured, Result<(), CollectError>) {
        self.attempt_at(&Path::new("tests/fixtures").join(tree), seconds)
    }

    /// Like [`Rig::attempt`]; panics if the round fails.
    pub(super) fn round(&mut self, tree: &str, seconds: u64) -> Measured {
        let (measured, result) = self.attempt(tree, seconds);
        result.unwrap();
        measured
    }
}

fn config(settings: &str) -> Config {
    let mut config = Config::default();
    config.read(settings.as_bytes()).unwrap();
    config
}

/// Filesystems of 1000 bytes, of which 300 are used and 600 available.
pub(super) fn thousand_bytes_each() -> FsStats {
    FsStats::answering(|_| Ok(Usage::new(100, 10, 7, 6)))
}

/// The groups of [`collect::builtin`], with each kind of names.
fn every() -> Vec<Rig> {
    let by_mountpoint = "filesystems.use_mountpoint = true";
    vec![
        Rig::of("loadavg"),
        Rig::of("cpu"),
        Rig::of("memory"),
        Rig::of("interface"),
        Rig::of("disk"),
        Rig::with("disk", by_mountpoint),
        Rig::of("filesystem"),
        Rig::with("filesystem", by_mountpoint),
    ]
}

#[test]
fn every_group_yields_finite_values_under_names_that_the_api_accepts() {
    let is_accepted = |name: &str| {
        let accepts = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !name.is_empty() && name.chars().all(accepts)
    };
    for mut rig in every() {
        let mut measured = rig.round("two-core/t0", 0);
        measured.extend(rig.round("two-core/t60", 60));
        if rig.name == "filesystem" {
            measured.extend(rig.round("odd-mounts", 120));
        }
        assert!(!measured.is_empty(), "{}", rig.name);
        for (name, value) in measured {
            assert!(is_accepted(name) && value.is_finite(), "{name} {value}");
        }
    }
}

#[test]
fn no_group_yields_a_name_twice_in_a_round() {
    for mut rig in every() {
        rig.round("two-core/t0", 0);
        let mut measured = rig.round("two-core/t60", 60);
        let count = measured.len();
        measured.sort_unstable_by_key(|(name, _)| *name);
        measured.dedup_by_key(|(name, _)| *name);
        assert_eq!(measured.len(), count, "{}", rig.name);
    }
}

#[test]
fn damaged_files_yield_nothing_but_an_error_and_are_forgotten() {
    for tree in ["damaged/empty", "damaged/text", "damaged/bytes"] {
        for (mut rig, mut other) in every().into_iter().zip(every()) {
            rig.round("two-core/t0", 0);
            let (measured, result) = rig.attempt(tree, 30);
            assert_eq!(measured, [], "{tree}: {}", rig.name);
            let may_be_empty = tree == "damaged/empty" && rig.name == "disk";
            assert!(result.is_err() || may_be_empty, "{tree}: {}", rig.name);

            other.round("two-core/t0", 0);
            let mut expected = other.round("two-core/t60", 60);
            if result.is_ok() {
                expected.clear();
            }
            assert_eq!(rig.round("two-core/t60", 60), expected);
        }
    }
}

#[test]
fn absent_files_are_errors_except_for_those_that_a_host_may_lack() {
    for mut rig in every() {
        let (measured, result) = rig.attempt("no such host", 0);
        assert_eq!(measured, []);
        assert!(result.is_err() || rig.name == "disk");
    }
}
