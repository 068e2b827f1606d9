//! `/proc/net/tcp`, `udp`, `raw`, `unix`, `packet` and `netlink`: one socket a line. Formats:
//! proc_net_tcp(5), net/unix/af_unix.c and net/netlink/af_netlink.c in the kernel.

/// The names that `ss` gives to the states of TCP, by their number (net/tcp_states.h).
pub(crate) const STATES: [&str; 12] = [
    "UNKNOWN",
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "UNCONN",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
];
const ESTABLISHED: usize = 1;
const CLOSED: usize = 7;
const LISTENING: usize = 10;
/// The bit of a listening socket in the flags of `/proc/net/unix`.
const ACCEPTING: usize = 1 << 16;

/// The format of a table of sockets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// Of the internet protocols: with the state of TCP, which UDP and raw sockets have too.
    Inet,
    Unix,
    /// Of sockets without a state.
    Stateless,
}

/// The tables that `ss -na` lists, in `/proc/net`. The kernel has no such table of vsock, SCTP and
/// XDP.
pub(crate) const TABLES: [(&str, Format); 9] = [
    ("tcp", Format::Inet),
    ("tcp6", Format::Inet),
    ("udp", Format::Inet),
    ("udp6", Format::Inet),
    ("raw", Format::Inet),
    ("raw6", Format::Inet),
    ("unix", Format::Unix),
    ("packet", Format::Stateless),
    ("netlink", Format::Stateless),
];

/// The position in [`STATES`] of the state of the socket on a line; `None` for the headings.
pub(crate) fn state(format: Format, line: &str) -> Option<usize> {
    let mut words = line.split_ascii_whitespace();
    let hexadecimal = |word: Option<&str>| usize::from_str_radix(word?, 16).ok();
    match format {
        Format::Inet => {
            let state = hexadecimal(words.nth(3))?;
            Some(if state < STATES.len() { state } else { 0 })
        }
        // Two states of a connected socket: accepted, and not yet.
        Format::Unix => {
            let is_accepting = hexadecimal(words.nth(3))? & ACCEPTING != 0;
            let state = hexadecimal(words.nth(1))?;
            Some(match state {
                _ if is_accepting => LISTENING,
                2 | 3 => ESTABLISHED,
                _ => CLOSED,
            })
        }
        Format::Stateless => {
            let is_heading = words.next()? == "sk";
            (!is_heading).then_some(CLOSED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::survives_damage;

    #[test]
    fn sockets_have_the_states_that_ss_shows() {
        // (why this row exists, format, line, state)
        let table = [
            (
                "a heading",
                Format::Inet,
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid",
                None,
            ),
            (
                "a TCP listener",
                Format::Inet,
                "   0: 0100007F:0277 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0",
                Some("LISTEN"),
            ),
            (
                "a TCP connection, IPv6",
                Format::Inet,
                " 12: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:8001 01",
                Some("ESTAB"),
            ),
            (
                "TIME-WAIT",
                Format::Inet,
                "   5: 0100007F:1F90 0100007F:8001 06 00000000:00000000 03:00000B2D 00000000     0",
                Some("TIME-WAIT"),
            ),
            (
                "an unconnected UDP socket",
                Format::Inet,
                " 1234: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000  0",
                Some("UNCONN"),
            ),
            (
                "a state of the future",
                Format::Inet,
                "   0: 0100007F:0277 00000000:0000 0D 00000000:00000000",
                Some("UNKNOWN"),
            ),
            (
                "headings of Unix sockets",
                Format::Unix,
                "Num       RefCount Protocol Flags    Type St Inode Path",
                None,
            ),
            (
                "a Unix listener",
                Format::Unix,
                "ffff8881: 00000002 00000000 00010000 0001 01 20483 /run/systemd/notify",
                Some("LISTEN"),
            ),
            (
                "a datagram socket",
                Format::Unix,
                "ffff8881: 00000002 00000000 00000000 0002 01 20483 /run/systemd/notify",
                Some("UNCONN"),
            ),
            (
                "connected",
                Format::Unix,
                "ffff8881: 00000003 00000000 00000000 0001 03 20483",
                Some("ESTAB"),
            ),
            (
                "connected, and not accepted yet",
                Format::Unix,
                "ffff8881: 00000003 00000000 00000000 0001 02 20483",
                Some("ESTAB"),
            ),
            (
                "headings of netlink",
                Format::Stateless,
                "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode",
                None,
            ),
            (
                "netlink",
                Format::Stateless,
                "00000000e5a 0   0          00000000 0        0        0     2        0        7",
                Some("UNCONN"),
            ),
            ("an empty line", Format::Stateless, "", None),
        ];
        for (why, format, line, expected) in table {
            let found = state(format, line).map(|state| STATES[state]);
            assert_eq!(found, expected, "{why}");
            survives_damage(line, |line| {
                state(format, line);
            });
        }
    }
}
