//! `mackerel-agent status`: what it shows of an agent in each broken environment, and of one that
//! does not run. With `--nocapture` the tests print each text.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::UNIX_EPOCH;

use serde_json::Value;

use crate::fuse::{Fuse, run_where_it_may_mount};
use crate::process::{Agent, Finished, Signal};
use crate::process_tree::{is_root, poll_until};
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::h2::Server;
use fake_server::{Act, FakeServer, Rule};

/// Seconds until an agent has found out what is wrong: two cores may have much else to do.
const PATIENCE: u64 = 100;
/// A user who is neither root nor the agent's.
const OTHER: u32 = 65534;

/// The document, if an agent answers.
fn document(sandbox: &Sandbox) -> Option<Value> {
    let finished = sandbox.run(&["status"], &["-json"]);
    let document: Value = serde_json::from_str(&finished.stdout).ok()?;
    (document["running"] == true).then_some(document)
}

/// Waits until `look` accepts the document, and returns the page about it.
#[track_caller]
fn page_once(sandbox: &Sandbox, what: &str, look: impl Fn(&Value) -> bool) -> Finished {
    poll_until(limit(PATIENCE), what, || {
        document(sandbox)
            .filter(|document| look(document))
            .map(drop)
    });
    page(sandbox, what)
}

/// The page, each line of which fits a terminal.
#[track_caller]
fn page(sandbox: &Sandbox, what: &str) -> Finished {
    let finished = sandbox.run(&["status"], &[]);
    eprintln!(
        "=== {what}: exit code {:?}\n{}",
        finished.code, finished.stdout
    );
    for line in finished.stdout.lines() {
        assert!(line.chars().count() <= 80, "{what}: {line}");
    }
    assert!(!finished.stdout.contains('\u{1b}'), "{what}: no terminal");
    finished
}

/// Panics unless the page contains these words, wherever its lines are wrapped.
#[track_caller]
fn assert_shows(page: &Finished, words: &[&str]) {
    let text = page.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in words {
        assert!(
            text.contains(wanted),
            "no \"{wanted}\" in:\n{}",
            page.stdout
        );
    }
}

/// An environment in which an agent runs, and what its status shows.
#[derive(Default)]
struct Case {
    what: &'static str,
    /// Rules of the server.
    script: &'static str,
    /// The server's address; empty for that of the fake server.
    base: &'static str,
    /// More settings.
    settings: &'static str,
    is_https: bool,
    /// What is before the agent's command line.
    before: &'static [&'static str],
    /// The state and the step of the destination.
    state: (&'static str, &'static str),
    code: i32,
    /// Words of the page.
    shows: &'static [&'static str],
}

const CASES: [Case; 11] = [
    Case {
        what: "running well",
        state: ("ok", ""),
        shows: &[
            "OK: the agent measures",
            "main organization ok, last accepted",
            "nothing waits",
        ],
        ..NONE
    },
    Case {
        what: "no network",
        base: "http://192.0.2.1:1",
        before: &["unshare", "-rn"],
        state: ("failing", "connect"),
        code: 1,
        shows: &[
            "fails at the step connect since",
            "Remedy: check the network",
            "values",
            "the oldest",
        ],
        ..NONE
    },
    Case {
        what: "a dead resolver",
        base: "http://api.mackerel.example:1",
        before: &["unshare", "-rn"],
        state: ("failing", "resolve"),
        code: 1,
        shows: &["the step resolve since", "name servers in /etc/resolv.conf"],
        ..NONE
    },
    Case {
        what: "a connection that is refused",
        base: "http://127.0.0.1:1",
        state: ("failing", "connect"),
        code: 1,
        shows: &["the step connect since", "firewalls"],
        ..NONE
    },
    Case {
        what: "an expired certificate",
        script: "connect = expired",
        is_https: true,
        state: ("failing", "certificate"),
        code: 1,
        shows: &[
            "the step certificate since",
            "Remedy: check the certificate of the server",
        ],
        ..NONE
    },
    Case {
        what: "a key that is refused",
        script: "tsdb = 401",
        state: ("failing", "key"),
        code: 1,
        shows: &["the step key since", "status 401", "Remedy: check apikey"],
        ..NONE
    },
    Case {
        what: "a host that is retired",
        script: "tsdb = 404",
        state: ("failing", "host"),
        code: 1,
        shows: &[
            "the step host since",
            "neither retired nor of another organization",
        ],
        ..NONE
    },
    Case {
        what: "a server that is out of order",
        script: "tsdb = 503",
        state: ("failing", "server"),
        code: 1,
        shows: &["the step server since", "Remedy: wait"],
        ..NONE
    },
    Case {
        what: "a login page",
        script: "tsdb = portal",
        state: ("failing", "answer"),
        code: 1,
        shows: &["the step answer since", "a login page is between"],
        ..NONE
    },
    Case {
        what: "a missing plugin",
        settings: "[plugin.metrics.gone]\ncommand = [\"/nonexistent/plugin\"]",
        state: ("ok", ""),
        code: 1,
        shows: &[
            "! plugin.metrics.gone",
            "no such file",
            "try it with: mackerel-agent plugin gone",
            "metrics gone failing, ran",
        ],
        ..NONE
    },
    Case {
        what: "a probe that does not succeed",
        settings: "[readiness_probe]\nexec = [\"false\"]",
        state: ("starting", "readiness"),
        code: 1,
        shows: &[
            "waits for the step readiness",
            "once readiness_probe succeeds",
        ],
        ..NONE
    },
];

