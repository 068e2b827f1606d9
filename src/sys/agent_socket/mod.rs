//! The socket of a running agent: a file below the agent's root. If no file can be created there, it
//! is an abstract socket. `sys/server` serves it; [`client`] asks over it.
//!
//! The server answers root and its own user only. The client accepts answers from root, its own
//! user and the owner of the agent's root, and does not follow another user's link to a socket of
//! root's.

mod client;

use std::fs::{self, File, Permissions};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::channel::channel;
use crate::sys::root::own;
use crate::sys::thread;
pub(crate) use client::{Body, Response, get, open, post};

/// Bytes of stack for the thread that connects; it calls no deeply nested code.
const STACK: usize = 32 << 10;
/// Time limit for connecting.
const LIMIT: Duration = Duration::from_secs(5);
/// Maximum number of pending connections.
const BACKLOG: i32 = 16;
/// Bytes from the end of a path that are used in an abstract socket's name.
const PATH: usize = 32;
/// The name of the socket's file.
const NAME: &str = "agent.socket";
/// The mode of a socket's file: its owner and its group may connect.
const MODE: u32 = 0o660;

/// The socket's file, which is removed on drop; `None` for an abstract socket.
pub(crate) struct SocketFile(Option<PathBuf>);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It may be gone, or belong to another agent by now, which creates a new one.
            drop(fs::remove_file(path));
        }
    }
}

/// Listens for clients of the agent whose directory is `root`, without blocking. Clients must be
/// friends: see [`is_friend`]. Fails if another agent serves this root already, and if another
/// program uses the name.
pub(crate) fn bind(root: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let (listener, file) = match bind_file(root) {
        Ok(listener) => {
            let path = root.join(NAME);
            // The group may connect too: root without its capabilities needs that. It is the user
            // that decides who gets an answer.
            drop(set_mode(&path));
            (listener, SocketFile(Some(path)))
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        // The root is missing or not writable.
        Err(_) => (
            UnixListener::bind_addr(&abstract_address(root)?)?,
            SocketFile(None),
        ),
    };
    // SAFETY: this call takes two numbers and touches no memory.
    unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) };
    listener.set_nonblocking(true)?;
    Ok((listener, file))
}

/// Whether the client at the other end of a connection is root or this process's own user.
pub(crate) fn is_friend(stream: &impl AsRawFd) -> bool {
    peer(stream.as_raw_fd()).is_ok_and(|user| user == 0 || user == own_user())
}

/// Listens at the socket's file. Replaces a file at which no process listens.
///
/// Fails with [`io::ErrorKind::AddrInUse`] if another agent listens there.
fn bind_file(root: &Path) -> io::Result<UnixListener> {
    let (directory, address) = file_address(root)?;
    match UnixListener::bind_addr(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            match connect(address.clone(), Some(directory.try_clone()?)) {
                Err(left) if left.kind() != io::ErrorKind::TimedOut => {
                    fs::remove_file(root.join(NAME))?;
                    UnixListener::bind_addr(&address)
                }
                _ => Err(error),
            }
        }
        bound => bound,
    }
}

/// Lets owner and group of the socket at `path` connect.
///
/// Fails if it is no socket with one name: others may have put a link or a file in its place.
pub(super) fn set_mode(path: &Path) -> io::Result<()> {
    let socket = own(path, libc::O_PATH | libc::O_NOFOLLOW)?;
    let found = socket.metadata()?;
    if !found.file_type().is_socket() || found.nlink() != 1 {
        return Err(io::Error::other("others have replaced the socket"));
    }
    let path = format!("/proc/self/fd/{}", socket.as_raw_fd());
    fs::set_permissions(path, Permissions::from_mode(MODE))
}

/// The address of the socket's file, through its directory's descriptor, because an address is
/// shorter than a path may be. Valid as long as the directory is open.
fn file_address(root: &Path) -> io::Result<(File, SocketAddr)> {
    let directory = own(root, libc::O_PATH | libc::O_DIRECTORY)?;
    let path = format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd());
    Ok((directory, SocketAddr::from_pathname(path)?))
}

/// The address of the abstract socket. Abstract sockets belong to a network namespace, which
/// several containers may share. Every user may take a name in it. PID namespace and directory in
/// the name distinguish the agents.
fn abstract_address(root: &Path) -> io::Result<SocketAddr> {
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let found = root.ancestors().find_map(|path| fs::metadata(path).ok());
    let (device, inode) = found.map_or((0, 0), |found| (found.dev(), found.ino()));
    let root = root.as_os_str().as_encoded_bytes();
    let root = root.get(root.len().saturating_sub(PATH)..);
    let space = space.as_os_str().as_encoded_bytes();
    let place = format!(":{device:x}:{inode:x}:");
    let name = [
        b"mackerel-agent/",
        space,
        place.as_bytes(),
        root.unwrap_or_default(),
    ]
    .concat();
    SocketAddr::from_abstract_name(name)
}

