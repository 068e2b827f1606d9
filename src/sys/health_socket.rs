//! Requests to a running agent and its answers, over a Unix socket. The socket is a file below the
//! agent's root. If no file can be created there, it is an abstract socket.
//!
//! The server answers root and its own user only. The client accepts answers from root, its own
//! user and the owner of the agent's root.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::mem::size_of;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::channel::channel;
use crate::base::clock::pause;
use crate::sys::thread;

/// Bytes of stack for the thread that answers; it calls no deeply nested code.
const STACK: usize = 32 << 10;
/// Time limit for sending, receiving or connecting.
const LIMIT: Duration = Duration::from_secs(5);
/// Pause between two connections: at most 200 per second are accepted.
const PAUSE: Duration = Duration::from_millis(5);
/// Maximum number of pending connections.
const BACKLOG: i32 = 16;
/// Maximum number of bytes of an answer.
const MOST: u64 = 1024;
/// Bytes from the end of a path that are used in an abstract socket's name.
const PATH: usize = 32;
/// The name of the socket's file.
const NAME: &str = "health.socket";

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

/// Answers each client with what `answer` returns, one client at a time. Clients must be root or
/// the agent's own user. `root` is the agent's directory. Fails if another agent serves this root
/// already, if another program uses the name, and if no thread can be started.
pub(crate) fn serve(
    root: &Path,
    answer: impl Fn() -> String + Send + 'static,
) -> io::Result<SocketFile> {
    let (listener, file) = match bind_file(root) {
        Ok(listener) => (listener, SocketFile(Some(root.join(NAME)))),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        // The root is missing or not writable.
        Err(_) => (
            UnixListener::bind_addr(&abstract_address(root)?)?,
            SocketFile(None),
        ),
    };
    // SAFETY: this call takes two numbers and touches no memory.
    unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) };
    let own = own_user();
    let serve = move || loop {
        let Ok((mut stream, _)) = listener.accept() else {
            // No descriptors are left; some become free later.
            pause(LIMIT);
            continue;
        };
        if peer(&stream).is_ok_and(|user| user == 0 || user == own) {
            // The answer is dropped if the client does not read it within the limit.
            drop(stream.set_write_timeout(Some(LIMIT)));
            drop(io::Write::write_all(&mut stream, answer().as_bytes()));
        }
        drop(stream);
        pause(PAUSE);
    };
    thread::start("health", STACK, serve).map(|()| file)
}

/// The answer of the agent whose directory is `root`. Fails if no agent runs, if it does not answer
/// this user, and if the server runs as another user.
pub(crate) fn ask(root: &Path) -> io::Result<String> {
    let address = file_address(root);
    let stream = match address.and_then(|(directory, address)| connect(address, Some(directory))) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let why = format!("{error}; ask as root or as the agent's user");
            return Err(io::Error::new(error.kind(), why));
        }
        Err(_) => connect(abstract_address(root)?, None)?,
        Ok(stream) => stream,
    };
    let user = peer(&stream)?;
    let owner = fs::metadata(root).ok().map(|found| found.uid());
    if user != 0 && user != own_user() && Some(user) != owner {
        let why = format!("the user {user} has its socket; ask as that user if it is the agent's");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    stream.set_read_timeout(Some(LIMIT))?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer)?;
    if answer.is_empty() {
        Err(io::Error::other(
            "no answer; ask as root or as the agent's user",
        ))
    } else {
        Ok(answer)
    }
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

/// The address of the socket's file, through its directory's descriptor, because an address is
/// shorter than a path may be. Valid as long as the directory is open.
fn file_address(root: &Path) -> io::Result<(File, SocketAddr)> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY);
    let directory = options.open(root)?;
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
    thread::start("health", STACK, run)?;
    let connected = connected.recv_timeout(LIMIT);
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The user id of the peer, from when it started to listen or connected.
fn peer(stream: &UnixStream) -> io::Result<libc::uid_t> {
    let mut found = libc::ucred {
        pid: 0,
        uid: libc::uid_t::MAX,
        gid: libc::gid_t::MAX,
    };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or_default();
    // SAFETY: both places are valid for the call, and the second holds the length of the first.
    let asked = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
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

    #[test]
    fn health_socket_is_served_by_one_agent_per_root() {
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
            let file = serve(&root, || "well".to_owned()).unwrap();
            for _ in 0..3 {
                assert_eq!(ask(&root).unwrap(), "well", "{why}");
            }
            assert!(serve(&root, || "mine".to_owned()).is_err(), "{why}");
            ask(directory.path()).unwrap_err();
            assert_eq!(root.join(NAME).exists(), is_there, "{why}");
            drop(file);
            assert!(!root.join(NAME).exists(), "{why}");
        }
    }

    #[test]
    fn health_socket_replaces_a_stale_file() {
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
            let _file = serve(directory.path(), || "well".to_owned()).unwrap();
            assert_eq!(ask(directory.path()).unwrap(), "well", "{why}");
        }
    }

    #[test]
    fn health_socket_without_a_file_is_named_after_the_directory() {
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
