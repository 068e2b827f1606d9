//! Several organisations: each is registered, refused and retired for itself.

use std::fs;

use crate::process::Signal;
use crate::process_tree::poll_until;
use crate::sandbox::{Sandbox, limit};
use fake_server::{Door, FakeServer, KEY};
use serde_json::Value;

/// A sandbox with the organisation of `first`, and `b`, which is that of `second`.
fn both(first: &FakeServer, second: &FakeServer, more: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let more = format!("{more}\n{}", organization(second));
    sandbox.configure(&first.base(), &more);
    sandbox
}

/// The configuration of the organisation `b`, which is that of `second`.
fn organization(second: &FakeServer) -> String {
    format!(
        "[[organization]]\nname = \"b\"\napikey = \"{KEY}\"\napibase = \"{}\"\n\
         roles = [\"b1:b1\"]\n",
        second.base()
    )
}

/// Waits until the only host has values. Returns its id.
#[track_caller]
fn measured(fake_server: &FakeServer) -> String {
    fake_server.wait(limit(20), "values", |seen| {
        let mut hosts = seen.model.hosts.values();
        let host = hosts.find(|host| !host.series.is_empty() && host.updates > 0)?;
        Some(host.id.clone())
    })
}

fn is_retired(fake_server: &FakeServer) -> bool {
    fake_server.seen(|seen| seen.model.only_host().is_retired)
}

#[test]
fn organizations_have_their_own_host_roles_and_files() {
    let (first, second) = (FakeServer::http(), FakeServer::http());
    let sandbox = both(&first, &second, "roles = [\"a1:a1\"]");
    let agent = sandbox.start();
    let ids = [measured(&first), measured(&second)];
    assert_ne!(ids[0], ids[1]);
    for (name, id) in ["root/id", "root/id.b"].iter().zip(&ids) {
        assert_eq!(sandbox.content(name), *id);
    }
    for (fake_server, role) in [(&first, "a1:a1"), (&second, "b1:b1")] {
        let roles = fake_server.seen(|seen| seen.model.only_host().roles.clone());
        assert_eq!(roles.iter().collect::<Vec<_>>(), [role]);
    }
    // What cannot be delivered waits in a file of its own.
    second.door(Door::Refusing);
    agent.signal(Signal::HUP);
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(20));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    for (name, line) in [(": ", "main organization"), (".b", "organization b")] {
        let expected = format!("{line}: Start: apibase = http");
        assert!(
            finished.stderr.contains(&expected),
            "{name}: {}",
            finished.stderr
        );
    }
}

#[test]
fn organization_that_answers_401_leaves_the_other_alone() {
    // (whether the second server cannot be reached at first, why this row exists)
    for (is_late, why) in [(false, "from the start"), (true, "later")] {
        let (first, second) = (FakeServer::http(), FakeServer::http());
        second.script("* = 401");
        if is_late {
            second.door(Door::Refusing);
        }
        let sandbox = both(&first, &second, "health = true");
        let mut agent = sandbox.start();
        measured(&first);
        if is_late {
            second.door(Door::Open);
            // A reload repeats what has failed.
            agent.signal(Signal::HUP);
        }
        agent.wait_line(limit(30), "refusal", |line| {
            line.contains("ERROR")
                && line.contains("organization b: ")
                && line.contains("the rest goes on")
        });
        let refused = second.seen(|seen| seen.requests.len());
        let health = sandbox.run(&["health"], &[]);
        assert_eq!(health.code, Some(1), "{why}: {}", health.stderr);
        let said = "organization b: refused for good";
        assert!(health.stderr.contains(said), "{why}: {}", health.stderr);
        let live = sandbox.run(&["health"], &["-live"]);
        assert_eq!(live.code, Some(0), "{why}: {}", live.stderr);
        agent.assert_running();
        // The description of a reload still arrives at the first.
        let before = first.seen(|seen| seen.model.only_host().updates);
        agent.signal(Signal::HUP);
        first.wait(limit(20), "description", |seen| {
            let mut hosts = seen.model.hosts.values();
            hosts.any(|host| host.updates > before).then_some(())
        });
        assert_eq!(second.seen(|seen| seen.requests.len()), refused, "{why}");
        agent.signal(Signal::TERM);
        let finished = agent.wait_exit(limit(20));
        assert_eq!(finished.code, Some(0), "{why}: {}", finished.stderr);
    }
}

#[test]
fn organizations_that_all_refuse_end_the_agent() {
    let (first, second) = (FakeServer::http(), FakeServer::http());
    first.script("* = 401");
    second.script("* = 401");
    let sandbox = both(&first, &second, "");
    let finished = sandbox.start().wait_exit(limit(20));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
}

