//! An agent beside other containers: configured by environment, found again, retired, asked for its
//! health.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::process::{Agent, Signal};
use crate::process_tree::poll_until;
use crate::sandbox::{Sandbox, free_address, is_emulated, limit};
use fake_server::{FakeServer, KEY};

const TSDB: &str = "/api/v0/tsdb";

/// Whether the machine has an agent's configuration file, which would be read.
fn has_configuration() -> bool {
    Path::new("/etc/mackerel-agent/mackerel-agent.conf").exists()
}

/// A sandbox without a configuration file. Its environment has the settings that an agent needs.
fn sandbox(fake_server: &FakeServer) -> Sandbox {
    let mut sandbox = Sandbox::empty();
    let root = sandbox.root();
    sandbox.env("MACKEREL_APIKEY", KEY);
    sandbox.env("MACKEREL_APIBASE", fake_server.base());
    sandbox.env("MACKEREL_ROOT", root);
    sandbox.env("MACKEREL_CLOUD_PLATFORM", "none");
    sandbox
}

/// Whether control groups are mounted, which the values of a container are read from.
fn has_control_groups() -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().any(|line| {
        let mut words = line.split(' ').skip(1);
        let point = words.next().unwrap_or_default();
        point.starts_with("/sys/fs/cgroup")
            && words.next().unwrap_or_default().starts_with("cgroup")
    })
}

/// Waits until values have been posted `count` times.
#[track_caller]
fn posted(fake_server: &FakeServer, count: usize) {
    fake_server.wait(limit(15), "values", |seen| {
        let posts = seen
            .to("POST", TSDB)
            .filter(|request| request.status == Some(200));
        (posts.count() >= count).then_some(())
    });
}

/// Ends an agent by a signal and returns its log. Panics unless it exits with 0.
#[track_caller]
fn ended(agent: Agent<'_>, signal: Signal) -> String {
    agent.signal(signal);
    let finished = agent.wait_exit(limit(10));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished.stderr
}

#[test]
fn variables_alone_run_an_agent_that_leaves_no_trace() {
    require!(
        has_control_groups(),
        "no control groups are mounted at /sys/fs/cgroup, as in a chroot"
    );
    let fake_server = FakeServer::http();
    require!(
        !has_configuration(),
        "this machine has a configuration of an agent"
    );
    let mut sandbox = sandbox(&fake_server);
    sandbox.env("MACKEREL_HOST_ID_STORE", "memory");
    sandbox.env("MACKEREL_CUSTOM_IDENTIFIER", "pod-1.kubernetes");
    sandbox.env("MACKEREL_AUTO_RETIREMENT", "true");
    sandbox.env("MACKEREL_ROLES", "web:app,web:side");
    sandbox.env("MACKEREL_MEMO", "beside");
    sandbox.env("MACKEREL_CONTAINER_NAME", "my-app");
    let tested = sandbox.run_bare(&["configtest"]);
    assert_eq!(tested.code, Some(0), "{}", tested.stderr);
    assert!(
        tested.stderr.contains("SUCCESS (the environment)"),
        "{}",
        tested.stderr
    );
    let sick = sandbox.run_bare(&["health"]);
    assert_eq!(sick.code, Some(1), "{}", sick.stderr);
    assert!(
        sick.stderr.contains("unhealthy: no agent"),
        "{}",
        sick.stderr
    );

    let agent = sandbox.start_bare(&[], &[]);
    posted(&fake_server, 1);
    fake_server.seen(|seen| {
        let host = seen.model.only_host();
        assert_eq!(host.custom_identifier(), "pod-1.kubernetes");
        assert_eq!(host.document["memo"], "beside");
        assert_eq!(host.roles.len(), 2);
        assert!(
            host.series.keys().all(|name| !name.starts_with("loadavg")),
            "of the host below"
        );
    });
    let health = poll_until(limit(10), "health", || {
        Some(sandbox.run_bare(&["health"])).filter(|health| health.code == Some(0))
    });
    assert!(
        health.stdout.starts_with("healthy: measured "),
        "{}",
        health.stdout
    );
    agent.signal(Signal::HUP);
    fake_server.wait(limit(10), "description", |seen| {
        (seen.model.only_host().updates > 1).then_some(())
    });
    assert!(!fake_server.seen(|seen| seen.model.only_host().is_retired));
    ended(agent, Signal::TERM);
    assert!(fake_server.seen(|seen| seen.model.only_host().is_retired));
    assert!(!sandbox.root().exists());
}

