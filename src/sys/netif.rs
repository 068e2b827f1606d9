//! The host's network interfaces and their addresses, by getifaddrs(3), that is, rtnetlink(7).

use std::ffi::CStr;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::{io, mem, ptr, slice};

/// Bytes. The longest hardware address that fits into the result of musl's getifaddrs, which leaves
/// out longer ones. There are no longer ones: InfiniBand's have 20.
const LONGEST_MAC: usize = 24;

/// One network interface, up or down.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Link {
    pub(crate) name: String,
    /// The hardware address; empty if there is none. It is all zeros on the loopback interface. On
    /// tunnels it is an IP address, four or sixteen bytes long.
    pub(crate) mac: Vec<u8>,
    /// The host's own addresses, not those of a peer, in the kernel's order.
    pub(crate) ipv4: Vec<Ipv4Addr>,
    /// The host's own addresses, not those of a peer, in the kernel's order.
    pub(crate) ipv6: Vec<Ipv6Addr>,
}

/// All network interfaces of the agent's network namespace, in the kernel's order.
///
/// Fails if the kernel refuses, or if a system call filter forbids netlink.
pub(crate) fn links() -> io::Result<Vec<Link>> {
    let mut first = ptr::null_mut();
    // SAFETY: the pointer is to a variable that outlives the call.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let list = List(first);
    let mut links = Vec::new();
    let mut next = list.0.cast_const();
    // SAFETY: getifaddrs has succeeded. The list's first entry and each `ifa_next` are null or
    // point to an entry. Entries stay valid until `list` is dropped after the loop.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        // SAFETY: every entry has a NUL-terminated name that lives as long as the entry.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) };
        // SAFETY: `entry` belongs to a list made by getifaddrs that has not been freed.
        let address = unsafe { address(entry) };
        add(&mut links, &name.to_string_lossy(), address);
    }
    Ok(links)
}

/// The list allocated by getifaddrs.
struct List(*mut libc::ifaddrs);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the list came from getifaddrs, and is freed only here. It may be null: both musl
        // and glibc accept an empty list.
        unsafe { libc::freeifaddrs(self.0) };
    }
}

/// The address of one entry of the list.
#[derive(Debug)]
enum Address {
    Mac(Vec<u8>),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    /// No address, or one of a family that is not reported.
    Other,
}

