//! `/proc/self/mountinfo`: the mounts of a process. Format: proc_pid_mountinfo(5).
//!
//! `/proc/self/mounts` is used only if this file is missing. Only mountinfo shows which mounts
//! share a filesystem, which of them show a part of it, and which are hidden below another mount.
//! So no filesystem has to be accessed to find that out.

mod local;
mod short;
mod tree;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::ParseError;

pub(crate) use local::{local, reachable, reaches_same};

/// A mount in the mount namespace of a process. Paths may contain any bytes.
pub(crate) struct Mount<'a> {
    id: u32,
    /// Id of the parent mount; equal to `id` for the root mount.
    parent: u32,
    /// Identifies the filesystem: `major:minor`. From `/proc/self/mounts`, it is the source if that
    /// is a path, else empty.
    filesystem: &'a [u8],
    /// The directory of the filesystem that is mounted; `/` unless it is a bind mount or subvolume.
    root: Cow<'a, [u8]>,
    /// The mount point, relative to the root directory of the process.
    point: Cow<'a, [u8]>,
    /// The filesystem's type, e.g. `ext4`.
    kind: &'a [u8],
    /// The device, or another source; may be empty.
    source: Cow<'a, [u8]>,
    /// btrfs: id of the subvolume. Empty for other filesystems and before Linux 4.2.
    subvolume: &'a [u8],
    is_read_only: bool,
    is_filesystem_read_only: bool,
}

impl Mount<'_> {
    /// The device, such as `/dev/sda1`, or any other source.
    pub(crate) fn device(&self) -> &OsStr {
        OsStr::from_bytes(&self.source)
    }

    /// The mount point, relative to the root directory of the process.
    pub(crate) fn point(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.point))
    }

    /// The filesystem's type, e.g. `ext4`.
    pub(crate) fn kind(&self) -> &OsStr {
        OsStr::from_bytes(self.kind)
    }

    /// Whether the mount, or the filesystem as a whole, is read-only.
    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Whether the filesystem is read-only, not this mount of it alone. The sandbox of a service makes
    /// all mounts read-only for the service.
    fn is_filesystem_read_only(&self) -> bool {
        self.is_filesystem_read_only
    }
}

/// Parses `/proc/self/mountinfo` or `/proc/self/mounts`, in the kernel's order. Malformed lines are
/// skipped.
///
/// Fails if there is no valid line, since every process has a root directory.
pub(crate) fn parse(content: &[u8]) -> Result<Vec<Mount<'_>>, ParseError> {
    let mut lines = content.split(|&byte| byte == b'\n');
    let mut found = Vec::with_capacity(lines.clone().count());
    for line in lines.clone() {
        found.extend(mount(line));
    }
    if found.is_empty() {
        short::mounts(lines.clone(), &mut found);
    }
    if found.is_empty() {
        let line = String::from_utf8_lossy(lines.next().unwrap_or_default());
        return Err(ParseError::new("/proc/self/mountinfo", "mount", &line));
    }
    Ok(found)
}

fn mount(line: &[u8]) -> Option<Mount<'_>> {
    // Fields are separated by exactly one blank: the source may be empty.
    let mut fields = line.split(|&byte| byte == b' ');
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let filesystem = fields.next().filter(|field| field.contains(&b':'))?;
    let root = unescape(fields.next()?);
    let point = unescape(fields.next()?);
    let mount_options = fields.next()?;
    // Any number of optional fields.
    fields.find(|field| field == b"-")?;
    let kind = fields.next()?;
    let source = unescape(fields.next()?);
    let options = fields.next()?;
    let subvolume = options
        .split(|&byte| byte == b',')
        .find_map(|option| option.strip_prefix(b"subvolid="))
        .filter(|_| kind == b"btrfs");
    Some(Mount {
        id,
        parent,
        filesystem,
        root,
        point,
        kind,
        source,
        subvolume: subvolume.unwrap_or_default(),
        is_read_only: is_read_only(mount_options) || is_read_only(options),
        is_filesystem_read_only: is_read_only(options),
    })
}

/// Whether a list of options has `ro`.
fn is_read_only(options: &[u8]) -> bool {
    options
        .split(|&byte| byte == b',')
        .any(|option| option == b"ro")
}

fn number(field: &[u8]) -> Option<u32> {
    str::from_utf8(field).ok()?.parse().ok()
}