#[test]
fn retire_of_one_organization_leaves_the_other() {
    let (first, second) = (FakeServer::http(), FakeServer::http());
    let sandbox = both(&first, &second, "");
    let mut agent = sandbox.start();
    measured(&first);
    measured(&second);
    let retired = sandbox.run(&["retire"], &["-force", "-organization=b"]);
    assert_eq!(retired.code, Some(0), "{}", retired.stderr);
    assert!(is_retired(&second) && !is_retired(&first));
    assert!(!sandbox.path("root/id.b").exists() && sandbox.id_file().exists());
    agent.assert_running();
    agent.signal(Signal::TERM);
    agent.wait_exit(limit(40));
    let unknown = sandbox.run(&["retire"], &["-force", "-organization=c"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("no [[organization]] has this name"));
}

#[test]
fn retire_covers_all_organizations_with_one_question() {
    let (first, second) = (FakeServer::http(), FakeServer::http());
    let ids = [&first, &second].map(|server| server.seen(|seen| seen.model.add_host("h", "")));
    let mut sandbox = both(&first, &second, "");
    sandbox.adopt(&ids[0]);
    sandbox.write("root/id.b", &ids[1]);
    sandbox.env("GO_PROMPTER_USE_PIPE", "1");
    let script = "printf 'y\\n' | \"$@\"";
    let finished = sandbox
        .through_shell(script, &["retire"], &[])
        .wait_exit(limit(20));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let question = format!(
        "retire this host? (hostID: main organization: {}, organization b: {}) (y/n) [n]: ",
        ids[0], ids[1]
    );
    assert_eq!(finished.stdout, question);
    assert!(is_retired(&first) && is_retired(&second));
    assert!(!sandbox.id_file().exists() && !sandbox.path("root/id.b").exists());
}

#[test]
fn auto_retirement_retires_the_host_in_each_organization() {
    let (first, second) = (FakeServer::http(), FakeServer::http());
    let sandbox = both(&first, &second, "auto_retirement = true");
    let agent = sandbox.start();
    measured(&first);
    measured(&second);
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(20));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(is_retired(&first) && is_retired(&second));
    assert!(!sandbox.id_file().exists() && !sandbox.path("root/id.b").exists());
}

#[test]
fn auto_retirement_that_one_organization_refuses_is_done_in_the_other() {
    let (first, second) = (FakeServer::http(), FakeServer::http());
    let sandbox = both(&first, &second, "auto_retirement = true");
    let agent = sandbox.start();
    measured(&first);
    measured(&second);
    second.script("retire = 403");
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(20));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let said = "organization b: failed to retire this host";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    assert!(is_retired(&first) && !is_retired(&second));
    assert!(!sandbox.id_file().exists() && sandbox.path("root/id.b").exists());
}

/// The cache of the main organization's documents does not count for one that is added.
#[test]
fn organization_that_is_added_gets_the_metadata_that_another_has() {
    let (first, second) = (FakeServer::http(), FakeServer::http());
    let sandbox = Sandbox::empty();
    let ran = sandbox.path("ran");
    let plugin = format!(
        "[plugin.metadata.release]\ncommand = \"echo 1; echo >{}\"\n",
        ran.display()
    );
    for servers in [&[&first][..], &[&first, &second]] {
        let organizations = servers.iter().skip(1).map(|server| organization(server));
        let more: String = organizations.chain([plugin.clone()]).collect();
        sandbox.configure(&first.base(), &more);
        let agent = sandbox.start();
        servers.iter().for_each(|server| _ = measured(server));
        poll_until(limit(100), "a run of the plugin", || {
            ran.exists().then_some(())
        });
        poll_until(limit(20), "its end", || {
            let state = sandbox.run(&["status"], &["-json"]).stdout;
            let state: Value = serde_json::from_str(&state).unwrap_or_default();
            (state["plugins"][0]["exit_code"] == 0).then_some(())
        });
        // What waits is sent at a stop.
        agent.signal(Signal::TERM);
        agent.wait_exit(limit(20));
        fs::remove_file(&ran).unwrap();
        for server in servers {
            let metadata = server.seen(|seen| seen.model.only_host().metadata.clone());
            assert_eq!(
                metadata.get("release"),
                Some(&1.into()),
                "{}",
                servers.len()
            );
        }
    }
    for name in ["release", "release.b"] {
        assert_eq!(
            sandbox.content(&format!("root/mackerel-metadata/{name}")),
            "1"
        );
    }
}

#[test]
fn values_of_a_server_that_is_down_wait_in_the_file_of_its_organization() {
    let (first, second) = (FakeServer::http(), FakeServer::http());
    let id = second.seen(|seen| seen.model.add_host("h", ""));
    second.door(Door::Refusing);
    let sandbox = both(&first, &second, "");
    sandbox.write("root/id.b", &id);
    let agent = sandbox.start();
    measured(&first);
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(40));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let files: Vec<String> = fs::read_dir(sandbox.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(files.contains(&"spool.b".to_owned()), "{files:?}");
    assert!(!files.contains(&"spool".to_owned()), "{files:?}");
    second.door(Door::Open);
    let _agent = sandbox.start();
    poll_until(limit(20), "empty spool", || {
        (!sandbox.path("root/spool.b").exists()).then_some(())
    });
    let series = second.seen(|seen| seen.model.hosts[&id].series.len());
    assert!(series > 0);
}
