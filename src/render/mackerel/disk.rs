//! `disk.{name}.reads.delta` and `.writes.delta`: requests completed by block devices. In requests
//! per second.

use std::sync::Arc;

use super::rates::{DeviceSeries, names};
use crate::base::pattern::Pattern;
use crate::base::text::metric_segment;
use crate::base::values::Values;
use crate::collect::readings::{Devices, DiskCounters, FilesystemReadings, Mounted, Timed};

/// The disks to report, and their names.
pub(super) struct DiskRates {
    ignore: Option<Pattern>,
    use_mountpoint: bool,
    series: DeviceSeries,
    /// The mounts from which the names in [`DiskRates::series`] were made.
    mounts: Arc<[Mounted]>,
}

impl DiskRates {
    /// Excludes disks whose metric segment matches `ignore`. With `use_mountpoint`, a mounted disk
    /// is named after its mount point.
    pub(super) fn new(ignore: Option<Pattern>, use_mountpoint: bool) -> DiskRates {
        DiskRates {
            ignore,
            use_mountpoint,
            series: DeviceSeries::default(),
            mounts: Arc::default(),
        }
    }

    /// Adds the rates since `before`. If disks are named after mount points and the mounts could
    /// not be read, nothing is added.
    pub(super) fn put(
        &mut self,
        out: &mut Values,
        before: &Timed<Devices<DiskCounters>>,
        now: &Timed<Devices<DiskCounters>>,
        filesystems: Option<&FilesystemReadings>,
    ) {
        if self.use_mountpoint {
            let Some(FilesystemReadings { mounts, .. }) = filesystems else {
                return;
            };
            if !Arc::ptr_eq(mounts, &self.mounts) {
                self.mounts = Arc::clone(mounts);
                self.series.forget();
            }
        }
        let (ignore, mounts) = (self.ignore.as_ref(), &self.mounts);
        let name = |disk: &str| {
            let label = metric_segment(disk);
            if ignore.is_some_and(|ignore| ignore.matches(&label)) {
                return None;
            }
            // The last of several mounts is used, as for filesystems.
            let mut last_first = mounts.iter().rev();
            let mounted = last_first.find(|one| one.device.strip_prefix("/dev/") == Some(disk));
            let point = mounted.map(|one| metric_segment(&one.point.to_string_lossy()));
            let label = point.as_deref().unwrap_or(&label);
            Some(names("disk.", label, [".reads.delta", ".writes.delta"]))
        };
        let pair = |counters: &DiskCounters| [counters.reads, counters.writes];
        self.series.put_rates(out, before, now, pair, &name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rig;

    const BEFORE: &str = "two-core/t0";
    const AFTER: &str = "two-core/t60";

    #[test]
    fn disk_rates_are_reported_for_disks_that_were_active_before() {
        let mut disk = Rig::of("disk");
        assert_eq!(disk.round(BEFORE, 0), []);
        // dm-0 and loop1, which has just become active, are missing; the writes of sdb1 went
        // backwards.
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
        assert_eq!(disk.round(AFTER, 60), expected);
    }

    #[test]
    fn disk_names_can_be_those_of_mount_points() {
        let mut disk = Rig::with("disk", "filesystems.use_mountpoint = true");
        disk.round(BEFORE, 0);
        let values = disk.round(AFTER, 60);
        let reads = values.iter().filter_map(|(name, _)| {
            let name = name.strip_prefix("disk.")?;
            name.strip_suffix(".reads.delta")
        });
        let expected = ["loop0", "sda", "_", "_srv", "cciss_c0d0"];
        assert!(reads.eq(expected));
    }

    #[test]
    fn disk_pattern_matches_the_device_even_if_named_after_its_mount_point() {
        for use_mountpoint in [false, true] {
            let settings = format!(
                "disks.ignore = '^(loop|sd|cciss_)'\nfilesystems.use_mountpoint = {use_mountpoint}"
            );
            let mut disk = Rig::with("disk", &settings);
            disk.round(BEFORE, 0);
            assert_eq!(disk.round(AFTER, 60), []);
        }
    }

    #[test]
    fn a_host_may_have_no_disks() {
        let mut disk = Rig::of("disk");
        assert_eq!(disk.round("lxc-no-diskstats", 0), []);
        assert_eq!(disk.round("lxc-no-diskstats", 60), []);
    }

    #[test]
    fn disks_are_named_after_the_mounts_of_the_round_even_of_filesystems_that_are_ignored() {
        let settings = "filesystems.use_mountpoint = true\nfilesystems.ignore = '^/dev/sd'";
        let mut disk = Rig::with("disk", settings);
        disk.round(BEFORE, 0);
        let values = disk.round(AFTER, 60);
        assert!(
            values
                .iter()
                .any(|(name, _)| *name == "disk._srv.reads.delta")
        );
    }

    #[test]
    fn disks_have_no_values_while_the_mounts_after_which_they_are_named_cannot_be_read() {
        // (settings, whether a round without a mount table has values)
        let table = [("", true), ("filesystems.use_mountpoint = true", false)];
        for (settings, expected) in table {
            let tree = tempfile::tempdir().unwrap();
            let proc = tree.path().join("proc");
            std::fs::create_dir(&proc).unwrap();
            let mut disk = Rig::with("disk", settings);
            let mut round = |seconds: u64, mounts: &str| {
                let work = format!("8 1 sda1 {seconds} 0 0 0 1 0 0 0 0 0 0\n");
                std::fs::write(proc.join("diskstats"), work).unwrap();
                std::fs::create_dir_all(proc.join("self")).unwrap();
                std::fs::write(proc.join("self/mountinfo"), mounts).unwrap();
                disk.attempt_at(tree.path(), seconds).0.len()
            };
            let mounts = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
            round(0, mounts);
            assert_eq!(round(60, mounts), 2);
            assert_eq!(round(120, "") == 2, expected, "{settings}");
            assert_eq!(round(180, mounts), 2, "{settings}");
        }
    }

    #[test]
    fn disks_are_named_anew_when_the_mounts_change() {
        let tree = tempfile::tempdir().unwrap();
        let proc = tree.path().join("proc");
        std::fs::create_dir_all(proc.join("self")).unwrap();
        let mut disk = Rig::with("disk", "filesystems.use_mountpoint = true");
        let mut round = |seconds: u64, point: &str| {
            let work = format!("8 1 sda1 {seconds} 0 0 0 1 0 0 0 0 0 0\n");
            std::fs::write(proc.join("diskstats"), work).unwrap();
            let mounts = format!("20 1 8:1 / {point} rw - ext4 /dev/sda1 rw\n");
            std::fs::write(proc.join("self/mountinfo"), mounts).unwrap();
            let (values, _) = disk.attempt_at(tree.path(), seconds);
            values.first().map_or("", |(name, _)| *name)
        };
        assert_eq!(round(1, "/a"), "");
        assert_eq!(round(61, "/a"), "disk._a.reads.delta");
        assert_eq!(round(121, "/b"), "disk._b.reads.delta");
    }
}
