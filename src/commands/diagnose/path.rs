//! The path to one server: name, addresses, proxy, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::report::Report;
use super::verdict::{State, Verdict};
use crate::base;
use crate::base::clock::{Clock, Unix};
use crate::base::program;
use crate::config::Config;
use crate::parse::dns::Reply;
use crate::settings::organizations::label;
use crate::sys::dns;
use crate::sys::http::proxy::Rules;
use crate::sys::http::route::{Opened, Presented, Route, Target};
use crate::sys::http::{Kind, LinkError};

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
    let label = match &config.organization {
        Some(name) => label(Some(name)),
        None => "server ".to_owned(),
    };
    follow(report, &label, &target)
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

/// What the system's resolver finds.
fn of_name(host: &str, found: &io::Result<Vec<SocketAddr>>) -> Verdict {
    match found {
        Ok(addresses) => {
            let mut detail = format!("{host} has");
            for address in addresses {
                detail.extend([" ", &address.ip().to_string()]);
            }
            Verdict::ok(detail)
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Verdict::new(
            State::Fail,
            format!("{host}: no name server answers"),
            "check the lines nameserver of /etc/resolv.conf, the network, and a firewall (UDP and \
             TCP port 53)",
        ),
        Err(error) => {
            let text = format!("{host}: {error}");
            Verdict::of(State::Fail, &text, "check /etc/resolv.conf")
        }
    }
}

/// What one name server answers. A failure is one of posting only if the name `is_known` by no
/// other.
fn of_server(replies: &io::Result<Vec<Reply>>, is_known: bool) -> Verdict {
    let state = if is_known { State::Warn } else { State::Fail };
    let bad = |what: &str, remedy: &str| Verdict::new(state, what.to_owned(), remedy);
    let replies = match replies {
        Ok(replies) => replies,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            return bad(
                "no answer",
                "remove it from /etc/resolv.conf, or let UDP port 53 through the firewall",
            );
        }
        Err(error) => {
            return bad(
                &format!("no answer: {error}"),
                "start the name server, or remove it from /etc/resolv.conf",
            );
        }
    };
    let mut addresses = replies.iter().flat_map(|reply| &reply.addresses).peekable();
    if addresses.peek().is_some() {
        let mut detail = "answers".to_owned();
        for address in addresses {
            detail.extend([" ", &address.to_string()]);
        }
        return Verdict::ok(detail);
    }
    let code = replies.iter().map(|reply| reply.code).max().unwrap_or(0);
    match code {
        0 => bad(
            "it has no address for the name",
            "check the spelling of the name",
        ),
        3 => bad("there is no such name", "check the spelling of the name"),
        5 => bad(
            "it refuses to answer (REFUSED)",
            "allow queries of this host there, or name another in /etc/resolv.conf",
        ),
        _ => bad(
            &format!("it fails (code {code})"),
            "check what it asks in turn, or name another in /etc/resolv.conf",
        ),
    }
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

/// The outcome of one connection. A failure is one of posting only if no other address `works`.
fn of_connection(error: Option<&io::Error>, works: bool) -> Verdict {
    let Some(error) = error else {
        return Verdict::ok("open".to_owned());
    };
    let state = if works { State::Warn } else { State::Fail };
    match error.kind() {
        // A host without IPv6, for example, whose server has it.
        io::ErrorKind::NetworkUnreachable if works => Verdict::new(
            State::Skipped,
            "this host has no route to this kind of address, and does not need it".to_owned(),
            "",
        ),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Verdict::new(
            state,
            format!("no route: {error}"),
            "check the network: ip address, ip route",
        ),
        io::ErrorKind::TimedOut => Verdict::new(
            state,
            "no answer".to_owned(),
            "a firewall drops the packets, or the network is down: let TCP to this address and \
             port through, or set https_proxy",
        ),
        io::ErrorKind::ConnectionRefused => Verdict::new(
            state,
            "refused: nothing listens there, or a firewall refuses".to_owned(),
            "check address and port of the server or proxy, and firewalls",
        ),
        _ => Verdict::new(state, error.to_string(), "check the network and firewalls"),
    }
}

/// Whether the proxy gives a connection.
fn of_proxy(proxy: &str, error: Option<&LinkError>) -> Verdict {
    match error {
        None => Verdict::ok([proxy, " gives a connection"].concat()),
        Some(error) => {
            let text = base::report(error);
            let remedy = if text.contains(" 407,") || text.contains("password") {
                "correct user and password in https_proxy or http_proxy: \
                 http://USER:PASSWORD@HOST:PORT, with special characters as %XX"
            } else {
                "let the proxy connect to this host and port, or set https_proxy to another"
            };
            Verdict::new(State::Fail, text, remedy)
        }
    }
}

/// The outcome of a handshake that failed.
fn of_handshake(error: &LinkError, server: &str) -> Verdict {
    let text = base::report(error);
    let see = format!("openssl s_client -connect {server} shows what the server presents");
    match error.kind() {
        Kind::Clock => Verdict::new(
            State::Fail,
            text,
            "set the clock: start a time service (systemd-timesyncd, chrony or ntpd), or date -s",
        ),
        Kind::Certificate => Verdict::of(State::Fail, &text, &see),
        Kind::Timeout | Kind::Broken => Verdict::new(
            State::Fail,
            text,
            "a firewall or a proxy may end TLS here: compare with another network",
        ),
        _ => Verdict::of(State::Fail, &text, &see),
    }
}

/// What the certificate says. `soon`: the day in two weeks.
fn of_certificate(presented: Option<&Presented>, soon: &str) -> Verdict {
    let Some(presented) = presented else {
        return Verdict::ok(String::new());
    };
    let mut detail = format!("certificates: {}", presented.count);
    if !presented.names.is_empty() {
        detail.extend([", for ", &presented.names.join(", ")]);
    }
    let Some(certificate) = &presented.certificate else {
        return Verdict::ok(detail);
    };
    let (from, until) = (&certificate.from, &certificate.until);
    detail.extend([
        ", by ",
        &certificate.issuer,
        ", valid ",
        from,
        " to ",
        until,
    ]);
    if **until < *soon {
        Verdict::new(State::Warn, detail, "renew the certificate of the server")
    } else {
        Verdict::ok(detail)
    }
}
