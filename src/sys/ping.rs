//! Echo requests of ICMP (RFC 792, RFC 4443).
//!
//! Linux has datagram sockets for them that need no right, for groups in
//! `net.ipv4.ping_group_range`. Raw sockets need root or `CAP_NET_RAW`.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use super::{random, socket, udp};
use crate::base::clock::{Deadline, pause};

/// Bytes of a request after its head, as ping(8) sends them.
const CONTENT: usize = 56;

/// Whether `address` answers one of `count` requests, each within `limit`. Stops at the first answer.
///
/// Fails with [`io::ErrorKind::PermissionDenied`] if this user may send none, and with another kind
/// if one cannot be sent.
pub(crate) fn answers(address: IpAddr, count: u64, limit: Duration) -> io::Result<bool> {
    let (family, protocol, request, answer) = match address {
        IpAddr::V4(_) => (libc::AF_INET, libc::IPPROTO_ICMP, 8, 0),
        IpAddr::V6(_) => (libc::AF_INET6, libc::IPPROTO_ICMPV6, 128, 129),
    };
    let socket = match socket::open(family, libc::SOCK_DGRAM, protocol) {
        Ok(socket) => socket,
        // Without IPv6 a raw socket would be none either.
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => return Err(error),
        Err(_) => socket::open(family, libc::SOCK_RAW, protocol)?,
    };
    let socket = UdpSocket::from(socket);
    socket.connect((address, 0))?;
    let mark = random::random().to_be_bytes();
    for number in 1..=count {
        let by = Deadline::after(limit);
        let [high, low] = u16::try_from(number & 0xffff).unwrap_or(0).to_be_bytes();
        // Type, code, checksum, identifier (the kernel's, for a datagram socket), number; content.
        let mut packet = vec![request, 0, 0, 0, mark[2], mark[3], high, low];
        packet.extend(mark);
        packet.resize(8 + CONTENT, 0);
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
        let is_answer = |packet: &[u8]| {
            // What arrives at a raw socket of IPv4 begins with the head of IP.
            let head = match packet.first() {
                Some(first) if first >> 4 == 4 => usize::from(first & 15) * 4,
                _ => 0,
            };
            let packet = packet.get(head..).unwrap_or_default();
            packet.first() == Some(&answer)
                && packet.get(6..8) == Some(&[high, low])
                && packet.get(8..12) == Some(&mark)
        };
        match udp::exchange(&socket, &packet, limit, &is_answer) {
            Ok(_) => return Ok(true),
            Err(error) if is_silence(&error) => {}
            Err(error) => return Err(error),
        }
        if number < count {
            pause(by.remaining());
        }
    }
    Ok(false)
}

/// Whether there was no answer, or a router's that the address cannot be reached.
fn is_silence(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, TimedOut};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | TimedOut)
}

/// The checksum of RFC 1071. That of ICMPv6 is the kernel's, whatever is there.
fn checksum(packet: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in packet.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd;
    use std::thread;

    use fake_server::require;

    use super::*;

    const LONG: Duration = Duration::from_secs(100);

    /// Turns the loopback device of this thread's network on.
    fn turn_on() {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        // SAFETY: all zeros are a valid request.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (at, byte) in b"lo".iter().enumerate() {
            request.ifr_name[at] = libc::c_char::try_from(*byte).unwrap();
        }
        request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap();
        // SAFETY: the request is initialised and outlives the call.
        let done =
            unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
    }

    /// A setting of this thread's network.
    fn set(name: &str, value: &str) {
        fs::write(format!("/proc/sys/net/{name}"), value).unwrap();
    }

    #[test]
    fn ping_asks_by_both_kinds_of_socket() {
        let tried = thread::spawn(|| {
            // SAFETY: unshare takes plain integers, and changes this thread alone.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                return Err("no network namespace; needs root");
            }
            let (v4, v6) = ("127.0.0.1".parse().unwrap(), "::1".parse().unwrap());
            let error = answers(v4, 1, LONG).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NetworkUnreachable);
            turn_on();
            // No group, then every group.
            for range in ["1 0", "0 2147483647"] {
                set("ipv4/ping_group_range", range);
                assert!(answers(v4, 1, LONG).unwrap(), "{range}");
                if fs::exists("/proc/sys/net/ipv6").unwrap() {
                    assert!(answers(v6, 2, LONG).unwrap(), "{range}");
                }
                set("ipv4/icmp_echo_ignore_all", "1");
                assert!(
                    !answers(v4, 2, Duration::from_millis(20)).unwrap(),
                    "{range}"
                );
                set("ipv4/icmp_echo_ignore_all", "0");
            }
            set("ipv4/ping_group_range", "1 0");
            let nobody = 65_534;
            // SAFETY: the call takes plain integers, and changes this thread alone.
            let done = unsafe { libc::syscall(libc::SYS_setresuid, nobody, nobody, nobody) };
            assert_eq!(done, 0);
            let error = answers(v4, 1, LONG).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            Ok(())
        });
        if let Err(reason) = tried.join().unwrap() {
            require!(reason.is_empty(), "{reason}");
        }
    }

    #[test]
    fn checksum_is_that_of_the_rfc() {
        // RFC 1071, section 3: the sum is ddf2.
        assert_eq!(checksum(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0xff; 3]), !(0xff00_u16));
    }
}
