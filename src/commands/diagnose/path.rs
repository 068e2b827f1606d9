//! The path to one server: name, addresses, proxy, TLS.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::report::{Report, State, Verdict, verdict};
use crate::base;
use crate::sys::dns;
use crate::sys::http::route::{Opened, Route, Target};
use crate::sys::http::{Kind, LinkError};

/// Time for the system's resolver.
const LOOKUP: Duration = Duration::from_secs(10);
/// Time for one name server.
const SERVER: Duration = Duration::from_secs(2);
/// Time for a connection to one address: it covers a repetition of the first packet.
const CONNECT: Duration = Duration::from_secs(3);
/// Time for a proxy, and for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(8);

/// Adds the steps to `target`. Returns whether it can be reached; if not, `behind` are the steps
/// that are not tried.
pub(super) fn follow(report: &mut Report, what: &str, target: &Target<'_>, behind: &str) -> bool {
    let why = match Route::new(target) {
        Ok(route) => {
            report.part(&[what, &route.server()].concat());
            match reach(report, &route) {
                Ok(()) => return true,
                Err(why) => why,
            }
        }
        Err(error) => {
            report.add(what, (State::Fail, base::report(&error)));
            "connection, TLS"
        }
    };
    report.skip(&[why, behind, ": a step before fails"].concat());
    false
}

/// Fails with the names of the steps that are not tried.
fn reach(report: &mut Report, route: &Route) -> Result<(), &'static str> {
    let addresses = names(report, route).ok_or("connection, proxy, TLS, ")?;
    let mut opened = connect(report, route, &addresses).ok_or("proxy, TLS, ")?;
    if let Some(proxy) = route.proxy() {
        let agreed = route.tunnel(opened, report.time(HANDSHAKE));
        report.add("proxy", of_proxy(&proxy, agreed.as_ref().err()));
        opened = agreed.map_err(|_| "TLS, ")?;
    }
    if !route.is_encrypted() {
        return Ok(());
    }
    let found = route.handshake(opened, report.time(HANDSHAKE));
    let outcome = match &found {
        Ok(presented) => verdict(State::Ok, &["certificate for ", presented]),
        Err(error) => of_handshake(error, &route.server()),
    };
    report.add("TLS", outcome);
    found.map(drop).map_err(|_| "")
}

/// The addresses of the next host. Adds a step for the resolver, and one for each name server.
fn names(report: &mut Report, route: &Route) -> Option<Vec<SocketAddr>> {
    let host = route.host();
    let found = route.addresses(report.time(LOOKUP));
    if host.parse::<IpAddr>().is_err() {
        report.add("name", of_name(host, &found));
        for server in dns::servers() {
            let name = ["name server ", &server.to_string()].concat();
            let answer = dns::ask(server, host, report.time(SERVER));
            report.add(&name, of_server(answer));
        }
    }
    found.ok()
}

/// What the system's resolver finds.
fn of_name(host: &str, found: &io::Result<Vec<SocketAddr>>) -> Verdict {
    let why = match found {
        Ok(addresses) => {
            let mut text = host.to_owned();
            for address in addresses {
                text.extend([" ", &address.ip().to_string()]);
            }
            return (State::Ok, text);
        }
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            "no name server answers; check /etc/resolv.conf, the network and firewalls (port 53)"
        }
        Err(error) => &error.to_string(),
    };
    verdict(State::Fail, &[host, ": ", why])
}

/// What one name server answers: a code, and the number of records.
fn of_server(answer: io::Result<(u8, u16)>) -> Verdict {
    let (state, text) = match answer {
        Ok((0, 1..)) => (State::Ok, "answers"),
        Ok((0 | 3, _)) => (
            State::Warn,
            "has no address for the name; check its spelling",
        ),
        Ok((code, _)) => (
            State::Warn,
            &*format!("fails with code {code}; repair it, or name another server"),
        ),
        Err(_) => (
            State::Warn,
            "no answer; start it, let port 53 through, or remove it from /etc/resolv.conf",
        ),
    };
    verdict(state, &[text])
}

/// Tries each of `addresses`, with a step for each. Returns the first connection.
fn connect(report: &mut Report, route: &Route, addresses: &[SocketAddr]) -> Option<Opened> {
    let mut first = None;
    for address in addresses {
        let opened = route.connect(*address, report.time(CONNECT));
        let outcome = of_connection(opened.as_ref().err().map(io::Error::kind));
        report.add(&["connection to ", &address.to_string()].concat(), outcome);
        first = first.or(opened.ok());
    }
    if first.is_none() {
        let text = "no address can be reached; check the network (ip address, ip route), the \
                    address and port of server or proxy, and firewalls";
        report.add("connection", verdict(State::Fail, &[text]));
    }
    first
}

/// The outcome of one connection. Another address may work.
fn of_connection(error: Option<ErrorKind>) -> Verdict {
    let text = match error {
        None => return verdict(State::Ok, &["open"]),
        Some(ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable) => {
            "this host has no route there; check ip route, unless it has no addresses of this kind"
        }
        Some(ErrorKind::TimedOut) => {
            "no answer: a firewall drops the packets, or the network is down; let them through, or \
             set https_proxy"
        }
        Some(ErrorKind::ConnectionRefused) => {
            "refused: nothing listens there, or a firewall refuses; check address and port"
        }
        Some(_) => "the kernel refuses; check the firewall of this host",
    };
    verdict(State::Warn, &[text])
}

/// Whether the proxy gives a connection.
fn of_proxy(proxy: &str, error: Option<&LinkError>) -> Verdict {
    let Some(error) = error else {
        return verdict(State::Ok, &[proxy]);
    };
    if error.kind() != Kind::Proxy {
        return of_handshake(error, proxy);
    }
    let text = base::report(error);
    let remedy = if text.contains("password") {
        "; correct user and password in https_proxy: http://USER:PASSWORD@HOST:PORT, with special \
         characters as %XX"
    } else {
        "; let the proxy connect to this host and port, or set https_proxy to another"
    };
    verdict(State::Fail, &[&text, remedy])
}

/// The outcome of a handshake that failed.
fn of_handshake(error: &LinkError, server: &str) -> Verdict {
    let text = base::report(error);
    let (remedy, more) = match error.kind() {
        Kind::Clock => ("; ", super::host::SET_CLOCK),
        Kind::Timeout | Kind::Broken => ("; a firewall may end TLS: try another network", ""),
        _ => ("; see: openssl s_client -connect ", server),
    };
    verdict(State::Fail, &[&text, remedy, more])
}

#[cfg(test)]
mod tests;
