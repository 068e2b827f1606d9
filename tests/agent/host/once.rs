//! `once`: one round on stdout, and nothing sent.

use serde_json::Value;

use crate::process::{Finished, Signal};
use crate::process_tree::is_alive;
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::FakeServer;

#[track_caller]
fn document(finished: &Finished) -> Value {
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stdout.lines().count(), 1, "{}", finished.stdout);
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn one_line_tells_the_host_and_its_values() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let settings = "roles = [\"web:app\"]\ndisplay_name = \"pi\\u009b2J\"\n";
    sandbox.configure(&fake_server.base(), settings);
    let finished = sandbox.run(&["once"], &[]);
    // A terminal would act on it.
    let escaped = "\"pi\\u009b2J\"";
    assert!(finished.stdout.contains(escaped), "{}", finished.stdout);
    let document = document(&finished);
    assert_eq!(document["host"]["displayName"], "pi\u{9b}2J");
    assert!(document["host"]["name"].is_string());
    assert_eq!(document["host"]["roleFullnames"][0], "web:app");
    assert!(document["metrics"]["Created"].is_string());
    let values = &document["metrics"]["Values"][0];
    assert!(values["CustomIdentifier"].is_null());
    for name in ["loadavg5", "memory.total", "cpu.user.percentage"] {
        let value = &values["Values"][name]["Value"];
        assert!(
            value.as_f64().is_some_and(|value| value >= 0.0),
            "{name}: {value}"
        );
    }
    assert_eq!(fake_server.seen(|seen| seen.counts.connections), 0);
    assert!(!sandbox.id_file().exists() && !sandbox.pidfile().exists());
}

#[test]
fn a_configuration_is_not_needed() {
    let sandbox = Sandbox::empty();
    let finished = sandbox.run(&["once"], &[]);
    let document = document(&finished);
    assert!(document["host"]["name"].is_string());
    let conf = sandbox.conf().display().to_string();
    assert!(finished.stderr.contains(&conf), "{}", finished.stderr);
}

#[test]
fn once_ends_its_plugins_when_it_is_interrupted() {
    if is_emulated() {
        return fake_server::skip("an emulated program starts no other", false);
    }
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let plugin = "[plugin.metrics.a]\ncommand = [\"sleep\", \"300\"]\n";
    sandbox.configure(&fake_server.base(), plugin);
    for signal in [Signal::TERM, Signal::INT] {
        let once = sandbox.start_with(&["once"], &[]);
        let child = once.only_child(limit(30));
        once.signal(signal);
        let finished = once.wait_exit(limit(30));
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        assert!(
            finished.stderr.contains("interrupted"),
            "{}",
            finished.stderr
        );
        assert!(!is_alive(child), "{signal:?}");
    }
}