const NONE: Case = Case {
    what: "",
    script: "",
    base: "",
    settings: "",
    is_https: false,
    before: &[],
    state: ("", ""),
    code: 0,
    shows: &[],
};

impl Case {
    fn try_out(&self) {
        let fake_server = if self.is_https {
            FakeServer::https()
        } else {
            FakeServer::http()
        };
        if !self.script.is_empty() {
            fake_server.script(self.script);
        }
        let sandbox = Sandbox::of(&fake_server);
        let base = match self.base {
            "" => fake_server.base(),
            base => base.to_owned(),
        };
        sandbox.configure(&base, self.settings);
        let mut words: Vec<_> = self.before.iter().map(Into::into).collect();
        words.extend(sandbox.words(&[], &[]));
        let mut agent = sandbox.spawn(&words);
        let (state, step) = self.state;
        let page = page_once(&sandbox, self.what, |document| {
            let destination = &document["destinations"][0];
            let mut plugins = document["plugins"].as_array().unwrap().iter();
            destination["state"] == state
                && destination["failing_step"].as_str().unwrap_or_default() == step
                && plugins.all(|plugin| plugin["status"].is_string())
        });
        assert_eq!(page.code, Some(self.code), "{}: {}", self.what, page.stdout);
        assert_shows(&page, self.shows);
        agent.assert_running();
    }
}

#[test]
fn status_shows_the_failing_step_and_the_remedy() {
    let can_unshare = Command::new("unshare").args(["-rn", "true"]).status();
    let can_unshare = can_unshare.is_ok_and(|status| status.success()) && !is_emulated();
    // All at once: each agent mostly waits.
    thread::scope(|scope| {
        for case in &CASES {
            if case.before.is_empty() || can_unshare {
                scope.spawn(|| case.try_out());
            }
        }
    });
    require!(
        can_unshare,
        "no network namespaces: cases without a network are left out"
    );
}

/// A proxy that asks everybody for a login, until the process ends.
fn proxy_with_login() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
                head.extend(byte);
            }
            let answer = "HTTP/1.1 407 Proxy Authentication Required\r\n\
                          Proxy-Authenticate: Basic realm=\"x\"\r\n\
                          Content-Length: 0\r\nConnection: close\r\n\r\n";
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    port
}

#[test]
fn status_shows_a_proxy_that_requires_a_login_without_the_password() {
    let fake_server = FakeServer::https();
    let mut sandbox = Sandbox::of(&fake_server);
    let proxy = format!("http://user:SECRETWORD@127.0.0.1:{}", proxy_with_login());
    sandbox.env("https_proxy", proxy);
    let base = fake_server
        .base()
        .replace("https://", "https://me:SECRETWORD@");
    // A name: loopback addresses bypass a proxy.
    sandbox.configure(&base.replace("127.0.0.1", "api.mackerel.example"), "");
    let _agent = sandbox.start();
    let page = page_once(&sandbox, "a proxy with login", |document| {
        assert!(!document.to_string().contains("SECRETWORD"), "{document}");
        document["destinations"][0]["failing_step"] == "proxy"
    });
    assert_eq!(page.code, Some(1));
    assert_shows(
        &page,
        &[
            "the step proxy since",
            "407",
            "Remedy: check the address, user and",
        ],
    );
    assert!(!page.stdout.contains("SECRETWORD"), "{}", page.stdout);
}

