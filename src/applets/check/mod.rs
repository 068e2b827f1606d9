//! Checks: each returns a status and a message.

pub(super) mod cert_file;
pub(super) mod debian_reboot_required;
pub(super) mod disk;
pub(super) mod dns;
pub(super) mod file_age;
pub(super) mod file_size;
pub(super) mod http;
pub(super) mod load;
pub(super) mod log;
pub(super) mod mailq;
pub(super) mod memory;
pub(super) mod ntpoffset;
pub(super) mod ping;
pub(super) mod procs;
pub(super) mod ssl_cert;
pub(super) mod swap;
pub(super) mod systemd;
pub(super) mod tcp;
pub(super) mod temperature;
pub(super) mod uptime;
