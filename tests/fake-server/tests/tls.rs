//! Handshakes: versions, resumption, certificates that clients must reject.

use crate::client::{Client, End, trusting};
use fake_server::{Counts, FakeServer, Fault, Flaw, Rule, Settings};

const TSDB: &str = "/api/v0/tsdb";

fn start(
    versions: &'static [&'static rustls::SupportedProtocolVersion],
    resume: bool,
) -> FakeServer {
    let settings = Settings {
        tls: true,
        versions,
        resume,
        ..Settings::default()
    };
    FakeServer::start(settings).unwrap()
}

#[test]
fn both_versions_are_spoken_and_sessions_taken_up_again() {
    static ONLY_12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
    static ONLY_13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
    for versions in [ONLY_12, ONLY_13, rustls::ALL_VERSIONS] {
        for resume in [true, false] {
            let fake_server = start(versions, resume);
            let config = trusting(&fake_server);
            for _ in 0..3 {
                let mut client = Client::tls(&fake_server, &config).unwrap();
                assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
            }
            let counts = fake_server.seen(|seen| seen.counts);
            let resumptions = if resume { 2 } else { 0 };
            assert_eq!(
                (
                    counts.connections,
                    counts.full_handshakes,
                    counts.resumptions
                ),
                (3, 3 - resumptions, resumptions),
                "{versions:?}"
            );
        }
    }
}

#[test]
fn each_flaw_is_found_and_counted() {
    let fake_server = FakeServer::https();
    let config = trusting(&fake_server);
    for (before, (name, flaw)) in Flaw::ALL.into_iter().enumerate() {
        fake_server.script(&format!("connect #1 = {name}"));
        let Err(error) = Client::tls(&fake_server, &config) else {
            panic!("{name} is believed");
        };
        let word = match flaw {
            Flaw::Expired => "expired",
            Flaw::NotYetValid => "not valid yet",
            Flaw::WrongName => "not valid for name",
            Flaw::UnknownCa => "UnknownIssuer",
        };
        assert!(error.to_string().contains(word), "{name}: {error}");
        let limit = std::time::Duration::from_secs(20);
        fake_server.wait(limit, "failed handshake", |seen| {
            (seen.counts.failed_handshakes > before).then_some(())
        });
        fake_server.clear_script();
    }
    let mut client = Client::tls(&fake_server, &config).unwrap();
    assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
    fake_server.seen(|seen| {
        let Counts {
            full_handshakes, ..
        } = seen.counts;
        assert_eq!((full_handshakes, seen.handshake_errors.len()), (1, 4));
    });
}

#[test]
fn somebody_elses_stand_in_is_not_believed() {
    let (fake_server, other) = (FakeServer::https(), FakeServer::https());
    assert_ne!(fake_server.ca(), other.ca());
    assert!(Client::tls(&fake_server, &trusting(&other)).is_err());
}

#[test]
fn flaws_mean_nothing_without_tls() {
    let fake_server = FakeServer::http();
    fake_server.rule(Rule::connections(Fault::Certificate(Flaw::Expired)));
    let mut client = Client::of(&fake_server);
    assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
}