/// Connects within [`LIMIT`]. If the backlog is full, the kernel would wait without a limit.
/// `directory` stays open meanwhile.
pub(super) fn connect(address: SocketAddr, directory: Option<File>) -> io::Result<UnixStream> {
    let (tell, connected) = channel();
    let run = move || {
        drop(tell.send(UnixStream::connect_addr(&address)));
        drop(directory);
    };
    thread::start("connect", STACK, run)?;
    let connected = connected.recv_timeout(LIMIT);
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The user id of the peer, from when it started to listen or connected.
fn peer(stream: RawFd) -> io::Result<libc::uid_t> {
    let mut found = libc::ucred {
        pid: 0,
        uid: libc::uid_t::MAX,
        gid: libc::gid_t::MAX,
    };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or_default();
    // SAFETY: both places are valid for the call, and the second holds the length of the first.
    let asked = unsafe {
        libc::getsockopt(
            stream,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut length,
        )
    };
    match asked {
        0 => Ok(found.uid),
        _ => Err(io::Error::last_os_error()),
    }
}

fn own_user() -> libc::uid_t {
    // SAFETY: geteuid has no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// Answers each client in a thread, until the socket's file is dropped.
    fn serve(root: &Path, text: &'static str) -> io::Result<SocketFile> {
        let (listener, file) = bind(root)?;
        listener.set_nonblocking(false)?;
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = [0; 100];
                let length = stream.read(&mut head).unwrap();
                assert!(head[..length].starts_with(b"GET /health HTTP/1.1\r\n"));
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{text}");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Ok(file)
    }

    fn ask(root: &Path) -> io::Result<String> {
        get(root, "/health").map(|response| response.body)
    }

    #[test]
    fn agent_socket_is_served_by_one_agent_per_root() {
        let directory = tempfile::tempdir().unwrap();
        // (why this row exists, root, whether it exists)
        let table = [
            (
                "a file, by a path longer than an address",
                "x".repeat(200),
                true,
            ),
            ("a root that is missing", "y".repeat(200), false),
        ];
        for (why, root, is_there) in table {
            let root = directory.path().join(root);
            if is_there {
                fs::create_dir(&root).unwrap();
            }
            ask(&root).unwrap_err();
            let file = serve(&root, "well").unwrap();
            for _ in 0..3 {
                assert_eq!(ask(&root).unwrap(), "well", "{why}");
            }
            assert!(bind(&root).is_err(), "{why}");
            ask(directory.path()).unwrap_err();
            assert_eq!(root.join(NAME).exists(), is_there, "{why}");
            drop(file);
            assert!(!root.join(NAME).exists(), "{why}");
        }
    }

    #[test]
    fn agent_socket_replaces_a_stale_file() {
        type Lay = fn(&Path);
        // (why this row exists, how it is created)
        let table: [(&str, Lay); 4] = [
            ("of an agent that was killed", |path| {
                drop(UnixListener::bind(path).unwrap());
            }),
            ("a file", |path| fs::write(path, "").unwrap()),
            ("a link to nothing", |path| {
                std::os::unix::fs::symlink("/nowhere", path).unwrap();
            }),
            ("a FIFO", |path| {
                use rustix::fs::{CWD, Mode, mkfifoat};
                mkfifoat(CWD, path, Mode::RUSR).unwrap();
            }),
        ];
        for (why, lay) in table {
            let directory = tempfile::tempdir().unwrap();
            lay(&directory.path().join(NAME));
            let _file = serve(directory.path(), "well").unwrap();
            assert_eq!(ask(directory.path()).unwrap(), "well", "{why}");
        }
    }

    #[test]
    fn agent_socket_changes_the_mode_of_a_socket_alone() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let _listeners = ["socket", "twice"].map(|name| UnixListener::bind(at(name)).unwrap());
        fs::write(at("file"), "").unwrap();
        for name in ["socket", "twice", "file"] {
            fs::set_permissions(at(name), Permissions::from_mode(0o600)).unwrap();
        }
        std::os::unix::fs::symlink("socket", at("link")).unwrap();
        std::os::unix::fs::symlink("file", at("link of a file")).unwrap();
        fs::hard_link(at("twice"), at("hard link")).unwrap();
        // (what is in the place of the socket, whether its mode is changed)
        let table = [
            ("link", false),
            ("link of a file", false),
            ("file", false),
            ("hard link", false),
            ("none", false),
            ("socket", true),
        ];
        let modes = || {
            ["socket", "twice", "file"].map(|name| fs::metadata(at(name)).unwrap().mode() & 0o777)
        };
        for (name, is_changed) in table {
            assert_eq!(set_mode(&at(name)).is_ok(), is_changed, "{name}");
            let mode = if is_changed { MODE } else { 0o600 };
            assert_eq!(modes(), [mode, 0o600, 0o600], "{name}");
        }
    }

    #[test]
    fn agent_socket_without_a_file_is_named_after_the_directory() {
        let one = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let name = |root: &Path| {
            let address = abstract_address(root).unwrap();
            address.as_abstract_name().unwrap().to_owned()
        };
        assert_eq!(name(one.path()), name(one.path()));
        assert_ne!(name(one.path()), name(other.path()));
        // The same path, but on another file system or in another directory.
        let missing = |directory: &tempfile::TempDir| name(&directory.path().join("state"));
        assert_ne!(missing(&one), missing(&other));
        assert_ne!(missing(&one), name(one.path()));
    }
}