#[test]
fn status_shows_a_supervisor_whose_agent_has_ended() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let supervisor = sandbox.start_with(&["supervise"], &[]);
    page_once(&sandbox, "a supervised agent", |document| {
        document["destinations"][0]["state"] == "ok"
    });
    // Stopped, so that it does not start another agent.
    let child = supervisor.only_child(limit(PATIENCE));
    supervisor.signal(Signal::STOP);
    let child = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(child, Signal::KILL).unwrap();
    poll_until(limit(PATIENCE), "absence", || {
        (sandbox.run(&["status"], &[]).code == Some(3)).then_some(())
    });
    let page = page(&sandbox, "an agent that its supervisor has lost");
    assert_eq!(page.code, Some(3));
    assert_shows(
        &page,
        &[
            "No agent runs",
            &format!("! process {}", supervisor.pid()),
            "the supervisor runs, but the agent that it starts ends again and again",
        ],
    );
    supervisor.signal(Signal::CONT);
    supervisor.signal(Signal::TERM);
    supervisor.wait_exit(limit(PATIENCE));
}

#[test]
fn status_of_an_agent_that_gave_up_says_that_none_runs() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    // The server has no such host, so that the agent ends.
    sandbox.adopt("gone");
    let ended = sandbox.start().wait_exit(limit(PATIENCE));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    eprintln!("=== a retired host, the agent\n{}", ended.stderr);
    let page = page(&sandbox, "a retired host");
    assert_eq!(page.code, Some(3));
    assert_shows(&page, &["No agent runs", "! agent no agent of root"]);
    let finished = sandbox.run(&["status"], &["-json"]);
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(document["running"], false);
    assert_eq!(document["problems"][0]["what"], "agent");
}

#[test]
fn status_shows_the_agent_that_has_the_root() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let agent = sandbox.start();
    page_once(&sandbox, "two agents, the first", |document| {
        document["destinations"][0]["state"] == "ok"
    });
    // Another configuration with the same root.
    let second = sandbox.run(&[], &["-pidfile="]);
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    eprintln!("=== two agents, the second:\n{}", second.stderr);
    let page = page(&sandbox, "two agents");
    assert_shows(&page, &[&format!("process {}", agent.pid())]);
    assert_eq!(page.code, Some(0), "{}", page.stdout);
}

#[test]
fn status_shows_the_state_of_each_destination() {
    let (fake_server, collector) = (FakeServer::http(), Server::plain());
    let sandbox = Sandbox::of(&fake_server);
    // The server refuses the key of b for good.
    let settings = format!(
        "[[organization]]\nname = \"b\"\napikey = \"WRONGKEY\"\n\
         [[otlp]]\nendpoint = \"127.0.0.1:{}\"\ninsecure = true\n\
         [[otlp]]\nendpoint = \"127.0.0.1:1\"\ninsecure = true\n",
        collector.port
    );
    sandbox.configure(&fake_server.base(), &settings);
    let _agent = sandbox.start();
    let page = page_once(&sandbox, "four destinations", |document| {
        let all = document["destinations"].as_array().unwrap().iter();
        let states: Vec<_> = all.map(|one| one["state"].as_str().unwrap()).collect();
        states == ["ok", "ended", "ok", "failing"]
    });
    assert_eq!(page.code, Some(1), "{}", page.stdout);
    let words = [
        "2 problems ! b nothing is sent there any more since",
        "status 401",
        "then restart the agent",
        "! 127.0.0.1:1 delivery fails at the step connect since",
        &format!("127.0.0.1:{} ok, last accepted", collector.port),
    ];
    assert_shows(&page, &words);
}

