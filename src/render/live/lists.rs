//! Lists of an event: interfaces, disks, filesystems, containers.

use std::time::Duration;

use super::{JsonText, MOST};
use crate::base::counter::growth;
use crate::collect::readings::{
    ContainerReadings, Devices, DiskCounters, FilesystemReadings, InterfaceCounters, Timed,
};
use crate::parse::diskstats::SECTOR;

/// Adds bytes a second received and sent by each interface that existed before.
pub(super) fn interfaces(
    out: &mut JsonText,
    before: &Timed<Devices<InterfaceCounters>>,
    now: &Timed<Devices<InterfaceCounters>>,
) {
    let time = now.since(before);
    let names = [&before.reading.names, &now.reading.names];
    devices(
        out,
        "network",
        names.map(|names| &**names),
        |_, _| true,
        &|pair| {
            let (was, is) = counters(&before.reading, &now.reading, pair)?;
            Some(vec![
                rate(was.received_bytes, is.received_bytes, time),
                rate(was.sent_bytes, is.sent_bytes, time),
            ])
        },
    );
}

/// Adds requests and bytes a second of each disk that existed before, without partitions of a disk
/// that is listed, loop devices and RAM disks.
pub(super) fn disks(
    out: &mut JsonText,
    before: &Timed<Devices<DiskCounters>>,
    now: &Timed<Devices<DiskCounters>>,
) {
    let time = now.since(before);
    let bytes = |was, is| rate(was, is, time)?.checked_mul(SECTOR);
    let names = [&before.reading.names, &now.reading.names];
    devices(
        out,
        "disks",
        names.map(|names| &**names),
        is_shown,
        &|pair| {
            let (was, is) = counters(&before.reading, &now.reading, pair)?;
            Some(vec![
                rate(was.reads, is.reads, time),
                rate(was.writes, is.writes, time),
                bytes(was.sectors_read, is.sectors_read),
                bytes(was.sectors_written, is.sectors_written),
            ])
        },
    );
}

/// The indexes of a device, before and now.
type Pair = (usize, usize);

/// Adds a list of the devices whose names were there before, up to [`MOST`]. `is_shown` gets a name
/// and the last one before it that is shown; `rates` returns the numbers of a device.
fn devices(
    out: &mut JsonText,
    title: &str,
    [before, now]: [&[Box<str>]; 2],
    is_shown: fn(&str, &str) -> bool,
    rates: &dyn Fn(Pair) -> Option<Vec<Option<u64>>>,
) {
    let mut last = "";
    let mut left = MOST;
    out.name(title);
    out.begin('[');
    for (at, name) in now.iter().enumerate() {
        if left == 0 || !is_shown(name, last) {
            continue;
        }
        last = name;
        // Mostly the devices are those of the second before.
        let earlier = if before.get(at) == Some(name) {
            Some(at)
        } else {
            before.iter().position(|known| known == name)
        };
        if let Some(numbers) = earlier.and_then(|earlier| rates((earlier, at))) {
            left -= 1;
            row(out, name, &numbers, 0);
        }
    }
    out.end(']');
}

/// The counters of a device, before and now.
fn counters<'r, T>(
    before: &'r Devices<T>,
    now: &'r Devices<T>,
    (earlier, at): Pair,
) -> Option<(&'r T, &'r T)> {
    before.counters.get(earlier).zip(now.counters.get(at))
}

/// Adds an element of a list: a name and numbers, the first of which has so many decimals.
fn row(out: &mut JsonText, name: &str, numbers: &[Option<u64>], decimals: usize) {
    let mut decimals = decimals;
    out.begin('[');
    out.text(name);
    for number in numbers {
        out.fixed(*number, decimals);
        decimals = 0;
    }
    out.end(']');
}

/// Whether a disk is shown: no loop device, no disk in memory, and no partition of the disk `last`.
/// The kernel lists partitions behind their disk.
fn is_shown(name: &str, last: &str) -> bool {
    let mut prefixes = ["loop", "ram", "zram"].iter();
    !is_partition(name, last) && !prefixes.any(|prefix| name.starts_with(prefix))
}

