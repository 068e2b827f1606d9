//! `/proc/net/dev`: traffic counters of network interfaces since they came up. Format:
//! proc_pid_net(5).

use super::{ParseError, lines};
use crate::base::counter::UNKNOWN;

/// Number of columns after the interface's name. Shorter lines are skipped.
const COLUMNS: usize = 16;
/// Column of the received bytes.
const RECEIVED: usize = 0;
/// Column of the sent bytes.
const SENT: usize = 8;

/// Traffic of an interface since it came up.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Traffic<'a> {
    pub(crate) interface: &'a str,
    /// Wraps at 32 bits on 32-bit kernels. [`UNKNOWN`] if the column is not a number.
    pub(crate) received_bytes: u64,
    /// Wraps like [`Traffic::received_bytes`].
    pub(crate) sent_bytes: u64,
    /// The text of all columns.
    columns: &'a str,
}

impl Traffic<'_> {
    /// Packets, errors and drops received, then those sent. [`UNKNOWN`] if the column is not a
    /// number.
    pub(crate) fn packets(&self) -> [u64; 6] {
        const COLUMNS: [usize; 6] = [1, 2, 3, SENT + 1, SENT + 2, SENT + 3];
        COLUMNS.map(|at| {
            let word = self.columns.split_ascii_whitespace().nth(at);
            word.and_then(|word| word.parse().ok()).unwrap_or(UNKNOWN)
        })
    }
}

/// Parses `/proc/net/dev` and calls `found` for the interfaces whose name is `wanted`, in the
/// kernel's order.
///
/// Fails if no line describes an interface: every host has at least `lo`. Other lines are skipped.
pub(crate) fn parse<'a>(
    text: &'a str,
    wanted: fn(&str) -> bool,
    found: &mut dyn FnMut(Traffic<'a>),
) -> Result<(), ParseError> {
    let mut understood = false;
    for line in lines(text) {
        // Some kernels leave no blank after the colon.
        let Some(colon) = line.bytes().position(|byte| byte == b':') else {
            continue;
        };
        let (Some(interface), Some(columns)) = (line.get(..colon), line.get(colon + 1..)) else {
            continue;
        };
        let interface = interface.trim_ascii();
        // A host with containers has thousands of unwanted interfaces. Once a line has been parsed,
        // the columns of unwanted ones are skipped.
        let is_wanted = wanted(interface);
        if understood && !is_wanted {
            continue;
        }
        if let Some(traffic) = traffic(interface, columns) {
            understood = true;
            if is_wanted {
                found(traffic);
            }
        }
    }
    if !understood {
        let last = text.lines().last().unwrap_or_default();
        return Err(ParseError::new("/proc/net/dev", "interface", last));
    }
    Ok(())
}

fn traffic<'a>(interface: &'a str, line: &'a str) -> Option<Traffic<'a>> {
    let mut columns = line.split_ascii_whitespace();
    let received = columns.nth(RECEIVED)?;
    let sent = columns.nth(SENT - RECEIVED - 1)?;
    columns.nth(COLUMNS - SENT - 2)?;
    let (received, sent) = (received.parse().ok(), sent.parse().ok());
    // Old kernels list aliases with a colon in the name. The text after the first colon then does
    // not begin with the columns.
    let is_one = match (received, sent) {
        (Some(_), Some(_)) => true,
        (None, None) => false,
        _ => !line.contains(':'),
    };
    is_one.then(|| Traffic {
        interface,
        received_bytes: received.unwrap_or(UNKNOWN),
        sent_bytes: sent.unwrap_or(UNKNOWN),
        columns: line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../tests/fixtures/two-core/t0/proc/net/dev");

    fn found_of(text: &str, wanted: fn(&str) -> bool) -> Vec<Traffic<'_>> {
        let mut found = Vec::new();
        parse(text, wanted, &mut |traffic| found.push(traffic)).unwrap();
        found
    }

    fn found(text: &str) -> Vec<(&str, u64, u64)> {
        found_of(text, |_| true)
            .iter()
            .map(|traffic| {
                (
                    traffic.interface,
                    traffic.received_bytes,
                    traffic.sent_bytes,
                )
            })
            .collect()
    }

    #[test]
    fn reads_a_recorded_file() {
        assert_eq!(
            found(TWO_CORE),
            [
                ("lo", 5_000, 5_000),
                ("eth0", 1_000_000, 200_000),
                ("eth0.100", 4_294_960_000, 1_000),
                ("veth12ab", 700, 800),
            ]
        );
    }

    #[test]
    fn packets_are_those_of_both_directions() {
        let text = "e0: 1 2 3 4 5 6 7 8 9 10 11 x 13 14 15 16\n";
        let found = found_of(text, |_| true);
        assert_eq!(found[0].packets(), [2, 3, 4, 10, 11, UNKNOWN]);
    }

    #[test]
    fn leaves_out_what_is_not_wanted() {
        let found = found_of(TWO_CORE, |name| name.starts_with("eth0"));
        let names: Vec<_> = found.iter().map(|traffic| traffic.interface).collect();
        assert_eq!(names, ["eth0", "eth0.100"]);
        assert!(found_of(TWO_CORE, |_| false).is_empty());
        assert!(parse("lo: 1 2 3\n", |_| false, &mut drop).is_err());
    }

    #[test]
    fn takes_a_line_only_if_it_is_one_of_an_interface() {
        let good = "lo: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n";
        // (why this row exists, line, whether it is an interface)
        let table = [
            (
                "no blank after the colon",
                "eth1:183651236 0 0 0 0 0 0 0 93127469 0 0 0 0 0 0 0",
                true,
            ),
            (
                "columns of the future",
                "e0: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0 7",
                true,
            ),
            (
                "too few columns",
                "e0: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0",
                false,
            ),
            (
                "one is no number",
                "e0: x 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0",
                true,
            ),
            (
                "one is negative",
                "e0: 1 0 0 0 0 0 0 0 -2 0 0 0 0 0 0 0",
                true,
            ),
            (
                "one is beyond 64 bits",
                "e0: 99999999999999999999 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0",
                true,
            ),
            ("an alias", "e0:1: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0", false),
            (
                "none is a number",
                "e0: x 0 0 0 0 0 0 0 y 0 0 0 0 0 0 0",
                false,
            ),
        ];
        for (why, line, is_interface) in table {
            let text = format!("{good}{line}\n");
            assert_eq!(found(&text).len(), 1 + usize::from(is_interface), "{why}");
        }
    }

    #[test]
    fn a_file_without_interfaces_is_an_error() {
        assert_eq!(
            parse("Inter-|\n face |bytes\n", |_| true, &mut drop)
                .unwrap_err()
                .to_string(),
            "/proc/net/dev: no interface in \" face |bytes\""
        );
        assert!(parse("", |_| true, &mut drop).is_err());
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(TWO_CORE, |text| drop(parse(text, |_| true, &mut drop)));
    }
}
