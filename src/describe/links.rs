//! Network interfaces of a host that is monitored from a container, read from files. No system call
//! reports the interfaces of another network namespace.

use std::net::{IpAddr, Ipv4Addr};

use super::DescribeError;
use crate::base::{self, Failures};
use crate::parse::{fib_trie, if_inet6, netdev, route};
use crate::sys::netif::Link;
use crate::sys::root::{Root, absent_is_none};

/// The interfaces with an address, in the kernel's order. The kernel lists IPv4 addresses without
/// their interface, so the interface is derived from the routes. Addresses whose interface remains
/// unknown are left out.
///
/// Fails if an existing file cannot be read, or if `/proc/net/dev` cannot be parsed.
pub(super) fn links(root: &Root, failures: &mut Failures) -> Result<Vec<Link>, DescribeError> {
    let path = |name: &str| [root.network(), name].concat();
    let lines = |name: &str, each: &mut dyn FnMut(&str)| {
        let read = root.each_line(&path(name), each);
        absent_is_none(read).map(Option::unwrap_or_default)
    };
    let mut buffer = Vec::new();
    let (traffic, cut) = root.table(path("/dev"), &mut buffer)?;
    failures.extend(cut.map(|error| ("interfaces", base::report(&error))));
    let mut own = fib_trie::Own::default();
    lines("/fib_trie", &mut |line| own.line(line))?;
    let (loopback, others): (Vec<Ipv4Addr>, _) =
        own.found.into_iter().partition(Ipv4Addr::is_loopback);
    let mut routes = route::Search::of(others);
    lines("/route", &mut |line| routes.line(line))?;
    let mut inet6 = String::new();
    lines("/if_inet6", &mut |line| inet6.push_str(line))?;
    let mut addresses: Vec<(&str, IpAddr)> = Vec::new();
    for ip in loopback {
        addresses.push(("lo", ip.into()));
    }
    for (interface, ip) in routes.end() {
        addresses.push((interface, ip.into()));
    }
    for (interface, ip) in if_inet6::parse(&inet6) {
        addresses.push((interface, ip.into()));
    }
    let mut links = Vec::new();
    let mut names = Vec::new();
    netdev::parse(&traffic, |_| true, &mut |one| names.push(one.interface))?;
    for name in names {
        let mut own = addresses.iter().filter(|(of, _)| *of == name).peekable();
        if own.peek().is_none() {
            continue;
        }
        let mut link = Link {
            name: name.to_owned(),
            mac: mac(root, name),
            ..Link::default()
        };
        for (_, ip) in own {
            match ip {
                IpAddr::V4(ip) => link.ipv4.push(*ip),
                IpAddr::V6(ip) => link.ipv6.push(*ip),
            }
        }
        links.push(link);
    }
    Ok(links)
}