#[test]
fn a_server_that_takes_nothing_is_no_health() {
    let fake_server = FakeServer::http();
    require!(
        !has_configuration(),
        "this machine has a configuration of an agent"
    );
    let sandbox = sandbox(&fake_server);
    fake_server.script("* = 500");
    let mut agent = sandbox.start_bare(&[], &[]);
    agent.wait_line(limit(10), "failure", |line| {
        line.contains("failed to register")
    });
    let sick = sandbox.run_bare(&["health"]);
    assert_eq!(sick.code, Some(1), "{}", sick.stderr);
    assert!(
        sick.stderr.contains("nothing posted yet"),
        "{}",
        sick.stderr
    );
    let live = sandbox.run_bare(&["health", "-live"]);
    assert_eq!(live.code, Some(0), "{}", live.stderr);
}

#[test]
fn an_identifier_finds_the_host_again_and_another_one_another() {
    require!(
        !has_configuration(),
        "this machine has a configuration of an agent"
    );
    let fake_server = FakeServer::http();
    let ids = |identifier: &str, count| {
        let mut sandbox = sandbox(&fake_server);
        sandbox.env("MACKEREL_HOST_ID_STORE", "memory");
        sandbox.env("MACKEREL_CUSTOM_IDENTIFIER", identifier);
        // Only values of the host, which are available at once on any machine.
        sandbox.env("MACKEREL_CONTAINER_METRICS", "none");
        let agent = sandbox.start_bare(&[], &[]);
        posted(&fake_server, count);
        ended(agent, Signal::TERM);
        fake_server.seen(|seen| seen.model.hosts.len())
    };
    assert_eq!(ids("a.kubernetes", 1), 1);
    assert_eq!(
        ids("a.kubernetes", 2),
        1,
        "the container has been restarted"
    );
    assert_eq!(ids("b.kubernetes", 3), 2, "it is another replica");
}

#[test]
fn only_some_signals_retire() {
    // (signal, whether the host is retired)
    for (signal, expected) in [(Signal::INT, true), (Signal::QUIT, false)] {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        sandbox.configure(&fake_server.base(), "auto_retirement = true");
        let agent = sandbox.start();
        posted(&fake_server, 1);
        ended(agent, signal);
        assert_eq!(
            fake_server.seen(|seen| seen.model.only_host().is_retired),
            expected
        );
        assert_eq!(sandbox.id_file().exists(), !expected);
    }
}

#[test]
fn a_supervisor_that_reloads_does_not_retire() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    sandbox.configure(&fake_server.base(), "auto_retirement = true");
    let agent = sandbox.start_with(&["supervise"], &[]);
    posted(&fake_server, 1);
    agent.signal(Signal::HUP);
    posted(&fake_server, 2);
    assert!(!fake_server.seen(|seen| seen.model.only_host().is_retired));
    ended(agent, Signal::TERM);
    assert!(fake_server.seen(|seen| seen.model.only_host().is_retired));
}

#[test]
fn retiring_is_tried_again_and_not_for_ever() {
    // (the server's answers, exit code)
    for (script, code) in [
        ("retire #1-2 = 503", 0),
        ("retire = 503", 1),
        ("retire = 404", 1),
    ] {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        sandbox.configure(&fake_server.base(), "auto_retirement = true");
        let agent = sandbox.start();
        posted(&fake_server, 1);
        fake_server.script(script);
        agent.signal(Signal::TERM);
        let finished = agent.wait_exit(limit(10));
        assert_eq!(finished.code, Some(code), "{script}: {}", finished.stderr);
        let is_retired = fake_server.seen(|seen| seen.model.only_host().is_retired);
        assert_eq!(is_retired, code == 0, "{script}");
        assert_eq!(sandbox.id_file().exists(), code == 1, "{script}");
    }
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_a_post_that_hangs_does_not_keep_it_from_retiring() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    sandbox.configure(&fake_server.base(), "auto_retirement = true");
    fake_server.script("tsdb = hang");
    let agent = sandbox.start();
    fake_server.wait(limit(15), "values", |seen| {
        seen.to("POST", TSDB).next().map(drop)
    });
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(9));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(fake_server.seen(|seen| seen.model.only_host().is_retired));
}

#[test]
fn the_variables_of_the_go_image_are_known_in_an_image() {
    let fake_server = FakeServer::http();
    require!(
        !has_configuration(),
        "this machine has a configuration of an agent"
    );
    let mut sandbox = sandbox(&fake_server);
    sandbox.env("MACKEREL_APIKEY", "");
    sandbox.env("apikey", KEY);
    sandbox.env("opts", "-v -role=web:app");
    sandbox.env("auto_retirement", "1");
    let finished = sandbox.run_bare(&["configtest"]);
    assert_eq!(finished.code, Some(1), "anybody's: {}", finished.stderr);
    sandbox.env("container", "oci");
    let agent = sandbox.start_bare(&[], &[]);
    posted(&fake_server, 1);
    fake_server.seen(|seen| {
        let host = seen.model.only_host();
        assert!(host.roles.contains("web:app"));
        assert!(
            host.series.contains_key("loadavg5"),
            "what the Go agent measures"
        );
    });
    ended(agent, Signal::TERM);
    assert!(fake_server.seen(|seen| seen.model.only_host().is_retired));
}

