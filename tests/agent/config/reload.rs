//! SIGHUP to an agent without a supervisor: the new configuration is used, or the old one if the
//! new one is invalid.

use std::ffi::OsStr;

use serde_json::json;

use crate::process::{Agent, Signal, has_level};
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::FakeServer;

const TSDB: &str = "/api/v0/tsdb";

/// A host with a configuration, and its server.
struct Rig {
    fake_server: FakeServer,
    sandbox: Sandbox,
}

impl Rig {
    fn new(more: &str) -> Rig {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        sandbox.configure(&fake_server.base(), more);
        Rig {
            fake_server,
            sandbox,
        }
    }

    /// Starts the agent and waits until the server has received values and a description.
    #[track_caller]
    fn start(&self) -> Agent<'_> {
        let agent = self.sandbox.start();
        self.fake_server.wait(limit(15), "values", |seen| {
            seen.to("POST", TSDB).next()?.status.map(drop)
        });
        self.description(0);
        agent
    }

    /// The first description after the one with this number, and its own number.
    #[track_caller]
    fn description(&self, after: usize) -> (usize, serde_json::Value) {
        self.fake_server.wait(limit(10), "description", |seen| {
            let id = &seen.model.hosts.values().next()?.id;
            let path = format!("/api/v0/hosts/{id}");
            let put = seen.to("PUT", &path).find(|put| put.number > after)?;
            Some((put.number, put.json()))
        })
    }

    /// Sends HUP and returns the description that follows.
    #[track_caller]
    fn hup(&self, agent: &Agent<'_>, after: &mut usize) -> serde_json::Value {
        agent.signal(Signal::HUP);
        let (number, document) = self.description(*after);
        *after = number;
        document
    }
}

#[test]
fn hup_takes_another_configuration_over() {
    let rig = Rig::new("display_name = \"old\"\n");
    let agent = rig.start();
    let (mut last, first) = rig.description(0);
    assert_eq!(first["displayName"], "old");

    let more = "display_name = \"new\"\nroles = [\"Home:pi\"]\nverbose = true\n\
                [host_status]\non_stop = \"standby\"\n";
    rig.sandbox.configure(&rig.fake_server.base(), more);
    let second = rig.hup(&agent, &mut last);
    assert_eq!(second["displayName"], "new");
    assert_eq!(second["roleFullnames"], json!(["Home:pi"]));

    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(5));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let status = rig
        .fake_server
        .seen(|seen| seen.model.only_host().status.clone());
    assert_eq!(status, "standby");
}

#[test]
fn a_broken_configuration_is_told_of_and_the_old_one_goes_on() {
    let rig = Rig::new("display_name = \"old\"\n");
    let mut agent = rig.start();
    let (mut last, _) = rig.description(0);
    // (invalid configuration, words of the message)
    let table = [
        ("display_name = 1\n", "line 6"),
        ("display_name = \n", "line 6"),
        (
            "display_name = \"new\"\nrolse = []\n",
            "Did you mean roles ?",
        ),
        ("include = \"[\"\n", "include"),
    ];
    for (more, words) in table {
        rig.sandbox.configure(&rig.fake_server.base(), more);
        let document = rig.hup(&agent, &mut last);
        assert_eq!(document["displayName"], "old", "{more}");
        let line = agent.wait_line(limit(5), words, |line| line.contains(words));
        assert!(has_level(&line, "WARNING"), "{line}");
        assert!(
            line.contains("failed to reload: configtest failed: "),
            "{line}"
        );
    }
    rig.sandbox
        .configure(&rig.fake_server.base(), "display_name = \"new\"\n");
    assert_eq!(rig.hup(&agent, &mut last)["displayName"], "new");
    agent.assert_running();
}

#[test]
fn a_new_key_is_used_from_then_on() {
    let rig = Rig::new("");
    let agent = rig.start();
    let (mut last, _) = rig.description(0);
    let text = std::fs::read_to_string(rig.sandbox.conf()).unwrap();
    let other = text.replace("apikey = \"", "apikey = \"other-");
    rig.sandbox.write("agent.conf", &other);
    rig.hup(&agent, &mut last);
    rig.fake_server.seen(|seen| {
        let put = seen.requests.iter().find(|put| put.number == last).unwrap();
        let key = put.head.header("X-Api-Key").unwrap_or_default();
        assert!(key.starts_with("other-"), "{key}");
    });
}

#[test]
fn what_needs_a_restart_is_said_and_stays() {
    let rig = Rig::new("");
    let mut agent = rig.start();
    let (mut last, _) = rig.description(0);
    let text = std::fs::read_to_string(rig.sandbox.conf()).unwrap();
    let other = text.replace("/root\"", "/other\"") + "http_proxy = \"http://127.0.0.1:1\"\n";
    rig.sandbox.write("agent.conf", &other);
    rig.hup(&agent, &mut last);
    let line = agent.wait_line(limit(5), "restart", |line| line.contains("needs a restart"));
    assert!(line.ends_with(": root, http_proxy"), "{line}");
    assert!(rig.sandbox.id_file().exists());
    assert!(!rig.sandbox.path("other").exists());
}

#[test]
fn the_log_becomes_as_loud_as_the_configuration_says() {
    let rig = Rig::new("");
    let agent = rig.start();
    let (mut last, _) = rig.description(0);
    rig.sandbox
        .configure(&rig.fake_server.base(), "silent = true\n");
    rig.hup(&agent, &mut last);
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(5));
    assert!(!finished.stderr.contains("graceful"), "{}", finished.stderr);
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_an_agent_whose_program_is_replaced_ends_if_that_is_wanted() {
    only_if!(
        !is_emulated(),
        "the emulator is the program that the kernel knows"
    );
    // Not even then does the host go: the new program is started next.
    let rig = Rig::new("auto_retirement = true\n");
    let program = rig.sandbox.copy_program();
    let conf = rig.sandbox.conf().into_os_string();
    // Another root: a second agent in one directory would be refused.
    let root = rig.sandbox.conf().with_file_name("other").into_os_string();
    let common = [program.as_os_str(), "-conf".as_ref(), &conf];
    let start = |more: &[&OsStr]| rig.sandbox.spawn(&[&common, more].concat());
    let mut stays = start(&["-pidfile=".as_ref(), "-root".as_ref(), &root]);
    let ends = start(&["-private-autoshutdown".as_ref()]);
    rig.fake_server.wait(limit(15), "values of both", |seen| {
        (seen.to("POST", TSDB).count() > 1).then_some(())
    });
    rig.sandbox.copy_program();
    // The agent checks the file every ten seconds.
    let finished = ends.wait_exit(limit(60));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("replaced"), "{}", finished.stderr);
    assert!(finished.stderr.contains("interrupt"), "{}", finished.stderr);
    assert!(rig.sandbox.id_file().exists());
    rig.fake_server.seen(|seen| {
        let mut hosts = seen.model.hosts.values();
        assert!(hosts.all(|host| !host.is_retired));
    });
    stays.assert_running();
}
