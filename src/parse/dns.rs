//! Queries for the addresses of a name, and the heads of answers (RFC 1035, RFC 3596). Also the name
//! servers of resolv.conf(5).

pub(crate) mod records;

use std::net::{IpAddr, Ipv4Addr};

/// Query types: an IPv4 address, an IPv6 address.
pub(crate) const A: u16 = 1;
pub(crate) const AAAA: u16 = 28;
/// Bytes of a packet before the question.
const HEAD: usize = 12;
/// Name servers that the C library asks.
const SERVERS: usize = 3;

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

/// The query with this number; `None` if `name` is not a name. The root's name is a dot.
pub(crate) fn query(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut query = id.to_be_bytes().to_vec();
    // Recursion desired, one question.
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let labels = name.trim_end_matches('.').split('.');
    for label in labels.filter(|_| name != ".") {
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

/// The answer in `packet` to the query with this number: its code (0: success, 2: failure, 3: no such
/// name, 5: refused), and the number of records. `None` if it is something else.
pub(crate) fn reply(packet: &[u8], id: u16) -> Option<(u8, u16)> {
    let (head, _) = packet.split_first_chunk::<HEAD>()?;
    let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let is_answer = head[2] & 0x80 != 0;
    (number(0) == id && is_answer).then(|| (head[3] & 15, number(6)))
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
        assert_eq!(query(1, ".", 2).unwrap()[HEAD..], *b"\0\0\x02\0\x01");
        for bad in ["", "..", "a..b", &"x".repeat(64), &"x.".repeat(200)] {
            assert_eq!(query(1, bad, A), None, "{bad}");
        }
    }

    #[test]
    fn reply_has_the_code_and_the_number_of_records() {
        let mut packet = query(7, "a.example", A).unwrap();
        assert_eq!(reply(&packet, 7), None, "a query");
        packet[2..4].copy_from_slice(&[0x81, 0x83]);
        packet[7] = 3;
        assert_eq!(reply(&packet, 7), Some((3, 3)));
        assert_eq!(reply(&packet, 8), None, "another query");
        for length in 0..packet.len() {
            let found = reply(&packet[..length], 7);
            assert_eq!(found.is_some(), length >= HEAD, "{length}");
        }
    }
}
