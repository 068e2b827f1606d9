//! Selects the mounts that `df -l` of GNU coreutils shows, so that metric names are the same as
//! with the Go agent. Only the mount tables are used; no filesystem is accessed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Mount;
use super::tree::Tree;
use crate::base::text::fnv1a;

/// Types that `df` skips because they hold no data. Calling statvfs(3) on `autofs` may mount
/// something.
const PSEUDO: &str = "autofs debugfs devpts fusectl fuse.portal ignore mqueue none proc \
    rpc_pipefs subfs sysfs";

/// Types that `df` treats as remote, whatever their source.
const REMOTE: &str = "acfs afs auristorfs coda fhgfs gpfs ibrix ocfs2 vxfs";

/// Further types with data on another host. `df` does not recognise the sources of some, and
/// statvfs(3) may block on them indefinitely.
const REMOTE_TOO: &str = "beegfs ceph cifs davfs glusterfs lustre ncpfs nfs nfs4 smb3 smbfs \
    fuse.blobfuse fuse.blobfuse2 fuse.ceph fuse.ceph-fuse fuse.curlftpfs fuse.davfs2 \
    fuse.gcsfuse fuse.glusterfs fuse.goofys fuse.juicefs fuse.mount-s3 fuse.rclone fuse.s3fs \
    fuse.sshfs";

/// A filesystem with data on this host.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Local<'a> {
    /// The device, such as `/dev/sda1`, or any other source.
    pub(crate) device: &'a OsStr,
    /// The mount point as a path on the host.
    pub(crate) point: &'a Path,
    /// The filesystem's type, e.g. `ext4`.
    pub(crate) kind: &'a OsStr,
    /// Whether the filesystem is, not only this mount of it.
    pub(crate) is_read_only: bool,
}

/// Selects the mounts that `df -l` shows, in the same order. Pseudo filesystems, remote filesystems
/// and hidden mounts are excluded. Each filesystem appears once, and each subvolume of btrfs counts
/// as a filesystem. Of several mounts of one filesystem, a device is preferred to a mere name.
/// Next, the shorter path is preferred, unless it shows only a part of what the other mount shows.
///
/// `top` is the host's root directory as a path of this process. If it is a mount point, only
/// mounts at and below it count. `own` is this process's mount table, given if `mounts` is the
/// table of a process whose root directory is `top`.
pub(crate) fn local<'a>(mounts: &'a [Mount<'_>], top: &Path, own: Option<&[u8]>) -> Vec<Local<'a>> {
    let mut chosen: Vec<(&Mount<'_>, &Path)> = Vec::new();
    let mut marks = Vec::new();
    for (mount, point) in reachable(mounts, top, own, false) {
        let mark = fnv1a(mount.filesystem);
        let same = if marks.contains(&mark) {
            chosen.iter_mut().find(|(other, _)| other.shows_same(mount))
        } else {
            None
        };
        match same {
            None => {
                marks.push(mark);
                chosen.push((mount, point));
            }
            Some(other) if mount.is_preferred_to(other.0) => *other = (mount, point),
            Some(_) => {}
        }
    }
    let mut shown = Vec::new();
    for (mount, point) in chosen {
        let local = Local {
            device: mount.device(),
            point,
            kind: mount.kind(),
            is_read_only: mount.is_filesystem_read_only(),
        };
        if !local.is_of_docker() {
            shown.push(local);
        }
    }
    shown
}

/// The mounts that may be asked for their size, each with its mount point as the host knows it: no
/// pseudo filesystems, none that is hidden below another mount, and remote ones only `with_remote`.
/// Other arguments are those of [`local`].
pub(crate) fn reachable<'a, 'b>(
    mounts: &'a [Mount<'b>],
    top: &Path,
    own: Option<&[u8]>,
    with_remote: bool,
) -> Vec<(&'a Mount<'b>, &'a Path)> {
    let tree = Tree::new(mounts);
    let own = own.map(|own| super::parse(own).unwrap_or_default());
    let reach = own.as_ref().and_then(|own| Reach::new(own, top));
    let at_top = match own {
        Some(_) => None,
        None => mounts.iter().find(|mount| mount.point() == top),
    };
    let top = at_top.map_or(Path::new("/"), Mount::point);
    let mut kinds = Kinds {
        known: Vec::new(),
        with_remote,
    };
    let mut found = Vec::new();
    for mount in mounts {
        let may_be_asked = mount.point().starts_with(top)
            && (with_remote || !mount.has_source_elsewhere())
            && kinds.may_be_asked(mount.kind);
        let is_reached = || reach.as_ref().is_none_or(|reach| reach.has(mount));
        if may_be_asked && !tree.hides(mount) && is_reached() {
            found.push((mount, below(top, mount.point())));
        }
    }
    found
}

/// Whether [`local`] selects the same mounts with the table `own` as with `other`. Most mounts of
/// the two tables may be outside `top`.
pub(crate) fn reaches_same(own: &[u8], other: &[u8], top: &Path) -> bool {
    let parsed = |table| super::parse(table).unwrap_or_default();
    own == other || Reach::new(&parsed(own), top) == Reach::new(&parsed(other), top)
}

/// The mounts of another process that this process can access through that process's root
/// directory.
#[derive(PartialEq)]
struct Reach<'a> {
    /// Sorted pairs of mount point, as a path of the other process, and filesystem.
    places: Vec<(&'a Path, &'a [u8])>,
}