#[test]
fn status_shows_a_clock_that_differs_from_the_servers() {
    let fake_server = FakeServer::http();
    let year = 365 * 86_400;
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    fake_server.rule(Rule::on("*", Act::Dated(now + year)));
    let sandbox = Sandbox::of(&fake_server);
    let _agent = sandbox.start();
    let page = page_once(&sandbox, "a clock that is a year behind", |document| {
        document["clock"]["source"].is_string() && document["destinations"][0]["state"] == "ok"
    });
    only_if!(
        !page.stdout.contains("set by NTP"),
        "the kernel confirms the clock of this machine"
    );
    assert_eq!(page.code, Some(1), "{}", page.stdout);
    let behind = "it differs from the server's, which is used: 36";
    assert_shows(&page, &["! clock", behind, "behind Remedy: set the clock"]);
}

#[test]
fn status_shows_checks_and_where_the_agent_listens() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    // A name that moves the cursor of a terminal.
    let socket = sandbox.path("listen\u{9b}2J");
    let settings = format!(
        "listen = \"{}\"\n[plugin.checks.disk]\ncommand = \"echo full; exit 2\"\n\
         [plugin.metadata.m]\ncommand = \"echo 1\"",
        socket.display()
    );
    sandbox.configure(&fake_server.base(), &settings);
    let _agent = sandbox.start();
    let page = page_once(&sandbox, "a check", |document| {
        document["destinations"][0]["state"] == "ok"
            && document["plugins"][0]["message"] == "full"
            && document["plugins"][0]["exit_code"] == 2
    });
    // What a check finds is no failure of the agent.
    assert_eq!(page.code, Some(0), "{}", page.stdout);
    let socket = socket.display().to_string();
    let json = sandbox.run(&["status"], &["-json"]).stdout;
    let escaped = socket.replace('\u{9b}', "\\u009b");
    assert!(json.contains(&escaped), "{json}");
    let document: Value = serde_json::from_str(&json).unwrap();
    assert!(document["listener"].as_str().unwrap().contains(&socket));
    let socket = socket.replace('\u{9b}', "\\u{9b}");
    assert_shows(
        &page,
        &[
            "checks disk CRITICAL, ran",
            "exit code 2, next in",
            "metadata m",
        ],
    );
    assert!(
        page.stdout.replace(['\n', ' '], "").contains(&socket),
        "{}",
        page.stdout
    );
}

#[test]
fn status_is_answered_to_root_and_the_agents_user_alone() {
    require!(is_root(), "only root can be several users");
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let _agent = sandbox.start();
    page_once(&sandbox, "root", |document| document["pid"].is_u64());
    sandbox.mode("", 0o755);
    let program = sandbox.copy_program();
    let root = sandbox.root().display().to_string();
    let words = [
        program.to_str().unwrap(),
        "status",
        "-conf",
        "/dev/null",
        "-root",
        &root,
    ];
    let refused = sandbox.spawn_as(OTHER, &words).wait_exit(limit(PATIENCE));
    eprintln!(
        "=== another user: exit code {:?}\n{}",
        refused.code, refused.stderr
    );
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    assert!(
        refused
            .stderr
            .contains("ask as root or as the agent's user")
    );
}

/// Whether mounts of this process can be hidden from others.
fn may_mount() -> bool {
    let probe = Command::new("unshare").args(["-m", "true"]).status();
    is_root() && !is_emulated() && probe.is_ok_and(|status| status.success())
}

#[test]
fn status_shows_a_full_disk() {
    require!(may_mount(), "only root can mount a small file system");
    let fake_server = FakeServer::http();
    fake_server.script("tsdb = 503");
    let sandbox = Sandbox::of(&fake_server);
    fs::create_dir(sandbox.root()).unwrap();
    // A pid file that is left: the agent saves the first values at once.
    sandbox.write("agent.pid", "999999999");
    let script = "mount -t tmpfs -o size=16k none root && head -c 100000 /dev/zero >root/full; \
                  exec \"$@\"";
    let mut words: Vec<_> = ["unshare", "-m", "sh", "-c", script, "sh"]
        .map(Into::into)
        .into();
    // The id is saved before the disk is full.
    fs::write(sandbox.path("keep"), "").unwrap();
    words.extend(sandbox.words(&[], &[]));
    let agent = sandbox.spawn(&words);
    let pid = agent.pid().to_string();
    let ask = |flags: &[&str]| {
        let mut words: Vec<_> = ["nsenter", "-m", "-t", &pid].map(Into::into).into();
        words.extend(sandbox.words(&["status"], flags));
        sandbox.spawn(&words).wait_exit(limit(PATIENCE))
    };
    let page = poll_until(limit(PATIENCE), "full disk", || {
        let page = ask(&[]);
        page.stdout.contains("in memory alone").then_some(page)
    });
    eprintln!(
        "=== a full disk: exit code {:?}\n{}",
        page.code, page.stdout
    );
    assert_eq!(page.code, Some(1));
    assert_shows(
        &page,
        &[
            "what waits is in memory alone",
            "No space left",
            "Remedy: free space",
        ],
    );
}

