//! `block_device`: every entry of `/sys/block`, including RAM disks and loop devices.

use crate::base::name_map::NameMap;
use std::ffi::OsStr;
use std::path::Path;

use super::DescribeError;
use crate::sys::root::{Root, absent_is_none};
use crate::wire::host::Attributes;

/// Files of a block device; the name of a file is the key of its content.
const OF_BLOCK: [&str; 2] = ["size", "removable"];
/// Files in the directory `device` of the hardware; the name of a file is the key of its content.
const OF_HARDWARE: [&str; 5] = ["model", "rev", "state", "timeout", "vendor"];

/// The devices and their attributes, without surrounding blanks. A device has an attribute if it
/// has the file. Empty on a host without `/sys/block`.
///
/// Fails if an existing file or directory cannot be read.
pub(super) fn devices(root: &Root) -> Result<NameMap<Attributes>, DescribeError> {
    let mut devices = NameMap::new();
    let mut buffer = Vec::new();
    let all = Path::new("/sys/block");
    for name in root.names(all)?.unwrap_or_default() {
        let block = all.join(&name);
        let hardware = block.join("device");
        // Existing files are listed first. A small host has dozens of RAM disks and loop devices
        // without hardware, and most hardware lacks most of the files.
        let listed = root.names(&hardware)?.unwrap_or_default();
        let is_listed = |key: &&str| listed.iter().any(|name| name == OsStr::new(key));
        let of_block = OF_BLOCK.into_iter().map(|key| (key, &block));
        let of_hardware = OF_HARDWARE.into_iter().filter(is_listed);
        let mut attributes = Attributes::default();
        for (key, directory) in of_block.chain(of_hardware.map(|key| (key, &hardware))) {
            let text = root.text(directory.join(key), &mut buffer);
            if let Some(text) = absent_is_none(text)? {
                attributes.0.push((key, text.trim().to_owned()));
            }
        }
        devices.insert(name.to_string_lossy().into_owned(), attributes);
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;

    #[test]
    fn describes_every_device_by_the_files_it_has() {
        let devices = devices(&Root::at("tests/fixtures/two-core/t0")).unwrap();
        let names: Vec<&String> = devices.keys().collect();
        assert_eq!(names, ["loop0", "sda", "vda"]);

        let expected = |of: &[(&'static str, &str)]| {
            Attributes(
                of.iter()
                    .map(|(key, text)| (*key, (*text).into()))
                    .collect(),
            )
        };
        let sda = [
            ("size", "976773168"),
            ("removable", "0"),
            ("model", "Samsung SSD 860"),
            ("rev", "2B6Q"),
            ("state", "running"),
            ("timeout", "30"),
            ("vendor", "ATA"),
        ];
        assert_eq!(devices["sda"], expected(&sda));
        let loop0 = [("size", "0"), ("removable", "0")];
        assert_eq!(devices["loop0"], expected(&loop0));
    }

    #[test]
    fn a_host_without_the_directory_has_no_devices() {
        assert!(
            devices(&Root::at("tests/fixtures/debian/t0"))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn unreadable_attribute_is_an_error_for_all_devices() {
        // `size` is a directory, which can be opened but not read.
        let error = devices(&Root::at("tests/fixtures/block-size-unreadable/t0")).unwrap_err();
        let line = base::report(&error);
        assert!(
            line.starts_with(
                "cannot read: read tests/fixtures/block-size-unreadable/t0/sys/block/sdb/size: "
            ),
            "{line}"
        );
    }
}
