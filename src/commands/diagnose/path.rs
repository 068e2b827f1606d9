//! The path to one server: name, addresses, proxy, TLS. `causes` has the verdicts.

mod causes;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use self::causes::{of_certificate, of_connection, of_handshake, of_name, of_proxy, of_server};
use super::report::Report;
use super::verdict::{State, Verdict};
use crate::base;
use crate::base::clock::{Clock, Unix};
use crate::base::program;
use crate::config::Config;
use crate::sys::dns;
use crate::sys::http::proxy::Rules;
use crate::sys::http::route::{Opened, Route, Target};

/// Time for the system's resolver.
const LOOKUP: Duration = Duration::from_secs(10);
/// Time for one name server.
const SERVER: Duration = Duration::from_secs(2);
/// Time for a connection to one address: it covers a repetition of the first packet.
const CONNECT: Duration = Duration::from_secs(3);
/// Time for a proxy, and for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(8);
/// Seconds before the end of a certificate at which it counts as about to expire: two weeks.
const SOON: u64 = 14 * 86_400;
/// Why a step is skipped that needs the network.
pub(super) const NO_TIME: &str = "no time is left";

/// Whether the server can be reached, or why its other steps are skipped.
pub(super) type Reached = Result<(), &'static str>;

/// Adds the steps to the API of `config`, which is that of one organisation.
pub(super) fn to_api(report: &mut Report, config: &Config, proxy: &Rules) -> Reached {
    let target = Target {
        url: &config.apibase,
        is_grpc: false,
        insecure: false,
        user_agent: &program::agent_name(),
        proxy,
        ca_file: config.ca_file.as_ref().map(|named| named.path.as_path()),
    };
    follow(report, "server ", &target)
}

/// Adds the steps to `target`.
pub(super) fn follow(report: &mut Report, label: &str, target: &Target<'_>) -> Reached {
    let route = match Route::new(target) {
        Ok(route) => route,
        Err(error) => {
            report.part(label.trim_end());
            report.add(
                "address",
                Verdict::of(State::Fail, &base::report(&error), "correct the URL"),
            );
            return Err("the address cannot be used");
        }
    };
    report.part(&[label, &route.server()].concat());
    reach(report, &route).map_err(|Stopped { next, why }| {
        let applies = [true, true, route.proxy().is_some(), route.is_encrypted()];
        for (name, applies) in STAGES.into_iter().zip(applies).skip(next) {
            if applies {
                report.skip(name, why);
            }
        }
        why
    })
}

/// The stages of a path.
const STAGES: [&str; 4] = ["name", "connection", "proxy", "TLS"];

/// A path that leads nowhere.
struct Stopped {
    /// The first of [`STAGES`] that is not tried.
    next: usize,
    why: &'static str,
}

impl Stopped {
    fn before(next: usize, why: &'static str) -> Stopped {
        Stopped { next, why }
    }
}

fn reach(report: &mut Report, route: &Route) -> Result<(), Stopped> {
    let addresses = names(report, route)?;
    let opened = connections(report, route, &addresses)?;
    let opened = match route.proxy() {
        None => opened,
        Some(proxy) => {
            let time = report.time(HANDSHAKE);
            let time = time.ok_or(Stopped::before(2, NO_TIME))?;
            let since = report.begin("proxy");
            let agreed = route.tunnel(opened, time);
            report.end("proxy", since, of_proxy(&proxy, agreed.as_ref().err()));
            agreed.map_err(|_| Stopped::before(3, "the proxy gives no connection"))?
        }
    };
    if !route.is_encrypted() {
        report.skip("TLS", "the URL is not one of https");
        return Ok(());
    }
    let time = report.time(HANDSHAKE);
    let time = time.ok_or(Stopped::before(3, NO_TIME))?;
    let since = report.begin("TLS");
    let found = route.handshake(opened, time);
    let soon = Unix(report.clock().unix().0 + SOON).day();
    let verdict = match &found {
        Ok(presented) => of_certificate(presented.as_ref(), &soon),
        Err(error) => of_handshake(error, &route.server()),
    };
    report.end("TLS", since, verdict);
    found.map(drop).map_err(|_| Stopped::before(4, "TLS fails"))
}

/// The addresses of the next host. Adds a step for the resolver, and one for each name server.
fn names(report: &mut Report, route: &Route) -> Result<Vec<SocketAddr>, Stopped> {
    let time = report.time(LOOKUP);
    let time = time.ok_or(Stopped::before(0, NO_TIME))?;
    let unknown = |_| Stopped::before(1, "the name is not resolved");
    let host = route.host();
    let since = report.begin("name");
    let found = route.addresses(time);
    if host.parse::<IpAddr>().is_ok() {
        return found.map_err(unknown);
    }
    report.end("name", since, of_name(host, &found));
    for server in dns::servers() {
        let name = format!("name server {server}");
        match report.time(SERVER) {
            Some(time) => {
                let since = report.begin(&name);
                let replies = dns::ask(server, host, time);
                report.end(&name, since, of_server(&replies, found.is_ok()));
            }
            None => report.skip(&name, NO_TIME),
        }
    }
    found.map_err(unknown)
}

/// Connects to each of `addresses`, with a step for each. Returns the first connection.
fn connections(
    report: &mut Report,
    route: &Route,
    addresses: &[SocketAddr],
) -> Result<Opened, Stopped> {
    let mut first = None;
    let mut found = Vec::new();
    for address in addresses {
        let since = report.begin("connection");
        let Some(time) = report.time(CONNECT) else {
            break;
        };
        let opened = route.connect(*address, time);
        let took = report.clock().moment().since(since);
        match opened {
            Ok(opened) => {
                first.get_or_insert(opened);
                found.push((*address, took, None));
            }
            Err(error) => found.push((*address, took, Some(error))),
        }
    }
    for (address, took, error) in &found {
        let name = format!("connection to {address}");
        let verdict = of_connection(error.as_ref(), first.is_some());
        report.took(&name, *took, verdict);
    }
    for address in addresses.iter().skip(found.len()) {
        report.skip(&format!("connection to {address}"), NO_TIME);
    }
    first.ok_or(Stopped::before(2, "there is no connection"))
}
