//! `/proc/net/route`: which interface leads to which IPv4 network. Format: proc_pid_net(5).

use std::net::Ipv4Addr;

/// Bit of a route that leads nowhere.
const REJECT: u32 = 0x200;

/// A route of the main table.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Route<'a> {
    pub(crate) interface: &'a str,
    network: u32,
    mask: u32,
    has_gateway: bool,
    metric: u32,
}

/// Reads the text of `/proc/net/route`, in the kernel's order. Lines that are of no route, and routes
/// that lead nowhere, are passed over.
pub(crate) fn parse(text: &str) -> Vec<Route<'_>> {
    text.lines().filter_map(route).collect()
}

fn route(line: &str) -> Option<Route<'_>> {
    let mut words = line.split_ascii_whitespace();
    let interface = words.next()?;
    let mut next = || words.next();
    let network = address(next()?)?;
    let gateway = address(next()?)?;
    let flags = u32::from_str_radix(next()?, 16).ok()?;
    let (_references, _use) = (next()?, next()?);
    let metric = next()?.parse().ok()?;
    let mask = address(next()?)?;
    (flags & REJECT == 0).then_some(Route {
        interface,
        network,
        mask,
        has_gateway: gateway != 0,
        metric,
    })
}

/// An address as a number. The kernel writes the bytes of the network's order as if they were a
/// number of its own.
fn address(word: &str) -> Option<u32> {
    let number = u32::from_str_radix(word, 16).ok()?;
    Some(u32::from_be_bytes(number.to_ne_bytes()))
}

/// The interface that `address`, one of the host's own, belongs to: the one that leads to the
/// smallest network with that address, which is its own network, or what lies behind its peer, or,
/// for an address that stands alone, everything.
pub(crate) fn interface_of<'a>(address: Ipv4Addr, routes: &[Route<'a>]) -> Option<&'a str> {
    let address = u32::from(address);
    let leading = routes
        .iter()
        .filter(|route| address & route.mask == route.network);
    let nearest = leading.min_by_key(|route| (!route.mask, route.has_gateway, route.metric));
    nearest.map(|route| route.interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = include_str!("../../tests/fixtures/seen-from-container/t0/proc/1/net/route");

    #[test]
    fn addresses_find_their_interfaces() {
        let routes = parse(HOST);
        // (why this row exists, address, interface)
        let table = [
            (
                "in the network of the interface",
                "192.0.2.10",
                Some("eth0"),
            ),
            ("one end of a tunnel", "10.8.0.6", Some("tun0")),
            ("no container runs", "172.17.0.1", Some("docker0")),
            (
                "a cloud's, alone in its network",
                "203.0.113.7",
                Some("eth0"),
            ),
        ];
        for (why, address, interface) in table {
            let found = interface_of(address.parse().unwrap(), &routes);
            assert_eq!(found, interface, "{why}");
        }
        assert_eq!(interface_of(Ipv4Addr::LOCALHOST, &[]), None);
    }

    #[test]
    fn of_two_that_lead_there_the_nearer_and_cheaper_counts() {
        let line = |interface: &str, gateway: u32, metric: u32| {
            let number = |address: [u8; 4]| u32::from_ne_bytes(address);
            let (network, mask) = (number([192, 0, 2, 0]), number([255, 255, 255, 0]));
            format!(
                "{interface}\t{network:08X}\t{gateway:08X}\t0001\t0\t0\t{metric}\t{mask:08X}\t0\t0\t0\n"
            )
        };
        // (why this row exists, routes, interface)
        let table = [
            (
                "cheaper",
                [line("wlan0", 0, 600), line("eth0", 0, 100)],
                "eth0",
            ),
            (
                "without gateway",
                [line("tun0", 1, 0), line("eth0", 0, 100)],
                "eth0",
            ),
            (
                "the first",
                [line("eth0", 0, 0), line("eth1", 0, 0)],
                "eth0",
            ),
        ];
        for (why, lines, interface) in table {
            let text = lines.concat();
            let found = interface_of(Ipv4Addr::new(192, 0, 2, 9), &parse(&text));
            assert_eq!(found, Some(interface), "{why}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_no_route() {
        let text = "Iface\tDestination\n*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(parse(text), []);
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(HOST, |text| {
            let _ = interface_of(Ipv4Addr::LOCALHOST, &parse(text));
        });
    }
}
