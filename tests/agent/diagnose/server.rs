//! The way to the server, and what the server says.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::thread;
use std::time::UNIX_EPOCH;

use super::Diagnosis;
use crate::network::cloud::namespace;
use crate::network::resolver::{mount, right, serve};
use crate::sandbox::{Sandbox, free_address};
use fake_server::h2::Server;
use fake_server::{FakeServer, KEY, Settings};

/// The failure of a server of which no address can be reached.
const NO_ADDRESS: &str = "connection: no address can be reached; check the network (ip address, ip \
                          route), the address and port of server or proxy, and firewalls";

/// The time in seconds since the epoch.
fn now() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// A sandbox whose host is registered, and its id.
fn registered(fake_server: &FakeServer) -> (Sandbox, String) {
    let sandbox = Sandbox::of(fake_server);
    let id = fake_server.seen(|seen| seen.model.add_host("web1.example", ""));
    sandbox.adopt(&id);
    (sandbox, id)
}

#[test]
fn diagnose_shows_each_step_of_a_host_that_is_well_and_changes_nothing() {
    let fake_server = FakeServer::https();
    fake_server.script(&format!("hosts = date:{}", now()));
    let (sandbox, id) = registered(&fake_server);
    let diagnosis = Diagnosis::of(&sandbox, &[]);
    assert_eq!(diagnosis.code, Some(0), "{}", diagnosis.text);
    let address = fake_server.address();
    let conf = sandbox.conf().display().to_string();
    let expected = [
        format!("configuration: {conf}, key from {conf}: apikey"),
        format!("connection to {address}: open"),
        "TLS: certificate for localhost".to_owned(),
        "API key: of organization fake-organization; whether it may write, only a post shows"
            .to_owned(),
        format!("host: {id}: web1.example, status working"),
    ];
    let steps = diagnosis.all("ok");
    for step in expected {
        assert!(steps.contains(&&*step), "{step}: {}", diagnosis.text);
    }
    let is_near = |step: &&&str| {
        let seconds = step.strip_prefix("clock difference: ");
        seconds.is_some_and(|seconds| seconds.ends_with(" s"))
    };
    assert_eq!(
        steps.iter().filter(is_near).count(),
        1,
        "{}",
        diagnosis.text
    );
    assert!(diagnosis.text.contains(&format!("\nserver {address}\n")));
    assert!(!diagnosis.text.contains(KEY));

    let methods: Vec<String> = fake_server.seen(|seen| {
        let requests = seen.requests.iter();
        requests
            .map(|request| request.head.method.clone())
            .collect()
    });
    assert_eq!(methods, ["GET", "GET"]);
    let names: Vec<_> = std::fs::read_dir(sandbox.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["id"]);
}

#[test]
fn diagnose_names_what_is_wrong_with_tls() {
    // (flaw, the failure without the server's address, its remedy)
    let table = [
        (
            "expired",
            "the certificate has expired on 2021-01-01, and the clock says ",
            "renew it, or set the clock",
        ),
        (
            "early",
            "the certificate is valid from 2098-01-01 on, and the clock says ",
            "start a time service (systemd-timesyncd, chrony or ntpd); date -s sets the clock once",
        ),
        (
            "wrong-name",
            "the certificate is not for 127.0.0.1, but for elsewhere.example",
            "use that name in the URL, or a certificate that has 127.0.0.1 as a subjectAltName",
        ),
        (
            "unknown-ca",
            "the certificate's issuer is unknown: if it is one of your own, name its certificate \
             in ca_file or SSL_CERT_FILE",
            "if not, the server may lack an intermediate certificate",
        ),
    ];
    for (flaw, cause, remedy) in table {
        let fake_server = FakeServer::https();
        fake_server.script(&format!("connect = {flaw}"));
        let (sandbox, _) = registered(&fake_server);
        let diagnosis = Diagnosis::of(&sandbox, &[]);
        let failed = diagnosis.all("FAIL");
        let start = format!("TLS: TLS with {}: {cause}", fake_server.address());
        let [failure] = failed[..] else {
            panic!("{flaw}: {}", diagnosis.text)
        };
        assert!(failure.starts_with(&start), "{flaw}: {}", diagnosis.text);
        assert!(failure.contains(remedy), "{flaw}: {}", diagnosis.text);
        diagnosis.assert_skipped("API key, host");
    }
}

#[test]
fn diagnose_names_a_server_that_does_not_speak_tls() {
    let fake_server = FakeServer::https();
    fake_server.script("connect = garbage");
    let sandbox = Sandbox::of(&fake_server);
    let address = fake_server.address();
    let diagnosis = Diagnosis::of(&sandbox, &[]);
    let expected = format!(
        "TLS: TLS with {address}: the peer does not speak TLS; see: openssl s_client -connect \
         {address}"
    );
    diagnosis.assert_failed(&[&expected]);
    diagnosis.assert_skipped("API key, host");
}

