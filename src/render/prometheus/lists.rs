//! Files that are lists of numbers: load, memory, pressure, virtual memory, open files; and what
//! the kernel says of itself.

use std::time::Duration;

use super::exposition::{Exposition, Fixed, Kind};
use crate::sys::uname::Uname;

/// Bytes in the unit that `/proc/meminfo` writes `kB`.
const KIB: u64 = 1024;

/// Appends the three averages of `/proc/loadavg`. Returns whether all are there.
pub(crate) fn load(text: &str, out: &mut Exposition) -> bool {
    let mut words = text.split_ascii_whitespace();
    ["1", "5", "15"].into_iter().all(|minutes| {
        let word = words.next().filter(|word| is_decimal(word));
        if let Some(word) = word {
            let help = ["Mean number of tasks over ", minutes, " min"];
            out.family(&["node_load", minutes], Kind::Gauge, &help);
            out.sample_as_written(&[], word);
        }
        word.is_some()
    })
}

fn is_decimal(word: &str) -> bool {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    is_number(whole) && is_number(fraction)
}

/// Appends every line of `/proc/meminfo`: those in kB as bytes, others (numbers of huge pages) as
/// they are. Returns whether there is one.
pub(crate) fn memory(text: &str, out: &mut Exposition) -> bool {
    let mut is_any = false;
    for line in text.lines() {
        let Some((key, rest)) = line.split_once(':') else {
            continue;
        };
        let mut words = rest.split_ascii_whitespace();
        let number = words.next().and_then(|word| word.parse::<u64>().ok());
        let (factor, suffix) = match words.next() {
            Some("kB") => (KIB, "_bytes"),
            _ => (1, ""),
        };
        let Some(value) = number.and_then(|number| number.checked_mul(factor)) else {
            continue;
        };
        let name = key.replace('(', "_").replace(')', "");
        if !is_name(&name) {
            continue;
        }
        let help = [key, " of /proc/meminfo"];
        out.single(&["node_memory_", &name, suffix], Kind::Gauge, &help, value);
        is_any = true;
    }
    is_any
}

/// Whether a name consists of characters that the format allows after the first.
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(is_allowed)
}

/// Appends the lines of `/proc/vmstat` on paging, swapping, faults and the out-of-memory killer.
/// Returns whether there is one.
pub(crate) fn vmstat(text: &str, out: &mut Exposition) -> bool {
    let mut is_any = false;
    for line in text.lines() {
        let Some((key, value)) = line.split_once(' ') else {
            continue;
        };
        let is_wanted = ["oom_kill", "pgpg", "pswp"]
            .iter()
            .any(|prefix| key.starts_with(prefix))
            || key.starts_with("pg") && key.contains("fault");
        if let Ok(value) = value.trim_ascii().parse::<u64>()
            && is_wanted
            && is_name(key)
        {
            let help = [key, " of /proc/vmstat"];
            out.single(&["node_vmstat_", key], Kind::Untyped, &help, value);
            is_any = true;
        }
    }
    is_any
}

/// Appends what a file of `/proc/pressure` says of `resource` (cpu, io, memory or irq). Returns
/// whether it says something.
pub(crate) fn pressure(resource: &str, text: &str, out: &mut Exposition) -> bool {
    let mut is_any = false;
    for line in text.lines() {
        // cpu's `full` is always 0, and irq has `full` only.
        let (name, what) = match line.split_once(' ') {
            Some(("some", _)) => ("waiting", "some"),
            Some(("full", _)) if resource != "cpu" => ("stalled", "all"),
            _ => continue,
        };
        let total = line.split_once("total=");
        if let Some(total) = total.and_then(|(_, total)| total.trim_ascii().parse().ok()) {
            let name = ["node_pressure_", resource, "_", name, "_seconds_total"];
            let help = ["Seconds in which ", what, " tasks waited for ", resource];
            let seconds = Fixed {
                units: total,
                decimals: 6,
            };
            out.single(&name, Kind::Counter, &help, seconds);
            is_any = true;
        }
    }
    is_any
}

/// Appends the first and the third number of `/proc/sys/fs/file-nr`. Returns whether both are there.
pub(crate) fn open_files(text: &str, out: &mut Exposition) -> bool {
    let mut words = text.split_ascii_whitespace();
    let mut number = |at| words.nth(at).and_then(|word| word.parse::<u64>().ok());
    let (Some(allocated), Some(maximum)) = (number(0), number(1)) else {
        return false;
    };
    let table = [
        ("allocated", "File handles in use", allocated),
        ("maximum", "Limit of file handles", maximum),
    ];
    for (name, help, value) in table {
        out.single(&["node_filefd_", name], Kind::Gauge, &[help], value);
    }
    true
}

/// Appends the time by the host's clock, since the epoch.
pub(crate) fn time(wall: Duration, out: &mut Exposition) {
    let seconds = Fixed {
        units: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
        decimals: 6,
    };
    let help = ["Unix time of the exposition"];
    out.single(&["node_time_seconds"], Kind::Gauge, &help, seconds);
}

/// Appends the fields of uname(2), as labels.
pub(crate) fn uname(uname: &Uname, out: &mut Exposition) {
    let help = ["Fields of uname(2)"];
    out.family(&["node_uname_info"], Kind::Gauge, &help);
    let labels = [
        ("domainname", &*uname.domainname),
        ("machine", &*uname.machine),
        ("nodename", &*uname.nodename),
        ("release", &*uname.release),
        ("sysname", &*uname.sysname),
        ("version", &*uname.version),
    ];
    out.sample(&labels, 1);
}

/// Appends which files could be read and understood, under the names of node_exporter's collectors.
pub(crate) fn collectors(all: &[(&str, bool)], out: &mut Exposition) {
    let help = ["1 if the files of the collector were read and understood"];
    out.family(&["node_scrape_collector_success"], Kind::Gauge, &help);
    for (name, has_succeeded) in all {
        out.sample(&[("collector", name)], u64::from(*has_succeeded));
    }
}
