//! `disk.{name}.reads.delta` and `.writes.delta`: requests completed by the block devices, from
//! `/proc/diskstats`. In requests per second.

use super::{CollectError, Collector, Span, Values, View, ended, names};
use crate::base::counter::Readings;
use crate::base::pattern::Pattern;
use crate::base::text::metric_segment;
use crate::config::Config;
use crate::parse::{diskstats, mountinfo};
use crate::sys::device::device_name;
use crate::sys::root::FileError;

/// Devices named so are made of others, which are reported.
const MAPPED: &str = "dm-";

/// Compares each reading with the one before.
pub(super) struct Disk {
    ignore: Option<Pattern>,
    use_mountpoint: bool,
    span: Span,
    readings: Readings,
}

impl Disk {
    /// Leaves out disks whose name as a metric segment `ignore` matches. With `use_mountpoint`, a
    /// disk that is mounted is named after its mount point.
    pub(super) fn new(ignore: Option<Pattern>, use_mountpoint: bool) -> Disk {
        Disk {
            ignore,
            use_mountpoint,
            span: Span::default(),
            readings: Readings::default(),
        }
    }
}

impl Collector for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn collect(&mut self, view: &mut View<'_>, out: &mut Values) -> Result<(), CollectError> {
        let (mounted, cut_mounts) = match self.use_mountpoint {
            true => mounted(view)?,
            false => (Vec::new(), None),
        };
        let (text, cut) = match view.root.table("/proc/diskstats", view.buffer) {
            Err(error) if error.is_absent() => return Ok(()),
            text => text?,
        };
        let found = diskstats::parse(&text)?;
        let span = self.span.until(view.now);
        if self.use_mountpoint {
            self.readings.rename();
        }
        let ignore = self.ignore.as_ref();
        let named = |disk: &str| {
            let label = metric_segment(disk);
            if ignore.is_some_and(|ignore| ignore.matches(&label)) {
                return None;
            }
            // The last of several, as with filesystems.
            let mut points = mounted.iter().rev();
            let point = points.find(|(device, _)| device == disk);
            let label = point.map_or(&label, |(_, point)| point);
            Some(names("disk.", label, [".reads.delta", ".writes.delta"]))
        };
        for now in found {
            if now.device.starts_with(MAPPED) {
                continue;
            }
            let after = [now.reads, now.writes];
            if let Some((before, names)) = self.readings.replace(now.device, after, &named) {
                out.put_rates(names, before, after, span);
            }
        }
        self.readings.end_round();
        ended(cut.or(cut_mounts))
    }

    fn forget(&mut self) {
        self.readings = Readings::default();
    }

    fn configure(&mut self, config: &Config) {
        self.ignore.clone_from(&config.disks_ignore);
        self.use_mountpoint = config.filesystems.use_mountpoint;
        self.readings.rename();
    }
}

/// Names below `/dev` of what is mounted, and the mount points as metric segments; and what is missing
/// of them, if anything is.
type Mounted = (Vec<(String, String)>, Option<FileError>);

fn mounted(view: &mut View<'_>) -> Result<Mounted, CollectError> {
    let root = view.root;
    let own = root.own_mounts();
    let (table, cut) = root.mounts(view.buffer)?;
    let mounts = mountinfo::parse(table)?;
    let mounted = mountinfo::local(&mounts, &root.path("/"), own.as_deref());
    let mounted = mounted.into_iter().filter_map(|mounted| {
        let device = device_name(root, mounted.device);
        let device = device.to_str()?.strip_prefix("/dev/")?.to_owned();
        Some((device, metric_segment(&mounted.point.to_string_lossy())))
    });
    Ok((mounted.collect(), cut))
}

#[cfg(test)]
mod tests {
    use super::super::testing::round;
    use super::*;

    const BEFORE: &str = "two-core/t0";
    const AFTER: &str = "two-core/t60";

    #[test]
    fn reports_requests_per_second_of_what_was_at_work_before() {
        let mut disk = Disk::new(None, false);
        assert_eq!(round(&mut disk, BEFORE, 0), []);
        // Neither dm-0 nor loop1, which has just begun; sdb1's writes went backwards.
        let expected = [
            ("disk.loop0.reads.delta", 0.0),
            ("disk.loop0.writes.delta", 0.0),
            ("disk.sda.reads.delta", 2.0),
            ("disk.sda.writes.delta", 1.0),
            ("disk.sda1.reads.delta", 1.0),
            ("disk.sda1.writes.delta", 1.0),
            ("disk.sdb1.reads.delta", 1.0),
            ("disk.cciss_c0d0.reads.delta", 0.5),
            ("disk.cciss_c0d0.writes.delta", 0.1),
        ];
        assert_eq!(round(&mut disk, AFTER, 60), expected);
    }

    #[test]
    fn mounted_disks_may_be_named_after_their_mount_points() {
        let mut disk = Disk::new(None, true);
        round(&mut disk, BEFORE, 0);
        let values = round(&mut disk, AFTER, 60);
        let reads = values.iter().filter_map(|(name, _)| {
            let name = name.strip_prefix("disk.")?;
            name.strip_suffix(".reads.delta")
        });
        let expected = ["loop0", "sda", "_", "_srv", "cciss_c0d0"];
        assert!(reads.eq(expected));
    }

    #[test]
    fn the_pattern_sees_the_name_of_the_device_even_if_the_metric_has_another() {
        for use_mountpoint in [false, true] {
            let ignore = Pattern::new("^(loop|sd|cciss_)").unwrap();
            let mut disk = Disk::new(Some(ignore), use_mountpoint);
            round(&mut disk, BEFORE, 0);
            assert_eq!(round(&mut disk, AFTER, 60), []);
        }
    }

    #[test]
    fn a_host_may_have_no_disks() {
        let mut disk = Disk::new(None, false);
        assert_eq!(round(&mut disk, "lxc-no-diskstats", 0), []);
        assert_eq!(round(&mut disk, "lxc-no-diskstats", 60), []);
    }
}