#[test]
fn diagnose_names_what_the_api_refuses() {
    let remedy = "check apikey: the key has to exist and to be allowed to write";
    // (why this row exists, rule of the server, key, the failure)
    let table = [
        (
            "wrong key",
            "",
            "wrong-key-of-the-tests-wrong-key",
            format!(
                "API key: GET /api/v0/org: API request failed: Authentication failed. Please try \
                 with valid Api Key. (status 401); {remedy}"
            ),
        ),
        (
            "forbidden",
            "org = 403",
            KEY,
            format!(
                "API key: GET /api/v0/org: API request failed: as the script says (status 403); \
                 {remedy}"
            ),
        ),
        (
            "the server fails",
            "org = 503",
            KEY,
            "API key: GET /api/v0/org: API request failed: as the script says (status 503); try \
             again, and see status.mackerel.io"
                .to_owned(),
        ),
        (
            "a login page",
            "org = portal",
            KEY,
            "API key: GET /api/v0/org: not an answer of the API".to_owned(),
        ),
    ];
    for (why, rule, key, expected) in table {
        let fake_server = FakeServer::http();
        if !rule.is_empty() {
            fake_server.script(rule);
        }
        let (sandbox, _) = registered(&fake_server);
        let conf = sandbox.content("agent.conf").replace(KEY, key);
        sandbox.write("agent.conf", &conf);
        let diagnosis = Diagnosis::of(&sandbox, &[]);
        let failed = diagnosis.all("FAIL");
        assert!(
            failed.len() == 1 && failed[0].starts_with(&expected),
            "{why}: {}",
            diagnosis.text
        );
        diagnosis.assert_skipped("host");
        assert!(!diagnosis.text.contains(key), "{why}");
    }
}

#[test]
fn diagnose_names_a_host_that_is_retired_or_unknown() {
    let fake_server = FakeServer::http();
    let (sandbox, id) = registered(&fake_server);
    fake_server.seen(|seen| {
        for host in seen.model.hosts.values_mut() {
            host.is_retired = true;
        }
    });
    let file = sandbox.id_file().display().to_string();
    let remedy =
        format!("to register this host as a new one, delete {file} and start the agent again");
    let expected = format!("host: {id}: the host is retired; {remedy}");
    Diagnosis::of(&sandbox, &[]).assert_failed(&[&expected]);

    sandbox.adopt("3unknown");
    let expected = format!(
        "host: 3unknown: the organization of this key has no such host; use the key of its \
         organization, or, {remedy}"
    );
    Diagnosis::of(&sandbox, &[]).assert_failed(&[&expected]);
    sandbox.adopt("no id at all");
    let failed = Diagnosis::of(&sandbox, &[]);
    let failed = failed.all("FAIL");
    assert!(failed[0].contains("is not a host id"), "{failed:?}");
}

/// The server's clock is one that differs from the host's by an hour.
#[test]
fn diagnose_names_the_difference_of_the_clocks() {
    let fake_server = FakeServer::http();
    fake_server.script(&format!("hosts = date:{}", now() + 3600));
    let (sandbox, _) = registered(&fake_server);
    let diagnosis = Diagnosis::of(&sandbox, &[]);
    let found = diagnosis
        .steps
        .iter()
        .find(|step| step.contains(" clock difference: "))
        .unwrap();
    // Which of both it is depends on the clock of this machine.
    let is_named = found.starts_with("FAIL") || found.starts_with("warn");
    assert!(
        is_named && found.contains("; start a time service"),
        "{found}"
    );
}

#[test]
fn diagnose_names_an_address_where_nothing_listens() {
    let address = free_address();
    let sandbox = Sandbox::empty();
    sandbox.configure(&format!("https://{address}"), "");
    let diagnosis = Diagnosis::of(&sandbox, &[]);
    diagnosis.assert_failed(&[NO_ADDRESS]);
    let expected = format!(
        "connection to {address}: refused: nothing listens there, or a firewall refuses; check \
         address and port"
    );
    assert!(
        diagnosis.all("warn").contains(&&*expected),
        "{}",
        diagnosis.text
    );
    diagnosis.assert_skipped("proxy, TLS, API key, host");
}

#[test]
fn diagnose_names_a_host_without_network() {
    let name = "diagnose::server::diagnose_names_a_host_without_network";
    namespace::inside(name, || {
        let sandbox = Sandbox::empty();
        sandbox.configure("https://192.0.2.1", "");
        let diagnosis = Diagnosis::of(&sandbox, &[]);
        diagnosis.assert_failed(&[NO_ADDRESS]);
        let expected = "connection to 192.0.2.1:443: this host has no route there; check ip route, \
                        unless it has no addresses of this kind";
        assert!(
            diagnosis.all("warn").contains(&expected),
            "{}",
            diagnosis.text
        );
        diagnosis.assert_skipped("proxy, TLS, API key, host");
    });
}

