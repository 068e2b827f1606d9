//! The table of applets. To add one, add its file to `check` or `plugin`, and a row here.

use std::ffi::OsStr;

use super::applet::Applet;
use super::check;
use super::plugin;

/// All applets, sorted by name.
pub(crate) static APPLETS: &[&Applet] = &[
    &check::cert_file::APPLET,
    &check::debian_reboot_required::APPLET,
    &check::disk::APPLET,
    &check::dns::APPLET,
    &check::file_age::APPLET,
    &check::file_size::APPLET,
    &check::http::APPLET,
    &check::load::APPLET,
    &check::log::APPLET,
    &check::mailq::APPLET,
    &check::memory::APPLET,
    &check::ntpoffset::APPLET,
    &check::ping::APPLET,
    &check::procs::APPLET,
    &check::ssl_cert::APPLET,
    &check::swap::APPLET,
    &check::systemd::APPLET,
    &check::tcp::APPLET,
    &check::temperature::APPLET,
    &check::uptime::APPLET,
    &plugin::conntrack::APPLET,
    &plugin::docker::APPLET,
    &plugin::inode::APPLET,
    &plugin::linux::APPLET,
    &plugin::mmc_wear::APPLET,
    &plugin::multicore::APPLET,
    &plugin::pressure::APPLET,
    &plugin::proc_fd::APPLET,
    &plugin::raspberrypi::APPLET,
    &plugin::temperature::APPLET,
    &plugin::uptime::APPLET,
    &plugin::wifi::APPLET,
];

/// The applet with this name.
pub(super) fn find(name: &OsStr) -> Option<&'static Applet> {
    let found = APPLETS.iter().find(|applet| applet.name == name);
    found.copied()
}
