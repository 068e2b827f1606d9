//! `check-disk`: free space and inodes of mounted filesystems.

#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::path::Path;

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::applets::limit::{Limit, MIB};
use crate::applets::number::decimal;
use crate::base::packed::packed;
use crate::base::report;
use crate::parse::mountinfo::{self, Mount};
use crate::sys::fsstat::{FsStats, Point, Usage};
use crate::sys::root::Root;
use crate::wire::check::CheckStatus;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-disk",
    help: packed!(
        "check the free space and inodes of mounted filesystems
  -w, --warning=N|N%        WARNING if less than N units or N% are free
  -c, --critical=N|N%       CRITICAL if less than N units or N% are free
  -W, --iwarning=N%         WARNING if less than N% of the inodes are free
  -K, --icritical=N%        CRITICAL if less than N% of the inodes are free
  -p, --path=PATH           mount point or device to check; may be repeated
  -x, --exclude-device=PATH
                            mount point or device to leave out; may be repeated;
                            not with -p
  -A, --all                 check all filesystems, whatever else selects them
  -X, --exclude-type=TYPE   leave out filesystems of this type; may be repeated
  -N, --include-type=TYPE   check only filesystems of this type; may be repeated
  -u, --units=UNIT          unit of limits and message: bytes, kB, MB, GB, TB
                            (default: MB)
"
    ),
    work: Work::Check("Disk", check),
};

/// Units of `--units` as the official plugin prints them, and their bytes.
const UNITS: [(&str, f64); 5] = [
    ("bytes", 1.0),
    ("kb", 1024.0),
    ("MB", MIB),
    ("gb", MIB * 1024.0),
    ("tb", MIB * MIB),
];

/// A filesystem to check.
struct Disk {
    /// The mount point.
    path: String,
    usage: Usage,
}

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    judged(arguments, &host.root, &mut FsStats::unhurried(&host.root))
}

/// The result for the filesystems below `root`, whose usage `stats` returns.
fn judged(arguments: &Arguments, root: &Root, stats: &mut FsStats) -> Result<Finding, Failure> {
    let disks = disks(arguments, root, stats)?;
    let (name, unit) = unit(arguments)?;
    let status = status(arguments, unit, &disks)?;
    let mut sorted: Vec<&Disk> = Vec::new();
    for disk in &disks {
        let is_after = |other: &&Disk| other.used_percent() < disk.used_percent();
        let at = sorted.iter().position(is_after);
        sorted.insert(at.unwrap_or(sorted.len()), disk);
    }
    let mut message = String::new();
    for disk in sorted {
        message.push_str(if message.is_empty() { "" } else { ";\n" });
        disk.describe(name, unit, &mut message);
    }
    Ok(Finding::new(status, message))
}

/// The unit of limits and of the message, and its bytes.
fn unit(arguments: &Arguments) -> Result<(&'static str, f64), Failure> {
    let given = arguments.text("units");
    let known = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(given));
    known.copied().ok_or_else(|| {
        let why = "Failed to check disk status: Invalid argument flag '-u, --units'";
        Failure::unknown(why.to_owned())
    })
}

/// The filesystems to check, with their usage.
///
/// Fails if one that is named does not answer; of others, those that do not exist any more and those
/// that this user may not access are left out.
fn disks(arguments: &Arguments, root: &Root, stats: &mut FsStats) -> Result<Vec<Disk>, Failure> {
    let (mut buffer, own) = (Vec::new(), root.own_mounts());
    let table = root.mounts(&mut buffer);
    let (table, _) = table.map_err(|error| no_partitions(&report(&error)))?;
    let mounts = mountinfo::parse(table).map_err(|error| no_partitions(&report(&error)))?;
    let seen = mountinfo::reachable(&mounts, &root.path("/"), own.as_deref(), true);
    let chosen = chosen(arguments, &seen)?;
    let mut points: Vec<Point> = Vec::new();
    let mut answers = Vec::new();
    for (_, point) in &chosen {
        points.push(root.path(point).into());
        answers.push(None);
    }
    stats.ask_each(&points.into(), &mut |at, answer| {
        if let Some(place) = answers.get_mut(at) {
            *place = Some(answer);
        }
    });
    let is_named = arguments.is_given("path") && !arguments.is_on("all");
    let mut disks = Vec::new();
    for ((mount, point), answer) in chosen.iter().zip(answers) {
        let path = point.to_string_lossy().into_owned();
        let why = match answer {
            Some(Ok(Some(usage))) => {
                disks.push(Disk { path, usage });
                continue;
            }
            Some(Ok(None)) => continue,
            Some(Err(error)) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::PermissionDenied if !is_named => continue,
                _ => error.to_string(),
            },
            None => "it does not answer".to_owned(),
        };
        let kind = mount.kind().to_string_lossy();
        let parts = [
            &path,
            "[type=",
            &kind,
            "]: Failed to fetch disk usage: ",
            &why,
        ];
        return Err(Failure::unknown(parts.concat()));
    }
    Ok(disks)
}

