//! Finds the mounts that can be reached: a mount hides the mounts below its mount point.

use super::Mount;
use crate::base::text::fnv1a;

/// Maximum depth of nested mounts. It prevents an endless loop on a damaged file.
const DEPTH: usize = 100;

/// The mounts, indexed by id and by parent.
pub(super) struct Tree<'a> {
    by_id: Vec<&'a Mount<'a>>,
    /// Parent, hash of the mount point, and mount point of every mount, sorted. The hash comes
    /// before the path because paths with long common prefixes are slow to compare.
    places: Vec<(u32, u32, &'a [u8])>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(mounts: &'a [Mount<'a>]) -> Tree<'a> {
        let mut by_id: Vec<_> = mounts.iter().collect();
        by_id.sort_unstable_by_key(|mount| mount.id);
        let lies_on_another = mounts.iter().filter(|mount| mount.id != mount.parent);
        let mut places: Vec<_> = lies_on_another
            .map(|mount| (mount.parent, fnv1a(&mount.point), &*mount.point))
            .collect();
        places.sort_unstable();
        Tree { by_id, places }
    }

    /// Whether another mount is reached by the path of `mount`.
    pub(super) fn hides(&self, mount: &Mount<'_>) -> bool {
        if self.has(mount.id, &mount.point) {
            return true;
        }
        let mut mount = mount;
        for _ in 0..DEPTH {
            // A sibling mount nearer to the root hides it.
            let mut above = above(&mount.point);
            if above.any(|above| self.has(mount.parent, above)) {
                return true;
            }
            match self.parent(mount) {
                Some(parent) => mount = parent,
                None => return false,
            }
        }
        false
    }

    fn has(&self, parent: u32, point: &[u8]) -> bool {
        let place = (parent, fnv1a(point), point);
        self.places.binary_search(&place).is_ok()
    }

    fn parent(&self, mount: &Mount<'_>) -> Option<&'a Mount<'a>> {
        let at = self
            .by_id
            .binary_search_by_key(&mount.parent, |other| other.id);
        let parent = self.by_id.get(at.ok()?)?;
        (parent.id != mount.id).then_some(*parent)
    }
}

/// The ancestors of an absolute path, nearest first.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(directory(path), |above| directory(above))
}

/// The directory that an absolute path is in; `None` for the root directory.
fn directory(path: &[u8]) -> Option<&[u8]> {
    let at = path.iter().rposition(|byte| *byte == b'/')?;
    let above = path.get(..at.max(1))?;
    (above.len() < path.len()).then_some(above)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    /// The devices that can be reached, of `mounts`, which are lines of mountinfo up to the source.
    fn visible(mounts: &[&str]) -> String {
        let content: String = mounts.iter().flat_map(|line| [line, " rw\n"]).collect();
        let mounts = parse(content.as_bytes()).unwrap();
        let tree = Tree::new(&mounts);
        let visible = mounts.iter().filter(|mount| !tree.hides(mount));
        let devices: Vec<_> = visible
            .map(|mount| mount.device().to_str().unwrap())
            .collect();
        devices.join(" ")
    }

    #[test]
    fn a_mount_hides_what_lies_below_it() {
        // (why this row exists, mounts, reachable devices)
        let table: &[(&str, &[&str], &str)] = &[
            (
                "the first root, below the real one",
                &[
                    "1 1 0:1 / / rw - rootfs rootfs",
                    "20 1 8:1 / / rw - ext4 /dev/sda1",
                ],
                "/dev/sda1",
            ),
            (
                "mounted over",
                &[
                    "20 1 8:1 / / rw - ext4 /dev/sda1",
                    "30 20 8:17 / /mnt rw - ext4 /dev/sdb1",
                    "31 30 8:18 / /mnt rw - ext4 /dev/sdb2",
                ],
                "/dev/sda1 /dev/sdb2",
            ),
            (
                "what lies on a mount that is mounted over",
                &[
                    "20 1 8:1 / / rw - ext4 /dev/sda1",
                    "30 20 8:17 / /mnt rw - ext4 /dev/sdb1",
                    "31 30 8:18 / /mnt/sub rw - ext4 /dev/sdb2",
                    "32 30 8:19 / /mnt rw - ext4 /dev/sdb3",
                    "33 32 8:20 / /mnt/sub rw - ext4 /dev/sdb4",
                ],
                "/dev/sda1 /dev/sdb3 /dev/sdb4",
            ),
            (
                "below what was later mounted nearer to the root, at any depth",
                &[
                    "20 1 8:1 / / rw - ext4 /dev/sda1",
                    "30 20 8:17 / /a/b rw - ext4 /dev/sdb1",
                    "31 30 8:18 / /a/b/c rw - ext4 /dev/sdb2",
                    "32 20 8:19 / /a rw - ext4 /dev/sdb3",
                ],
                "/dev/sda1 /dev/sdb3",
            ),
            (
                "an automount point that has been used",
                &[
                    "20 1 8:1 / / rw - ext4 /dev/sda1",
                    "30 20 0:30 / /boot rw - autofs systemd-1",
                    "31 30 8:2 / /boot rw - vfat /dev/sda2",
                ],
                "/dev/sda1 /dev/sda2",
            ),
            (
                "names that only begin alike",
                &[
                    "20 1 8:1 / / rw - ext4 /dev/sda1",
                    "30 20 8:17 / /mnt/a rw - ext4 /dev/sdb1",
                    "31 20 8:18 / /mnt/ab rw - ext4 /dev/sdb2",
                ],
                "/dev/sda1 /dev/sdb1 /dev/sdb2",
            ),
        ];
        for (why, mounts, expected) in table {
            assert_eq!(visible(mounts), *expected, "{why}");
        }
    }

    #[test]
    fn ancestors_of_a_path_are_listed_nearest_first() {
        let table: &[(&str, &[&str])] = &[
            ("/", &[]),
            ("/a", &["/"]),
            ("/a/b/c", &["/a/b", "/a", "/"]),
            ("", &[]),
        ];
        for (path, expected) in table {
            let found = above(path.as_bytes());
            assert!(
                found.eq(expected.iter().map(|path| path.as_bytes())),
                "{path}"
            );
        }
    }

    #[test]
    fn circles_in_a_damaged_file_end() {
        let mounts = [
            "30 31 8:1 / /a/a rw - ext4 /dev/sda1",
            "31 30 8:2 / /b/b rw - ext4 /dev/sda2",
        ];
        assert_eq!(visible(&mounts), "/dev/sda1 /dev/sda2");
    }
}
