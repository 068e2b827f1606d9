//! What the agent posts, and how it retries.

use std::collections::BTreeSet;

use crate::process::{Signal, is_trouble};
use crate::sandbox::{Sandbox, limit};
use fake_server::{FakeServer, Host, Settings};

const TSDB: &str = "/api/v0/tsdb";

/// Waits until the only host has values and returns it.
#[track_caller]
fn measured(fake_server: &FakeServer) -> Host {
    fake_server.wait(limit(10), "values", |seen| {
        let mut hosts = seen.model.hosts.values();
        hosts.find(|host| !host.series.is_empty()).cloned()
    })
}

#[test]
fn a_host_without_trouble_is_not_warned() {
    let fake_server = FakeServer::https();
    let sandbox = Sandbox::of(&fake_server);
    let agent = sandbox.start();
    fake_server.wait(limit(10), "description", |seen| {
        (seen.model.hosts.values().any(|host| host.updates > 0)).then_some(())
    });
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(10));
    assert_eq!(finished.code, Some(0));
    assert!(
        !finished.stderr.lines().any(is_trouble),
        "{}",
        finished.stderr
    );
}

#[test]
fn values_arrive_soon_after_the_start() {
    let fake_server = FakeServer::http();
    let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
    let sandbox = Sandbox::of(&fake_server);
    sandbox.adopt(&id);
    let mut agent = sandbox.start();
    let before = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    fake_server.wait(limit(5), "values", |seen| {
        (!seen.model.hosts[&id].series.is_empty()).then_some(())
    });
    let host = fake_server.seen(|seen| seen.model.only_host().clone());
    assert_eq!(host.id, id);
    for name in [
        "loadavg1",
        "loadavg5",
        "loadavg15",
        "memory.total",
        "memory.used",
    ] {
        assert!(
            host.series.contains_key(name),
            "{name} in {:?}",
            host.series.keys()
        );
    }
    let families = [
        "loadavg",
        "cpu",
        "memory",
        "filesystem",
        "disk",
        "interface",
    ];
    let mut times = BTreeSet::new();
    for (name, points) in &host.series {
        assert!(
            families.iter().any(|family| name.starts_with(family)),
            "{name}"
        );
        for (time, value) in points {
            assert!(*value >= 0.0, "{name} {value}");
            times.insert(*time);
        }
    }
    let (first, last) = (*times.first().unwrap(), *times.last().unwrap());
    assert!(
        first + 60 >= before && last <= before + 60,
        "{before}: {times:?}"
    );
    assert!(
        host.series["memory.total"]
            .values()
            .all(|total| *total > 1e6)
    );
    fake_server.seen(|seen| {
        let reused = seen.requests.len() > seen.counts.connections;
        assert!(reused, "connections are kept: {}", seen.summary());
        let post = seen.to("POST", TSDB).next().unwrap();
        assert_eq!(post.head.header("Content-Type"), Some("application/json"));
        assert!(post.head.header("Content-Encoding").is_none());
    });
    assert!(
        !agent.log().iter().any(|line| is_trouble(line)),
        "{:?}",
        agent.log()
    );
}

/// Lets the first post of values end as the script says, then sends the agent a signal to stop, so
/// that it delivers the rest.
///
/// Returns the exit code, the host and the log.
fn deliver_after(what: &str) -> (Option<i32>, Host, String) {
    let fake_server = FakeServer::http();
    let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
    let sandbox = Sandbox::of(&fake_server);
    sandbox.adopt(&id);
    fake_server.script(&format!("tsdb #1 = {what}"));
    let agent = sandbox.start();
    fake_server.wait(limit(10), "first post", |seen| {
        seen.to("POST", TSDB).next().map(drop)
    });
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(35));
    let host = fake_server.seen(|seen| seen.model.only_host().clone());
    (finished.code, host, finished.stderr)
}

#[test]
fn values_that_were_not_taken_are_posted_again() {
    let table = [
        "500",
        "503",
        "429:1",
        "403",
        "404",
        "reset",
        "close",
        "lost",
        "cut",
        "garbage",
        "portal",
        "unread:413",
    ];
    std::thread::scope(|scope| {
        for what in table {
            scope.spawn(move || {
                let (code, host, stderr) = deliver_after(what);
                assert_eq!(code, Some(0), "{what}: {stderr}");
                assert!(host.series.contains_key("loadavg1"), "{what}: {stderr}");
            });
        }
    });
}

#[test]
fn odd_answers_do_not_harm() {
    std::thread::scope(|scope| {
        for what in ["huge:50000000", "surplus", "chunked", "interim", "drip:1ms"] {
            scope.spawn(move || {
                let (code, _, stderr) = deliver_after(what);
                assert_eq!(code, Some(0), "{what}: {stderr}");
            });
        }
    });
}

#[test]
fn a_server_that_closes_after_each_answer_is_no_trouble() {
    for announce_close in [true, false] {
        let fake_server = FakeServer::start(Settings {
            requests_per_connection: 1,
            announce_close,
            ..Settings::default()
        })
        .unwrap();
        let sandbox = Sandbox::of(&fake_server);
        let mut agent = sandbox.start();
        measured(&fake_server);
        assert!(
            !agent.log().iter().any(|line| is_trouble(line)),
            "{:?}",
            agent.log()
        );
        assert_eq!(fake_server.seen(|seen| seen.model.hosts.len()), 1);
    }
}

#[test]
fn without_keep_alive_each_request_has_its_connection() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    sandbox.configure(&fake_server.base(), "disable_http_keep_alive = true");
    let _agent = sandbox.start();
    measured(&fake_server);
    fake_server.seen(|seen| {
        let mut connections = BTreeSet::new();
        for request in &seen.requests {
            let header = request.head.header("Connection").unwrap_or_default();
            assert!(header.eq_ignore_ascii_case("close"), "{header}");
            assert!(connections.insert(request.connection), "{}", seen.summary());
        }
    });
}

#[test]
fn a_redirection_elsewhere_does_not_carry_the_key_there() {
    let (fake_server, elsewhere) = (FakeServer::http(), FakeServer::http());
    let base = elsewhere.base();
    fake_server.script(&format!("tsdb = redirect:{base}/api/v0/tsdb"));
    let sandbox = Sandbox::of(&fake_server);
    let mut agent = sandbox.start();
    fake_server.wait(limit(10), "post", |seen| {
        seen.to("POST", TSDB).next().map(drop)
    });
    // The agent either follows or logs a warning.
    agent.wait_line(limit(10), "complaint", is_trouble);
    elsewhere.seen(|seen| {
        for request in &seen.requests {
            assert_eq!(request.head.header("X-Api-Key"), None);
        }
    });
    agent.assert_running();
}
