//! Detects the cloud from the host's firmware: the DMI strings below `/sys/class/dmi/id`, most of
//! which are readable by every user, and the UUIDs of EC2 instances. No request is sent.

use super::Provider;
use crate::sys::root::Root;

/// The kernel's directories of DMI strings. The first is a link to the second, but some containers
/// only have the second.
const FOLDERS: [&str; 2] = ["/sys/class/dmi/id", "/sys/devices/virtual/dmi/id"];
/// Microsoft's chassis asset tag of every Azure machine. Vendor and product are those of any
/// Hyper-V machine.
const AZURE_CHASSIS: &str = "7783-7084-3265-9085-8269-3286-77";
/// Number of digits of the shortest instance id.
const INSTANCE_DIGITS: usize = 8;

/// Files with DMI strings, and the cloud that they indicate. Every user may read them, except
/// `product_uuid`.
const SIGNS: [(&str, Sign, Provider); 8] = [
    // Chromebooks have Google as vendor too; only the product distinguishes them.
    (
        "product_name",
        Sign::Is("Google Compute Engine"),
        Provider::Gce,
    ),
    ("product_name", Sign::Is("Google"), Provider::Gce),
    (
        "chassis_asset_tag",
        Sign::Is(AZURE_CHASSIS),
        Provider::Azure,
    ),
    ("sys_vendor", Sign::Is("Amazon EC2"), Provider::Ec2),
    ("bios_vendor", Sign::Is("Amazon EC2"), Provider::Ec2),
    // EC2 instances on Xen, whose vendor is Xen; e.g. `4.11.amazon`.
    ("bios_version", Sign::EndsIn(".amazon"), Provider::Ec2),
    ("board_asset_tag", Sign::Instance, Provider::Ec2),
    ("product_uuid", Sign::Uuid, Provider::Ec2),
];