/// The first name server is not there, the second one is silent.
#[test]
fn diagnose_names_each_dead_name_server() {
    let name = "diagnose::server::diagnose_names_each_dead_name_server";
    namespace::inside_with_mounts(name, || {
        let sandbox = Sandbox::empty();
        let _silent = UdpSocket::bind("127.0.0.3:53").unwrap();
        let conf = "nameserver 127.0.0.2\nnameserver 127.0.0.3\noptions timeout:1 attempts:1\n";
        mount(&sandbox, conf, "/etc/resolv.conf");
        mount(&sandbox, "hosts: files dns\n", "/etc/nsswitch.conf");
        sandbox.configure("https://api.mackerel.example", "");
        let diagnosis = Diagnosis::of(&sandbox, &[]);
        let failed = diagnosis.all("FAIL");
        assert_eq!(failed.len(), 1, "{}", diagnosis.text);
        assert!(failed[0].starts_with("name: api.mackerel.example: no name server "));
        assert!(
            failed[0].contains("; check /etc/resolv.conf"),
            "{}",
            diagnosis.text
        );
        for server in ["127.0.0.2", "127.0.0.3"] {
            let expected = format!(
                "name server {server}: no answer; start it, let port 53 through, or remove it from \
                 /etc/resolv.conf"
            );
            assert!(
                diagnosis.all("warn").contains(&&*expected),
                "{}",
                diagnosis.text
            );
        }
        diagnosis.assert_skipped("connection, proxy, TLS, API key, host");
    });
}

/// The resolver finds the name, and the name server by itself.
#[test]
fn diagnose_shows_the_addresses_of_a_name() {
    let name = "diagnose::server::diagnose_shows_the_addresses_of_a_name";
    namespace::inside_with_mounts(name, || {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        serve(right);
        mount(&sandbox, "nameserver 127.0.0.1\n", "/etc/resolv.conf");
        mount(&sandbox, "hosts: files dns\n", "/etc/nsswitch.conf");
        let port = fake_server.address().port();
        sandbox.configure(&format!("http://api.mackerel.example:{port}"), "");
        let diagnosis = Diagnosis::of(&sandbox, &[]);
        diagnosis.assert_failed(&[]);
        for step in [
            "name: api.mackerel.example 127.0.0.1",
            "name server 127.0.0.1: answers",
            &format!("connection to 127.0.0.1:{port}: open"),
        ] {
            assert!(
                diagnosis.all("ok").contains(&step),
                "{step}: {}",
                diagnosis.text
            );
        }
    });
}

/// A proxy that gives this answer to each request.
fn proxy(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let mut length = 0;
            while !head[..length].ends_with(b"\r\n\r\n") {
                match socket.read(&mut head[length..]) {
                    Ok(more) if more > 0 => length += more,
                    _ => break,
                }
            }
            drop(socket.write_all(answer.as_bytes()));
        }
    });
    port
}

#[test]
fn diagnose_names_a_proxy_that_wants_a_login() {
    // (answer, cause, remedy)
    let table = [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "407, it requires another user or password",
            "correct user and password in https_proxy: http://USER:PASSWORD@HOST:PORT, with special \
             characters as %XX",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "it answers 403",
            "let the proxy connect to this host and port, or set https_proxy to another",
        ),
    ];
    for (answer, cause, remedy) in table {
        let port = proxy(answer);
        let sandbox = Sandbox::empty();
        let more = format!("https_proxy = \"http://us3r-name:pa55-word@127.0.0.1:{port}\"");
        sandbox.configure("https://api.mackerel.example", &more);
        let diagnosis = Diagnosis::of(&sandbox, &[]);
        let expected = format!(
            "proxy: ask proxy 127.0.0.1:{port} for api.mackerel.example:443: {cause}; {remedy}"
        );
        diagnosis.assert_failed(&[&expected]);
        diagnosis.assert_skipped("TLS, API key, host");
        for secret in ["us3r-name", "pa55-word"] {
            assert!(!diagnosis.text.contains(secret), "{}", diagnosis.text);
        }
    }
}

/// A server of gRPC that accepts, one of HTTP that does not, and one that is not there.
#[test]
fn diagnose_tries_each_destination_of_otlp_without_data() {
    let (fake_server, collector) = (FakeServer::http(), Server::plain());
    let other = FakeServer::start(Settings::default()).unwrap();
    other.script("metrics = 401");
    let (sandbox, _) = registered(&fake_server);
    let base = other.base();
    let port = collector.port;
    let more = format!(
        "[[otlp]]\nendpoint = \"127.0.0.1:{port}\"\ninsecure = true\n\
         [[otlp]]\nendpoint = \"{base}/v1/metrics?token=QUERY-5ECRET\"\nprotocol = \"http/protobuf\"\n\
         headers = {{ authorization = \"Bearer HEADER-5ECRET\" }}\n"
    );
    sandbox.configure(&fake_server.base(), &more);
    let diagnosis = Diagnosis::of(&sandbox, &[]);
    assert!(
        diagnosis
            .all("ok")
            .contains(&"export without data: accepted")
    );
    let failed = diagnosis.all("FAIL");
    let start = format!("export without data: POST {base}/v1/metrics");
    assert!(
        failed.len() == 1 && failed[0].starts_with(&start) && failed[0].contains("(status 401)"),
        "{}",
        diagnosis.text
    );
    assert!(failed[0].ends_with("; check the API key, or headers and headers_file"));
    assert!(!diagnosis.text.contains("5ECRET"), "{}", diagnosis.text);
    // A resource without metrics.
    assert_eq!(collector.calls()[0].message, [10, 0]);
}
