//! Asks one name server for the addresses of a name, which the system's resolver cannot do.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use super::random::random;
use crate::base::clock::Deadline;
use crate::parse::dns::{A, AAAA, Reply, name_servers, query, reply};

/// The resolver's configuration.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Bytes that are read of it.
const MOST: u64 = 64 << 10;
/// The port of name servers.
const PORT: u16 = 53;
/// Bytes of an answer. Larger ones are cut.
const PACKET: usize = 1500;

/// The name servers that the system's resolver asks.
pub(crate) fn servers() -> Vec<IpAddr> {
    let mut text = Vec::new();
    // Without the file, the resolver asks this host.
    drop(File::open(RESOLV_CONF).and_then(|file| file.take(MOST).read_to_end(&mut text)));
    name_servers(&String::from_utf8_lossy(&text))
}

/// The answers of `server` for the IPv4 and the IPv6 addresses of `name`: one or two.
///
/// Fails with [`ErrorKind::TimedOut`] if there is none within `limit`.
pub(crate) fn ask(server: IpAddr, name: &str, limit: Duration) -> io::Result<Vec<Reply>> {
    let from: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect((server, PORT))?;
    let first = u16::try_from(random() >> 16).unwrap_or(0);
    let mut waiting = vec![(first, A), (first.wrapping_add(1), AAAA)];
    for (id, kind) in &waiting {
        socket.send(&query(*id, name, *kind).ok_or(ErrorKind::InvalidInput)?)?;
    }
    let by = Deadline::after(limit);
    let mut replies = Vec::new();
    let mut packet = [0; PACKET];
    while !waiting.is_empty() {
        let left = by.remaining();
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut packet) {
            Ok(length) => {
                let packet = packet.get(..length).unwrap_or_default();
                waiting.retain(|(id, _)| match reply(packet, *id) {
                    Some(reply) => {
                        replies.push(reply);
                        false
                    }
                    None => true,
                });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if replies.is_empty() {
        Err(ErrorKind::TimedOut.into())
    } else {
        Ok(replies)
    }
}