#[test]
fn configtest_says_what_is_odd_about_variables() {
    let fake_server = FakeServer::http();
    let mut sandbox = Sandbox::of(&fake_server);
    sandbox.env("MACKEREL_ROLE", "a:b");
    sandbox.env("MACKEREL_PLUGIN_WORKDIR", "/tmp");
    sandbox.env("MACKEREL_AGENT_SERVICE_HOST", "10.0.0.1");
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let said = "MACKEREL_ROLE is an unexpected variable. Did you mean MACKEREL_ROLES ?";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    assert!(!finished.stderr.contains("WORKDIR") && !finished.stderr.contains("SERVICE"));
    sandbox.env("MACKEREL_DIAGNOSTIC", "perhaps");
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(1));
    let said = "the variable MACKEREL_DIAGNOSTIC: write true or false";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    let yaml = sandbox
        .write("agent.yml", "apikey: x\n")
        .display()
        .to_string();
    sandbox.env("MACKEREL_DIAGNOSTIC", "");
    sandbox.env("MACKEREL_AGENT_CONFIG", &yaml);
    let finished = sandbox.run_bare(&["configtest"]);
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.stderr.contains("reads TOML"),
        "{}",
        finished.stderr
    );
}

#[test]
fn what_is_not_ready_is_waited_for() {
    let fake_server = FakeServer::http();
    let mut sandbox = Sandbox::of(&fake_server);
    let place = free_address();
    sandbox.env("MACKEREL_READINESS_PROBE_TCP", place.to_string());
    sandbox.env("MACKEREL_READINESS_PROBE_PERIOD_SECONDS", "1");
    let mut agent = sandbox.start();
    agent.wait_line(limit(10), "word", |line| line.contains("not ready: tcp "));
    assert_eq!(fake_server.seen(|seen| seen.requests.len()), 0);
    let _listener = TcpListener::bind(place).unwrap();
    posted(&fake_server, 1);
    ended(agent, Signal::TERM);
    // An agent that ends before it is ready has no host to retire.
    sandbox.env("MACKEREL_READINESS_PROBE_TCP", "127.0.0.1:1");
    let mut agent = sandbox.start();
    agent.wait_line(limit(10), "word", |line| line.contains("not ready: tcp "));
    ended(agent, Signal::TERM);
}

#[test]
fn host_ignores_variables_with_plain_names() {
    // LXC sets this variable in its containers, which count as hosts.
    for container in ["", "lxc"] {
        let fake_server = FakeServer::http();
        let mut sandbox = Sandbox::of(&fake_server);
        sandbox.env("container", container);
        sandbox.env("apikey", "another");
        sandbox.env("opts", "-v -role=web:app -apibase=nonsense");
        sandbox.env("include", "/nowhere/[");
        sandbox.env("auto_retirement", "1");
        sandbox.env("enable_docker_plugin", "1");
        let agent = sandbox.start();
        posted(&fake_server, 1);
        let said = ended(agent, Signal::TERM);
        assert!(!said.contains("DEBUG") && !said.contains("WARN"), "{said}");
        fake_server.seen(|seen| {
            let host = seen.model.only_host();
            assert!(host.roles.is_empty() && !host.is_retired);
        });
    }
}

#[test]
fn host_without_a_kept_id_is_retired_by_identifier() {
    let fake_server = FakeServer::http();
    require!(
        !has_configuration(),
        "this machine has a configuration of an agent"
    );
    let mut sandbox = sandbox(&fake_server);
    sandbox.env("MACKEREL_HOST_ID_STORE", "memory");
    sandbox.env("MACKEREL_CUSTOM_IDENTIFIER", "pod-1.kubernetes");
    let retire = || sandbox.run_bare(&["retire", "-force"]);
    fake_server.seen(|seen| seen.model.add_host("other", "pod-2.kubernetes"));
    let finished = retire();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let said = "no host is known by the identifier pod-1.kubernetes";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);

    let id = fake_server.seen(|seen| seen.model.add_host("this", "pod-1.kubernetes"));
    fake_server.script("hosts #1 = 503");
    let finished = retire();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    fake_server.seen(|seen| {
        let mut retired = seen.model.hosts.values().filter(|host| host.is_retired);
        assert_eq!(retired.next().map(|host| &host.id), Some(&id));
        assert!(retired.next().is_none());
    });
    assert!(!sandbox.root().exists());
}