impl<'a> Reach<'a> {
    /// The mounts in `own` at and below `top`. `None` if `top` is not a mount point: the other
    /// process's root directory is then a copy, or the whole tree.
    fn new(own: &'a [Mount<'_>], top: &Path) -> Option<Reach<'a>> {
        let top = own.iter().find(|mount| mount.point() == top)?.point();
        let mut places = Vec::new();
        for mount in own {
            if mount.point().starts_with(top) {
                places.push((below(top, mount.point()), mount.filesystem));
            }
        }
        places.sort_unstable();
        Some(Reach { places })
    }

    /// Whether statvfs(3) at the mount point of `mount` returns its filesystem, and not the one
    /// below.
    fn has(&self, mount: &Mount<'_>) -> bool {
        let place = (mount.point(), mount.filesystem);
        self.places.binary_search(&place).is_ok()
    }
}

/// `point` relative to `top`, as an absolute path.
fn below<'a>(top: &Path, point: &'a Path) -> &'a Path {
    let bytes = point.as_os_str().as_bytes();
    match bytes.strip_prefix(top.as_os_str().as_bytes()) {
        Some([]) => Path::new("/"),
        Some(rest @ [b'/', ..]) => Path::new(OsStr::from_bytes(rest)),
        _ => point,
    }
}

impl Local<'_> {
    /// Whether it is a container's filesystem of Docker's devicemapper driver. They come and go.
    fn is_of_docker(&self) -> bool {
        let device = self.device.as_bytes();
        let driver = b"devicemapper/mnt";
        let point = self.point.as_os_str().as_bytes();
        device.starts_with(b"/dev/mapper/docker-")
            || device.starts_with(b"/dev/dm-") && point.windows(driver.len()).any(|w| w == driver)
    }
}

/// Cached results by type: a host has few types, but may have hundreds of mounts of one type.
struct Kinds<'a> {
    known: Vec<(&'a [u8], bool)>,
    with_remote: bool,
}

impl<'a> Kinds<'a> {
    /// Whether filesystems of this type can hold data, on this host unless `with_remote`.
    fn may_be_asked(&mut self, kind: &'a [u8]) -> bool {
        if let Some((_, may_be)) = self.known.iter().find(|(known, _)| *known == kind) {
            return *may_be;
        }
        let has = |all: &str| all.split(' ').any(|other| other.as_bytes() == kind);
        let is_remote = || [REMOTE, REMOTE_TOO].into_iter().any(has);
        let may_be = !has(PSEUDO) && (self.with_remote || !is_remote());
        self.known.push((kind, may_be));
        may_be
    }
}

