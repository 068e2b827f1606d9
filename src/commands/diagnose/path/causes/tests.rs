use std::io::ErrorKind;
use std::net::IpAddr;

use super::*;
use crate::parse::certificate::Certificate;

fn shown(verdict: &Verdict) -> String {
    verdict.shown()
}

#[test]
fn diagnose_name_failure_has_its_cause_and_remedy() {
    let unknown = "the name has no address; check its spelling and /etc/resolv.conf";
    // (why this row exists, what the resolver finds, verdict)
    let table = [
        (
            "found",
            Ok(vec![
                "192.0.2.1:443".parse().unwrap(),
                "[2001:db8::1]:443".parse().unwrap(),
            ]),
            "ok: a.example has 192.0.2.1 2001:db8::1",
        ),
        (
            "no answer",
            Err(ErrorKind::TimedOut.into()),
            "FAIL: a.example: no name server answers -> check the lines nameserver of \
             /etc/resolv.conf, the network, and a firewall (UDP and TCP port 53)",
        ),
        (
            "no such name",
            Err(io::Error::new(ErrorKind::NotFound, unknown)),
            "FAIL: a.example: the name has no address -> check its spelling and /etc/resolv.conf",
        ),
        (
            "another error",
            Err(io::Error::other("odd")),
            "FAIL: a.example: odd -> check /etc/resolv.conf",
        ),
    ];
    for (why, found, expected) in table {
        assert_eq!(shown(&of_name("a.example", &found)), expected, "{why}");
    }
}

#[test]
fn diagnose_name_server_fails_only_if_no_other_has_the_name() {
    let reply = |code, addresses: &[&str]| Reply {
        code,
        addresses: addresses
            .iter()
            .map(|text| text.parse::<IpAddr>().unwrap())
            .collect(),
    };
    // (answers, detail and remedy)
    let table = [
        (
            Ok(vec![reply(0, &["192.0.2.1"]), reply(0, &[])]),
            "answers 192.0.2.1",
        ),
        (
            Ok(vec![reply(2, &[]), reply(0, &["2001:db8::1"])]),
            "answers 2001:db8::1",
        ),
        (
            Ok(vec![reply(0, &[])]),
            "it has no address for the name -> check the spelling of the name",
        ),
        (
            Ok(vec![reply(3, &[]), reply(3, &[])]),
            "there is no such name -> check the spelling of the name",
        ),
        (
            Ok(vec![reply(5, &[])]),
            "it refuses to answer (REFUSED) -> allow queries of this host there, or name another in \
             /etc/resolv.conf",
        ),
        (
            Ok(vec![reply(2, &[])]),
            "it fails (code 2) -> check what it asks in turn, or name another in /etc/resolv.conf",
        ),
        (
            Err(ErrorKind::TimedOut.into()),
            "no answer -> remove it from /etc/resolv.conf, or let UDP port 53 through the firewall",
        ),
        (
            Err(io::Error::other("refused")),
            "no answer: refused -> start the name server, or remove it from /etc/resolv.conf",
        ),
    ];
    for (replies, expected) in table {
        let is_good = expected.starts_with("answers");
        for (is_known, word) in [(true, "warn"), (false, "FAIL")] {
            let word = if is_good { "ok" } else { word };
            let found = shown(&of_server(&replies, is_known));
            assert_eq!(found, format!("{word}: {expected}"));
        }
    }
}

#[test]
fn diagnose_connection_fails_only_if_no_other_address_works() {
    let check = "check the network: ip address, ip route";
    // (error, whether another address works, verdict)
    let table = [
        (None, true, "ok: open".to_owned()),
        (
            Some(ErrorKind::NetworkUnreachable),
            true,
            "skipped: this host has no route to this kind of address, and does not need it"
                .to_owned(),
        ),
        (
            Some(ErrorKind::NetworkUnreachable),
            false,
            format!("FAIL: no route: network unreachable -> {check}"),
        ),
        (
            Some(ErrorKind::HostUnreachable),
            true,
            format!("warn: no route: host unreachable -> {check}"),
        ),
        (
            Some(ErrorKind::TimedOut),
            false,
            "FAIL: no answer -> a firewall drops the packets, or the network is down: let TCP to \
             this address and port through, or set https_proxy"
                .to_owned(),
        ),
        (
            Some(ErrorKind::ConnectionRefused),
            true,
            "warn: refused: nothing listens there, or a firewall refuses -> check address and port \
             of the server or proxy, and firewalls"
                .to_owned(),
        ),
        (
            Some(ErrorKind::PermissionDenied),
            false,
            "FAIL: permission denied -> check the network and firewalls".to_owned(),
        ),
    ];
    for (kind, works, expected) in table {
        let error = kind.map(io::Error::from);
        assert_eq!(shown(&of_connection(error.as_ref(), works)), expected);
    }
}

