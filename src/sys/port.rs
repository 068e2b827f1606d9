//! Whether an address can be listened at.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Whether no program listens at this address. It is listened at for an instant, and no connection
/// is accepted.
///
/// Fails if this host cannot listen there.
pub(crate) fn is_free(address: SocketAddr) -> io::Result<bool> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error),
    }
}

/// The same for the path of a unix socket. A connection is made to it.
pub(crate) fn is_free_path(path: &Path) -> io::Result<bool> {
    match UnixStream::connect(path) {
        Ok(_) => Ok(false),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Ok(true),
            _ => Err(error),
        },
    }
}
