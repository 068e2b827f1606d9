//! Files with one line per device: `/proc/diskstats` and `/proc/net/dev`.

use super::exposition::{Exposition, Fixed, Kind};
use crate::parse::diskstats::SECTOR;

/// What a column of a file is.
struct Column {
    /// Of the family, between the prefix and the end.
    name: &'static str,
    kind: Kind,
    factor: u64,
    decimals: usize,
}

/// A counter as it is.
const fn count(name: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Counter,
        factor: 1,
        decimals: 0,
    }
}

/// A counter of milliseconds.
const fn milliseconds(name: &'static str) -> Column {
    Column {
        decimals: 3,
        ..count(name)
    }
}

/// A counter of sectors, as bytes.
const fn sectors(name: &'static str) -> Column {
    Column {
        factor: SECTOR,
        ..count(name)
    }
}

/// The columns after the device's name, from Linux 2.6.25 on; the last six since 4.18 and 5.5.
const DISK: [Column; 17] = [
    count("reads_completed_total"),
    count("reads_merged_total"),
    sectors("read_bytes_total"),
    milliseconds("read_time_seconds_total"),
    count("writes_completed_total"),
    count("writes_merged_total"),
    sectors("written_bytes_total"),
    milliseconds("write_time_seconds_total"),
    Column {
        kind: Kind::Gauge,
        ..count("io_now")
    },
    milliseconds("io_time_seconds_total"),
    milliseconds("io_time_weighted_seconds_total"),
    count("discards_completed_total"),
    count("discards_merged_total"),
    count("discarded_sectors_total"),
    milliseconds("discard_time_seconds_total"),
    count("flush_requests_total"),
    milliseconds("flush_requests_time_seconds_total"),
];

/// The columns after the interface's name.
const NETWORK: [Column; 16] = [
    count("receive_bytes_total"),
    count("receive_packets_total"),
    count("receive_errs_total"),
    count("receive_drop_total"),
    count("receive_fifo_total"),
    count("receive_frame_total"),
    count("receive_compressed_total"),
    count("receive_multicast_total"),
    count("transmit_bytes_total"),
    count("transmit_packets_total"),
    count("transmit_errs_total"),
    count("transmit_drop_total"),
    count("transmit_fifo_total"),
    count("transmit_colls_total"),
    count("transmit_carrier_total"),
    count("transmit_compressed_total"),
];

/// Appends the disks of `/proc/diskstats`, without partitions, loop and RAM devices. Returns whether
/// there is one.
pub(crate) fn disks(text: &str, out: &mut Exposition) -> bool {
    let rows = rows(text, disk);
    expose("disk_", &DISK, "/proc/diskstats", &rows, out)
}

/// Name and columns of a line, unless the disk is left out.
fn disk(line: &str) -> Option<(&str, &str)> {
    let device = line.split_ascii_whitespace().nth(2)?;
    let (_, columns) = line.split_once(device)?;
    (!is_part(device)).then_some((device, columns))
}

/// Appends the interfaces of `/proc/net/dev`. Returns whether there is one.
pub(crate) fn interfaces(text: &str, out: &mut Exposition) -> bool {
    let rows = rows(text, interface);
    expose("network_", &NETWORK, "/proc/net/dev", &rows, out)
}

/// The names of the interfaces of `/proc/net/dev`.
pub(crate) fn interface_names(text: &str) -> Vec<String> {
    let rows = rows(text, interface).into_iter();
    rows.map(|(name, _)| name.to_owned()).collect()
}

/// Name and columns of each line that has them.
fn rows(text: &str, row: fn(&str) -> Option<(&str, &str)>) -> Vec<(&str, &str)> {
    let mut rows = Vec::new();
    for line in text.lines() {
        rows.extend(row(line));
    }
    rows
}

/// Name and columns of a line. The name contains a colon where it is an alias of an old kernel.
fn interface(line: &str) -> Option<(&str, &str)> {
    let (name, columns) = line.rsplit_once(':')?;
    Some((name.trim_ascii(), columns))
}

