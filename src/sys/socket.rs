//! Sockets that std cannot make: of ICMP, with a source address, and of a file with a time limit.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use libc::c_int;

/// A new socket. std's types for sockets use it whatever kind it is.
pub(super) fn open(family: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: socket takes plain integers.
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Connects to `to` from the address `from`. `limit` is not zero.
pub(super) fn connect_from(from: IpAddr, to: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let family = match from {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    };
    let socket = open(family, libc::SOCK_STREAM, 0)?;
    bind(&socket, from)?;
    let socket = UdpSocket::from(socket);
    // It also limits connect(2), see socket(7).
    socket.set_write_timeout(Some(limit))?;
    socket.connect(to).map_err(passed)?;
    Ok(TcpStream::from(OwnedFd::from(socket)))
}

/// Connects to a stream socket in the file system. `limit` is not zero.
pub(super) fn connect_unix(path: &Path, limit: Duration) -> io::Result<OwnedFd> {
    let socket = UnixDatagram::from(open(libc::AF_UNIX, libc::SOCK_STREAM, 0)?);
    socket.set_write_timeout(Some(limit))?;
    socket.connect(path).map_err(passed)?;
    Ok(OwnedFd::from(socket))
}

/// The error of connect(2), which has two numbers for a time limit that has passed.
fn passed(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::EINPROGRESS | libc::EAGAIN) => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

/// Binds a socket of this address's family to it, and to any port.
fn bind(socket: &OwnedFd, address: IpAddr) -> io::Result<()> {
    // SAFETY: all zeros are a valid address of each of both kinds.
    let (mut v4, mut v6): (libc::sockaddr_in, libc::sockaddr_in6) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let (place, length) = match address {
        IpAddr::V4(address) => {
            v4.sin_family = libc::sa_family_t::try_from(libc::AF_INET).unwrap_or(0);
            v4.sin_addr.s_addr = u32::from_ne_bytes(address.octets());
            ((&raw const v4).cast(), size_of_val(&v4))
        }
        IpAddr::V6(address) => {
            v6.sin6_family = libc::sa_family_t::try_from(libc::AF_INET6).unwrap_or(0);
            v6.sin6_addr.s6_addr = address.octets();
            ((&raw const v6).cast(), size_of_val(&v6))
        }
    };
    let length = libc::socklen_t::try_from(length).unwrap_or(0);
    // SAFETY: `place` points to an initialised address of this length, which outlives the call.
    match unsafe { libc::bind(socket.as_raw_fd(), place, length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(100);

    #[test]
    fn socket_connects_from_an_address() {
        // (from, listener's address)
        for (from, to) in [("127.0.0.9", "127.0.0.1:0"), ("::1", "[::1]:0")] {
            let Ok(listener) = TcpListener::bind(to) else {
                fake_server::require!(false, "no IPv6 on loopback");
                continue;
            };
            let to = listener.local_addr().unwrap();
            let stream = connect_from(from.parse().unwrap(), to, LIMIT).unwrap();
            let peer = listener.accept().unwrap().1;
            assert_eq!(peer.ip().to_string(), from);
            assert_eq!(stream.local_addr().unwrap(), peer);
        }
        let other = "192.0.2.1".parse().unwrap();
        let to = "127.0.0.1:1".parse().unwrap();
        let error = connect_from(other, to, LIMIT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn socket_in_the_file_system_has_a_time_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        // SAFETY: listen takes plain integers; the descriptor is open.
        unsafe { libc::listen(listener.as_raw_fd(), 0) };
        let mut inside = Vec::new();
        let error = loop {
            match connect_unix(&path, Duration::from_millis(20)) {
                Ok(socket) => inside.push(socket),
                Err(error) => break error,
            }
        };
        assert_eq!(inside.len(), 1);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(listener);
        let error = connect_unix(&path, LIMIT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
