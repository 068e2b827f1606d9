//! Rounds of a collector over fixture trees, and what holds for every collector.

use std::time::Duration;

use super::filesystem::Filesystem;
use super::{CollectError, Collector, Values, View, cpu, disk, interface, loadavg, memory};
use crate::base::clock::Moment;
use crate::config::Filesystems;
use crate::sys::fsstat::{FsStats, Usage};
use crate::sys::root::Root;

/// Names and values, in the order in which they were measured.
pub(super) type Measured = Vec<(&'static str, f64)>;

/// One round, `seconds` after the clock's origin, below `tests/fixtures`: what was measured, and
/// whether it ended well.
pub(super) fn attempt(
    collector: &mut dyn Collector,
    tree: &str,
    seconds: u64,
) -> (Measured, Result<(), CollectError>) {
    let mut values = Values::default();
    let mut view = View {
        root: &Root::at(["tests/fixtures/", tree].concat()),
        now: Moment(Duration::from_secs(seconds)),
        buffer: &mut Vec::new(),
    };
    let result = collector.collect(&mut view, &mut values);
    let measured = values
        .iter()
        .map(|(name, value)| (&*name.to_owned().leak(), value));
    (measured.collect(), result)
}

/// Like [`attempt`], for a round that ends well.
pub(super) fn round(collector: &mut dyn Collector, tree: &str, seconds: u64) -> Measured {
    let (measured, result) = attempt(collector, tree, seconds);
    result.unwrap();
    measured
}

/// Filesystems of 1000 bytes, of which 300 are used and 600 available.
pub(super) fn thousand_bytes_each() -> FsStats {
    FsStats::answering(|_| Ok(Usage::new(100, 10, 7, 6)))
}

/// The list of [`super::builtin`], but with filesystems that answer, and all names possible.
fn every() -> Vec<Box<dyn Collector>> {
    let use_mountpoint = |use_mountpoint| Filesystems {
        ignore: None,
        use_mountpoint,
    };
    let filesystem = |config| Box::new(Filesystem::new(config, thousand_bytes_each()));
    vec![
        Box::new(loadavg::Loadavg),
        Box::new(cpu::Cpu::default()),
        Box::new(memory::Memory),
        Box::new(interface::Interface::new(None)),
        Box::new(disk::Disk::new(None, false)),
        Box::new(disk::Disk::new(None, true)),
        filesystem(use_mountpoint(false)),
        filesystem(use_mountpoint(true)),
    ]
}

#[test]
fn every_collector_yields_finite_values_under_names_that_the_api_accepts() {
    let is_accepted = |name: &str| {
        let accepts = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !name.is_empty() && name.chars().all(accepts)
    };
    for mut collector in every() {
        let mut measured = round(&mut *collector, "two-core/t0", 0);
        measured.extend(round(&mut *collector, "two-core/t60", 60));
        if collector.name() == "filesystem" {
            measured.extend(round(&mut *collector, "odd-mounts", 120));
        }
        assert!(!measured.is_empty(), "{}", collector.name());
        for (name, value) in measured {
            assert!(is_accepted(name) && value.is_finite(), "{name} {value}");
        }
    }
}

#[test]
fn no_collector_yields_a_name_twice_in_a_round() {
    for mut collector in every() {
        round(&mut *collector, "two-core/t0", 0);
        let mut measured = round(&mut *collector, "two-core/t60", 60);
        let count = measured.len();
        measured.sort_unstable_by_key(|(name, _)| *name);
        measured.dedup_by_key(|(name, _)| *name);
        assert_eq!(measured.len(), count, "{}", collector.name());
    }
}

#[test]
fn damaged_files_yield_nothing_but_an_error_and_are_forgotten() {
    for tree in ["damaged/empty", "damaged/text", "damaged/bytes"] {
        for (mut collector, mut other) in every().into_iter().zip(every()) {
            round(&mut *collector, "two-core/t0", 0);
            let (measured, result) = attempt(&mut *collector, tree, 30);
            assert_eq!(measured, [], "{tree}: {}", collector.name());
            let may_be_empty = tree == "damaged/empty" && collector.name() == "disk";
            assert!(
                result.is_err() || may_be_empty,
                "{tree}: {}",
                collector.name()
            );

            round(&mut *other, "two-core/t0", 0);
            let mut expected = round(&mut *other, "two-core/t60", 60);
            if result.is_ok() {
                expected.clear();
            }
            assert_eq!(round(&mut *collector, "two-core/t60", 60), expected);
        }
    }
}

#[test]
fn absent_files_are_errors_except_for_those_that_a_host_may_lack() {
    for mut collector in every() {
        let (measured, result) = attempt(&mut *collector, "no such host", 0);
        assert_eq!(measured, []);
        assert!(result.is_err() || collector.name() == "disk");
    }
}
