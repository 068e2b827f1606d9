//! Asks one name server for a name, which the system's resolver cannot do.

use std::io::{self, ErrorKind, Read};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::nofollow;
use super::random::random;
use super::udp;
use crate::base::clock::Deadline;
use crate::parse::dns::{A, AAAA, name_servers, query, reply};

/// The resolver's configuration.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Bytes that are read of it.
const MOST: u64 = 64 << 10;
/// The port of name servers.
const PORT: u16 = 53;

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
    let id = u16::try_from(random() >> 16).unwrap_or(0);
    let question = query(id, name, kind).ok_or(ErrorKind::InvalidInput)?;
    let is_answer = |packet: &[u8]| reply(packet, id).is_some();
    let packet = udp::ask((server, PORT).into(), &question, by.remaining(), &is_answer)?;
    Ok(reply(&packet, id).unwrap_or_default())
}
