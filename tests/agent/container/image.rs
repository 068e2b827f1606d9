//! The image, run by a container engine as users run it.
//!
//! `make test-sidecar` builds the image, installs the engine, and runs these tests as root; they
//! are ignored otherwise.
//!
//! `AGENT_IMAGE` is the image, `AGENT_ENGINE` podman (the default) or docker.

mod container;
mod footprint;

use std::process::Command;
use std::time::Duration;

use crate::process_tree::{children, poll_until};
use container::{Container, Files, engine, said};
use fake_server::{FakeServer, KEY};

/// Time limit for anything that an engine does with a container.
const LIMIT: Duration = Duration::from_secs(30);
/// Time in which a container must end after it has been stopped.
const GONE: Duration = Duration::from_secs(2);
/// Shell script that leaves a thousand orphans to process 1, each the child of a child.
const ORPHANS: &str = "i=0; while [ $i -lt 1000 ]; do (true &); i=$((i+1)); done";

/// Waits until values of `hosts` hosts that are not retired have been posted.
fn posted(fake_server: &FakeServer, hosts: usize) {
    fake_server.wait(LIMIT, "values", |seen| {
        let hosts_of = seen.model.hosts.values();
        let measured = hosts_of.filter(|host| !host.is_retired && !host.series.is_empty());
        (measured.count() >= hosts).then_some(())
    });
}

/// Starts a container and waits until the `count`-th post of values has been answered.
fn started<'a>(
    files: &'a Files,
    fake_server: &FakeServer,
    count: usize,
    more: &[&str],
) -> Container<'a> {
    let container = Container::start(files, fake_server, more);
    values(fake_server, count);
    container
}

fn values(fake_server: &FakeServer, count: usize) {
    fake_server.wait(LIMIT, "values", |seen| {
        let posts = seen.to("POST", "/api/v0/tsdb");
        let taken = posts.filter(|request| request.status == Some(200));
        (taken.count() >= count).then_some(())
    });
}

fn hosts(fake_server: &FakeServer) -> usize {
    fake_server.seen(|seen| seen.model.hosts.len())
}

#[test]
#[ignore = "needs an engine: make test-sidecar"]
fn a_container_that_is_killed_is_the_same_host_again_and_a_replica_another() {
    let fake_server = FakeServer::https();
    let files = Files::of(&fake_server);
    let memory = ["--env", "MACKEREL_HOST_ID_STORE=memory"];
    let named = |identifier: &str, count| {
        let variable = format!("MACKEREL_CUSTOM_IDENTIFIER={identifier}");
        let more = [memory[0], memory[1], "--env", &variable];
        started(&files, &fake_server, count, &more).end("KILL");
        hosts(&fake_server)
    };
    assert_eq!(named("a.kubernetes", 1), 1);
    assert_eq!(named("a.kubernetes", 2), 1, "a new container of that pod");
    assert_eq!(named("b.kubernetes", 3), 2, "another replica");

    // Without a custom identifier: the container's own id is used.
    let container = started(&files, &fake_server, 4, &memory);
    assert_eq!(hosts(&fake_server), 3);
    container.kill("KILL");
    container.again();
    values(&fake_server, 5);
    assert_eq!(hosts(&fake_server), 3, "the container has been restarted");
    let _replica = started(&files, &fake_server, 6, &memory);
    assert_eq!(hosts(&fake_server), 4);
    // `retire` called while the agent runs.
    let retired = container.exec(&["/usr/bin/mackerel-agent", "retire", "-force"]);
    assert!(retired.status.success(), "{}", said(&retired));
    let left = fake_server.seen(|seen| {
        let hosts = seen.model.hosts.values();
        hosts.filter(|host| !host.is_retired).count()
    });
    assert_eq!(left, 3);
}

#[test]
#[ignore = "needs an engine: make test-sidecar"]
fn as_process_1_it_reaps_what_others_leave_and_heeds_signals() {
    let fake_server = FakeServer::https();
    let files = Files::of(&fake_server);
    let shell = format!("{}:/bin/sh:ro", files.busybox());
    let probe = format!("MACKEREL_READINESS_PROBE_EXEC={ORPHANS}");
    for (signal, is_retired) in [("TERM", true), ("INT", true), ("QUIT", false)] {
        let container = Container::start(
            &files,
            &fake_server,
            &[
                "--env",
                "MACKEREL_HOST_ID_STORE=memory",
                "--env",
                "MACKEREL_AUTO_RETIREMENT=1",
                "--env",
                &probe,
                "--env",
                "MACKEREL_READINESS_PROBE_TIMEOUT_SECONDS=60",
                // Memory for the shell's processes that wait to run at one time.
                "--memory=64m",
                "--memory-swap=64m",
                "--volume",
                &shell,
            ],
        );
        posted(&fake_server, 1);
        let pid = container.pid();
        let none_left = || {
            poll_until(LIMIT, "end of all orphans", || {
                children(pid).is_empty().then_some(())
            });
        };
        none_left();
        let left = container.exec(&["/bin/sh", "-c", ORPHANS]);
        assert!(left.status.success(), "{}", said(&left));
        none_left();
        let updates = |count| {
            fake_server.wait(LIMIT, "description", |seen| {
                let mut hosts = seen.model.hosts.values();
                hosts
                    .any(|host| !host.is_retired && host.updates >= count)
                    .then_some(())
            });
        };
        updates(1);
        container.kill("HUP");
        updates(2);
        let took = container.end(signal);
        assert!(took < GONE, "{signal}: {took:?}");
        let left = fake_server.seen(|seen| seen.model.hosts.values().any(|host| !host.is_retired));
        assert_eq!(left, !is_retired, "{signal}");
        eprintln!(
            "{signal}: 2,000 orphans reaped, none left; ended with 0 after {} ms",
            took.as_millis()
        );
    }
}