/// The hardware address; empty if there is none or it cannot be read.
fn mac(root: &Root, interface: &str) -> Vec<u8> {
    let path = format!("/sys/class/net/{interface}/address");
    let mut buffer = Vec::new();
    let text = root.text(path, &mut buffer).unwrap_or_default();
    let mut bytes = Vec::new();
    for byte in text.trim().split(':') {
        match u8::from_str_radix(byte, 16) {
            Ok(byte) => bytes.push(byte),
            Err(_) => return Vec::new(),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::host_paths::HostPaths;

    fn root(tree: &str) -> Root {
        Root::of(&HostPaths {
            root: Some(["tests/fixtures/", tree].concat().into()),
            ..HostPaths::default()
        })
    }

    #[test]
    fn addresses_are_those_of_the_hosts_first_process() {
        let root = root("seen-from-container/t0");
        assert!(root.is_elsewhere());
        let links = links(&root, &mut Failures::new()).unwrap();
        let shown: Vec<String> = links
            .iter()
            .map(|link| {
                let ips = link.ipv4.iter().map(ToString::to_string);
                let ips: Vec<_> = ips
                    .chain(link.ipv6.iter().map(ToString::to_string))
                    .collect();
                format!("{} {} {}", link.name, link.mac.len(), ips.join(" "))
            })
            .collect();
        let expected = [
            "lo 6 127.0.0.1 ::1",
            "eth0 6 192.0.2.10 192.0.2.11 2001:db8::10 fe80::5054:ff:fe12:3456",
            "docker0 6 172.17.0.1",
            "tun0 0 10.8.0.6",
        ];
        assert_eq!(shown, expected);
        assert_eq!(links[1].mac, [0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    }

    #[test]
    fn address_with_its_own_routing_table_is_not_assigned_to_the_default_route() {
        const ETH0: &str = "eth0 0 0/0 via 192.0.2.1, eth0 192.0.2.0/24";
        // (why this row exists, addresses, routes, interfaces with their addresses)
        let table = [
            ("ordinary", "192.0.2.9", ETH0, "eth0 192.0.2.9"),
            ("Tailscale", "100.101.1.2 192.0.2.9", ETH0, "eth0 192.0.2.9"),
            (
                "WireGuard with a table of its own",
                "10.66.66.2 192.0.2.9",
                ETH0,
                "eth0 192.0.2.9",
            ),
            (
                "a cloud's, alone in its network",
                "10.128.0.5",
                "eth0 0/0 via 10.128.0.1, eth0 10.128.0.1/32",
                "eth0 10.128.0.5",
            ),
            (
                "the same with Tailscale",
                "10.128.0.5 100.101.1.2",
                "eth0 0/0 via 10.128.0.1, eth0 10.128.0.1/32",
                "eth0 10.128.0.5",
            ),
            (
                "the same, in the other order",
                "100.101.1.2 172.31.9.9",
                "eth0 0/0 via 172.31.1.1, eth0 172.31.1.1/32",
                "eth0 172.31.9.9",
            ),
            (
                "a private network whose routes cover the tunnel's address",
                "10.0.0.9 10.66.66.2",
                "eth0 0/0 via 10.0.0.1, eth0 10.0.0.0/24, eth0 10.0.0.0/8 via 10.0.0.1",
                "eth0 10.0.0.9",
            ),
            (
                "one end of a tunnel, known by the network behind the other end",
                "10.8.0.6 192.0.2.9",
                "eth0 0/0 via 192.0.2.1, tun0 10.8.0.0/24 via 10.8.0.5, tun0 10.8.0.5/32, eth0 192.0.2.0/24",
                "eth0 192.0.2.9, tun0 10.8.0.6",
            ),
            (
                "a dialled line, to which everything leads",
                "203.0.113.7",
                "tun0 0/0",
                "tun0 203.0.113.7",
            ),
            (
                "a second address in the interface's network",
                "192.0.2.9 192.0.2.50",
                ETH0,
                "eth0 192.0.2.9 192.0.2.50",
            ),
            ("no route at all", "192.0.2.9", "", ""),
        ];
        for (why, addresses, routes, expected) in table {
            let directory = tempfile::tempdir().unwrap();
            let net = directory.path().join("proc/1/net");
            fs::create_dir_all(&net).unwrap();
            let traffic = |name| format!("{name}: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n");
            fs::write(net.join("dev"), ["eth0", "tun0"].map(traffic).concat()).unwrap();
            let trie = addresses
                .split(' ')
                .map(|ip| format!("|-- {ip}\n/32 host LOCAL\n"));
            fs::write(net.join("fib_trie"), trie.collect::<String>()).unwrap();
            let number = |ip: &str| match ip {
                "0" => 0,
                ip => u32::from_ne_bytes(ip.parse::<std::net::Ipv4Addr>().unwrap().octets()),
            };
            let route = |route: &str| {
                let (interface, rest) = route.split_once(' ').unwrap();
                let rest = rest.trim_start_matches("0 ");
                let (network, gateway) = rest.split_once(" via ").unwrap_or((rest, "0"));
                let (network, length) = network.split_once('/').unwrap();
                let length: u32 = length.parse().unwrap();
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                format!(
                    "{interface}\t{:08X}\t{:08X}\t0001\t0\t0\t0\t{:08X}\t0\t0\t0\n",
                    number(network),
                    number(gateway),
                    mask.swap_bytes(),
                )
            };
            let routes = routes.split(", ").filter(|text| !text.is_empty());
            fs::write(net.join("route"), routes.map(route).collect::<String>()).unwrap();
            let root = Root::of(&HostPaths {
                root: Some(directory.path().to_owned()),
                ..HostPaths::default()
            });
            let links = links(&root, &mut Failures::new()).unwrap();
            let shown = links.iter().map(|link| {
                let ips: Vec<_> = link.ipv4.iter().map(ToString::to_string).collect();
                format!("{} {}", link.name, ips.join(" "))
            });
            assert_eq!(shown.collect::<Vec<_>>().join(", "), expected, "{why}");
        }
    }

    #[test]
    fn tables_of_a_router_are_read_to_their_end() {
        let directory = tempfile::tempdir().unwrap();
        let net = directory.path().join("proc/1/net");
        fs::create_dir_all(&net).unwrap();
        let traffic = "eth0: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n";
        fs::write(net.join("dev"), traffic).unwrap();
        let others = "        |-- 198.51.100.0\n           /24 universe UNICAST\n".repeat(100_000);
        let own = "     |-- 192.0.2.9\n        /32 host LOCAL\n";
        fs::write(net.join("fib_trie"), [&*others, own].concat()).unwrap();
        let others = "eth0\t006433C6\t010200C0\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0\n".repeat(100_000);
        let own = "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        fs::write(net.join("route"), [&*others, own].concat()).unwrap();
        let root = Root::of(&HostPaths {
            root: Some(directory.path().to_owned()),
            ..HostPaths::default()
        });
        let links = links(&root, &mut Failures::new()).unwrap();
        assert_eq!(links[0].ipv4, [std::net::Ipv4Addr::new(192, 0, 2, 9)]);
    }

    #[test]
    fn without_traffic_there_is_no_network_to_tell_of() {
        assert!(links(&root("no such host"), &mut Failures::new()).is_err());
        assert!(!root("two-core/t0").is_elsewhere());
        let root = root("two-core/t0");
        assert_eq!(links(&root, &mut Failures::new()).unwrap(), []);
    }
}
