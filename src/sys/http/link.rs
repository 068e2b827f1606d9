//! [`Link`], a connection to a peer, and [`Tcp`], its lowest layer.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::base::clock::Deadline;
use crate::sys::socket;

/// Time limit for one address while others are left to try. It covers a handshake and two
/// retransmissions of its first packet.
const ADDRESS_LIMIT: Duration = Duration::from_secs(5);

/// Time after which a connection whose data is not acknowledged counts as broken. A device on the
/// path may have dropped its state. Most of a request's time is left for another connection.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// A byte stream to and from a peer. Every wait has a limit.
pub(super) trait Link: Send + Sync {
    /// Waits for bytes and reads those available. Returns zero if the peer has closed the
    /// connection in good order.
    ///
    /// Fails with [`io::ErrorKind::TimedOut`] if no bytes arrive by `by`. Bytes that arrived
    /// earlier are read even after `by`.
    fn read(&mut self, into: &mut [u8], by: Deadline) -> io::Result<usize>;

    /// Sends all of `bytes`.
    ///
    /// Fails with [`io::ErrorKind::TimedOut`] if the peer does not accept them by `by`. After any
    /// error, an unknown part has been sent.
    fn write(&mut self, bytes: &[u8], by: Deadline) -> io::Result<()>;

    /// The certificates that the peer has presented, its own first; none without TLS.
    fn certificates(&self) -> &[CertificateDer<'static>] {
        &[]
    }
}

/// Whether an idle connection can still be used: the peer has neither closed it nor sent anything.
/// Does not wait.
pub(super) fn is_open(link: &mut dyn Link) -> bool {
    match link.read(&mut [0], Deadline::after(Duration::ZERO)) {
        // A `TimedOut` from the kernel has an error number and means a broken connection.
        Err(error) => is_timeout(&error),
        Ok(_) => false,
    }
}

/// Whether `error` is a passed deadline, as opposed to a `TimedOut` from the kernel.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none()
}

/// A TCP connection.
pub(super) struct Tcp(TcpStream);

impl Tcp {
    /// Connects to the first of `addresses` that answers.
    ///
    /// The last address has all of the remaining time. Each address before it has half of the
    /// remaining time, at most [`ADDRESS_LIMIT`]. So an unreachable address family does not use up
    /// the time of the other one. Connections come from the address `from`, if there is one. Fails
    /// with the last address tried and its error.
    pub(super) fn connect(
        addresses: &[SocketAddr],
        from: Option<IpAddr>,
        by: Deadline,
    ) -> Result<Tcp, (Option<SocketAddr>, io::Error)> {
        let mut failure = (None, io::ErrorKind::AddrNotAvailable.into());
        for (index, &address) in addresses.iter().enumerate() {
            let left = by.remaining();
            if left.is_zero() {
                return Err((Some(address), io::ErrorKind::TimedOut.into()));
            }
            let is_last = index + 1 == addresses.len();
            let share = if is_last {
                left
            } else {
                (left / 2).min(ADDRESS_LIMIT)
            };
            match Tcp::to(address, from, share) {
                Ok(tcp) => return Ok(tcp),
                Err(error) => failure = (Some(address), error),
            }
        }
        Err(failure)
    }

    fn to(address: SocketAddr, from: Option<IpAddr>, limit: Duration) -> io::Result<Tcp> {
        // `connect_timeout` refuses a limit of zero.
        let limit = limit.max(Duration::from_millis(1));
        let stream = match from {
            Some(from) => socket::connect_from(from, address, limit)?,
            None => TcpStream::connect_timeout(&address, limit)?,
        };
        // A request is written in one piece, so that Nagle's algorithm has nothing to collect.
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let millis = u32::try_from(SILENCE_LIMIT.as_millis()).unwrap_or(0);
        let length = libc::socklen_t::try_from(size_of_val(&millis)).unwrap_or(0);
        let (level, option) = (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT);
        // SAFETY: the option's value is a number of the given size and outlives the call. A kernel
        // without this option waits longer; the request's own limit ends that.
        unsafe {
            let millis = (&raw const millis).cast();
            libc::setsockopt(stream.as_raw_fd(), level, option, millis, length);
        }
        Ok(Tcp(stream))
    }