#[test]
#[ignore = "needs an engine: make test-sidecar"]
fn health_follows_what_the_server_takes() {
    let fake_server = FakeServer::https();
    let files = Files::of(&fake_server);
    // The first post fails.
    fake_server.script("tsdb #1 = 503");
    let container = Container::start(
        &files,
        &fake_server,
        &["--env", "MACKEREL_HOST_ID_STORE=memory"],
    );
    let health = |words: &[&str]| {
        let words = [&["/usr/bin/mackerel-agent", "health"], words].concat();
        let health = container.exec(&words);
        (health.status.code(), said(&health))
    };
    fake_server.wait(LIMIT, "failure", |seen| {
        let mut posts = seen.to("POST", "/api/v0/tsdb");
        posts
            .any(|request| request.status == Some(503))
            .then_some(())
    });
    let (code, words) = health(&[]);
    assert!(
        code == Some(1) && words.contains("nothing posted yet"),
        "{words}"
    );
    assert_eq!(health(&["-live"]).0, Some(0));
    let words = poll_until(LIMIT, "health", || {
        let (code, words) = health(&[]);
        (code == Some(0)).then_some(words)
    });
    assert!(words.starts_with("healthy: measured "), "{words}");
}

#[test]
#[ignore = "needs an engine: make test-sidecar"]
fn the_go_agents_image_is_replaced_with_its_variables() {
    let fake_server = FakeServer::https();
    let files = Files::of(&fake_server);
    files.write("more.conf", "display_name = \"included\"\n");
    let included = format!("{}:/etc/mackerel-agent/conf.d:ro", files.path());
    let volume = files.volume();
    let state = format!("{volume}:/var/lib/mackerel-agent");
    let key = format!("apikey={KEY}");
    let with = |retirement: &str| {
        let retirement = format!("auto_retirement={retirement}");
        let variables = [
            "MACKEREL_APIKEY=",
            &key,
            &retirement,
            "opts=-v -role=web:app",
            "include=/etc/mackerel-agent/conf.d/*.conf",
            "enable_docker_plugin=0",
        ];
        let mut more = vec!["--volume", &state, "--volume", &included];
        more.extend(variables.iter().flat_map(|variable| ["--env", variable]));
        Container::start(&files, &fake_server, &more)
    };
    let container = with("");
    values(&fake_server, 1);
    fake_server.seen(|seen| {
        let host = seen.model.only_host();
        assert!(host.roles.contains("web:app"));
        assert_eq!(host.document["displayName"], "included");
        assert!(host.series.contains_key("loadavg5"), "what that measures");
    });
    container.end("TERM");
    assert!(fake_server.seen(|seen| !seen.model.only_host().is_retired));
    let container = with("1");
    values(&fake_server, 2);
    container.kill("HUP");
    fake_server.wait(LIMIT, "description", |seen| {
        (seen.model.only_host().updates > 2).then_some(())
    });
    assert!(fake_server.seen(|seen| !seen.model.only_host().is_retired));
    container.end("TERM");
    assert!(fake_server.seen(|seen| seen.model.only_host().is_retired));
}

#[test]
#[ignore = "needs an engine: make test-sidecar"]
fn the_docker_run_line_watches_the_host() {
    let fake_server = FakeServer::https();
    let files = Files::of(&fake_server);
    let shim = files.shim(&fake_server);
    let path = std::env::var("PATH").unwrap_or_default();
    let ran = Command::new("sh")
        .arg("packaging/container/docker-run.sh")
        .env("PATH", format!("{}:{path}", shim.display()))
        .env("MACKEREL_APIKEY", KEY)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", said(&ran));
    let container = Container::named(&files, "mackerel-agent");
    values(&fake_server, 1);
    fake_server.seen(|seen| {
        let host = seen.model.only_host();
        let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(host.name(), own.trim());
        assert!(host.series.contains_key("loadavg5"));
        let disks = |name: &&String| name.starts_with("filesystem.");
        assert!(host.series.keys().any(|name| disks(&name)), "none of /host");
    });
    let health = container.exec(&["/usr/bin/mackerel-agent", "health"]);
    assert!(health.status.success(), "{}", said(&health));
    let took = container.stop();
    eprintln!("stopped with 0 in {} ms", took.as_millis());
    assert!(fake_server.seen(|seen| !seen.model.only_host().is_retired));
    drop(container);
    drop(engine(&["volume", "rm", "mackerel-agent"]));
}
