//! Names of block devices.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::root::Root;

/// The device's name as `df` shows it. A name that ends with a UUID is resolved if it is a symbolic
/// link. No file is accessed for any other name.
pub(crate) fn device_name<'a>(root: &Root, device: &'a OsStr) -> Cow<'a, OsStr> {
    let resolve = || root.real(device).map(PathBuf::into_os_string);
    let resolved = is_looked_up(device).then(resolve).flatten();
    resolved.map_or(Cow::Borrowed(device), Cow::Owned)
}

/// Whether [`device_name`] resolves the device, so that its result may change.
pub(crate) fn is_looked_up(device: &OsStr) -> bool {
    let name = device.as_bytes();
    let start = name
        .len()
        .checked_sub("00000000-0000-0000-0000-000000000000".len());
    let uuid = start.and_then(|start| name.get(start..));
    uuid.is_some_and(|uuid| {
        uuid.iter()
            .all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_is_looked_up_only_if_it_ends_in_a_uuid() {
        // (why this row exists, name, whether it ends in a UUID)
        let table = [
            (
                "by UUID",
                "/dev/disk/by-uuid/828fc648-9f30-43d8-a0b1-f7196a2edb66",
                true,
            ),
            (
                "encrypted",
                "/dev/mapper/luks-828FC648-9f30-43d8-a0b1-f7196a2edb66",
                true,
            ),
            ("plain", "/dev/sda1", false),
            ("vfat's short one", "/dev/disk/by-uuid/1A2B-3C4D", false),
            (
                "a volume",
                "/dev/mapper/vg-a-rather-long-name-of-a-logical-volume",
                false,
            ),
        ];
        for (why, name, is_uuid) in table {
            assert_eq!(is_looked_up(OsStr::new(name)), is_uuid, "{why}");
        }
    }

    #[test]
    fn device_link_is_followed_within_the_host_and_a_dangling_one_kept() {
        let root = Root::at("tests/fixtures/encrypted-root");
        let table = [
            (
                "/dev/mapper/luks-828fc648-9f30-43d8-a0b1-f7196a2edb66",
                "/dev/dm-0",
            ),
            (
                "/dev/mapper/luks-00000000-9f30-43d8-a0b1-f7196a2edb66",
                "/dev/mapper/luks-00000000-9f30-43d8-a0b1-f7196a2edb66",
            ),
            ("/dev/mapper/link", "/dev/mapper/link"),
        ];
        for (device, name) in table {
            assert_eq!(*device_name(&root, OsStr::new(device)), *name);
        }
    }
}
