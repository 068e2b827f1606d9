//! `interfaces`: network interfaces and their addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::sys::netif::Link;
use crate::wire::host::Interface;

/// The interfaces with an IP address other than loopback, in the order of `links`. Interfaces that
/// are down are included.
pub(super) fn interfaces(links: Vec<Link>) -> Vec<Interface> {
    let mut all = Vec::new();
    for link in links {
        if is_reported(&link) {
            all.push(described(link));
        }
    }
    all
}

fn is_reported(link: &Link) -> bool {
    let ipv4 = link.ipv4.iter().any(|ip| !ip.is_loopback());
    ipv4 || link.ipv6.iter().any(|ip| !ip.is_loopback())
}

fn described(link: Link) -> Interface {
    Interface {
        name: link.name,
        ipv4_addresses: link.ipv4.iter().map(Ipv4Addr::to_string).collect(),
        ipv6_addresses: link.ipv6.iter().map(Ipv6Addr::to_string).collect(),
        mac_address: mac(&link.mac),
    }
}

/// Hexadecimal with colons; `None` if all bytes are zero.
fn mac(bytes: &[u8]) -> Option<String> {
    if bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(pairs.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, mac: &[u8], addresses: &[&str]) -> Link {
        Link {
            name: name.to_owned(),
            mac: mac.to_vec(),
            ipv4: addresses.iter().filter_map(|ip| ip.parse().ok()).collect(),
            ipv6: addresses.iter().filter_map(|ip| ip.parse().ok()).collect(),
        }
    }

    #[test]
    fn reports_interfaces_that_others_can_reach() {
        // (why this row exists, addresses, reported)
        let table: [(&str, &[&str], bool); 11] = [
            ("no address", &[], false),
            ("loopback", &["127.0.0.1"], false),
            ("IPv6 loopback", &["::1"], false),
            ("two of 127/8", &["127.0.0.1", "127.0.0.2"], false),
            ("both loopbacks", &["127.0.0.1", "::1"], false),
            ("public", &["192.0.2.1"], true),
            ("near 127/8", &["227.0.0.1"], true),
            ("near ::1", &["::2"], true),
            ("link-local", &["fe80::1"], true),
            ("one is enough", &["127.0.0.1", "192.0.2.1"], true),
            ("of either family", &["127.0.0.1", "2001:db8::1"], true),
        ];
        for (why, addresses, reported) in table {
            let found = interfaces(vec![link("x", &[], addresses)]);
            assert_eq!(!found.is_empty(), reported, "{why}");
        }
    }

    #[test]
    fn keeps_the_order_of_interfaces_and_of_addresses() {
        let found = interfaces(vec![
            link("lo", &[0; 6], &["127.0.0.1", "::1"]),
            link(
                "wlan0",
                &[0xdc, 0xa6, 0x32, 0, 0, 1],
                &["192.0.2.9", "fe80::9", "192.0.2.1"],
            ),
            link("eth0", &[0xdc, 0xa6, 0x32, 0, 0, 2], &[]),
            link("br0", &[], &["2001:db8::9"]),
        ]);
        let names: Vec<&str> = found
            .iter()
            .map(|interface| interface.name.as_str())
            .collect();
        assert_eq!(names, ["wlan0", "br0"]);
        assert_eq!(found[0].ipv4_addresses, ["192.0.2.9", "192.0.2.1"]);
        assert_eq!(found[0].ipv6_addresses, ["fe80::9"]);
        assert_eq!(found[0].mac_address.as_deref(), Some("dc:a6:32:00:00:01"));
        assert_eq!(found[1].mac_address, None);
    }

    #[test]
    fn loopback_with_another_address_is_reported_without_mac() {
        let found = interfaces(vec![link("lo", &[0; 6], &["127.0.0.1", "192.0.2.53"])]);
        assert_eq!(found[0].ipv4_addresses, ["127.0.0.1", "192.0.2.53"]);
        assert_eq!(found[0].mac_address, None);
    }
}