/// Whether `name` is a partition of the disk `whole`, e.g. `sda1` of `sda`, `nvme0n1p1` of `nvme0n1`.
fn is_partition(name: &str, whole: &str) -> bool {
    let Some(rest) = name.strip_prefix(whole).filter(|_| !whole.is_empty()) else {
        return false;
    };
    let has_digit = whole.ends_with(|last: char| last.is_ascii_digit());
    let number = if has_digit {
        rest.strip_prefix('p')
    } else {
        Some(rest)
    };
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The beginning of a name that may be long.
fn shown(name: &str) -> String {
    const SHOWN: usize = 120;
    name.chars().take(SHOWN).collect()
}

/// Adds size and use of the filesystems that answered, in bytes.
pub(super) fn filesystems(out: &mut JsonText, now: &FilesystemReadings) {
    out.name("filesystems");
    out.begin('[');
    let asked = now.mounts.iter().filter(|mounted| !mounted.is_ignored);
    let answers = asked.zip(&now.usage);
    let answers = answers.filter_map(|(mounted, usage)| Some((mounted, usage.as_ref()?)));
    for (mounted, usage) in answers.take(MOST) {
        let numbers = [usage.total_bytes, usage.used_bytes].map(Some);
        row(out, &shown(&mounted.point.to_string_lossy()), &numbers, 0);
    }
    out.end(']');
}

/// Adds CPU time in percent of one core, null without a reading before, and memory of each
/// container in bytes.
pub(super) fn containers(
    out: &mut JsonText,
    before: Option<&Timed<ContainerReadings>>,
    now: &Timed<ContainerReadings>,
) {
    out.name("containers");
    out.begin('[');
    for group in now.reading.groups.iter().take(MOST) {
        let share = before.and_then(|before| {
            let mut known = before.reading.groups.iter();
            let was = known.find(|known| known.path == group.path)?;
            let was = was.cpu.as_ref()?.used_ns?;
            // Nanoseconds a second, of which ten million are a percent.
            let used = rate(was, group.cpu.as_ref()?.used_ns?, now.since(before))?;
            Some(used / 1_000_000)
        });
        let memory = group.memory.as_ref().and_then(|memory| memory.used_bytes);
        row(out, &shown(&group.name), &[share, memory], 1);
    }
    out.end(']');
}

/// The growth of a counter per second, rounded; `None` if it is unknown, or if no time has passed.
fn rate(before: u64, now: u64, time: Duration) -> Option<u64> {
    let milliseconds = u64::try_from(time.as_millis()).ok()?;
    let grown = growth(before, now)?.saturating_mul(1000);
    grown
        .saturating_add(milliseconds / 2)
        .checked_div(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Moment;
    use crate::collect::readings::{ControlGroup, GroupCpu, GroupDetails, GroupMemory};

    #[test]
    fn rate_is_the_growth_of_a_second() {
        // (before, now, milliseconds, rate)
        let table = [
            (10, 30, 1000, Some(20)),
            (10, 30, 2000, Some(10)),
            (0, 1, 1001, Some(1)),
            (0, 1, 3000, Some(0)),
            (30, 10, 1000, None),
            (0, 1, 0, None),
            (0, u64::MAX >> 1, 1000, Some(u64::MAX / 1000)),
        ];
        for (before, now, milliseconds, expected) in table {
            let time = Duration::from_millis(milliseconds);
            assert_eq!(
                rate(before, now, time),
                expected,
                "{before} {now} {milliseconds}"
            );
        }
    }

    #[test]
    fn partition_has_its_disks_name_and_a_number() {
        // (name, the disk before it, whether it is one of its partitions)
        let table = [
            ("sda1", "sda", true),
            ("sda", "sda", false),
            ("sdaa", "sda", false),
            ("sdaa1", "sda", false),
            ("nvme0n1p12", "nvme0n1", true),
            ("nvme0n12", "nvme0n1", false),
            ("md12", "md1", false),
            ("md1p1", "md1", true),
            ("xvda1", "", false),
            ("sda1", "sdb", false),
        ];
        for (name, whole, expected) in table {
            assert_eq!(is_partition(name, whole), expected, "{name} {whole}");
        }
    }

    #[test]
    fn containers_have_their_share_of_a_core_since_the_reading_before() {
        // (path, CPU time in ns, memory in bytes)
        type Group = (&'static str, Option<u64>, Option<u64>);
        let at = |seconds, groups: &[Group]| Timed {
            moment: Moment(Duration::from_secs(seconds)),
            reading: ContainerReadings {
                host_cores: None,
                host_memory_bytes: None,
                groups: groups
                    .iter()
                    .map(|(path, used_ns, used_bytes)| ControlGroup {
                        path: (*path).to_owned(),
                        name: path.to_uppercase(),
                        cpu: used_ns.map(|used_ns| GroupCpu {
                            used_ns: Some(used_ns),
                            limit_percent: None,
                        }),
                        memory: used_bytes.map(|used_bytes| GroupMemory {
                            used_bytes: Some(used_bytes),
                            limit_bytes: None,
                        }),
                        details: GroupDetails::default(),
                    })
                    .collect(),
            },
        };
        let before = at(
            1,
            &[("gone", Some(5), None), ("a", Some(100_000_000), None)],
        );
        let now = at(
            3,
            &[
                ("a", Some(3_069_000_000), Some(7)),
                ("new", Some(1), None),
                ("bare", None, None),
            ],
        );
        let mut out = JsonText::default();
        containers(&mut out, Some(&before), &now);
        assert_eq!(
            out.into_text(),
            r#""containers":[["A",148.4,7],["NEW",null,null],["BARE",null,null]]"#
        );
        let mut out = JsonText::default();
        containers(&mut out, None, &now);
        assert!(
            out.into_text()
                .starts_with(r#""containers":[["A",null,7],"#)
        );
    }
}
