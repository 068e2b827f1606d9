//! `/proc/net/route`: IPv4 routes. Format: proc_pid_net(5).

use std::net::Ipv4Addr;

/// Flag of a reject route.
const REJECT: u32 = 0x200;

/// A route of the main table.
struct Route<'a> {
    interface: &'a str,
    network: u32,
    mask: u32,
    gateway: u32,
    metric: u32,
}

/// Parses a line of `/proc/net/route`. `None` if it is not a route, or is a reject route.
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
        gateway,
        metric,
    })
}

/// An address as a number. The kernel prints the bytes, which are in network order, as one number
/// in native order.
fn address(word: &str) -> Option<u32> {
    let number = u32::from_str_radix(word, 16).ok()?;
    Some(u32::from_be_bytes(number.to_ne_bytes()))
}

/// Finds the interfaces of the host's own addresses by the routes. Lines are processed one by one:
/// a router may have a million routes.
pub(crate) struct Search(Vec<(Ipv4Addr, Option<Nearest>)>);

/// The best route to an address: the one with the longest prefix.
struct Nearest {
    /// The sort key; the smallest is the best.
    distance: (u32, bool, u32),
    interface: String,
    gateway: u32,
}

impl Nearest {
    /// Whether the address is in a network of the interface itself, or is its peer's.
    fn is_direct(&self) -> bool {
        self.gateway == 0 && self.distance.0 != u32::MAX
    }
}

impl Search {
    pub(crate) fn of(addresses: Vec<Ipv4Addr>) -> Search {
        Search(
            addresses
                .into_iter()
                .map(|address| (address, None))
                .collect(),
        )
    }

    /// Processes the next line, in the kernel's order.
    pub(crate) fn line(&mut self, line: &str) {
        let Some(route) = route(line) else { return };
        let distance = (!route.mask, route.gateway != 0, route.metric);
        for (address, nearest) in &mut self.0 {
            let leads_there = u32::from(*address) & route.mask == route.network;
            let is_nearer = |known: &Nearest| distance < known.distance;
            if leads_there && nearest.as_ref().is_none_or(is_nearer) {
                *nearest = Some(Nearest {
                    distance,
                    interface: route.interface.to_owned(),
                    gateway: route.gateway,
                });
            }
        }
    }

    /// The addresses whose interface is known, with the interface, in the order of [`Search::of`].
    ///
    /// An address with a direct route has the interface of that route. An address that is covered
    /// only by a gateway's route, or by the default route, has that interface only if no other
    /// address has it: in a cloud, it is alone in its network. Otherwise its own routes are in
    /// another table, as those of Tailscale and WireGuard are, and its interface is unknown. If all
    /// addresses of an interface are covered in this way, the one with the longest common prefix
    /// with the gateway is used.
    pub(crate) fn end(&self) -> impl Iterator<Item = (&str, Ipv4Addr)> {
        let all = || {
            let all = self.0.iter();
            all.filter_map(|(address, nearest)| Some((*address, nearest.as_ref()?)))
        };
        let is_told = move |address: Ipv4Addr, nearest: &Nearest| {
            let likeness =
                |address: Ipv4Addr| (u32::from(address) ^ nearest.gateway).leading_zeros();
            let mut others = all().filter(|(_, other)| other.interface == nearest.interface);
            nearest.is_direct()
                || others.all(|(other, route)| {
                    !route.is_direct() && likeness(other) <= likeness(address)
                })
        };
        let told = all().filter(move |(address, nearest)| is_told(*address, nearest));
        told.map(|(address, nearest)| (nearest.interface.as_str(), address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = include_str!("../../tests/fixtures/seen-from-container/t0/proc/1/net/route");

    /// The interface of `address`, the host's only one.
    fn interface_of(address: Ipv4Addr, routes: &str) -> Option<String> {
        let mut search = Search::of(vec![address]);
        routes.lines().for_each(|line| search.line(line));
        let found = search.end().next();
        found.map(|(interface, _)| interface.to_owned())
    }

    #[test]
    fn addresses_find_their_interfaces() {
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
            let found = interface_of(address.parse().unwrap(), HOST);
            assert_eq!(found.as_deref(), interface, "{why}");
        }
        assert_eq!(interface_of(Ipv4Addr::LOCALHOST, ""), None);
    }

    #[test]
    fn routes_without_a_gateway_or_with_a_lower_metric_are_preferred() {
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
            let found = interface_of(Ipv4Addr::new(192, 0, 2, 9), &text);
            assert_eq!(found.as_deref(), Some(interface), "{why}");
        }
    }

    #[test]
    fn reject_routes_are_ignored() {
        let text = "Iface\tDestination\n*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(interface_of(Ipv4Addr::new(192, 0, 2, 9), text), None);
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(HOST, |text| {
            let _ = interface_of(Ipv4Addr::LOCALHOST, text);
        });
    }
}
