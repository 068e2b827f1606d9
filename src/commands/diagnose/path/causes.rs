//! The verdicts about the steps of a path.

use std::io;
use std::net::SocketAddr;

use crate::base;
use crate::commands::diagnose::verdict::{State, Verdict};
use crate::parse::dns::Reply;
use crate::sys::http::route::Presented;
use crate::sys::http::{Kind, LinkError};

/// What the system's resolver finds.
pub(super) fn of_name(host: &str, found: &io::Result<Vec<SocketAddr>>) -> Verdict {
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
pub(super) fn of_server(replies: &io::Result<Vec<Reply>>, is_known: bool) -> Verdict {
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

/// The outcome of one connection. A failure is one of posting only if no other address `works`.
pub(super) fn of_connection(error: Option<&io::Error>, works: bool) -> Verdict {
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
pub(super) fn of_proxy(proxy: &str, error: Option<&LinkError>) -> Verdict {
    match error {
        None => Verdict::ok([proxy, " gives a connection"].concat()),
        // An error of TLS with the proxy itself.
        Some(error) if error.kind() != Kind::Proxy => of_handshake(error, proxy),
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
pub(super) fn of_handshake(error: &LinkError, server: &str) -> Verdict {
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
pub(super) fn of_certificate(presented: Option<&Presented>, soon: &str) -> Verdict {
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

#[cfg(test)]
mod tests;
