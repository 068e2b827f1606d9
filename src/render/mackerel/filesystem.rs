//! `filesystem.{name}.size` and `.used`: size and use of mounted disks. In bytes. The size excludes
//! blocks reserved for the superuser.

use std::iter::successors;
use std::sync::Arc;

use super::rates::{Names, names};
use crate::base::text::{fnv1a, metric_segment};
use crate::base::values::Values;
use crate::collect::readings::{FilesystemReadings, Mounted};

/// The names of the values, kept until the mounts change.
pub(super) struct FilesystemValues {
    use_mountpoint: bool,
    mounts: Arc<[Mounted]>,
    /// One element for each mount that is not ignored.
    series: Vec<MountSeries>,
}

struct MountSeries {
    names: Names,
    /// FNV-1a hash of the label.
    trace: u32,
    /// Index of the next mount with the same names.
    next: Option<usize>,
}

impl FilesystemValues {
    /// With `use_mountpoint`, values are named after mount points, otherwise after devices.
    pub(super) fn new(use_mountpoint: bool) -> FilesystemValues {
        FilesystemValues {
            use_mountpoint,
            mounts: Arc::default(),
            series: Vec::new(),
        }
    }

    /// Adds the values of the filesystems with a known usage.
    pub(super) fn put(&mut self, out: &mut Values, now: &FilesystemReadings) {
        if !Arc::ptr_eq(&self.mounts, &now.mounts) {
            self.series = series(&now.mounts, self.use_mountpoint);
            self.mounts = Arc::clone(&now.mounts);
        }
        for (series, found) in self.series.iter().zip(&now.usage) {
            let Some(found) = found else { continue };
            // Of several values with one name the last is used, as on the server.
            let mut later = successors(series.next, |at| self.series.get(*at)?.next);
            if later.any(|at| now.usage.get(at).is_some_and(Option::is_some)) {
                continue;
            }
            let size_bytes = found.used_bytes.saturating_add(found.available_bytes);
            let [size, used] = &series.names;
            out.put(Arc::clone(size), size_bytes as f64);
            out.put(Arc::clone(used), found.used_bytes as f64);
        }
    }
}

