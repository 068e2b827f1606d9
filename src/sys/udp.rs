//! Questions that are one packet, and so are their answers.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::base::clock::Deadline;

/// Bytes of an answer. Larger ones are cut.
const PACKET: usize = 4096;

/// Sends `question` to `server` and returns the first packet of it that `is_answer` accepts.
///
/// Fails with [`ErrorKind::TimedOut`] if no answer comes within `limit`.
pub(crate) fn ask(
    server: SocketAddr,
    question: &[u8],
    limit: Duration,
    is_answer: &dyn Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let socket = match server {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
    }?;
    socket.connect(server)?;
    exchange(&socket, question, limit, is_answer)
}

/// The same by a socket that is connected to the server.
pub(super) fn exchange(
    socket: &UdpSocket,
    question: &[u8],
    limit: Duration,
    is_answer: &dyn Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let by = Deadline::after(limit);
    socket.send(question)?;
    let mut packet = vec![0; PACKET];
    loop {
        let left = by.remaining().max(Duration::from_millis(1));
        socket.set_read_timeout(Some(left))?;
        let length = match socket.recv(&mut packet) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            received => received?,
        };
        if is_answer(packet.get(..length).unwrap_or_default()) {
            packet.truncate(length);
            return Ok(packet);
        }
        if by.remaining().is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
    }
}