/// Condition on a DMI string.
enum Sign {
    Is(&'static str),
    EndsIn(&'static str),
    /// It is an EC2 instance id.
    Instance,
    /// It is a UUID of EC2.
    Uuid,
}

/// The cloud named by the firmware, if it is a supported one.
pub(super) fn provider(root: &Root) -> Option<Provider> {
    if is_ec2_uuid(&text(root, "/sys/hypervisor", "uuid")) {
        return Some(Provider::Ec2);
    }
    let [link, folder] = FOLDERS;
    let dmi = |name| match text(root, link, name) {
        text if text.is_empty() => self::text(root, folder, name),
        text => text,
    };
    let fits = |sign: &Sign, text: &str| match sign {
        Sign::Is(whole) => text == *whole,
        Sign::EndsIn(end) => text.ends_with(end),
        Sign::Instance => is_instance(text),
        // One random UUID in 2,048 matches. Machines of other vendors are therefore excluded.
        Sign::Uuid => is_ec2_uuid(text) && matches!(dmi("sys_vendor").as_str(), "" | "Xen"),
    };
    let mut signs = SIGNS.iter();
    let found = signs.find(|(name, sign, _)| fits(sign, &dmi(name)));
    found.map(|(_, _, provider)| *provider)
}

/// The text of a file. Empty if it is missing or unreadable, as some UUIDs are for users other than
/// the superuser.
fn text(root: &Root, folder: &str, name: &str) -> String {
    let mut buffer = Vec::new();
    match root.text(format!("{folder}/{name}"), &mut buffer) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => String::new(),
    }
}

/// Whether a board's asset tag is an instance id, as on EC2's own hypervisor.
fn is_instance(tag: &str) -> bool {
    tag.strip_prefix("i-").is_some_and(|id| {
        id.len() >= INSTANCE_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Whether a UUID is one of EC2: it begins with `ec2`, in either byte order.
fn is_ec2_uuid(uuid: &str) -> bool {
    let first = uuid.split('-').next().unwrap_or_default();
    let swapped = match first.len() {
        8 => u32::from_str_radix(first, 16).map(u32::swap_bytes),
        _ => Ok(0),
    };
    uuid.starts_with("ec2")
        || uuid.starts_with("EC2")
        || swapped.is_ok_and(|number| format!("{number:x}").starts_with("ec2"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A host with these files below `/sys`.
    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let top = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = top.path().join("sys").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
        top
    }

    #[test]
    fn recorded_hosts_are_where_they_are() {
        use Provider::{Azure, Ec2, Gce};
        // (fixture, cloud)
        let table = [
            ("cloud-ec2-nitro", Some(Ec2)),
            ("cloud-ec2-metal", Some(Ec2)),
            ("cloud-ec2-xen", Some(Ec2)),
            ("cloud-ec2-xen-unprivileged", Some(Ec2)),
            ("cloud-gce", Some(Gce)),
            ("cloud-azure", Some(Azure)),
            ("hyper-v", None),
            ("chromebook", None),
            ("kvm-vps", None),
            ("pi-4", None),
            ("two-core", None),
        ];
        for (fixture, expected) in table {
            let root = Root::at(format!("tests/fixtures/{fixture}/t0"));
            assert_eq!(provider(&root), expected, "{fixture}");
        }
    }

    #[test]
    fn uuid_counts_unless_another_vendor_is_named() {
        const UUID: &str = "class/dmi/id/product_uuid";
        const VENDOR: &str = "class/dmi/id/sys_vendor";
        const EC2: &str = "EC2E1916-9099-7CAF-FD21-012345ABCDEF";
        // (why this row exists, files below /sys, whether it is EC2)
        type Files = &'static [(&'static str, &'static str)];
        let table: [(&str, Files, bool); 7] = [
            ("nothing but the uuid", &[(UUID, EC2)], true),
            (
                "the other folder",
                &[("devices/virtual/dmi/id/product_uuid", EC2)],
                true,
            ),
            ("Xen", &[(UUID, EC2), (VENDOR, "Xen")], true),
            ("chance", &[(UUID, EC2), (VENDOR, "QEMU")], false),
            (
                "a machine without DMI",
                &[("hypervisor/uuid", "ec2e1916-9099-7caf-fd21-012345abcdef")],
                true,
            ),
            (
                "another Xen",
                &[("hypervisor/uuid", "4f90d537-1111")],
                false,
            ),
            (
                "an empty file",
                &[(UUID, ""), ("hypervisor/uuid", "")],
                false,
            ),
        ];
        for (why, files, expected) in table {
            let top = host(files);
            let found = provider(&Root::at(top.path()));
            assert_eq!(found.is_some(), expected, "{why}");
        }
    }

    #[test]
    fn uuids_of_ec2_are_known_in_both_orders() {
        let table = [
            ("ec2e1916-9099-7caf-fd21-012345abcdef", true),
            ("EC2E1916-9099-7CAF-FD21-012345ABCDEF", true),
            ("45E12AEC-DCD1-B213-94ED-012345ABCDEF", true),
            ("45e12aec-dcd1-b213-94ed-012345abcdef", true),
            ("4c4c4544-0043-4a10-8056-b9c04f4c4732", false),
            ("45E12AED-DCD1-B213-94ED-012345ABCDEF", false),
            ("2AEC", false),
            ("", false),
            ("-", false),
            ("\u{e9}c2", false),
        ];
        for (uuid, expected) in table {
            assert_eq!(is_ec2_uuid(uuid), expected, "{uuid}");
        }
    }

    #[test]
    fn tags_of_boards_are_told_from_others() {
        let table = [
            ("i-0abcd1234ef567890", true),
            ("i-4f90d537", true),
            ("i-short", false),
            ("i-", false),
            ("Default string", false),
            ("i-notahexnumber", false),
        ];
        for (tag, expected) in table {
            assert_eq!(is_instance(tag), expected, "{tag}");
        }
    }
}
