//! OTLP destinations beside Mackerel, and without it.

use std::time::Instant;

use crate::process::Signal;
use crate::process_tree::poll_until;
use crate::sandbox::{Sandbox, free_address, limit};
use fake_server::FakeServer;
use fake_server::h2::{Call, Server};

/// A metric plugin that prints `a.b`, one of another host, and a check that is CRITICAL.
const PLUGINS: &str = "[plugin.metrics.n]\ncommand = \"printf 'a.b\\\\t7\\\\t0\\\\n'\"\n\
    [plugin.metrics.other]\ncommand = \"printf 'c.d\\\\t7\\\\t0\\\\n'\"\ncustom_identifier = \"o\"\n\
    [plugin.checks.disk]\ncommand = [\"sh\", \"-c\", \"echo full; exit 2\"]\n";

/// A table `[[otlp]]` for this port.
fn table(port: u16, more: &str) -> String {
    format!("[[otlp]]\nendpoint = \"127.0.0.1:{port}\"\ninsecure = true\n{more}\n")
}

/// A sandbox that reports to `fake_server`, with `more`.
fn sandbox(fake_server: &FakeServer, more: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.configure(&fake_server.base(), more);
    sandbox
}

fn has(call: &Call, text: &str) -> bool {
    let mut windows = call.message.windows(text.len());
    windows.any(|window| window == text.as_bytes())
}

/// Waits until a request to the collector contains `text`. Plugins start up to 30 seconds after the
/// registration, and what they find is sent up to 30 seconds later.
#[track_caller]
fn received(collector: &Server, text: &str) -> Call {
    poll_until(limit(100), text, || {
        collector.calls().into_iter().find(|call| has(call, text))
    })
}

#[track_caller]
fn assert_posts(fake_server: &FakeServer) {
    fake_server.wait(limit(100), "values", |seen| {
        let mut hosts = seen.model.hosts.values();
        hosts.find(|host| !host.series.is_empty()).map(|_| ())
    });
}

#[test]
fn otlp_receives_the_host_plugins_and_checks_beside_mackerel() {
    let (fake_server, collector) = (FakeServer::http(), Server::plain());
    let more =
        "checks = true\nheaders = { x-key = \"SECRET\" }\nresource = { \"team\" = \"infra\" }";
    let text = [&table(collector.port, more), PLUGINS].concat();
    let sandbox = sandbox(&fake_server, &["health = true\n", &text].concat());
    let agent = sandbox.start();
    let call = received(&collector, "system.memory.usage");
    assert_eq!(
        call.path,
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
    );
    assert_eq!(call.header("x-key"), Some("SECRET"));
    for text in ["host.name", "os.type", "team", "infra", "system.cpu.time"] {
        assert!(has(&call, text), "{text}");
    }
    received(&collector, "custom.a.b");
    received(&collector, "mackerel.check.status");
    let calls = collector.calls();
    assert!(
        !calls.iter().any(|call| has(call, "custom.c.d")),
        "a value of another host"
    );
    assert_posts(&fake_server);
    poll_until(limit(100), "health", || {
        let health = sandbox.run(&["health"], &[]);
        (health.code == Some(0) && health.stdout.contains("otlp 127.0.0.1:")).then_some(())
    });
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(20));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!finished.stderr.contains("SECRET"));
}

#[test]
fn collector_that_cannot_be_reached_costs_mackerel_nothing() {
    let fake_server = FakeServer::http();
    let port = free_address().port();
    let text = ["health = true\n", &table(port, "")].concat();
    let sandbox = sandbox(&fake_server, &text);
    let mut agent = sandbox.start();
    assert_posts(&fake_server);
    agent.wait_line(limit(100), "failure", |line| {
        line.contains("agent.conf:") && line.contains("otlp") && line.contains("ERROR")
    });
    let health = sandbox.run(&["health"], &[]);
    assert_eq!(health.code, Some(1), "{}", health.stdout);
    let said = format!("otlp 127.0.0.1:{port}: nothing posted yet");
    assert!(health.stderr.contains(&said), "{}", health.stderr);
    let begin = Instant::now();
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(20));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(begin.elapsed() < limit(10), "{:?}", begin.elapsed());
}

#[test]
fn key_that_mackerel_refuses_does_not_end_otlp() {
    let (fake_server, collector) = (FakeServer::http(), Server::plain());
    fake_server.script("* = 401");
    let sandbox = sandbox(&fake_server, &table(collector.port, ""));
    let mut agent = sandbox.start();
    agent.wait_line(limit(100), "refusal", |line| {
        line.contains("ERROR") && line.contains("the rest goes on")
    });
    // Without NTP the clock is accepted after a minute.
    received(&collector, "system.cpu.time");
    agent.assert_running();
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(20));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_otlp_destinations_are_changed_by_a_reload() {
    let fake_server = FakeServer::http();
    let (first, second) = (Server::plain(), Server::plain());
    let sandbox = sandbox(&fake_server, &table(first.port, ""));
    let mut agent = sandbox.start();
    received(&first, "system.memory.usage");
    let text = [&table(second.port, ""), PLUGINS].concat();
    sandbox.configure(&fake_server.base(), &text);
    agent.signal(Signal::HUP);
    agent.wait_line(limit(100), "reload", |line| {
        line.contains("configuration reloaded")
    });
    let count = first.calls().len();
    // The next round is up to a minute away.
    poll_until(limit(100), "rounds at the second", || {
        let mut calls = second.calls().into_iter();
        calls
            .any(|call| has(&call, "system.memory.usage"))
            .then_some(())
    });
    let more = first.calls().len() - count;
    assert!(more <= 1, "only what waited is sent to the first: {more}");
    // A broken table changes nothing.
    sandbox.configure(&fake_server.base(), "[[otlp]]\nendpoint = \"nowhere\"\n");
    agent.signal(Signal::HUP);
    agent.wait_line(limit(100), "refusal", |line| {
        line.contains("nothing is changed")
    });
    agent.assert_running();
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_otlp_works_without_mackerel() {
    let collector = Server::plain();
    let sandbox = Sandbox::empty();
    let (root, pidfile) = (sandbox.root(), sandbox.pidfile());
    let text = format!(
        "mackerel = false\nroot = \"{}\"\npidfile = \"{}\"\nhealth = true\n{}{PLUGINS}",
        root.display(),
        pidfile.display(),
        table(collector.port, "checks = true")
    );
    sandbox.write("agent.conf", &text);
    let agent = sandbox.start();
    // The clock counts as known after a minute at the latest.
    for text in ["system.memory.usage", "custom.a.b", "mackerel.check.status"] {
        poll_until(limit(150), text, || {
            collector.calls().into_iter().find(|call| has(call, text))
        });
    }
    let health = sandbox.run(&["health"], &[]);
    assert_eq!(health.code, Some(0), "{}", health.stderr);
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(20));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!sandbox.id_file().exists());
}
