//! HTTPS: which certificates are accepted, and failed handshakes.

use crate::process::is_trouble;
use crate::sandbox::{Sandbox, limit};
use fake_server::{FakeServer, Flaw, KeyKind, Settings};

/// Waits until the description has been put.
#[track_caller]
fn described(fake_server: &FakeServer) {
    fake_server.wait(limit(15), "description", |seen| {
        let mut hosts = seen.model.hosts.values();
        hosts.any(|host| host.updates > 0).then_some(())
    });
}

#[test]
fn both_versions_of_tls_are_spoken() {
    static ONLY_12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
    static ONLY_13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
    for versions in [ONLY_12, ONLY_13] {
        let fake_server = FakeServer::start(Settings {
            tls: true,
            versions,
            ..Settings::default()
        })
        .unwrap();
        let sandbox = Sandbox::of(&fake_server);
        let _agent = sandbox.start();
        described(&fake_server);
        fake_server.seen(|seen| {
            assert_eq!(seen.counts.failed_handshakes, 0);
            assert!(
                seen.requests.len() > seen.counts.connections,
                "{}",
                seen.summary()
            );
        });
    }
}

/// 24 handshakes.
///
/// The server offers one version, one group, and certificates with one kind of key: a registered
/// host means that this combination was negotiated.
#[test]
fn handshakes_of_every_version_group_and_kind_of_certificate() {
    use rustls::NamedGroup::{X25519, secp256r1, secp384r1};
    static ONLY_12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
    static ONLY_13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
    // Twelve at a time: each agent mostly waits.
    for versions in [ONLY_12, ONLY_13] {
        std::thread::scope(|scope| {
            for keys in KeyKind::ALL {
                for group in [X25519, secp256r1, secp384r1] {
                    scope.spawn(move || {
                        let server = FakeServer::start(Settings {
                            tls: true,
                            versions,
                            keys,
                            group: Some(group),
                            ..Settings::default()
                        })
                        .unwrap();
                        let sandbox = Sandbox::of(&server);
                        let _agent = sandbox.start();
                        let what = format!("host by {versions:?} {keys:?} {group:?}");
                        server.wait(limit(30), &what, |seen| {
                            (!seen.model.hosts.is_empty()).then_some(())
                        });
                        let counts = server.seen(|seen| seen.counts);
                        assert!(counts.full_handshakes > 0, "{what}: {counts:?}");
                        assert_eq!(counts.failed_handshakes, 0, "{what}: {counts:?}");
                    });
                }
            }
        });
    }
}

#[test]
fn a_certificate_that_must_not_be_believed_is_reported_and_survived() {
    // All rows at once: each needs the pause between two tries.
    std::thread::scope(|scope| {
        for (name, _) in Flaw::ALL {
            scope.spawn(move || {
                let fake_server = FakeServer::https();
                fake_server.script(&format!("connect #1 = {name}"));
                let sandbox = Sandbox::of(&fake_server);
                let mut agent = sandbox.start();
                agent.wait_line(limit(10), "complaint", |line| {
                    is_trouble(line) && line.to_lowercase().contains("certificate")
                });
                fake_server.wait(limit(10), "failed handshake", |seen| {
                    (seen.counts.failed_handshakes == 1).then_some(())
                });
                agent.assert_running();
                described(&fake_server);
                agent.assert_running();
            });
        }
    });
}

#[test]
fn a_self_signed_certificate_of_an_authority_is_accepted_where_it_is_named() {
    let fake_server = FakeServer::start(Settings {
        tls: true,
        self_signed: true,
        ..Settings::default()
    })
    .unwrap();
    // (variable or key that names the certificate, whether it is accepted)
    for (named, is_accepted) in [("ca_file", true), ("SSL_CERT_FILE", true), ("", false)] {
        let mut sandbox = Sandbox::empty();
        let ca = sandbox.write("ca.pem", fake_server.ca());
        let key = format!("ca_file = \"{}\"", ca.display());
        match named {
            "ca_file" => sandbox.configure(&fake_server.base(), &key),
            _ => sandbox.configure(&fake_server.base(), ""),
        }
        if named == "SSL_CERT_FILE" {
            sandbox.env(named, ca);
        }
        let before = fake_server.seen(|seen| seen.model.hosts.len());
        let mut agent = sandbox.start();
        if is_accepted {
            fake_server.wait(limit(15), named, |seen| {
                (seen.model.hosts.len() > before).then_some(())
            });
        } else {
            agent.wait_line(limit(10), "what to do", |line| {
                is_trouble(line) && line.contains("CA:TRUE") && line.contains("ca_file")
            });
        }
        agent.assert_running();
    }
}

#[test]
fn an_authority_is_unknown_unless_it_is_given() {
    let fake_server = FakeServer::https();
    let sandbox = Sandbox::empty();
    sandbox.configure(&fake_server.base(), "");
    let mut agent = sandbox.start();
    fake_server.wait(limit(10), "failed handshake", |seen| {
        (seen.counts.failed_handshakes > 0).then_some(())
    });
    agent.wait_line(limit(10), "complaint", is_trouble);
    agent.assert_running();
    assert!(fake_server.seen(|seen| seen.requests.is_empty()));
}

#[test]
fn a_broken_handshake_is_tried_again() {
    std::thread::scope(|scope| {
        for what in ["reset", "close", "garbage"] {
            scope.spawn(move || {
                let fake_server = FakeServer::https();
                fake_server.script(&format!("connect #1 = {what}"));
                let sandbox = Sandbox::of(&fake_server);
                let mut agent = sandbox.start();
                agent.wait_line(limit(10), "complaint", is_trouble);
                described(&fake_server);
                agent.assert_running();
            });
        }
    });
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_a_handshake_that_stalls_is_given_up() {
    std::thread::scope(|scope| {
        for what in ["silence", "stall:0", "stall:200"] {
            scope.spawn(move || {
                let fake_server = FakeServer::https();
                fake_server.script(&format!("connect #1 = {what}"));
                let sandbox = Sandbox::of(&fake_server);
                let mut agent = sandbox.start();
                let (a_request, pause) = (limit(30), limit(5));
                agent.wait_line(a_request + pause, "complaint", is_trouble);
                described(&fake_server);
                agent.assert_running();
            });
        }
    });
}

#[test]
fn a_session_is_taken_up_again() {
    let fake_server = FakeServer::start(Settings {
        tls: true,
        requests_per_connection: 1,
        announce_close: true,
        ..Settings::default()
    })
    .unwrap();
    let sandbox = Sandbox::of(&fake_server);
    let _agent = sandbox.start();
    described(&fake_server);
    fake_server.wait(limit(10), "values", |seen| {
        let mut hosts = seen.model.hosts.values();
        hosts.any(|host| !host.series.is_empty()).then_some(())
    });
    let counts = fake_server.seen(|seen| seen.counts);
    assert!(counts.resumptions > 0, "{counts:?}");
}
