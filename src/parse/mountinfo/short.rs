//! `/proc/self/mounts`: the older mount table. It lacks parent mounts and the identity of
//! filesystems. Format: fstab(5), with the kernel's escapes.

use super::{Mount, is_read_only, unescape};

/// Number of fields in a line; the last two are numbers.
const FIELDS: usize = 6;

/// Adds the mounts of `lines` to `found`, which must be empty. The parent of a mount is the latest
/// earlier mount whose mount point is the same or an ancestor. Two mounts of one device show the
/// same filesystem.
pub(super) fn mounts<'a>(lines: impl Iterator<Item = &'a [u8]>, found: &mut Vec<Mount<'a>>) {
    for mut mount in lines.filter_map(mount) {
        mount.id = found.last().map_or(1, |last| last.id.saturating_add(1));
        let point = mount.point();
        let below = found.iter().rfind(|other| point.starts_with(other.point()));
        mount.parent = below.map_or(mount.id, |below| below.id);
        found.push(mount);
    }
}

/// The mount of a line; `id` and `parent` are 0.
fn mount(line: &[u8]) -> Option<Mount<'_>> {
    let mut fields = [&line[..0]; FIELDS];
    let mut words = line.split(|&byte| byte == b' ');
    for field in &mut fields {
        *field = words.next()?;
    }
    let [source, point, kind, options, dump, pass] = fields;
    let is_number = |field: &[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    let is_one = point.starts_with(b"/") && is_number(dump) && is_number(pass);
    (is_one && words.next().is_none()).then(|| Mount {
        id: 0,
        parent: 0,
        filesystem: if source.starts_with(b"/") {
            source
        } else {
            b""
        },
        root: b"/".as_slice().into(),
        point: unescape(point),
        kind,
        source: unescape(source),
        subvolume: b"",
        is_read_only: is_read_only(options),
        is_filesystem_read_only: is_read_only(options),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{local, parse};

    fn shown(text: &str) -> String {
        let mounts = parse(text.as_bytes()).unwrap();
        let local = local(&mounts, Path::new("/"), None);
        let lines = local.iter().map(|local| {
            let device = local.device.to_string_lossy();
            [&*device, " ", &local.point.to_string_lossy()].concat()
        });
        lines.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn mounts_are_chosen_as_far_as_the_table_tells() {
        // (why this row exists, table, what is shown)
        let table = [
            (
                "a host",
                "rootfs / rootfs rw 0 0\n/dev/sda1 / ext4 rw,relatime 0 1\nproc /proc proc rw 0 0\n\
                 tmpfs /run tmpfs rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n",
                "/dev/sda1 /, tmpfs /run, tmpfs /tmp",
            ),
            (
                "one device twice",
                "/dev/sda1 / ext4 rw 0 0\n/dev/sda1 /var/lib/a ext4 rw 0 0\n",
                "/dev/sda1 /",
            ),
            (
                "hidden by a later one nearer to the root",
                "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /a/b ext4 rw 0 0\n/dev/sdc1 /a ext4 rw 0 0\n",
                "/dev/sda1 /, /dev/sdc1 /a",
            ),
            (
                "on one that hides",
                "/dev/sda1 / ext4 rw 0 0\n/dev/sdc1 /a ext4 rw 0 0\n/dev/sdb1 /a/b ext4 rw 0 0\n",
                "/dev/sda1 /, /dev/sdc1 /a, /dev/sdb1 /a/b",
            ),
            (
                "escapes, and lines that are no mounts",
                "/dev/sda1 /my\\040disk ext4 rw 0 0\n/dev/sda2 / ext4 rw 0\n/dev/sda3 / ext4 rw 0 x\n",
                "/dev/sda1 /my disk",
            ),
        ];
        for (why, text, expected) in table {
            assert_eq!(shown(text), expected, "{why}");
        }
    }

    #[test]
    fn never_panics() {
        let good = "rootfs / rootfs rw 0 0\n/dev/sda1 /a\\040b ext4 rw 0 1\n";
        crate::parse::survives_damage(good, |text| drop(parse(text.as_bytes())));
    }
}
