//! Queries for the addresses of a name, and the answers of a name server (RFC 1035, RFC 3596). Also
//! the name servers of resolv.conf(5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Query types: an IPv4 address, an IPv6 address.
pub(crate) const A: u16 = 1;
pub(crate) const AAAA: u16 = 28;
/// Bytes before the question.
const HEAD: usize = 12;
/// Name servers that the C library asks.
const SERVERS: usize = 3;
/// Maximum number of records that are read of an answer.
const RECORDS: u16 = 64;

/// An answer of a name server.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Reply {
    /// 0: success, 2: failure, 3: no such name, 5: refused.
    pub(crate) code: u8,
    pub(crate) addresses: Vec<IpAddr>,
}

/// The name servers in the text of resolv.conf, as the C library uses them: the first three, or
/// 127.0.0.1 if there is none. Lines that are no address, such as one with a scope, are left out.
pub(crate) fn name_servers(text: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            (words.next()? == "nameserver").then(|| words.next()?.parse().ok())?
        })
        .take(SERVERS)
        .collect();
    if found.is_empty() {
        found.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    found
}

/// The query with this number; `None` if `name` is not a name.
pub(crate) fn query(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut query = id.to_be_bytes().to_vec();
    // Recursion desired, one question.
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        query.push(
            u8::try_from(label.len())
                .ok()
                .filter(|n| (1..64).contains(n))?,
        );
        query.extend(label.bytes());
    }
    query.push(0);
    query.extend(kind.to_be_bytes());
    query.extend([0, 1]);
    (query.len() < HEAD + 260).then_some(query)
}

/// The answer in `packet` to the query with this number; `None` if it is something else.
pub(crate) fn reply(packet: &[u8], id: u16) -> Option<Reply> {
    let number = |at: usize| {
        let bytes = packet.get(at..at + 2)?;
        Some(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]))
    };
    let flags = number(2)?;
    if number(0)? != id || flags & 0x8000 == 0 {
        return None;
    }
    let mut reply = Reply {
        code: u8::try_from(flags & 15).unwrap_or(0),
        addresses: Vec::new(),
    };
    let mut at = HEAD;
    for _ in 0..number(4)? {
        at = after_name(packet, at)? + 4;
    }
    for _ in 0..number(6)?.min(RECORDS) {
        at = after_name(packet, at)?;
        let (kind, length) = (number(at)?, usize::from(number(at + 8)?));
        let data = packet.get(at + 10..at + 10 + length)?;
        at += 10 + length;
        let address = match kind {
            A => <[u8; 4]>::try_from(data)
                .ok()
                .map(Ipv4Addr::from)
                .map(IpAddr::V4),
            AAAA => <[u8; 16]>::try_from(data)
                .ok()
                .map(Ipv6Addr::from)
                .map(IpAddr::V6),
            _ => None,
        };
        reply.addresses.extend(address);
    }
    Some(reply)
}

/// The position after the name at `at`.
fn after_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *packet.get(at)? {
            0 => return Some(at + 1),
            length @ 1..64 => at += 1 + usize::from(length),
            // A pointer to the rest of the name.
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_those_that_the_c_library_asks() {
        // (why this row exists, text, servers)
        let table = [
            ("none", "search a.example\n", "127.0.0.1"),
            (
                "usual",
                "# x\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # y\nnameserver fe80::1%eth0\n",
                "192.0.2.1 2001:db8::1",
            ),
            (
                "four",
                "nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4",
                "1.1.1.1 1.1.1.2 1.1.1.3",
            ),
            (
                "commented",
                ";nameserver 192.0.2.1\nnameserver\n",
                "127.0.0.1",
            ),
        ];
        for (why, text, expected) in table {
            let found: Vec<_> = name_servers(text).iter().map(IpAddr::to_string).collect();
            assert_eq!(found.join(" "), expected, "{why}");
        }
    }

    #[test]
    fn query_is_that_of_the_rfc() {
        let bytes = query(0x0102, "a.example.", A).unwrap();
        assert_eq!(
            bytes,
            b"\x01\x02\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01"
        );
        for bad in ["", "a..b", &"x".repeat(64), &"x.".repeat(200)] {
            assert_eq!(query(1, bad, A), None, "{bad}");
        }
    }

    /// An answer with an alias and two addresses.
    fn answer() -> Vec<u8> {
        let mut packet = query(7, "a.example", A).unwrap();
        packet[2..4].copy_from_slice(&[0x81, 0x80]);
        packet[7] = 3;
        packet.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\x01\0\x04\x01b\xc0\x0e");
        packet.extend(b"\x01b\xc0\x0e\0\x01\0\x01\0\0\0\x01\0\x04\xc0\0\x02\x01");
        packet.extend(b"\xc0\x0c\0\x1c\0\x01\0\0\0\x01\0\x10");
        packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        packet
    }

    #[test]
    fn reply_has_the_addresses_and_the_code() {
        let found = reply(&answer(), 7).unwrap();
        let texts: Vec<_> = found.addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(
            (found.code, texts.join(" ")),
            (0, "192.0.2.1 2001:db8::1".into())
        );
        let mut failed = query(7, "a.example", A).unwrap();
        failed[2..4].copy_from_slice(&[0x81, 0x83]);
        let none = Reply {
            code: 3,
            addresses: Vec::new(),
        };
        assert_eq!(reply(&failed, 7), Some(none));
        assert_eq!(reply(&answer(), 8), None, "another query");
        assert_eq!(reply(&query(7, "a", A).unwrap(), 7), None, "a query");
    }

    #[test]
    fn reply_that_is_damaged_never_panics() {
        let good = answer();
        for at in 0..good.len() {
            drop(reply(&good[..at], 7));
            for value in [0, 1, 63, 64, 127, 192, 255] {
                let mut bad = good.clone();
                bad[at] = value;
                drop(reply(&bad, 7));
            }
        }
    }
}
