//! `kernel`: uname(2), and the distribution from files in `/etc`.
//!
//! The program `lsb_release` is never run; only the file `lsb-release` is read.

use std::cell::RefCell;

use crate::base::{self, Failures, table};
use crate::parse::release::{self, Platform};
use crate::sys::root::Root;
use crate::sys::uname::Uname;
use crate::wire::host::Kernel;

/// Size in bytes up to which a release file is an empty marker, as on Arch Linux.
const MARK: u64 = 4;

/// Display names of distributions. Others are reported with the name from their own files.
const NAMES: &str = "\
    debian Debian; ubuntu Ubuntu; linuxmint Linux Mint; raspbian Raspbian; fedora Fedora; \
    oracle Oracle Linux; enterpriseenterprise Oracle Enterprise Linux; centos CentOS; \
    redhat Red Hat Enterprise Linux; scientific Scientific Linux; amazon Amazon Linux; \
    xenserver XenServer; cloudlinux CloudLinux; ibm_powerkvm IBM PowerKVM; \
    suse SUSE Linux Enterprise Server; opensuse openSUSE; gentoo Gentoo Linux; \
    slackware Slackware; arch Arch Linux; exherbo Exherbo; alpine Alpine Linux; coreos CoreOS";

/// The kernel from `uname`, and the distribution from the host's files.
///
/// A release file that exists but cannot be read is added to `failures` and counts as empty.
pub(super) fn kernel(root: &Root, uname: &Uname, failures: &mut Failures) -> Kernel {
    let platform = platform(root, failures);
    let shown = table::find(NAMES, &platform.name).map(str::to_owned);
    Kernel {
        machine: uname.machine.clone(),
        name: uname.sysname.clone(),
        os: "GNU/Linux".to_owned(),
        platform_name: shown.unwrap_or(platform.name),
        platform_version: platform.version,
        release: uname.release.clone(),
        version: uname.version.clone(),
    }
}

/// The distribution, from the first release file found.
///
/// The order matters. Most distributions also have the files of their parent distribution.
/// `os-release` exists on nearly every host, but contains less than the older files.
fn platform(root: &Root, failures: &mut Failures) -> Platform {
    // Several closures below read files and may record a failure.
    let failures = RefCell::new(failures);
    let text = |path: &str| {
        root.text_if_present(path)
            .unwrap_or_else(|error| {
                let failure = ("kernel", base::report(&error));
                failures.borrow_mut().push(failure);
                None
            })
            .unwrap_or_default()
    };
    let exists = |path: &str| root.size(path).is_some_and(|size| size > MARK);
    let read = |path: &str| exists(path).then(|| text(path));
    let lsb = || release::lsb_release(&text("/etc/lsb-release"));
    let named = |name: &str, version: String| Platform {
        name: name.to_owned(),
        version,
    };

    if let Some(text) = read("/etc/oracle-release").or_else(|| read("/etc/enterprise-release")) {
        return named("oracle", release::redhat(&text).version);
    }
    if let Some(text) = read("/etc/slackware-version") {
        return named("slackware", release::slackware_version(&text));
    }
    if let Some(text) = read("/etc/debian_version") {
        let lsb = lsb();
        return match lsb.name.as_str() {
            "Ubuntu" => named("ubuntu", lsb.version),
            "LinuxMint" => named("linuxmint", lsb.version),
            "Kylin" | "Deepin" | "uos" => lsb,
            _ if exists("/usr/bin/raspi-config") => named("raspbian", release::first_line(&text)),
            _ => named("debian", release::first_line(&text)),
        };
    }
    let red_hats = ["neokylin-release", "redhat-release", "system-release"];
    if let Some(text) = red_hats
        .iter()
        .find_map(|file| read(&format!("/etc/{file}")))
    {
        return release::redhat(&text);
    }
    if let Some(text) = read("/etc/gentoo-release") {
        return named("gentoo", release::redhat(&text).version);
    }
    if let Some(text) = read("/etc/SuSE-release") {
        return release::suse(&text);
    }
    if exists("/etc/arch-release") {
        return named("arch", lsb().version);
    }
    if let Some(text) = read("/etc/alpine-release") {
        return named("alpine", release::first_line(&text));
    }
    if let Some(text) = read("/etc/os-release") {
        return release::os_release(&text);
    }
    let lsb = lsb();
    match lsb.name.as_str() {
        "" => Platform::default(),
        "ScientificSL" => named("scientific", lsb.version),
        other => named(&other.to_ascii_lowercase(), lsb.version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_distributions_by_their_files() {
        // (fixture, name, version)
        let table = [
            ("alpine", "Alpine Linux", "3.20.3"),
            ("amazon-linux-1", "Amazon Linux", "2018.03"),
            ("amazon-linux-2", "Amazon Linux", "2"),
            ("amazon-linux-no-system-release", "Amazon Linux", "2023"),
            // arch-release is empty.
            ("arch", "Arch Linux", ""),
            ("arch-lsb", "Arch Linux", "rolling"),
            ("centos-7", "CentOS", "7.9.2009"),
            ("debian", "Debian", "12.11"),
            ("fedora-rawhide", "Fedora", "rawhide"),
            ("gentoo", "Gentoo Linux", "2.15"),
            ("linuxmint", "Linux Mint", "21.3"),
            ("lsb-unknown", "openwrt", "22.03.5"),
            ("lsb-xenserver", "XenServer", "7.6.0"),
            ("nixos", "nixos", "24.05"),
            ("opensuse-13", "openSUSE", "13.2"),
            ("opensuse-leap", "opensuse-leap", "15.6"),
            // redhat-release exists too.
            ("oracle-linux-8", "Oracle Linux", "8.10"),
            ("raspbian", "Raspbian", "11.11"),
            ("redhat-9", "Red Hat Enterprise Linux", "9.4"),
            // redhat-release is not larger than MARK.
            ("release-stub", "buildroot", "2024.02"),
            ("rocky-9", "rocky", "9.4"),
            ("power9", "", ""),
            ("slackware", "Slackware", "15.0+"),
            ("suse-11", "SUSE Linux Enterprise Server", "11.4"),
            ("ubuntu", "Ubuntu", "24.04"),
            // Only Debian's files are left.
            ("ubuntu-no-lsb", "Debian", "trixie/sid"),
        ];
        for (host, name, version) in table {
            let root = Root::at(format!("tests/fixtures/{host}/t0"));
            let mut failures = Failures::new();
            let kernel = kernel(&root, &Uname::default(), &mut failures);
            assert_eq!(failures, [], "{host}");
            assert_eq!(kernel.platform_name, name, "{host}");
            assert_eq!(kernel.platform_version, version, "{host}");
        }
    }

    #[test]
    fn kernel_fields_are_those_of_uname() {
        let uname = Uname {
            sysname: "Linux".to_owned(),
            nodename: "web1".to_owned(),
            release: "6.1.0-37-arm64".to_owned(),
            version: "#1 SMP Debian 6.1.140-1 (2025-05-22)".to_owned(),
            machine: "aarch64".to_owned(),
            domainname: String::new(),
        };
        let root = Root::at("tests/fixtures/debian/t0");
        let kernel = kernel(&root, &uname, &mut Failures::new());
        assert_eq!(kernel.name, uname.sysname);
        assert_eq!(kernel.release, uname.release);
        assert_eq!(kernel.version, uname.version);
        assert_eq!(kernel.machine, uname.machine);
        assert_eq!(kernel.os, "GNU/Linux");
    }
}
