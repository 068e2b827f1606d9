//! Asks one name server for a name, which the system's resolver cannot do.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use super::nofollow;
use super::random::random;
use crate::base::clock::Deadline;
use crate::parse::dns::{A, AAAA, name_servers, query, reply};

/// The resolver's configuration.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Bytes that are read of it.
const MOST: u64 = 64 << 10;
/// The port of name servers.
const PORT: u16 = 53;
/// Bytes of an answer. Larger ones are cut, which does not matter here.
const PACKET: usize = 512;

/// The name servers that the system's resolver asks.
pub(crate) fn servers() -> Vec<IpAddr> {
    let mut text = Vec::new();
    // Without the file, the resolver asks this host.
    let file = nofollow::open_given(Path::new(RESOLV_CONF));
    drop(file.and_then(|file| file.take(MOST).read_to_end(&mut text)));
    name_servers(&String::from_utf8_lossy(&text))
}

/// The answer of `server` for the IPv4 addresses of `name`, or, if there is none, for the IPv6
/// addresses: its code, and the number of records.
///
/// Fails with [`ErrorKind::TimedOut`] or the like if there is none within `limit`.
pub(crate) fn ask(server: IpAddr, name: &str, limit: Duration) -> io::Result<(u8, u16)> {
    let by = Deadline::after(limit);
    match ask_for(server, name, A, by)? {
        (0, 0) => ask_for(server, name, AAAA, by),
        answer => Ok(answer),
    }
}

fn ask_for(server: IpAddr, name: &str, kind: u16, by: Deadline) -> io::Result<(u8, u16)> {
    let from = match server {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect((server, PORT))?;
    let id = u16::try_from(random() >> 16).unwrap_or(0);
    socket.send(&query(id, name, kind).ok_or(ErrorKind::InvalidInput)?)?;
    let mut packet = [0; PACKET];
    loop {
        let left = by.remaining().max(Duration::from_millis(1));
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut packet)?;
        if let Some(answer) = reply(packet.get(..length).unwrap_or_default(), id) {
            return Ok(answer);
        }
        if by.remaining().is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
    }
}