/// Appends whether each of these interfaces is up.
pub(crate) fn interfaces_up(all: &[(String, bool)], out: &mut Exposition) {
    let help = ["1 if the state of the interface is up"];
    out.family(&["node_network_up"], Kind::Gauge, &help);
    for (name, is_up) in all {
        out.sample(&[("device", name)], u64::from(*is_up));
    }
}

/// Appends a family for each column that a row has. Returns whether there is a row.
fn expose(
    prefix: &str,
    columns: &[Column],
    file: &str,
    rows: &[(&str, &str)],
    out: &mut Exposition,
) -> bool {
    for (at, column) in columns.iter().enumerate() {
        let mut is_begun = false;
        for (device, words) in rows {
            let word = words.split_ascii_whitespace().nth(at);
            // Drivers have written -1.
            let number = word.and_then(|word| word.parse::<u64>().ok());
            let Some(units) = number.and_then(|number| number.checked_mul(column.factor)) else {
                continue;
            };
            if !is_begun {
                let place = (at + 1).to_string();
                let help = ["Number ", &place, " after the name in ", file];
                out.family(&["node_", prefix, column.name], column.kind, &help);
                is_begun = true;
            }
            let value = Fixed {
                units,
                decimals: column.decimals,
            };
            out.sample(&[("device", device)], value);
        }
    }
    !rows.is_empty()
}

/// Whether a device is a partition, a RAM disk, a loop device or a floppy disk: what node_exporter
/// leaves out.
fn is_part(device: &str) -> bool {
    let stem = device.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == device.len() {
        return false;
    }
    if ["ram", "zram", "loop", "fd"].contains(&stem) {
        return true;
    }
    let is_letter = |letter: &str| matches!(letter.as_bytes(), [b'a'..=b'z']);
    let mut kinds = ["hd", "sd", "vd", "xvd"].into_iter();
    if kinds.any(|kind| stem.strip_prefix(kind).is_some_and(is_letter)) {
        return true;
    }
    // nvme0n1p2
    let numbers = stem
        .strip_prefix("nvme")
        .and_then(|rest| rest.strip_suffix('p'));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers
        .and_then(|numbers| numbers.split_once('n'))
        .is_some_and(|(controller, namespace)| is_number(controller) && is_number(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_leave_out_partitions_and_devices_of_memory() {
        // (device, whether it is left out)
        let table = [
            ("sda", false),
            ("sda1", true),
            ("vdb12", true),
            ("xvda1", true),
            ("sdaa1", false),
            ("nvme0n1", false),
            ("nvme0n1p2", true),
            ("nvme0c0n1", false),
            ("mmcblk0", false),
            ("mmcblk0p1", false),
            ("dm-0", false),
            ("md127", false),
            ("loop0", true),
            ("ram15", true),
            ("zram0", true),
            ("fd0", true),
            ("sr0", false),
        ];
        for (device, expected) in table {
            assert_eq!(is_part(device), expected, "{device}");
        }
    }

    #[test]
    fn disk_columns_are_scaled_and_older_kernels_have_fewer() {
        let text = "   8  0 sda 1 2 3 4500 5 6 7 8 -1 10 11\n";
        let mut out = Exposition::default();
        assert!(disks(text, &mut out));
        let text = out.into_text();
        for line in [
            "node_disk_reads_completed_total{device=\"sda\"} 1\n",
            "node_disk_read_bytes_total{device=\"sda\"} 1536\n",
            "node_disk_read_time_seconds_total{device=\"sda\"} 4.500\n",
            "node_disk_io_time_weighted_seconds_total{device=\"sda\"} 0.011\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(
            !text.contains("io_now") && !text.contains("discard"),
            "{text}"
        );
    }

    #[test]
    fn device_files_may_be_damaged() {
        let disk = include_str!("../../../tests/fixtures/two-core/t0/proc/diskstats");
        crate::parse::survives_damage(disk, |text| {
            disks(text, &mut Exposition::default());
        });
        let net = include_str!("../../../tests/fixtures/two-core/t0/proc/net/dev");
        crate::parse::survives_damage(net, |text| {
            interfaces(text, &mut Exposition::default());
        });
    }
}