#[test]
fn status_shows_what_systemd_says_of_a_stopped_unit() {
    require!(may_mount(), "only root can mount a file system over /run");
    let sandbox = Sandbox::empty();
    sandbox.configure("http://127.0.0.1:1", "");
    // (why this row exists, properties of the unit, words of the page)
    let table: [(&str, &str, &[&str]); 4] = [
        (
            "stopped",
            "LoadState=loaded\nActiveState=inactive\nSubState=dead",
            &[
                "! systemd: inactive (dead)",
                "the service is stopped",
                "start it: systemctl start mackerel-agent",
                "The last lines of its log a line of the log",
            ],
        ),
        (
            "failed",
            "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\n\
             ExecMainStatus=1\nNRestarts=4",
            &[
                "! systemd: failed (failed): exit-code, exit code 1, restarts: 4",
                "correct what its last log lines say (journalctl -u mackerel-agent)",
            ],
        ),
        (
            "restarting",
            "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\n\
             Result=exit-code\nExecMainStatus=1\nNRestarts=9",
            &["the agent ends again and again"],
        ),
        (
            "missing",
            "LoadState=not-found\nActiveState=inactive\nSubState=dead",
            &["there is no service of the agent", "mackerel-agent install"],
        ),
    ];
    for (why, properties, words) in table {
        sandbox.write("systemctl", &format!("#!/bin/sh\necho '{properties}'\n"));
        sandbox.write("journalctl", "#!/bin/sh\necho a line of the log\n");
        sandbox.mode("systemctl", 0o755);
        sandbox.mode("journalctl", 0o755);
        let script = "mount -t tmpfs none /run && mkdir -p /run/systemd/system && \
                      mkdir bin work && \
                      for name in systemctl journalctl; do cp $name bin; done && \
                      mount -t overlay -o lowerdir=bin:/usr/bin none /usr/bin; exec \"$@\"";
        for made in ["bin", "work"] {
            drop(fs::remove_dir_all(sandbox.path(made)));
        }
        let mut line: Vec<_> = ["unshare", "-m", "sh", "-c", script, "sh"]
            .map(Into::into)
            .into();
        line.extend(sandbox.words(&["status"], &[]));
        let page = sandbox.spawn(&line).wait_exit(limit(PATIENCE));
        eprintln!(
            "=== a unit, {why}: exit code {:?}\n{}",
            page.code, page.stdout
        );
        assert_eq!(page.code, Some(3), "{why}: {}{}", page.stdout, page.stderr);
        assert_shows(&page, words);
        assert_shows(&page, &["No agent runs"]);
    }
}

/// Runs [`with_a_mount_that_hangs`] where it may mount a file system.
#[test]
fn status_shows_a_mount_that_hangs() {
    run_where_it_may_mount("service::status::with_a_mount_that_hangs", 200);
}

#[test]
#[ignore = "mounts something: needs a user and mount namespace of its own"]
fn with_a_mount_that_hangs() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let point = sandbox.path("mounted");
    fs::create_dir(&point).unwrap();
    let fuse = Fuse::mount("/dev/hung", &point);
    // To a file: a process that the kernel cannot end keeps its pipes open.
    let agent: Agent<'_> = sandbox.through_shell("exec \"$@\" >out 2>&1", &[], &[]);
    let page = page_once(&sandbox, "a mount that hangs", |document| {
        document["hanging_mounts"][0] == point.to_str().unwrap()
            && document["destinations"][0]["state"] == "ok"
    });
    assert_eq!(page.code, Some(1));
    assert_shows(
        &page,
        &[
            "! file system",
            "it does not answer: its values are missing",
        ],
    );
    fuse.wake();
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_exit(limit(PATIENCE)).code, Some(0));
}
