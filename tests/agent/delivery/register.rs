//! Registration of the host, and failures of it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::json;

use crate::process::{Signal, is_trouble};
use crate::sandbox::{Sandbox, limit};
use fake_server::{Door, FakeServer, KEY, Settings};

const HOSTS: &str = "/api/v0/hosts";

/// Waits until the description has been put, which follows the registration. Returns the host's id.
#[track_caller]
fn described(fake_server: &FakeServer) -> String {
    fake_server.wait(limit(15), "description", |seen| {
        let mut hosts = seen.model.hosts.values();
        Some(hosts.find(|host| host.updates > 0)?.id.clone())
    })
}

#[test]
fn a_mask_keeps_nobody_from_reading_the_id() {
    // Other programs read the id there as any user. (mask, why this row exists)
    let table = [
        ("022", "a shell's"),
        ("027", "the unit's"),
        ("077", "of careful administrators"),
        ("000", "of careless ones"),
    ];
    for (mask, why) in table {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        let agent = sandbox.through_shell(&format!("umask {mask}; exec \"$@\""), &[], &[]);
        described(&fake_server);
        let mode = fs::metadata(sandbox.id_file()).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o644, "{mask}, {why}");
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_exit(limit(10)).code, Some(0));
    }
}

#[test]
fn a_new_host_is_registered_and_its_id_kept() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let mut agent = sandbox.start();
    let id = described(&fake_server);
    assert_eq!(
        fs::read_to_string(sandbox.id_file()).unwrap(),
        id,
        "no newline"
    );
    fake_server.seen(|seen| {
        let posted = seen.to("POST", HOSTS).next().unwrap();
        assert_eq!(posted.number, 1, "{}", seen.summary());
        let header = |name| posted.head.header(name).unwrap_or_default();
        let agent_name = header("User-Agent");
        assert!(agent_name.starts_with("mackerel-agent/"), "{agent_name}");
        assert_eq!(header("Content-Type"), "application/json");
        assert!(!header("X-Agent-Version").is_empty());
        assert!(!header("X-Revision").is_empty());

        let document = posted.json();
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(document["name"], name.trim_end());
        assert_eq!(document["checks"], json!([]));
        assert_eq!(document["roleFullnames"], json!([]));
        assert_eq!(document["meta"]["agent-name"], agent_name);
        assert!(document["meta"]["kernel"]["release"].is_string());
        assert!(document["meta"]["memory"]["total"].is_string());
        assert!(document.get("customIdentifier").is_none());
        let mut statuses = seen.requests.iter().filter_map(|request| request.status);
        assert!(statuses.all(|status| status == 200), "{}", seen.summary());
    });
    agent.assert_running();
}

#[test]
fn answers_below_odd_headers_are_understood() {
    for fake_server in [FakeServer::http(), FakeServer::https()] {
        fake_server.script("* = odd-head");
        let sandbox = Sandbox::of(&fake_server);
        let mut agent = sandbox.start();
        let id = described(&fake_server);
        assert_eq!(fs::read_to_string(sandbox.id_file()).unwrap(), id);
        let posts = fake_server.seen(|seen| seen.to("POST", HOSTS).count());
        assert_eq!(posts, 1);
        agent.assert_running();
    }
}

#[test]
fn no_compressed_answer_is_asked_for_and_one_is_reported_by_name() {
    let fake_server = FakeServer::http();
    fake_server.script("hosts #1 = gzip");
    let sandbox = Sandbox::of(&fake_server);
    let mut agent = sandbox.start();
    agent.wait_line(limit(10), "what is wrong", |line| {
        is_trouble(line) && line.contains("compressed answer: Content-Encoding \"gzip\"")
    });
    fake_server.seen(|seen| {
        let all = seen.requests.iter();
        let asked = all.map(|request| request.head.header("Accept-Encoding"));
        assert!(asked.eq(seen.requests.iter().map(|_| Some("identity"))));
    });
    agent.assert_running();
}

#[test]
fn a_host_that_has_an_id_is_asked_for_and_not_registered_again() {
    for line_end in ["", "\n", "\r\n"] {
        let fake_server = FakeServer::http();
        let id = fake_server.seen(|seen| seen.model.add_host("before", ""));
        let sandbox = Sandbox::of(&fake_server);
        sandbox.adopt(&format!("{id}{line_end}"));
        let _agent = sandbox.start();
        assert_eq!(described(&fake_server), id);
        fake_server.seen(|seen| {
            let first = &seen.requests[0];
            assert!(
                first.is("GET", &format!("{HOSTS}/{id}")),
                "{}",
                seen.summary()
            );
            assert_eq!(seen.to("POST", HOSTS).count(), 0);
        });
        assert_eq!(fs::read_to_string(sandbox.id_file()).unwrap(), id);
    }
}

#[test]
fn a_second_start_is_the_same_host() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let agent = sandbox.start();
    let id = described(&fake_server);
    drop(agent);
    fake_server.seen(|seen| seen.requests.clear());
    // The killed agent left its pid file, which must not matter.
    let _agent = sandbox.start();
    fake_server.wait(limit(15), "second description", |seen| {
        (seen.model.hosts[&id].updates > 1).then_some(())
    });
    fake_server.seen(|seen| {
        assert_eq!(seen.model.hosts.len(), 1);
        assert_eq!(seen.to("GET", &format!("{HOSTS}/{id}")).count(), 1);
    });
}

