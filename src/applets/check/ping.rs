//! `check-ping`: whether a host answers.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::applets::status_map::StatusMap;
use crate::base::packed::packed;
use crate::sys::http::stream::addresses;
use crate::sys::ping;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-ping",
    help: packed!(
        "check whether a host answers
  -H, --host=HOST           name or address
  -n, --count=N             number of requests, of which one must be answered
                            (default: 1)
  -w, --wait-time=N         milliseconds to wait for each answer
                            (default: 1000)
      --status-as=OLD=NEW,...
                            another status, e.g. critical=warning
"
    ),
    work: Work::Check("Ping", check),
};

/// Until the name's addresses must be known.
const LOOKUP: Duration = Duration::from_secs(10);

fn check(arguments: &Arguments, _: &Host<'_>) -> Result<Finding, Failure> {
    let statuses = StatusMap::read(arguments)?;
    let name = arguments.required("host")?;
    let (count, wait) = (arguments.count("count")?, arguments.count("wait-time")?);
    let count = u64::try_from(count).unwrap_or(0);
    let limit = Host::limit(wait.max(1) as f64 / 1000.0);
    let found = match ping(name, count, limit) {
        Ok(answers) => Finding::of_limits(false, !answers, String::new()),
        Err(failure) => failure.finding(),
    };
    Ok(statuses.apply(found))
}

/// Whether the host answers, or what else is found.
fn ping(name: &str, count: u64, limit: Duration) -> Result<bool, Failure> {
    let unknown = |why: &str| Failure::unknown([name, ": ", why].concat());
    let found = addresses(name, 0, LOOKUP).map_err(|error| unknown(&error.to_string()))?;
    // As the official plugin, IPv4 first.
    let v4 = found.iter().find(|address| address.is_ipv4());
    let address = v4.or(found.first()).map(SocketAddr::ip);
    let address = address.ok_or_else(|| unknown("the name has no address"))?;
    ping::answers(address, count, limit).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => unknown(
            "this user may not send ICMP; allow its group with sysctl net.ipv4.ping_group_range, \
             or give the service AmbientCapabilities= and CapabilityBoundingSet=CAP_NET_RAW",
        ),
        _ => unknown(&error.to_string()).critical(),
    })
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::Tree;

    #[test]
    fn check_ping_needs_a_host_that_exists() {
        let tree = Tree::new(&[]);
        // (arguments, exit code, beginning of the output)
        let table = [
            ("", 1, ""),
            ("-H 127.0.0.1 --status-as x=y", 1, ""),
            ("-H 127.0.0.1 -n 0", 2, "Ping CRITICAL: "),
            (
                "-H 127.0.0.1 -n 0 --status-as critical=warning",
                1,
                "Ping WARNING: ",
            ),
            (
                // A name with an empty label is not sent to any resolver.
                "-H no..host -w 10",
                3,
                "Ping UNKNOWN: no..host: ",
            ),
        ];
        for (arguments, code, output) in table {
            let found = tree.run("check-ping", arguments);
            if found.output.contains("may not send ICMP") {
                fake_server::require!(false, "this user may not send ICMP");
                continue;
            }
            assert_eq!(found.code, code, "{arguments}: {}", found.output);
            assert!(found.output.starts_with(output), "{}", found.output);
        }
    }
}
