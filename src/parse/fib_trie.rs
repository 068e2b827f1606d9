//! `/proc/net/fib_trie`: IPv4 routes, among them the host's own addresses. Format:
//! net/ipv4/fib_trie.c in the kernel.

use std::net::Ipv4Addr;

/// The line below an address of the host itself.
const OWN: &str = "/32 host LOCAL";

/// Collects the host's own addresses line by line: a router may have a million routes.
#[derive(Default)]
pub(crate) struct Own {
    /// The addresses without duplicates, in the kernel's order.
    pub(crate) found: Vec<Ipv4Addr>,
    last: Option<Ipv4Addr>,
}

impl Own {
    /// Processes the next line. Lines about anything else are ignored.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            self.last = address.parse().ok();
        } else if line == OWN
            && let Some(address) = self.last
            // If the local and the main table are merged, the kernel prints the table twice.
            && !self.found.contains(&address)
        {
            self.found.push(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<Ipv4Addr> {
        let mut own = Own::default();
        text.lines().for_each(|line| own.line(line));
        own.found
    }

    const HOST: &str =
        include_str!("../../tests/fixtures/seen-from-container/t0/proc/1/net/fib_trie");

    #[test]
    fn finds_the_hosts_own_addresses() {
        let found: Vec<String> = parse(HOST).iter().map(Ipv4Addr::to_string).collect();
        let expected = [
            "10.8.0.6",
            "127.0.0.1",
            "172.17.0.1",
            "192.0.2.10",
            "192.0.2.11",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_text_without_addresses_has_none() {
        for text in ["", "Main:\n", "|-- x\n/32 host LOCAL\n", "/32 host LOCAL\n"] {
            assert!(parse(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(HOST, |text| drop(parse(text)));
    }
}