fn series(mounts: &[Mounted], use_mountpoint: bool) -> Vec<MountSeries> {
    let mut all: Vec<MountSeries> = Vec::with_capacity(mounts.len());
    for mounted in mounts.iter().filter(|mounted| !mounted.is_ignored) {
        let device = &*mounted.device;
        let label = if use_mountpoint {
            metric_segment(&mounted.point.to_string_lossy())
        } else {
            metric_segment(device.strip_prefix("/dev/").unwrap_or(device))
        };
        let names = names("filesystem.", &label, [".size", ".used"]);
        let trace = fnv1a(label.as_bytes());
        let at = all.len();
        let mut before = all.iter_mut().rev();
        if let Some(before) = before.find(|one| one.trace == trace && one.names == names) {
            before.next = Some(at);
        }
        all.push(MountSeries {
            names,
            trace,
            next: None,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::sync::mpsc;

    use super::super::testing::{Rig, thousand_bytes_each};
    use crate::base::pattern::Pattern;
    use crate::collect::CollectError;
    use crate::config::{Config, Filesystems};
    use crate::sys::fsstat::{FsStats, Usage};

    fn rig(ignore: &str, use_mountpoint: bool, stats: FsStats) -> Rig {
        let ignore = Some(ignore).filter(|ignore| !ignore.is_empty());
        let config = Config {
            filesystems: Filesystems {
                ignore: ignore.map(|ignore| Pattern::new(ignore).unwrap()),
                use_mountpoint,
            },
            ..Config::default()
        };
        Rig::new("filesystem", &config, stats)
    }

    /// The labels of the reported filesystems.
    fn labels(tree: &str, ignore: &str, use_mountpoint: bool) -> Vec<&'static str> {
        let mut filesystem = rig(ignore, use_mountpoint, thousand_bytes_each());
        let measured = filesystem.round(tree, 0);
        let label = |(name, _): (&'static str, f64)| {
            name.strip_prefix("filesystem.")?.strip_suffix(".size")
        };
        measured.into_iter().filter_map(label).collect()
    }

    #[test]
    fn size_excludes_blocks_reserved_for_the_superuser() {
        let mut filesystem = rig("", false, thousand_bytes_each());
        let expected = [
            ("filesystem.sda1.size", 900.0),
            ("filesystem.sda1.used", 300.0),
            ("filesystem.sdb1.size", 900.0),
            ("filesystem.sdb1.used", 300.0),
            ("filesystem.mapper_vg-var.size", 900.0),
            ("filesystem.mapper_vg-var.used", 300.0),
        ];
        assert_eq!(filesystem.round("two-core/t0", 0), expected);
    }

    #[test]
    fn sizes_are_those_of_df() {
        // Blocks of 1024 bytes, as in a line of df: 19734388 in total, 16868164 used, 1863772
        // available.
        let root = || {
            Ok(Usage::new(
                1024,
                19_734_388,
                19_734_388 - 16_868_164,
                1_863_772,
            ))
        };
        let stats = FsStats::answering(move |path| {
            if path.ends_with("boot") {
                Ok(None)
            } else {
                root()
            }
        });
        let mut filesystem = rig("", true, stats);
        let expected = [
            ("filesystem._.size", 19_181_502_464.0),
            ("filesystem._.used", 17_272_999_936.0),
        ];
        assert_eq!(filesystem.round("kernel-2.6.32", 0), expected);
    }

    #[test]
    fn names_are_of_devices_or_mount_points() {
        // (why this row exists, tree, pattern, by mount point, labels)
        let table: &[(&str, &str, &str, bool, &[&str])] = &[
            (
                "devices",
                "two-core/t0",
                "",
                false,
                &["sda1", "sdb1", "mapper_vg-var"],
            ),
            (
                "mount points",
                "two-core/t0",
                "",
                true,
                &["_", "_srv", "_var"],
            ),
            (
                "no initial RAM disk",
                "kernel-2.6.32",
                "",
                false,
                &["root", "sda1"],
            ),
            (
                "an encrypted disk by its UUID",
                "encrypted-root",
                "",
                false,
                &["dm-0", "mapper_link"],
            ),
            ("no devices", "lxc-no-diskstats", "", false, &[]),
            (
                "subvolumes share the device's name",
                "btrfs-subvolumes",
                "",
                false,
                &["sda2"],
            ),
            (
                "but each has a mount point",
                "btrfs-subvolumes",
                "",
                true,
                &["_", "_home", "__snapshots"],
            ),
            (
                "ignored by the whole name",
                "two-core/t0",
                "^/dev/sd[ab]1$",
                true,
                &["_var"],
            ),
            (
                "ignored by what is no name",
                "two-core/t0",
                "^sda1$|^_srv$",
                true,
                &["_", "_srv", "_var"],
            ),
        ];
        for (why, tree, ignore, use_mountpoint, expected) in table {
            assert_eq!(labels(tree, ignore, *use_mountpoint), *expected, "{why}");
        }
    }

    #[test]
    fn mount_points_of_any_bytes_are_queried_as_they_are_and_reported_as_segments() {
        let (tell, asked) = mpsc::channel();
        let stats = FsStats::answering(move |path| {
            tell.send(path.to_owned()).unwrap();
            Ok(Usage::new(1, 2, 1, 1))
        });
        let mut filesystem = rig("", true, stats);
        let measured = filesystem.round("odd-mounts", 0);
        let expected = [
            "filesystem._.size",
            "filesystem._mnt_my_disk.size",
            "filesystem._mnt_two_lines_and_a_tab.size",
            "filesystem._mnt_back_040slash.size",
            "filesystem._mnt_caf_.size",
            "filesystem._mnt___.size",
            "filesystem._mnt_lv.size",
            "filesystem._mnt__1.size",
        ];
        let sizes = measured.iter().map(|(name, _)| *name).step_by(2);
        assert!(sizes.eq(expected));
        let asked: Vec<_> = asked.try_iter().collect();
        let not_utf8 = OsStr::from_bytes(b"tests/fixtures/odd-mounts/mnt/caf\xe9");
        assert!(asked.contains(&Path::new(not_utf8).to_owned()));
    }

    #[test]
    fn filesystems_of_one_name_are_reported_by_the_last_with_a_size() {
        let stats = FsStats::answering(|path| {
            let used = match path.to_str().unwrap() {
                path if path.ends_with("home") => 7,
                path if path.ends_with(".snapshots") => return Ok(None),
                _ => 1,
            };
            Ok(Usage::new(1, 10, 10 - used, 2))
        });
        let mut filesystem = rig("", false, stats);
        let expected = [("filesystem.sda2.size", 9.0), ("filesystem.sda2.used", 7.0)];
        assert_eq!(filesystem.round("btrfs-subvolumes", 0), expected);
    }

    /// A host in a temporary directory that changes between rounds.
    struct Host {
        directory: tempfile::TempDir,
        filesystem: Rig,
    }

    impl Host {
        fn new() -> Host {
            let directory = tempfile::tempdir().unwrap();
            fs::create_dir_all(directory.path().join("proc/self")).unwrap();
            fs::create_dir_all(directory.path().join("dev/mapper")).unwrap();
            Host {
                directory,
                filesystem: rig("", false, thousand_bytes_each()),
            }
        }

        /// The labels of a round with these devices mounted, each at its own mount point.
        fn labels(&mut self, devices: &[&str]) -> Result<String, CollectError> {
            let line = |(at, device): (usize, &&str)| {
                format!("{} 1 8:{at} / /{at} rw - ext4 {device} rw\n", at + 20)
            };
            let table: String = devices.iter().enumerate().map(line).collect();
            let top = self.directory.path();
            fs::write(top.join("proc/self/mountinfo"), table).unwrap();
            let (labels, result) = self.round();
            result.map(|()| labels)
        }

        /// The labels of a round, and its result.
        fn round(&mut self) -> (String, Result<(), CollectError>) {
            let (values, result) = self.filesystem.attempt_at(self.directory.path(), 0);
            let labels = values
                .iter()
                .filter_map(|(name, _)| name.strip_prefix("filesystem.")?.strip_suffix(".size"));
            (labels.collect::<Vec<_>>().join(" "), result)
        }
    }

    #[test]
    fn mounts_that_change_are_reported_in_the_next_round() {
        let mut host = Host::new();
        assert!(host.labels(&[]).is_err(), "nothing is mounted");
        // (why this row exists, mounted devices, labels)
        let table: &[(&str, &[&str], &str)] = &[
            ("the first round", &["/dev/a", "/dev/b"], "a b"),
            ("as before", &["/dev/a", "/dev/b"], "a b"),
            ("mounted", &["/dev/a", "/dev/b", "/dev/c"], "a b c"),
            (
                "another in its place",
                &["/dev/a", "/dev/b", "/dev/d"],
                "a b d",
            ),
            ("unmounted", &["/dev/b"], "b"),
        ];
        for (why, devices, expected) in table {
            assert_eq!(host.labels(devices).unwrap(), *expected, "{why}");
        }
        assert!(host.labels(&[]).is_err(), "nothing is mounted any more");
        host.filesystem
            .configure("filesystems.use_mountpoint = true\n");
        assert_eq!(host.labels(&["/dev/b"]).unwrap(), "_0", "other settings");
    }

    #[test]
    fn mount_table_that_is_too_large_is_used_up_to_the_limit() {
        let mut host = Host::new();
        assert_eq!(host.labels(&["/dev/a", "/dev/b"]).unwrap(), "a b");
        let path = host.directory.path().join("proc/self/mountinfo");
        let table = String::from_utf8(fs::read(&path).unwrap()).unwrap();
        let other = "99 20 0:9 / /run/netns/x rw - nsfs nsfs rw\n";
        // (why this row exists, number of lines after the disks, labels, whether there is an error)
        let rows = [
            ("just not too large", 90_000, "a b", false),
            ("too large", 100_000, "a b", true),
            ("as before", 100_000, "a b", true),
            ("far too large", 300_000, "a b", true),
            ("small again", 0, "a b", false),
        ];
        for (why, count, expected, has_message) in rows {
            fs::write(&path, [&table, &*other.repeat(count)].concat()).unwrap();
            let (labels, result) = host.round();
            assert_eq!(labels, expected, "{why}");
            assert_eq!(result.is_err(), has_message, "{why}");
        }
    }

    #[test]
    fn device_links_are_resolved_in_every_round() {
        const LINK: &str = "/dev/mapper/luks-828fc648-9f30-43d8-a0b1-f7196a2edb66";
        let mut host = Host::new();
        let label = "mapper_luks-828fc648-9f30-43d8-a0b1-f7196a2edb66";
        assert_eq!(host.labels(&[LINK]).unwrap(), label, "it leads nowhere");
        let dev = host.directory.path().join("dev");
        for name in ["dm-0", "dm-1"] {
            let link = host.directory.path().join(&LINK[1..]);
            let _ = fs::remove_file(&link);
            fs::write(dev.join(name), "").unwrap();
            std::os::unix::fs::symlink(Path::new("/dev").join(name), link).unwrap();
            assert_eq!(host.labels(&[LINK]).unwrap(), name, "as the host knows it");
        }
    }
}
