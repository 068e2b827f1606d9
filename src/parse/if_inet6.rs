//! `/proc/net/if_inet6`: the IPv6 addresses of the network interfaces. Format: proc_pid_net(5).

use std::net::Ipv6Addr;

/// The interfaces and their addresses, in the kernel's order. Malformed lines are skipped.
pub(crate) fn parse(text: &str) -> impl Iterator<Item = (&str, Ipv6Addr)> {
    text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let digits = words.next().filter(|digits| digits.len() == 32)?;
        let address = u128::from_str_radix(digits, 16).ok()?;
        // Skips index, prefix length, scope and flags.
        Some((words.nth(4)?, Ipv6Addr::from(address)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str =
        include_str!("../../tests/fixtures/seen-from-container/t0/proc/1/net/if_inet6");

    #[test]
    fn reads_a_recorded_file() {
        let found: Vec<String> = parse(HOST)
            .map(|(name, ip)| format!("{name} {ip}"))
            .collect();
        let expected = [
            "lo ::1",
            "eth0 2001:db8::10",
            "eth0 fe80::5054:ff:fe12:3456",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn takes_a_line_only_if_it_is_of_the_documented_form() {
        let table = [
            "",
            "fe80 02 40 20 80 eth0",
            "00000000000000000000000000000001 01 80 10 80",
            "zz000000000000000000000000000001 01 80 10 80 lo",
        ];
        for line in table {
            assert_eq!(parse(line).count(), 0, "{line}");
        }
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(HOST, |text| parse(text).for_each(drop));
    }
}
