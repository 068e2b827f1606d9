//! The ways to a server of OTLP: TLS, HTTP, and one that never answers.

use std::sync::Arc;
use std::time::Instant;

use crate::process::Signal;
use crate::process_tree::poll_until;
use crate::sandbox::{Sandbox, limit};
use fake_server::FakeServer;
use fake_server::h2::{Answer, Server, with_alpn};
use fake_server::steps::{Authority, Scratch, Step, YEARS, ok, serve};
use rustls::version::TLS13;

const SECRET: &str = "s3cret";

/// A sandbox that reports to `fake_server` and, by this table, over OTLP.
fn sandbox(fake_server: &FakeServer, table: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let headers = format!("headers = {{ x-key = \"{SECRET}\" }}");
    let table = format!("[[otlp]]\n{table}\n{headers}\n");
    sandbox.configure(&fake_server.base(), &table);
    sandbox
}

#[test]
fn otlp_over_grpc_uses_tls_and_a_ca_file() {
    let fake_server = FakeServer::http();
    let (known, other) = (Authority::new("known"), Authority::new("other"));
    let tls = with_alpn(&known.server("localhost", YEARS, &TLS13), &["h2"]);
    // (who is trusted, what is logged if nothing arrives)
    for (authority, refusal) in [(&known, None), (&other, Some("certificate"))] {
        let collector = Server::tls(Arc::clone(&tls));
        // Refused for good, which is one line with the remedy.
        collector.answer(Answer::status(16, "no such key"));
        let trust = Scratch::new(&authority.pem());
        let table = format!(
            "endpoint = \"localhost:{}\"\nca_file = \"{}\"",
            collector.port,
            trust.0.display()
        );
        let sandbox = sandbox(&fake_server, &table);
        let mut agent = sandbox.start();
        let text = refusal.unwrap_or("UNAUTHENTICATED (16): no such key; rounds dropped: ");
        agent.wait_line(limit(100), text, |line| {
            line.contains("agent.conf:") && line.contains("otlp") && line.contains(text)
        });
        assert_eq!(collector.calls().is_empty(), refusal.is_some());
        agent.signal(Signal::TERM);
        let finished = agent.wait_exit(limit(20));
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(!finished.stderr.contains(SECRET), "{}", finished.stderr);
    }
}

#[test]
fn otlp_over_http_is_posted_as_protobuf() {
    let fake_server = FakeServer::http();
    let (port, served) = serve(vec![vec![ok("")]]);
    let table = format!("endpoint = \"http://127.0.0.1:{port}\"\nprotocol = \"http/protobuf\"");
    let sandbox = sandbox(&fake_server, &table);
    let agent = sandbox.start();
    poll_until(limit(100), "a post", || served.is_finished().then_some(()));
    let [request] = served.join().unwrap().try_into().unwrap();
    assert!(
        request.starts_with("0 POST /v1/metrics HTTP/1.1\r\n"),
        "{request}"
    );
    for line in [
        "content-type: application/x-protobuf\r\n",
        "x-key: s3cret\r\n",
    ] {
        assert!(request.contains(line), "{request}");
    }
    assert!(request.contains("system.memory.usage"));
    // No header of Mackerel's API goes to another server.
    assert!(!request.contains("x-api-key"), "{request}");
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_exit(limit(20)).code, Some(0));
}

#[test]
fn collector_that_hangs_does_not_hold_the_agent() {
    let fake_server = FakeServer::http();
    let (port, _served) = serve(vec![
        vec![Step::Take, Step::Wait],
        vec![Step::Take, Step::Wait],
    ]);
    let table = format!(
        "endpoint = \"http://127.0.0.1:{port}\"\nprotocol = \"http/protobuf\"\ntimeout = 60"
    );
    let sandbox = sandbox(&fake_server, &table);
    let agent = sandbox.start();
    fake_server.wait(limit(100), "values", |seen| {
        let mut hosts = seen.model.hosts.values();
        hosts.find(|host| !host.series.is_empty()).map(|_| ())
    });
    let begin = Instant::now();
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(20));
    assert!(begin.elapsed() < limit(10), "{:?}", begin.elapsed());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let lost = finished
        .stderr
        .contains("not delivered before the end; rounds lost: ");
    assert!(lost, "{}", finished.stderr);
}