/// Decodes the kernel's octal escapes, for example `\040` for a blank.
fn unescape(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.contains(&b'\\') {
        return Cow::Borrowed(field);
    }
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'\\'
            && let [
                high @ b'0'..=b'3',
                middle @ b'0'..=b'7',
                low @ b'0'..=b'7',
                after @ ..,
            ] = rest
        {
            rest = after;
            plain.push((high & 3) << 6 | (middle & 7) << 3 | low & 7);
        } else {
            plain.push(first);
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../../tests/fixtures/two-core/t0/proc/self/mountinfo");
    const ODD: &[u8] = include_bytes!("../../../tests/fixtures/odd-mounts/proc/self/mountinfo");

    #[test]
    fn reads_a_recorded_file() {
        let mounts = parse(TWO_CORE.as_bytes()).unwrap();
        let root = &mounts[0];
        assert_eq!((root.id, root.parent), (22, 1));
        assert_eq!(root.filesystem, b"8:1");
        assert_eq!(*root.root, *b"/");
        assert_eq!(root.point(), Path::new("/"));
        assert_eq!(root.kind, b"ext4");
        assert_eq!(root.device(), "/dev/sda1");
        assert_eq!(root.subvolume, b"");
    }

    #[test]
    fn names_are_bytes() {
        let mounts = parse(ODD).unwrap();
        // (why this row exists, device, mount point)
        let table: &[(&str, &[u8], &[u8])] = &[
            ("plain", b"/dev/sda1", b"/"),
            ("blank", b"/dev/sdb1", b"/mnt/my disk"),
            (
                "line feed and tab",
                b"/dev/sdb2",
                b"/mnt/two\nlines\tand a tab",
            ),
            (
                "backslash before digits",
                b"/dev/sdb3",
                b"/mnt/back\\040slash",
            ),
            ("not UTF-8", b"/dev/sdb4", b"/mnt/caf\xe9"),
            ("UTF-8", b"/dev/sdb5", "/mnt/写真".as_bytes()),
            (
                "blank in the device's name",
                b"/dev/mapper/my disk",
                b"/mnt/lv",
            ),
            ("empty source", b"", b"/mnt/nameless"),
            ("hash, escaped in sources only", b"/dev/#1", b"/mnt/#1"),
        ];
        for (at, (why, device, point)) in table.iter().enumerate() {
            assert_eq!(*mounts[at].source, **device, "{why}");
            assert_eq!(*mounts[at].point, **point, "{why}");
        }
        assert_eq!(mounts.len(), table.len());
    }

    #[test]
    fn fields_are_found_whatever_lies_between() {
        // (why this row exists, line, whether it is a mount)
        let table = [
            (
                "no optional field",
                "2 1 8:1 / / rw - ext4 /dev/sda1 rw",
                true,
            ),
            (
                "three",
                "2 1 8:1 / / rw shared:1 master:2 unbindable - ext4 /dev/sda1 rw",
                true,
            ),
            (
                "a directory named -",
                "2 1 8:1 /- /- rw - ext4 /dev/sda1 rw",
                true,
            ),
            ("no separator", "2 1 8:1 / / rw ext4 /dev/sda1 rw", false),
            ("no source", "2 1 8:1 / / rw - ext4", false),
            (
                "no device number",
                "2 1 81 / / rw - ext4 /dev/sda1 rw",
                false,
            ),
            (
                "a line of /proc/self/mounts",
                "/dev/sda1 / ext4 rw 0 0",
                false,
            ),
        ];
        for (why, line, is_mount) in table {
            let found = mount(line.as_bytes());
            assert_eq!(found.is_some(), is_mount, "{why}");
            if let Some(found) = found {
                assert_eq!(found.device(), "/dev/sda1", "{why}");
            }
        }
    }

    #[test]
    fn escapes_are_only_those_of_the_kernel() {
        let table: [(&[u8], &[u8]); 6] = [
            (b"a\\040b", b"a b"),
            (b"\\134\\011\\012\\043", b"\\\t\n#"),
            (b"\\377", b"\xff"),
            (b"\\400", b"\\400"),
            (b"\\08", b"\\08"),
            (b"end\\", b"end\\"),
        ];
        for (field, plain) in table {
            assert_eq!(*unescape(field), *plain);
        }
    }

    #[test]
    fn a_file_without_mounts_is_an_error() {
        assert_eq!(
            parse(b"tmpfs /tmp tmpfs rw\n").err().unwrap().to_string(),
            "/proc/self/mountinfo: no mount in \"tmpfs /tmp tmpfs rw\""
        );
        assert!(parse(b"").is_err());
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(TWO_CORE, |text| {
            if let Ok(mounts) = parse(text.as_bytes()) {
                local(&mounts, Path::new("/"), None);
            }
        });
    }
}
