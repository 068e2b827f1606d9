//! A listening socket: TCP, or a Unix socket with a file.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};
use std::path::{Path, PathBuf};

use crate::sys::agent_socket;

/// Where a server listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A socket that accepts without blocking.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The file of a Unix socket, which is removed when this is dropped.
pub(crate) struct SocketPath(PathBuf);

impl Drop for SocketPath {
    fn drop(&mut self) {
        // It may be gone already.
        drop(fs::remove_file(&self.0));
    }
}

impl Listener {
    /// Listens at `place`. Returns the file of a Unix socket, which has to outlive the listener.
    ///
    /// A socket file that an earlier process has left is replaced. Fails if the address is in use,
    /// and if something else than a socket is at the path.
    pub(crate) fn bind(place: &Place) -> io::Result<(Listener, Option<SocketPath>)> {
        match place {
            Place::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok((Listener::Tcp(listener), None))
            }
            Place::Unix(path) => {
                remove_left(path)?;
                let listener = UnixListener::bind(path)?;
                let file = SocketPath(path.clone());
                agent_socket::set_mode(path)?;
                listener.set_nonblocking(true)?;
                Ok((Listener::Unix(listener), Some(file)))
            }
        }
    }

    /// Accepts a connection, which does not block either.
    pub(super) fn accept(&self) -> io::Result<File> {
        let stream: OwnedFd = match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                stream.into()
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                stream.into()
            }
        };
        Ok(stream.into())
    }

    /// The address of a TCP listener, with the port that the kernel has chosen.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(_) => None,
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Listener::Tcp(listener) => listener.as_raw_fd(),
            Listener::Unix(listener) => listener.as_raw_fd(),
        }
    }
}

/// Removes the socket file of a process that has ended without doing so.
fn remove_left(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match agent_socket::connect(UnixAddress::from_pathname(path)?, None) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}
