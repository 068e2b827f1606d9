//! Memory, CPU and start time of the container: configured by environment alone, in 16 MiB, as an
//! unprivileged user.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::container::{Container, Files, checks_health, engine, said};
use super::{GONE, LIMIT};
use crate::process_tree::{poll_until, text};
use fake_server::{FakeServer, Host, Seen};

/// The container's memory limit, in bytes.
const MEMORY: u64 = 16 << 20;
/// Rounds are a minute apart. Rates need two rounds after the first, and are posted within the
/// minute after.
const ROUNDS: Duration = Duration::from_secs(200);
/// Users of the container: the image's own; an id that a platform generates, in the common group;
/// one that cannot write the state directory, and so keeps nothing.
const USERS: [&str; 3] = ["65534:65534", "10001:0", "10002:10002"];

fn number(path: &Path) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// A line of a file below `/proc` of a process.
fn line(pid: i32, file: &str, name: &str) -> String {
    let all = text(pid, file);
    let found = all.lines().find_map(|line| line.strip_prefix(name));
    found.unwrap_or_default().trim().to_owned()
}

/// The host with this identifier.
fn host<'s>(seen: &'s Seen, identifier: &str) -> Option<&'s Host> {
    let mut hosts = seen.model.hosts.values();
    hosts.find(|host| host.custom_identifier() == identifier)
}

/// Waits until the host has `count` values of this series.
fn series(fake_server: &FakeServer, identifier: &str, name: &str, count: usize) {
    fake_server.wait(ROUNDS, name, |seen| {
        let values = host(seen, identifier)?.series.get(name)?;
        (values.len() >= count).then_some(())
    });
}

#[test]
#[ignore = "takes three minutes and an engine: make test-sidecar"]
fn environment_alone_runs_it_in_16_mebibytes_as_anybody() {
    let fake_server = FakeServer::https();
    let files = Files::of(&fake_server);
    let run = |user: &&str| one(&fake_server, &files, user);
    std::thread::scope(|scope| {
        let runs: Vec<_> = USERS
            .iter()
            .map(|user| scope.spawn(move || run(user)))
            .collect();
        for run in runs {
            run.join().unwrap();
        }
    });
    assert!(fake_server.seen(|seen| seen.model.hosts.values().all(|host| host.is_retired)));
}

fn one(fake_server: &FakeServer, files: &Files, user: &str) {
    let identifier = format!("user-{}.kubernetes", user.replace(':', "-"));
    let variable = format!("MACKEREL_CUSTOM_IDENTIFIER={identifier}");
    let begin = Instant::now();
    let mut more = vec![
        "--user",
        user,
        "--pids-limit=64",
        "--env",
        &variable,
        "--env=MACKEREL_CONTAINER_NAME=app",
        "--env=MACKEREL_HOST_ID_STORE=memory",
        "--env=MACKEREL_AUTO_RETIREMENT=true",
    ];
    // Each health check is a process in the control group. The other users' figures are of the
    // agent alone.
    let is_checked = user == USERS[0] && checks_health();
    if !is_checked {
        more.push("--no-healthcheck");
    }
    if user != USERS[0] {
        // A secret in a file instead of the environment.
        more.extend([
            "--env=MACKEREL_APIKEY=",
            "--env=MACKEREL_APIKEY_FILE=/files/key",
        ]);
    }
    let container = Container::start(files, fake_server, &more);
    let running = begin.elapsed();
    let registered = fake_server.wait(LIMIT, "host", |seen| {
        host(seen, &identifier).map(|_| begin.elapsed())
    });
    series(fake_server, &identifier, "container.memory.app.usage", 1);
    let measured = begin.elapsed();
    let healthy = poll_until(LIMIT, "health", || {
        let health = container.exec(&["/usr/bin/mackerel-agent", "health"]);
        health.status.success().then(|| begin.elapsed())
    });

    let pid = container.pid();
    let uid = user.split(':').next().unwrap();
    assert_eq!(line(pid, "status", "Uid:"), [uid; 4].join("\t"));
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(line(pid, "status", set), "0000000000000000", "{set}");
    }
    assert_eq!(line(pid, "status", "NoNewPrivs:"), "1");
    assert_eq!(line(pid, "status", "Seccomp:"), "2", "no filter");
    let mounts = text(pid, "mountinfo");
    let is_root = |line: &&str| line.split(' ').nth(4) == Some("/");
    let root = mounts.lines().find(is_root).unwrap();
    assert!(root.split(' ').nth(5).unwrap().starts_with("ro,"), "{root}");
    let limit = container.group_file("memory/memory.limit_in_bytes", "memory.max");
    assert_eq!(number(&limit), MEMORY, "{}", limit.display());

    let peak_file = container.group_file("memory/memory.max_usage_in_bytes", "memory.peak");
    let peak = number(&peak_file);
    // From here on, no process of the engine is in the group. Kernels before 6.12 cannot reset the
    // peak of version 2.
    let is_anew = fs::write(&peak_file, "0").is_ok();
    let cpu = container.group_file("cpuacct/cpuacct.usage", "cpu.stat");
    let spent = || {
        if cpu.ends_with("cpu.stat") {
            let text = fs::read_to_string(&cpu).unwrap();
            text.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<u64>()
                .unwrap()
        } else {
            number(&cpu) / 1000
        }
    };
    let (before, since) = (spent(), Instant::now());
    series(fake_server, &identifier, "container.cpu.app.usage", 1);
    let cpu_us = (spent() - before) as f64 * 60.0 / since.elapsed().as_secs_f64();
    let own = if is_anew { number(&peak_file) } else { peak };
    let (high, pss) = (
        line(pid, "status", "VmHWM:"),
        line(pid, "smaps_rollup", "Pss:"),
    );

    fake_server.seen(|seen| {
        let host = host(seen, &identifier).unwrap();
        let last = |name: &str| *host.series[name].values().last().unwrap();
        assert_eq!(last("container.memory.app.limit"), MEMORY as f64);
        let used = last("container.memory.app.usage");
        assert!(used > 0.0 && used < MEMORY as f64, "{used}");
        assert!(last("container.cpu.app.limit") >= 100.0);
        assert!((0.0..100.0).contains(&last("container.cpu.app.usage")));
        let is_own =
            |name: &&String| name.starts_with("container.") || name.starts_with("interface.");
        assert!(
            host.series.keys().all(|name| is_own(&name)),
            "of the host below"
        );
    });
    if is_checked {
        poll_until(ROUNDS, "health by the engine", || {
            (container.inspect("{{.State.Health.Status}}") == "healthy").then_some(())
        });
    }
    let took = container.end("TERM");
    assert!(took < GONE, "{took:?}");
    fake_server.seen(|seen| {
        assert!(host(seen, &identifier).unwrap().is_retired);
        let agent = seen.model.hosts.values().count();
        assert!(agent <= USERS.len());
    });
    let logs = said(&engine(&["logs", container.name()]));
    assert!(!logs.contains("WARN") && !logs.contains("ERROR"), "{logs}");
    eprintln!(
        "user {user}{}: from `run`: running {} ms, registered {} ms, values posted {} ms, healthy {} ms; \
         peak of the group {peak} bytes with what started it, {own} without; VmHWM {high}, PSS {pss}; \
         {cpu_us:.0} µs of CPU a minute; retired and ended with 0 {} ms after TERM; limit in {}",
        if is_checked {
            ", with health checks"
        } else {
            ""
        },
        running.as_millis(),
        registered.as_millis(),
        measured.as_millis(),
        healthy.as_millis(),
        took.as_millis(),
        limit.display(),
    );
}
