//! Mounted filesystems: what statvfs(3) and the mount table say of them.

use std::path::PathBuf;

use super::exposition::{Exposition, Fixed, Kind};
use crate::sys::fsstat::Reply;

/// Directories whose mounts node_exporter leaves out, with everything below them.
const POINTS: [&str; 3] = ["/dev", "/proc", "/sys"];
/// Directories below which it leaves out everything.
const BELOW: [&str; 3] = [
    "/run/credentials/",
    "/var/lib/docker/",
    "/var/lib/containers/storage/",
];
/// Types that it leaves out.
const TYPES: &str = "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs fusectl \
    hugetlbfs iso9660 mqueue nsfs overlay proc procfs pstore rpc_pipefs securityfs selinuxfs \
    squashfs erofs sysfs tracefs";

/// Whether a mount of this type at `point`, as the host knows it, is exposed.
pub(crate) fn is_exposed(kind: &str, point: &str) -> bool {
    let is_below = |top: &&str| {
        let rest = point.strip_prefix(*top);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_hidden = POINTS.iter().any(is_below)
        || BELOW.iter().any(|top| point.starts_with(top))
        || TYPES.split(' ').any(|other| other == kind);
    !is_hidden
}

/// A mounted filesystem.
pub(crate) struct Mounted {
    pub(crate) device: String,
    /// As the host knows it.
    pub(crate) point: PathBuf,
    pub(crate) kind: String,
    pub(crate) is_read_only: bool,
}

/// What is exposed of a filesystem that has answered: name, description, value.
type Row = (
    &'static str,
    &'static str,
    fn(&Mounted, &Reply) -> Option<u64>,
);

/// The families. One that has no value for a filesystem has no sample of it.
const FAMILIES: [Row; 7] = [
    ("size_bytes", "Size", |_, reply| {
        Some(reply.usage()?.total_bytes)
    }),
    ("free_bytes", "Free space", |_, reply| {
        let usage = reply.usage()?;
        Some(usage.total_bytes.saturating_sub(usage.used_bytes))
    }),
    (
        "avail_bytes",
        "Space free for users other than root",
        |_, reply| Some(reply.usage()?.available_bytes),
    ),
    ("files", "Inodes", |_, reply| Some(reply.usage()?.files)),
    ("files_free", "Free inodes", |_, reply| {
        Some(reply.usage()?.files_free)
    }),
    ("readonly", "1 if mounted read-only", |mounted, _| {
        Some(u64::from(mounted.is_read_only))
    }),
    (
        "device_error",
        "1 if the filesystem failed or did not answer",
        |_, reply| Some(u64::from(matches!(reply, Reply::Failed))),
    ),
];

/// Appends the filesystems, each with its reply. One without blocks is left out.
pub(crate) fn filesystems(all: &[Mounted], replies: &[Reply], out: &mut Exposition) {
    for (name, help, value) in FAMILIES {
        out.family(&["node_filesystem_", name], Kind::Gauge, &[help]);
        let replies = all.iter().zip(replies);
        for (mounted, reply) in replies.filter(|(_, reply)| !matches!(reply, Reply::NoBlocks)) {
            let point = mounted.point.to_string_lossy();
            let labels = [
                ("device", &*mounted.device),
                ("fstype", &*mounted.kind),
                ("mountpoint", &*point),
            ];
            if let Some(value) = value(mounted, reply) {
                out.sample(&labels, Fixed::from(value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filesystems_of_the_kernel_and_of_containers_are_left_out() {
        // (type, mount point, whether it is exposed)
        let table = [
            ("ext4", "/", true),
            ("tmpfs", "/run", true),
            ("tmpfs", "/dev/shm", false),
            ("ext4", "/devel", true),
            ("proc", "/mnt", false),
            ("ext4", "/var/lib/docker", true),
            ("ext4", "/var/lib/docker/overlay2/x", false),
            ("ramfs", "/run/credentials/x", false),
            ("overlay", "/x", false),
        ];
        for (kind, point, expected) in table {
            assert_eq!(is_exposed(kind, point), expected, "{kind} {point}");
        }
    }
}