/// The mounts of `seen` that the flags select.
fn chosen<'s, 'm>(
    arguments: &Arguments,
    seen: &'s [(&'m Mount<'m>, &'m Path)],
) -> Result<Vec<&'s (&'m Mount<'m>, &'m Path)>, Failure> {
    let is_all = arguments.is_on("all");
    let has_paths = arguments.is_given("path") && !is_all;
    let has_types = arguments.is_given("include-type") && !is_all;
    let mut chosen = Vec::new();
    let mut has_type = false;
    for found in seen {
        let kind = found.0.kind();
        let has = |flag, is_same: &dyn Fn(&str) -> bool| arguments.all(flag).any(is_same);
        let is_of = |given: &str| kind == given;
        let is_at = |given: &str| is_named(found, given);
        let is_type = !has_types || has("include-type", &is_of);
        has_type |= is_type;
        if is_all
            || is_type
                && !has("exclude-type", &is_of)
                && !has("exclude-device", &is_at)
                && (!has_paths || has("path", &is_at))
        {
            chosen.push(found);
        }
    }
    if has_types && !has_type {
        return Err(no_partitions("No device found for the specified *FsType*"));
    }
    if has_paths {
        if arguments.is_given("exclude-device") {
            let why = "Invalid arguments: -x does not work with -p";
            return Err(why.into());
        }
        for path in arguments.all("path") {
            if !chosen.iter().any(|found| is_named(found, path)) {
                let why = "No device found for the specified *Mountpoint*";
                return Err(no_partitions(why));
            }
        }
    }
    match chosen.is_empty() {
        true => Err(no_partitions("No device found")),
        false => Ok(chosen),
    }
}

/// Whether `given` is the mount point or the device.
fn is_named((mount, point): &(&Mount<'_>, &Path), given: &str) -> bool {
    point.as_os_str() == given || mount.device() == given
}

fn no_partitions(why: &str) -> Failure {
    Failure::unknown(["Failed to fetch partitions: ", why].concat())
}

/// The status by the limits, read and compared in the order of the official plugin. An error is so
/// the result only if nothing worse was found before.
fn status(arguments: &Arguments, unit: f64, disks: &[Disk]) -> Result<CheckStatus, Failure> {
    let is_named = arguments.is_given("path") && !arguments.is_on("all");
    for (inodes, space, status) in [
        ("icritical", "critical", CheckStatus::Critical),
        ("iwarning", "warning", CheckStatus::Warning),
    ] {
        if arguments.is_given(inodes) {
            for disk in disks {
                match disk.lacks_inodes(arguments.text(inodes)) {
                    Ok(true) => return Ok(status),
                    Ok(false) => {}
                    // A filesystem without inodes, which nobody has asked for.
                    Err(_) if disk.usage.files == 0 && !is_named => {}
                    Err(why) => {
                        let parts = [&disk.path, ": Failed to check disk status: ", why.why()];
                        return Err(Failure::unknown(parts.concat()));
                    }
                }
            }
        }
        if let Some(limit) = Limit::of(arguments, space, unit)? {
            for disk in disks {
                let free = disk.usage.available_bytes as f64;
                if limit.is_above(100.0 - disk.used_percent(), free) {
                    return Ok(status);
                }
            }
        }
    }
    Ok(CheckStatus::Ok)
}

impl Disk {
    /// The used part of what users other than root can use.
    fn used_percent(&self) -> f64 {
        let used = self.usage.used_bytes as f64;
        let usable = self
            .usage
            .used_bytes
            .saturating_add(self.usage.available_bytes);
        used / usable as f64 * 100.0
    }

    fn free_inodes_percent(&self) -> f64 {
        let used = self.usage.files.saturating_sub(self.usage.files_free);
        100.0 - used as f64 / self.usage.files as f64 * 100.0
    }

    /// Whether less than `limit` of the inodes are free. Fails if `limit` is no percentage, and for
    /// filesystems without inodes, such as vfat and btrfs.
    fn lacks_inodes(&self, limit: &str) -> Result<bool, Failure> {
        let Some(limit @ Limit::Percent(_)) = Limit::read(limit, 1.0) else {
            return Err("-W, -K value should be N%".into());
        };
        if self.usage.files == 0 {
            return Err(["Disk ", &self.path, " does not have inodes"]
                .concat()
                .into());
        }
        Ok(limit.is_above(self.free_inodes_percent(), 0.0))
    }

    /// Appends the disk's part of the message.
    fn describe(&self, name: &str, unit: f64, out: &mut String) {
        out.push_str("Path: ");
        out.push_str(&self.path);
        for (what, bytes) in [
            (", All: ", self.usage.total_bytes),
            (", Used: ", self.usage.used_bytes),
            (", Free: ", self.usage.available_bytes),
        ] {
            out.push_str(what);
            out.push_str(&decimal(bytes as f64 / unit, 2));
            out.push(' ');
            out.push_str(name);
        }
        out.push_str(", Free percentage: ");
        out.push_str(&decimal(100.0 - self.used_percent(), 2));
        if self.usage.files != 0 {
            out.push_str(" (inodes ");
            out.push_str(&decimal(self.free_inodes_percent(), 2));
            out.push(')');
        }
    }
}
