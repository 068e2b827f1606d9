//! Messages to the service manager, sd_notify(3). Each is a datagram to the socket in
//! `NOTIFY_SOCKET`, which is a path or, after `@`, an abstract name.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

use super::environment;
use crate::sys::log;

/// Maximum number of characters of a status, which is shown on one line.
const STATUS: usize = 300;

/// The connection to the service manager, if there is one.
pub(crate) struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// The service manager named in the environment. The variables are removed, because they are
    /// meant for this process alone. Must be called before any thread is started.
    pub(crate) fn from_env() -> Notify {
        let [socket, limit, pid] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]
            .map(|name| environment::take(name).filter(|value| !value.is_empty()));
        let mut notify = Notify::silent();
        let Some(name) = socket else {
            return notify;
        };
        match open(&name) {
            Ok(socket) => notify.socket = Some(socket),
            Err(error) => {
                log::warn!("NOTIFY_SOCKET {}: {error}", name.display());
                return notify;
            }
        }
        notify.watchdog = watchdog(limit.as_deref(), pid.as_deref(), process::id());
        notify
    }

    /// No service manager.
    pub(crate) fn silent() -> Notify {
        Notify {
            socket: None,
            watchdog: None,
        }
    }

    /// The watchdog's timeout, within which [`Notify::alive`] must be called repeatedly; `None` if
    /// there is no watchdog.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Sends READY=1, after the start or a reload.
    pub(crate) fn ready(&self) {
        self.send("READY=1");
    }

    /// Sends RELOADING=1. [`Notify::ready`] must follow in any case.
    pub(crate) fn reloading(&self) {
        if self.socket.is_some() {
            let now = monotonic();
            let microseconds = now.as_secs() * 1_000_000 + u64::from(now.subsec_micros());
            self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
        }
    }

    /// Sends STOPPING=1.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Sends STATUS, a text for people.
    pub(crate) fn status(&self, text: &str) {
        if self.socket.is_some() {
            let text: String = text.chars().take(STATUS).collect();
            self.send(&format!("STATUS={}", super::log::escaped(&text)));
        }
    }

    /// Sends WATCHDOG=1.
    pub(crate) fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// Sends a message. It is dropped if it cannot be sent at once.
    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(message.as_bytes(), address)
        {
            let what = format_args!("cannot send {message} to the service manager: {error}");
            super::log::debug("notify", what);
        }
    }
}

fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// The watchdog's timeout in microseconds, if it is not 0 and meant for the process `own`.
fn watchdog(limit: Option<&OsStr>, pid: Option<&OsStr>, own: u32) -> Option<Duration> {
    let number = |text: &OsStr| text.to_str()?.parse().ok();
    let is_own = pid.is_none_or(|pid| number(pid) == Some(u64::from(own)));
    let limit = number(limit?).filter(|limit| *limit > 0 && is_own)?;
    Some(Duration::from_micros(limit))
}

/// The time by `CLOCK_MONOTONIC`, which the service manager compares with its own.
fn monotonic() -> Duration {
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the pointer is valid for the call. A zeroed `timespec` is a valid value of that plain
    // struct, so it may be read even if the call fails and writes nothing.
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr());
        now.assume_init()
    };
    let seconds = now.tv_sec.try_into().unwrap_or_default();
    Duration::new(seconds, now.tv_nsec.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notify_socket_has_a_path_or_an_abstract_name() {
        // (name, path, abstract name)
        let long = format!("/{}", "x".repeat(120));
        let table = [
            ("/run/systemd/notify", Some("/run/systemd/notify"), None),
            ("@agent/notify", None, Some("agent/notify")),
            ("notify", None, None),
            ("vsock:2:1234", None, None),
            (&long, None, None),
        ];
        for (name, path, abstract_name) in table {
            let address = open(OsStr::new(name)).ok().map(|(_, address)| address);
            let address = address.as_ref();
            assert_eq!(
                address.and_then(SocketAddr::as_pathname),
                path.map(AsRef::as_ref),
                "{name}"
            );
            assert_eq!(
                address.and_then(SocketAddr::as_abstract_name),
                abstract_name.map(str::as_bytes),
                "{name}"
            );
        }
    }

    #[test]
    fn watchdog_may_be_for_another_process() {
        // (why this row exists, limit, process, expected)
        let table = [
            ("nobody watches", None, None, None),
            ("ours", Some("20000000"), Some("7"), Some(20)),
            ("whoever is told", Some("20000000"), None, Some(20)),
            ("a child inherited it", Some("20000000"), Some("6"), None),
            ("no process", Some("20000000"), Some("x"), None),
            ("no time", Some("0"), Some("7"), None),
            ("nonsense", Some("soon"), Some("7"), None),
        ];
        for (why, limit, pid, expected) in table {
            let [limit, pid] = [limit, pid].map(|text| text.map(OsStr::new));
            let expected = expected.map(Duration::from_secs);
            assert_eq!(watchdog(limit, pid, 7), expected, "{why}");
        }
    }
}