/// Reads the address of an entry.
///
/// # Safety
///
/// `entry` must belong to a list made by getifaddrs that has not been freed.
unsafe fn address(entry: &libc::ifaddrs) -> Address {
    let at = entry.ifa_addr.cast_const();
    // SAFETY: an entry's address is null or points to a socket address within the list.
    let Some(family) = (unsafe { at.as_ref() }).map(|any| i32::from(any.sa_family)) else {
        return Address::Other;
    };
    match family {
        libc::AF_INET => {
            // SAFETY: the family determines this type.
            let found = unsafe { at.cast::<libc::sockaddr_in>().read_unaligned() };
            Address::V4(found.sin_addr.s_addr.to_ne_bytes().into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family determines this type.
            let found = unsafe { at.cast::<libc::sockaddr_in6>().read_unaligned() };
            Address::V6(found.sin6_addr.s6_addr.into())
        }
        libc::AF_PACKET => {
            // SAFETY: the family determines this type.
            let found = unsafe { at.cast::<libc::sockaddr_ll>().read_unaligned() };
            let length = usize::from(found.sll_halen).min(LONGEST_MAC);
            let start = mem::offset_of!(libc::sockaddr_ll, sll_addr);
            // SAFETY: `sll_addr` lies within the address. It may extend beyond the eight bytes that
            // its type declares: the C library has stored `sll_halen` bytes there.
            let bytes = unsafe { slice::from_raw_parts(at.cast::<u8>().add(start), length) };
            Address::Mac(bytes.to_vec())
        }
        _ => Address::Other,
    }
}

/// Adds one address to its interface.
///
/// getifaddrs reports an IPv4 address under its label. An administrator may choose a label by
/// ip-address(8), as long as it starts with the interface's name: `eth0:1`. All interfaces precede
/// the first IP address.
fn add(links: &mut Vec<Link>, name: &str, address: Address) {
    let named = links.iter().position(|link| link.name == name);
    let labelled = || {
        let all = links.iter().enumerate();
        let fitting = all.filter(|(_, link)| name.starts_with(&link.name));
        fitting.max_by_key(|(_, link)| link.name.len())
    };
    let is_ip = matches!(address, Address::V4(_) | Address::V6(_));
    let at = match named {
        None if is_ip => labelled().map(|(at, _)| at),
        named => named,
    };
    let at = at.unwrap_or(links.len());
    if at == links.len() {
        links.push(Link {
            name: name.to_owned(),
            ..Link::default()
        });
    }
    let Some(link) = links.get_mut(at) else {
        return;
    };
    match address {
        Address::Mac(mac) => link.mac = mac,
        Address::V4(ip) => link.ipv4.push(ip),
        Address::V6(ip) => link.ipv6.push(ip),
        Address::Other => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(entries: Vec<(&str, Address)>) -> Vec<Link> {
        let mut links = Vec::new();
        for (name, address) in entries {
            add(&mut links, name, address);
        }
        links
    }

    fn v4(text: &str) -> Address {
        Address::V4(text.parse().unwrap())
    }

    #[test]
    fn netif_addresses_are_grouped_by_interface_in_order() {
        let links = grouped(vec![
            ("lo", Address::Mac(vec![0; 6])),
            ("eth0", Address::Mac(vec![2, 0, 0, 0, 0, 1])),
            ("tun0", Address::Other),
            ("lo", v4("127.0.0.1")),
            ("eth0", v4("192.0.2.10")),
            ("eth0", v4("192.0.2.9")),
            ("tun0", v4("198.51.100.1")),
            ("lo", Address::V6("::1".parse().unwrap())),
            ("eth0", Address::V6("2001:db8::1".parse().unwrap())),
        ]);
        let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(names, ["lo", "eth0", "tun0"]);
        assert_eq!(links[1].mac, [2, 0, 0, 0, 0, 1]);
        let ipv4: Vec<String> = links[1].ipv4.iter().map(Ipv4Addr::to_string).collect();
        assert_eq!(ipv4, ["192.0.2.10", "192.0.2.9"]);
        assert_eq!(links[1].ipv6.len(), 1);
        assert!(links[2].mac.is_empty());
        assert_eq!(links[2].ipv4.len(), 1);
    }

    #[test]
    fn netif_label_belongs_to_its_interface() {
        // (why this row exists, label, index of the interface with the address)
        let table = [
            ("an alias", "eth0:1", 0),
            ("an interface's name is no label", "eth0.10", 1),
            ("the longest name that fits", "eth0.10:web", 1),
            ("without colon", "eth0web", 0),
            ("no interface: kept apart", "web", 2),
        ];
        for (why, label, expected) in table {
            let links = grouped(vec![
                ("eth0", Address::Other),
                ("eth0.10", Address::Other),
                (label, v4("192.0.2.1")),
            ]);
            let owner = links.iter().position(|link| !link.ipv4.is_empty());
            assert_eq!(owner, Some(expected), "{why}: {label}");
        }
    }

    #[test]
    fn netif_names_with_a_common_prefix_are_separate() {
        let links = grouped(vec![("eth1", Address::Other), ("eth10", Address::Other)]);
        assert_eq!(links.len(), 2);
    }

    #[test]
    fn netif_links_are_read_from_the_kernel() {
        // The machine's interfaces are unknown, but each has a unique name. If netlink is
        // forbidden, the error comes from the kernel.
        match links() {
            Ok(links) => {
                let mut names: Vec<&String> = links.iter().map(|link| &link.name).collect();
                names.sort();
                names.dedup();
                assert_eq!(names.len(), links.len());
            }
            Err(error) => assert!(error.raw_os_error().is_some()),
        }
    }
}
