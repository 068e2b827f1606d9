use super::*;

fn text(verdict: Verdict, state: State) -> String {
    assert_eq!(verdict.0, state, "{}", verdict.1);
    verdict.1
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
            State::Ok,
            "a.example 192.0.2.1 2001:db8::1",
        ),
        (
            "no answer",
            Err(ErrorKind::TimedOut.into()),
            State::Fail,
            "a.example: no name server answers; check /etc/resolv.conf, the network and firewalls \
             (port 53)",
        ),
        (
            "no such name",
            Err(io::Error::new(ErrorKind::NotFound, unknown)),
            State::Fail,
            "a.example: the name has no address; check its spelling and /etc/resolv.conf",
        ),
    ];
    for (why, found, state, expected) in table {
        assert_eq!(text(of_name("a.example", &found), state), expected, "{why}");
    }
}

#[test]
fn diagnose_name_server_has_a_cause_and_remedy() {
    let none = "has no address for the name; check its spelling";
    // (code and number of records, verdict)
    let table = [
        (Ok((0, 1)), State::Ok, "answers"),
        (Ok((0, 0)), State::Warn, none),
        (Ok((3, 0)), State::Warn, none),
        (
            Ok((2, 0)),
            State::Warn,
            "fails with code 2; repair it, or name another server",
        ),
        (
            Err(ErrorKind::TimedOut.into()),
            State::Warn,
            "no answer; start it, let port 53 through, or remove it from /etc/resolv.conf",
        ),
    ];
    for (answer, state, expected) in table {
        assert_eq!(text(of_server(answer), state), expected);
    }
}

#[test]
fn diagnose_connection_has_a_cause_and_remedy() {
    let route =
        "this host has no route there; check ip route, unless it has no addresses of this kind";
    // (error, verdict)
    let table = [
        (None, State::Ok, "open"),
        (Some(ErrorKind::NetworkUnreachable), State::Warn, route),
        (Some(ErrorKind::HostUnreachable), State::Warn, route),
        (
            Some(ErrorKind::TimedOut),
            State::Warn,
            "no answer: a firewall drops the packets, or the network is down; let them through, or \
             set https_proxy",
        ),
        (
            Some(ErrorKind::ConnectionRefused),
            State::Warn,
            "refused: nothing listens there, or a firewall refuses; check address and port",
        ),
        (
            Some(ErrorKind::PermissionDenied),
            State::Warn,
            "the kernel refuses; check the firewall of this host",
        ),
    ];
    for (error, state, expected) in table {
        assert_eq!(text(of_connection(error), state), expected);
    }
}

#[test]
fn diagnose_proxy_failure_has_its_cause_and_remedy() {
    assert_eq!(text(of_proxy("proxy:1", None), State::Ok), "proxy:1");
    let login = "correct user and password in https_proxy: http://USER:PASSWORD@HOST:PORT, with \
                 special characters as %XX";
    // (kind, cause, remedy)
    let table = [
        (
            Kind::Proxy,
            "407, it requires another user or password",
            login,
        ),
        (Kind::Proxy, "it refuses user and password", login),
        (
            Kind::Proxy,
            "it answers 502",
            "let the proxy connect to this host and port, or set https_proxy to another",
        ),
        (
            Kind::Certificate,
            "badly encoded",
            "see: openssl s_client -connect proxy:1",
        ),
    ];
    for (kind, cause, remedy) in table {
        let error = LinkError::of_kind_for_test(kind, cause);
        let found = text(of_proxy("proxy:1", Some(&error)), State::Fail);
        assert_eq!(found, format!("talk to the test: {cause}; {remedy}"));
    }
}

#[test]
fn diagnose_handshake_failure_has_its_cause_and_remedy() {
    let see = "see: openssl s_client -connect a.example:443";
    let firewall = "a firewall may end TLS: try another network";
    let clock = "start a time service (systemd-timesyncd, chrony or ntpd); date -s sets the clock \
                 once";
    // (kind, remedy)
    let table = [
        (Kind::Clock, clock),
        (Kind::Certificate, see),
        (Kind::Tls, see),
        (Kind::Timeout, firewall),
        (Kind::Broken, firewall),
    ];
    for (kind, remedy) in table {
        let error = LinkError::of_kind_for_test(kind, "cause");
        let found = text(of_handshake(&error, "a.example:443"), State::Fail);
        assert_eq!(found, format!("talk to the test: cause; {remedy}"));
    }
}