    /// A connection to a socket in the file system. std's type for TCP reads and writes it as well.
    pub(super) fn unix(path: &Path, limit: Duration) -> io::Result<Tcp> {
        let stream = TcpStream::from(socket::connect_unix(path, limit)?);
        stream.set_nonblocking(true)?;
        Ok(Tcp(stream))
    }

    /// Waits for one of `events` until `by`.
    fn wait(&self, events: i16, by: Deadline) -> io::Result<()> {
        loop {
            let left = by.remaining();
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let millis = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
            let mut watched = libc::pollfd {
                fd: self.0.as_raw_fd(),
                events,
                revents: 0,
            };
            // SAFETY: `watched` is one initialised entry and outlives the call.
            let ready = unsafe { libc::poll(&raw mut watched, 1, millis.saturating_add(1)) };
            match ready {
                1.. => return Ok(()),
                0 => {}
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
    }
}

impl Link for Tcp {
    fn read(&mut self, into: &mut [u8], by: Deadline) -> io::Result<usize> {
        // Polls before the first read. The answer has never arrived yet, and a read without data
        // would be one more system call.
        let mut waits = !by.remaining().is_zero();
        loop {
            if waits {
                self.wait(libc::POLLIN, by)?;
            }
            match self.0.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => waits = true,
                other => return other,
            }
        }
    }

    fn write(&mut self, mut bytes: &[u8], by: Deadline) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.0.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(libc::POLLOUT, by)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_millis(300))
    }

    fn pair() -> (Tcp, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tcp = Tcp::connect(&[address], None, soon()).ok().unwrap();
        (tcp, listener.accept().unwrap().0)
    }

    /// A listener that accepts no connection: its queue is full, and the kernel drops new ones.
    fn black_hole() -> (TcpListener, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // SAFETY: listen takes plain integers; the descriptor is open.
        unsafe { libc::listen(listener.as_raw_fd(), 0) };
        let address = listener.local_addr().unwrap();
        let knock = || TcpStream::connect_timeout(&address, Duration::from_millis(50));
        let inside = std::iter::from_fn(|| knock().ok()).take(8).collect();
        (listener, inside)
    }

    #[test]
    fn an_address_that_leads_nowhere_leaves_time_for_the_next() {
        let (hole, _inside) = black_hole();
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [hole.local_addr().unwrap(), good.local_addr().unwrap()];
        assert!(Tcp::connect(&addresses, None, soon()).is_ok());
        let (address, error) = Tcp::connect(&addresses[..1], None, soon()).err().unwrap();
        assert_eq!(address, Some(addresses[0]));
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn refused_connection_is_reported_with_its_address() {
        let gone = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap();
        let (address, error) = Tcp::connect(&[gone], None, soon()).err().unwrap();
        assert_eq!(address, Some(gone));
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn tcp_waits_end_at_the_deadline() {
        let (mut tcp, _peer) = pair();
        let error = tcp.read(&mut [0; 8], soon()).unwrap_err();
        assert!(is_timeout(&error));
        let much = vec![0; 64 << 20];
        let error = tcp.write(&much, soon()).unwrap_err();
        assert!(is_timeout(&error));
    }

    #[test]
    fn is_open_distinguishes_an_idle_connection_from_a_closed_one() {
        let (mut tcp, mut peer) = pair();
        assert!(is_open(&mut tcp));
        peer.write_all(b"unasked").unwrap();
        // Over loopback, the bytes arrive before `write_all` returns.
        assert!(!is_open(&mut tcp));

        let (mut tcp, peer) = pair();
        drop(peer);
        assert!(!is_open(&mut tcp));
    }
}