#[test]
fn diagnose_proxy_failure_has_its_cause_and_remedy() {
    let found = |kind, cause| {
        let error = LinkError::of_kind_for_test(kind, cause);
        shown(&of_proxy("proxy:3128", Some(&error)))
    };
    assert_eq!(
        shown(&of_proxy("proxy:3128", None)),
        "ok: proxy:3128 gives a connection"
    );
    let login = "correct user and password in https_proxy or http_proxy: \
                 http://USER:PASSWORD@HOST:PORT, with special characters as %XX";
    // (kind, cause, remedy)
    let table = [
        (Kind::Proxy, "407, it wants another user or password", login),
        (Kind::Proxy, "it refuses user and password", login),
        (
            Kind::Proxy,
            "it answers 502",
            "let the proxy connect to this host and port, or set https_proxy to another",
        ),
        (
            Kind::Certificate,
            "the certificate is badly encoded",
            "openssl s_client -connect proxy:3128 shows what the server presents",
        ),
    ];
    for (kind, cause, remedy) in table {
        let expected = format!("FAIL: talk to the test: {cause} -> {remedy}");
        assert_eq!(found(kind, cause), expected);
    }
}

#[test]
fn diagnose_handshake_failure_has_its_cause_and_remedy() {
    let see = "openssl s_client -connect a.example:443 shows what the server presents";
    let firewall = "a firewall or a proxy may end TLS here: compare with another network";
    // (kind, cause, detail, remedy)
    let table = [
        (
            Kind::Clock,
            "valid from 2026-01-01 on, and the clock says 1970-01-01: x",
            "valid from 2026-01-01 on, and the clock says 1970-01-01: x",
            "set the clock: start a time service (systemd-timesyncd, chrony or ntpd), or date -s",
        ),
        (Kind::Certificate, "not for a; use b", "not for a", "use b"),
        (Kind::Certificate, "no certificate", "no certificate", see),
        (Kind::Tls, "no TLS", "no TLS", see),
        (Kind::Timeout, "timed out", "timed out", firewall),
        (Kind::Broken, "reset", "reset", firewall),
    ];
    for (kind, cause, detail, remedy) in table {
        let error = LinkError::of_kind_for_test(kind, cause);
        let expected = format!("FAIL: talk to the test: {detail} -> {remedy}");
        assert_eq!(shown(&of_handshake(&error, "a.example:443")), expected);
    }
}

#[test]
fn diagnose_certificate_that_ends_soon_gets_a_warning() {
    let presented = |until: &str, names: &[&str]| Presented {
        count: 2,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        certificate: (!until.is_empty()).then(|| Certificate {
            issuer: "A".to_owned(),
            from: "2026-01-01".to_owned(),
            until: until.to_owned(),
        }),
    };
    // (why this row exists, certificate, verdict)
    let table = [
        (
            "well",
            Some(presented("2026-03-15", &["a.example", "b.example"])),
            "ok: certificates: 2, for a.example, b.example, by A, valid 2026-01-01 to 2026-03-15",
        ),
        (
            "ends soon",
            Some(presented("2026-03-13", &[])),
            "warn: certificates: 2, by A, valid 2026-01-01 to 2026-03-13 -> renew the certificate of \
             the server",
        ),
        (
            "cannot be read",
            Some(presented("", &[])),
            "ok: certificates: 2",
        ),
        ("no TLS", None, "ok: "),
    ];
    for (why, presented, expected) in table {
        let found = of_certificate(presented.as_ref(), "2026-03-14");
        assert_eq!(shown(&found), expected, "{why}");
    }
}
