//! The network interfaces of a host that the agent watches from elsewhere, from files: no system call
//! tells of another network namespace.

use std::net::IpAddr;

use super::DescribeError;
use crate::parse::{fib_trie, if_inet6, netdev, route};
use crate::sys::netif::Link;
use crate::sys::root::{Root, absent_is_none};

/// The interfaces with an address, in the kernel's order. An IPv4 address is told without its
/// interface; the routes say which it is.
///
/// Fails if a file that is there cannot be read, or the traffic not be understood.
pub(super) fn links(root: &Root) -> Result<Vec<Link>, DescribeError> {
    let mut buffer = Vec::new();
    let mut read = |name: &str| {
        let path = [root.network(), name].concat();
        let text = root.text(path, &mut buffer).map(|text| text.into_owned());
        absent_is_none(text).map(Option::unwrap_or_default)
    };
    let traffic = root
        .text([root.network(), "/dev"].concat(), &mut Vec::new())?
        .into_owned();
    let (trie, routes, inet6) = (read("/fib_trie")?, read("/route")?, read("/if_inet6")?);
    let routes = route::parse(&routes);
    let ipv4 = fib_trie::parse(&trie).into_iter().filter_map(|ip| {
        let interface = match ip.is_loopback() {
            true => "lo",
            false => route::interface_of(ip, &routes)?,
        };
        Some((interface, IpAddr::V4(ip)))
    });
    let ipv6 = if_inet6::parse(&inet6).map(|(interface, ip)| (interface, IpAddr::V6(ip)));
    let addresses: Vec<(&str, IpAddr)> = ipv4.chain(ipv6).collect();
    let mut links = Vec::new();
    for interface in netdev::parse(&traffic, |_| true)? {
        let name = interface.interface;
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

/// The hardware address; empty where there is none, or none to be read.
fn mac(root: &Root, interface: &str) -> Vec<u8> {
    let path = format!("/sys/class/net/{interface}/address");
    let mut buffer = Vec::new();
    let text = root.text(path, &mut buffer).unwrap_or_default();
    let bytes = text.trim().split(':');
    let bytes: Result<Vec<u8>, _> = bytes.map(|byte| u8::from_str_radix(byte, 16)).collect();
    bytes.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::trees::Trees;

    fn root(tree: &str) -> Root {
        Root::of(&Trees {
            root: Some(["tests/fixtures/", tree].concat().into()),
            ..Trees::default()
        })
    }

    #[test]
    fn addresses_are_those_of_the_hosts_first_process() {
        let root = root("seen-from-container/t0");
        assert!(root.is_elsewhere());
        let links = links(&root).unwrap();
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
    fn without_traffic_there_is_no_network_to_tell_of() {
        assert!(links(&root("no such host")).is_err());
        assert!(!root("two-core/t0").is_elsewhere());
        assert_eq!(links(&root("two-core/t0")).unwrap(), []);
    }
}
