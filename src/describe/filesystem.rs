//! `meta.filesystem`: sizes of all local filesystems, including those in memory, by device.

use crate::base::name_map::NameMap;

use super::DescribeError;
use crate::base::{self, Failures};
use crate::parse::mountinfo;
use crate::sys::device::device_name;
use crate::sys::fsstat::{FsStats, Point, Usage};
use crate::sys::root::Root;
use crate::wire::host::Filesystem;

/// Bytes per unit of the document.
const KIB: u64 = 1024;

/// The filesystems that `df -l` shows, by the first column. If a name occurs more than once, the
/// last one is kept. Sizes come from `stats`; a filesystem without a known size is left out.
///
/// Fails if the host's mounts cannot be read or parsed.
pub(super) fn filesystems(
    root: &Root,
    stats: &mut FsStats,
    failures: &mut Failures,
) -> Result<NameMap<Filesystem>, DescribeError> {
    let mut buffer = Vec::new();
    let own = root.own_mounts();
    let (table, cut) = root.mounts(&mut buffer)?;
    failures.extend(cut.map(|error| ("filesystem", base::report(&error))));
    let mounts = mountinfo::parse(table)?;
    let mounted = mountinfo::local(&mounts, &root.path("/"), own.as_deref());
    let points = mounted.iter().map(|local| root.path(local.point));
    let points = points.map(Point::from).collect();
    let known = mounted.iter().zip(stats.usage(&points));
    let known = known.filter_map(|(local, usage)| {
        let device = device_name(root, local.device).to_string_lossy().into();
        Some((
            device,
            filesystem(&usage?, local.point.to_string_lossy().into()),
        ))
    });
    Ok(known.collect())
}

fn filesystem(usage: &Usage, mount: String) -> Filesystem {
    Filesystem {
        kb_size: usage.total_bytes.div_ceil(KIB),
        kb_used: usage.used_bytes.div_ceil(KIB),
        kb_available: usage.available_bytes.div_ceil(KIB),
        percent_used: [&percent_used(usage).to_string(), "%"].concat(),
        mount,
    }
}

/// Percentage used of the space available to ordinary users, rounded up.
fn percent_used(usage: &Usage) -> u64 {
    let all_bytes = usage.used_bytes.saturating_add(usage.available_bytes);
    usage
        .used_bytes
        .saturating_mul(100)
        .div_ceil(all_bytes.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_filesystems_in_memory_too_and_each_name_once() {
        let mut stats = FsStats::answering(|path| match path.to_str().unwrap() {
            path if path.ends_with("/cgroup") => Ok(None),
            path if path.ends_with("/run") => Ok(Usage::new(4096, 100, 90, 90)),
            _ => Ok(Usage::new(512, 5, 2, 1)),
        });
        let root = Root::at("tests/fixtures/two-core/t0");
        let found = filesystems(&root, &mut stats, &mut Failures::new()).unwrap();
        let devices = [
            "/dev/mapper/vg-var",
            "/dev/sda1",
            "/dev/sdb1",
            "tmpfs",
            "udev",
        ];
        assert!(found.keys().eq(devices.iter()));
        let document = |device: &str| serde_json::to_string(&found[device]).unwrap();
        assert_eq!(
            document("/dev/sda1"),
            r#"{"kb_size":3,"kb_used":2,"kb_available":1,"percent_used":"75%","mount":"/"}"#
        );
        assert_eq!(
            document("tmpfs"),
            r#"{"kb_size":400,"kb_used":40,"kb_available":360,"percent_used":"10%","mount":"/run"}"#
        );
    }

    #[test]
    fn rounds_as_df_does() {
        // (why this row exists, blocks of 1024 bytes: total, free, available; percent)
        let table = [
            ("a line of df", 19_734_388, 2_866_224, 1_863_772, 91),
            (
                "hardly anything is not nothing",
                1_000_000,
                999_999,
                999_999,
                1,
            ),
            ("empty", 10, 10, 10, 0),
            ("full", 10, 0, 0, 100),
            ("kept for the superuser does not count", 100, 50, 0, 100),
            ("exactly half", 100, 50, 50, 50),
        ];
        for (why, blocks, bfree, bavail, percent) in table {
            let usage = Usage::new(1024, blocks, bfree, bavail).unwrap();
            assert_eq!(percent_used(&usage), percent, "{why}");
        }
    }

    #[test]
    fn filesystems_of_one_name_are_described_by_the_last() {
        let mut stats = FsStats::answering(|_| Ok(Usage::new(1024, 5, 2, 1)));
        let root = Root::at("tests/fixtures/btrfs-subvolumes");
        let found = filesystems(&root, &mut stats, &mut Failures::new()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found["/dev/sda2"].mount, "/.snapshots");
    }

    #[test]
    fn names_that_are_not_utf8_are_shown_all_the_same() {
        let mut stats = FsStats::answering(|_| Ok(Usage::new(1024, 5, 2, 1)));
        let root = Root::at("tests/fixtures/odd-mounts");
        let found = filesystems(&root, &mut stats, &mut Failures::new()).unwrap();
        assert_eq!(found["/dev/sdb4"].mount, "/mnt/caf\u{fffd}");
        assert_eq!(found["/dev/sdb1"].mount, "/mnt/my disk");
        assert_eq!(found[""].mount, "/mnt/nameless");
    }

    #[test]
    fn without_the_hosts_mounts_the_part_is_missing() {
        let mut stats = FsStats::answering(|_| Ok(None));
        let root = Root::at("tests/fixtures/damaged/empty");
        let error = filesystems(&root, &mut stats, &mut Failures::new()).unwrap_err();
        assert_eq!(error.to_string(), "cannot understand");
        let root = Root::at("tests/fixtures/no such host");
        let error = filesystems(&root, &mut stats, &mut Failures::new()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read");
    }
}