impl Mount<'_> {
    fn has_source_elsewhere(&self) -> bool {
        self.source.contains(&b':') || self.source.starts_with(b"//") || *self.source == *b"-hosts"
    }

    fn shows_same(&self, other: &Mount<'_>) -> bool {
        !self.filesystem.is_empty()
            && self.filesystem == other.filesystem
            && self.subvolume == other.subvolume
    }

    fn is_preferred_to(&self, other: &Mount<'_>) -> bool {
        let is_named = |mount: &Mount<'_>| mount.source.contains(&b'/');
        let is_part = self.root.len() > other.root.len();
        is_named(self) && !is_named(other) || self.point.len() < other.point.len() && !is_part
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    /// The devices and mount points selected from `mounts`, which are lines of mountinfo up to the
    /// source.
    fn shown(top: &str, mounts: &[&str]) -> String {
        let content: String = mounts.iter().flat_map(|line| [line, " rw\n"]).collect();
        let mounts = parse(content.as_bytes()).unwrap();
        let chosen = local(&mounts, Path::new(top), None);
        let lines = chosen.iter().map(|local| {
            let device = local.device.to_str().unwrap();
            [device, " ", local.point.to_str().unwrap()].concat()
        });
        lines.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn filesystem_is_read_only_if_all_of_it_is() {
        // (options of the mount, of the filesystem, whether the filesystem is read-only)
        let table = [
            ("rw", "rw", false),
            ("ro", "rw", false),
            ("ro", "rw,errors=x,ro", true),
        ];
        for (mount, filesystem, expected) in table {
            let line = format!("20 1 8:1 / / {mount},noatime - ext4 /dev/sda1 {filesystem}\n");
            let mounts = parse(line.as_bytes()).unwrap();
            let chosen = local(&mounts, Path::new("/"), None);
            assert_eq!(chosen[0].is_read_only, expected, "{line}");
            assert_eq!(mounts[0].is_read_only(), mount == "ro", "{line}");
        }
    }

    #[test]
    fn pseudo_and_remote_filesystems_are_skipped() {
        // (why this row exists, type and source, whether it is selected)
        let table = [
            ("a disk", "ext4 /dev/sda1", true),
            ("memory", "tmpfs tmpfs", true),
            (
                "no blocks, which only asking tells",
                "cgroup2 cgroup2",
                true,
            ),
            ("image from the host of a virtual machine", "9p share", true),
            ("local FUSE", "fuse.mergerfs a:b", false),
            ("local FUSE", "fuseblk /dev/sdb1", true),
            ("no data", "proc proc", false),
            ("asking may mount", "autofs systemd-1", false),
            ("NFS", "nfs4 server:/export", false),
            ("NFS that hides its server", "nfs export", false),
            ("SMB", "cifs //server/share", false),
            ("// is no device", "ext4 //dev/sda1", false),
            ("SSH", "fuse.sshfs me@server:/home", false),
            ("object store", "fuse.s3fs s3fs", false),
            (
                "cluster filesystem on a shared disk",
                "ocfs2 /dev/sdc1",
                false,
            ),
            ("autofs hosts map", "nfs -hosts", false),
        ];
        for (why, mount, is_shown) in table {
            let line = ["30 1 8:1 / /mnt rw - ", mount].concat();
            assert_eq!(!shown("/", &[&line]).is_empty(), is_shown, "{why}");
        }
    }

    #[test]
    fn shows_each_filesystem_once() {
        // (why this row exists, mounts, selected mounts)
        let table: &[(&str, &[&str], &str)] = &[
            (
                "a bind mount of a part does not replace the whole",
                &[
                    "30 1 8:1 / /mnt/data rw - ext4 /dev/sda1",
                    "31 1 8:1 /sub /d rw - ext4 /dev/sda1",
                ],
                "/dev/sda1 /mnt/data",
            ),
            (
                "the whole nearer to the root does",
                &[
                    "30 1 8:1 / /mnt/data rw - ext4 /dev/sda1",
                    "31 1 8:1 / /d rw - ext4 /dev/sda1",
                ],
                "/dev/sda1 /d",
            ),
            (
                "the whole replaces a part, and takes its place",
                &[
                    "30 1 8:1 /sub /mnt/data rw - ext4 /dev/sda1",
                    "31 1 8:2 / /b rw - ext4 /dev/sda2",
                    "32 1 8:1 / /d rw - ext4 /dev/sda1",
                ],
                "/dev/sda1 /d, /dev/sda2 /b",
            ),
            (
                "the first of two that are alike stays",
                &[
                    "30 1 8:1 / /a rw - ext4 /dev/sda1",
                    "31 1 8:1 / /b rw - ext4 /dev/sda1",
                ],
                "/dev/sda1 /a",
            ),
            (
                "a device's name wins over any other",
                &[
                    "30 1 0:40 / /a rw - btrfs disk",
                    "31 1 0:40 / /mnt/b rw - btrfs /dev/sdb1",
                ],
                "/dev/sdb1 /mnt/b",
            ),
            (
                "filesystems of one name are not one",
                &[
                    "30 1 0:40 / /run rw - tmpfs tmpfs",
                    "31 1 0:41 / /tmp rw - tmpfs tmpfs",
                ],
                "tmpfs /run, tmpfs /tmp",
            ),
            (
                "files that a container runtime binds",
                &[
                    "30 1 0:40 / / rw - overlay overlay",
                    "31 30 8:1 /var/lib/docker/containers/1/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1",
                    "32 30 8:1 /var/lib/docker/containers/1/hosts /etc/hosts rw - ext4 /dev/sda1",
                ],
                "overlay /, /dev/sda1 /etc/hosts",
            ),
        ];
        for (why, mounts, expected) in table {
            assert_eq!(shown("/", mounts), *expected, "{why}");
        }
    }

    #[test]
    fn each_subvolume_of_btrfs_is_shown_but_not_its_bind_mounts() {
        let content = "\
            30 1 0:25 /@ / rw - btrfs /dev/sda2 rw,subvolid=256,subvol=/@\n\
            31 30 0:25 /@home /home rw - btrfs /dev/sda2 rw,subvolid=257,subvol=/@home\n\
            32 30 0:25 /@home/me /me rw - btrfs /dev/sda2 rw,subvolid=257,subvol=/@home\n";
        let mounts = parse(content.as_bytes()).unwrap();
        let points: Vec<_> = local(&mounts, Path::new("/"), None)
            .iter()
            .map(|local| local.point)
            .collect();
        assert_eq!(points, [Path::new("/"), Path::new("/home")]);
    }

    #[test]
    fn a_host_seen_from_a_container_is_what_is_mounted_at_its_top() {
        let mounts = [
            "20 1 0:40 / / rw - overlay overlay",
            "21 20 8:1 / /host rw - ext4 /dev/sda1",
            "22 21 8:2 / /host/boot rw - vfat /dev/sda2",
            "23 20 8:3 / /hostile rw - ext4 /dev/sda3",
            "24 20 8:1 /var/hosts /etc/hosts rw - ext4 /dev/sda1",
        ];
        assert_eq!(shown("/host", &mounts), "/dev/sda1 /, /dev/sda2 /boot");
        assert_eq!(shown("/host/", &mounts), "/dev/sda1 /, /dev/sda2 /boot");
        let all = "overlay /, /dev/sda1 /host, /dev/sda2 /host/boot, /dev/sda3 /hostile";
        assert_eq!(shown("/", &mounts), all);
        assert_eq!(shown("/elsewhere", &mounts), all);
    }

    #[test]
    fn storage_of_containers_does_not_count() {
        let mounts = [
            "30 1 253:1 / /a rw - ext4 /dev/mapper/docker-8-1-pool",
            "31 1 253:2 / /var/lib/docker/devicemapper/mnt/1 rw - ext4 /dev/dm-4",
            "32 1 253:3 / /b rw - ext4 /dev/dm-5",
        ];
        assert_eq!(shown("/", &mounts), "/dev/dm-5 /b");
    }

    #[test]
    fn host_mounts_of_its_first_process_are_selected_if_they_can_be_reached() {
        let host = "\
            20 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            21 20 8:2 / /boot rw - vfat /dev/sda2 rw\n\
            22 20 8:3 / /srv rw - ext4 /dev/sda3 rw\n\
            23 20 8:4 / /host rw - ext4 /dev/sda4 rw\n";
        let container = "\
            90 80 0:40 / / rw - overlay overlay rw\n\
            91 90 8:1 / /host rw - ext4 /dev/sda1 rw\n\
            92 91 8:2 / /host/boot rw - vfat /dev/sda2 rw\n\
            93 91 8:9 / /host/srv rw - ext4 /dev/sda9 rw\n";
        let shown = |top: &str, own: &str| {
            let mounts = parse(host.as_bytes()).unwrap();
            let local = local(&mounts, Path::new(top), Some(own.as_bytes()));
            let points = local.iter().map(|local| local.point.to_str().unwrap());
            points.collect::<Vec<_>>().join(" ")
        };
        // (why this row exists, path of the host's root directory, own mounts, selected mount
        // points)
        let table = [
            (
                "another one at /srv, none at /host",
                "/host",
                container,
                "/ /boot",
            ),
            ("not mounted", "/elsewhere", container, "/ /boot /srv /host"),
            ("unknown", "/host", "", "/ /boot /srv /host"),
        ];
        for (why, top, own, expected) in table {
            assert_eq!(shown(top, own), expected, "{why}");
        }
        let elsewhere = "99 90 8:7 / /mnt rw - ext4 /dev/sda7 rw\n";
        let below = "99 90 8:3 / /host/srv rw - ext4 /dev/sda3 rw\n";
        // (top, further mounts, whether the same is reached)
        let table = [
            ("/host", "", true),
            ("/host", elsewhere, true),
            ("/host", below, false),
            ("/nowhere", below, true),
            ("/mnt", elsewhere, false),
        ];
        for (top, more, is_same) in table {
            let other = [container, more].concat();
            let reaches_same = reaches_same(container.as_bytes(), other.as_bytes(), Path::new(top));
            assert_eq!(reaches_same, is_same, "{top} {more}");
        }
    }
}
