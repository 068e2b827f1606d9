//! `/proc/diskstats`: counters of block devices since boot. Format:
//! Documentation/admin-guide/iostats.rst in the kernel.

use super::{ParseError, lines};
use crate::base::counter::UNKNOWN;

/// Number of columns after the name that are parsed. Every kernel since 2.6.25 has them; later
/// kernels have more.
pub(crate) const NUMBERS: usize = 11;
/// Index of the completed reads.
pub(crate) const READS: usize = 0;
/// Index of the sectors read.
pub(crate) const SECTORS_READ: usize = 2;
/// Index of the completed writes.
pub(crate) const WRITES: usize = 4;
/// Index of the sectors written.
pub(crate) const SECTORS_WRITTEN: usize = 6;
/// Bytes of a sector of this file, whatever the disk has.
pub(crate) const SECTOR: u64 = 512;

/// Counters of a disk or partition since boot.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Disk<'a> {
    /// Its name below `/dev`, e.g. `sda1`.
    pub(crate) device: &'a str,
    /// The numbers after the name, in the kernel's order; see [`READS`] and the others. They wrap
    /// at 32 bits on 32-bit kernels. [`UNKNOWN`] if the column is not a number.
    pub(crate) counters: [u64; NUMBERS],
}

/// Parses `/proc/diskstats` and calls `found` for each disk, in the kernel's order. Devices whose
/// numbers are all zero are skipped, as are malformed lines.
///
/// Fails if there are lines, but all are malformed. A host may have no disks.
pub(crate) fn parse<'a>(text: &'a str, found: &mut dyn FnMut(Disk<'a>)) -> Result<(), ParseError> {
    let mut understood = false;
    for line in lines(text) {
        if let Some((disk, has_worked)) = disk(line) {
            understood = true;
            if has_worked {
                found(disk);
            }
        }
    }
    match lines(text).next() {
        Some(line) if !understood => Err(ParseError::new("/proc/diskstats", "disk", line)),
        _ => Ok(()),
    }
}

/// The disk of a line, and whether one of its numbers is not zero.
fn disk(line: &str) -> Option<(Disk<'_>, bool)> {
    let mut words = line.split_ascii_whitespace();
    let device = words.nth(2)?;
    // Some kernels print -1 for the requests in flight. Unreported columns may contain anything.
    let mut counters = [UNKNOWN; NUMBERS];
    for number in &mut counters {
        *number = words.next()?.parse().unwrap_or(UNKNOWN);
    }
    let is_known = counters[READS] != UNKNOWN || counters[WRITES] != UNKNOWN;
    let has_worked = counters.iter().any(|&number| number != 0);
    is_known.then_some((Disk { device, counters }, has_worked))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../tests/fixtures/two-core/t0/proc/diskstats");

    fn found(text: &str) -> Vec<(&str, u64, u64)> {
        let mut found = Vec::new();
        parse(text, &mut |disk| {
            found.push((disk.device, disk.counters[READS], disk.counters[WRITES]));
        })
        .unwrap();
        found
    }

    #[test]
    fn reads_a_recorded_file() {
        assert_eq!(
            found(TWO_CORE),
            [
                ("loop0", 15, 0),
                ("sda", 1_000, 2_000),
                ("sda1", 400, 1_500),
                ("sdb1", 600, 500),
                ("dm-0", 300, 300),
                ("cciss/c0d0", 50, 60),
            ]
        );
    }

    #[test]
    fn takes_a_line_only_if_it_is_of_the_documented_form() {
        let good = "8 0 sda 1 0 0 0 2 0 0 0 0 0 0\n";
        // (why this row exists, line, whether it is a disk)
        let table = [
            (
                "Linux 4.18: 15 numbers",
                "8 1 sda1 1 0 0 0 2 0 0 0 0 0 0 0 0 0 0",
                true,
            ),
            (
                "Linux 5.5: 17 numbers",
                "8 1 sda1 1 0 0 0 2 0 0 0 0 0 0 0 0 0 0 0 0",
                true,
            ),
            (
                "neither reads nor writes, but something",
                "8 1 sda1 0 0 0 0 0 0 0 0 0 7 0",
                true,
            ),
            ("never used", "7 0 loop0 0 0 0 0 0 0 0 0 0 0 0", false),
            (
                "never used, as far as the first eleven show",
                "7 0 loop0 0 0 0 0 0 0 0 0 0 0 0 9",
                false,
            ),
            ("a partition before Linux 2.6.25", "8 1 sda1 1 2 3 4", false),
            ("two words", "8 1", false),
            ("one is no number", "8 1 sda1 1 0 0 0 x 0 0 0 0 0 0", true),
            ("none is a number", "8 1 sda1 -1 0 0 0 x 0 0 0 0 0 0", false),
            (
                "fewer than none in flight",
                "8 1 sda1 1 0 0 0 2 0 0 0 -1 0 0",
                true,
            ),
        ];
        for (why, line, is_disk) in table {
            let text = format!("{good}{line}\n{good}");
            assert_eq!(found(&text).len(), 2 + usize::from(is_disk), "{why}");
        }
    }

    #[test]
    fn a_host_may_have_no_disks_but_not_lines_that_are_none() {
        assert_eq!(found(""), []);
        assert_eq!(found("7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n"), []);
        assert_eq!(
            parse("8 1 sda1 1 2 3 4\n", &mut drop)
                .unwrap_err()
                .to_string(),
            "/proc/diskstats: no disk in \"8 1 sda1 1 2 3 4\""
        );
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(TWO_CORE, |text| drop(parse(text, &mut drop)));
    }
}