#[test]
fn the_description_says_what_the_configuration_says() {
    let fake_server = FakeServer::http();
    let id = fake_server.seen(|seen| seen.model.add_host("before", ""));
    let sandbox = Sandbox::of(&fake_server);
    sandbox.adopt(&id);
    let more = "roles = [\"web:app\", \"nonsense\"]\ndisplay_name = \"Front <1>\"\n\
                [plugin.checks.ping]\ncommand = \"true\"\nmemo = \"is it there\"\n";
    sandbox.configure(&fake_server.base(), more);
    let _agent = sandbox.start();
    described(&fake_server);
    fake_server.seen(|seen| {
        let document = &seen.model.only_host().document;
        assert_eq!(document["roleFullnames"], json!(["web:app"]));
        assert_eq!(document["displayName"], "Front <1>");
        let checks = json!([{"name": "ping", "memo": "is it there"}]);
        assert_eq!(document["checks"], checks);
    });
}

#[test]
fn the_status_is_set_at_start_unless_it_is_so_already() {
    for (wanted, posts) in [("standby", 1), ("working", 0)] {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        let more = format!("[host_status]\non_start = \"{wanted}\"\n");
        sandbox.configure(&fake_server.base(), &more);
        let _agent = sandbox.start();
        let id = described(&fake_server);
        fake_server.seen(|seen| {
            assert_eq!(seen.model.only_host().status, wanted);
            let path = format!("{HOSTS}/{id}/status");
            assert_eq!(seen.to("POST", &path).count(), posts, "{}", seen.summary());
        });
    }
}

#[test]
fn an_id_that_the_server_does_not_know_ends_the_agent() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    sandbox.adopt("3unknownHst");
    let finished = sandbox.run(&[], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let file = sandbox.id_file().display().to_string();
    assert!(finished.stderr.contains(&file), "{}", finished.stderr);
    assert!(fake_server.seen(|seen| seen.model.hosts.is_empty()));
    let kept = fs::read_to_string(sandbox.id_file()).unwrap();
    assert_eq!(kept, "3unknownHst", "deleting it is for a person to decide");
    assert!(!sandbox.pidfile().exists());
}

#[test]
fn the_id_of_a_host_with_another_identity_ends_the_agent() {
    let fake_server = FakeServer::http();
    let id = fake_server.seen(|seen| seen.model.add_host("h", "i-1.ec2.amazonaws.com"));
    let sandbox = Sandbox::of(&fake_server);
    sandbox.adopt(&id);
    let finished = sandbox.run(&[], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("identifier"),
        "{}",
        finished.stderr
    );
    assert_eq!(fake_server.seen(|seen| seen.model.only_host().updates), 0);
}

#[test]
fn a_key_that_is_refused_ends_the_agent() {
    for known in [false, true] {
        let settings = Settings {
            key: Some("another-key".to_owned()),
            ..Settings::default()
        };
        let fake_server = FakeServer::start(settings).unwrap();
        let sandbox = Sandbox::of(&fake_server);
        if known {
            sandbox.adopt(&fake_server.seen(|seen| seen.model.add_host("h", "")));
        }
        let finished = sandbox.run(&[], &[]);
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        let stderr = finished.stderr;
        assert!(stderr.contains("Authentication failed"), "{stderr}");
        assert!(!stderr.contains(KEY), "the key is secret: {stderr}");
        assert_eq!(fake_server.seen(|seen| seen.requests.len()), 1);
        assert_eq!(sandbox.id_file().exists(), known);
    }
}

#[test]
fn a_key_that_may_only_read_ends_the_agent() {
    let fake_server = FakeServer::http();
    fake_server.seen(|seen| seen.model.read_only = true);
    let sandbox = Sandbox::of(&fake_server);
    let finished = sandbox.run(&[], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let stderr = finished.stderr;
    assert!(stderr.contains("doesn't have write permission"), "{stderr}");
    assert!(!sandbox.id_file().exists());
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    // All rows at once: each needs the pause between two tries.
    let table = [
        "500",
        "503",
        "reset",
        "close",
        "cut",
        "garbage",
        "portal",
        "unread:502",
    ];
    std::thread::scope(|scope| {
        for what in table {
            scope.spawn(move || {
                let fake_server = FakeServer::http();
                let sandbox = Sandbox::of(&fake_server);
                // The host is known, so that nothing can be registered twice.
                let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
                sandbox.adopt(&id);
                fake_server.script(&format!("* #1 = {what}"));
                let mut agent = sandbox.start();
                agent.wait_line(limit(10), "complaint", is_trouble);
                assert_eq!(described(&fake_server), id, "{what}");
                agent.assert_running();
            });
        }
    });
}

#[test]
fn a_server_that_refuses_connections_is_waited_for() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    fake_server.door(Door::Refusing);
    let mut agent = sandbox.start();
    agent.wait_line(limit(10), "complaint", |line| {
        is_trouble(line) && line.contains("refused")
    });
    agent.assert_running();
    fake_server.door(Door::Open);
    described(&fake_server);
    agent.assert_running();
}

#[test]
fn a_state_directory_that_cannot_be_written_ends_the_agent() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    // Not even the superuser can create a directory below a file.
    sandbox.write("root", "");
    let finished = sandbox.run(&[], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let root = sandbox.root().display().to_string();
    assert!(finished.stderr.contains(&root), "{}", finished.stderr);
    assert!(!sandbox.pidfile().exists());
}
