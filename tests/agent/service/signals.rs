//! How the agent stops on signals, and what SIGHUP does.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::time::Duration;

use crate::process::Signal;
use crate::process_tree::{is_root, poll_until};
use crate::sandbox::{Sandbox, is_emulated, limit, runner};
use fake_server::FakeServer;

const TSDB: &str = "/api/v0/tsdb";

/// Waits until values have been posted: by then the agent has everything in place.
#[track_caller]
fn posted(fake_server: &FakeServer) {
    fake_server.wait(limit(15), "values", |seen| {
        seen.to("POST", TSDB).next()?.status.map(drop)
    });
}

#[test]
fn each_signal_to_end_ends_it_in_good_order() {
    for (signal, name) in [
        (Signal::TERM, "terminated"),
        (Signal::INT, "interrupt"),
        (Signal::QUIT, "quit"),
    ] {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        let more = "[host_status]\non_start = \"working\"\non_stop = \"poweroff\"\n";
        sandbox.configure(&fake_server.base(), more);
        let agent = sandbox.start();
        posted(&fake_server);
        let pid = fs::read_to_string(sandbox.pidfile()).unwrap();
        if runner().is_empty() {
            assert_eq!(pid, agent.pid().to_string(), "no newline");
        }
        agent.signal(signal);
        let finished = agent.wait_exit(limit(5));
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(finished.stderr.contains(name), "{}", finished.stderr);
        assert!(!sandbox.pidfile().exists());
        let status = fake_server.seen(|seen| seen.model.only_host().status.clone());
        assert_eq!(status, "poweroff");
        assert!(sandbox.id_file().exists());
    }
}

#[test]
fn without_on_stop_the_status_stays() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let agent = sandbox.start();
    posted(&fake_server);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_exit(limit(5)).code, Some(0));
    fake_server.seen(|seen| {
        let mut paths = seen.requests.iter().map(|request| &request.head.path);
        assert!(
            !paths.any(|path| path.ends_with("/status")),
            "{}",
            seen.summary()
        );
    });
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    // Without a spool: values in a spool are not waited for.
    let more = "[host_status]\non_stop = \"poweroff\"\n[spool]\non_disk = false\n";
    sandbox.configure(&fake_server.base(), more);
    fake_server.script("tsdb = 500");
    let agent = sandbox.start();
    posted(&fake_server);
    agent.signal(Signal::TERM);
    let more = |count| {
        fake_server.wait(limit(10), "another try", |seen| {
            (seen.to("POST", TSDB).count() > count).then_some(())
        });
    };
    // Tries are a second apart. Signals within a second are one request to stop.
    more(3);
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(5));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let status = fake_server.seen(|seen| seen.model.only_host().status.clone());
    assert_eq!(status, "working", "there was no time for that");
    assert!(!sandbox.pidfile().exists());
}

#[test]
fn a_request_that_hangs_does_not_keep_it() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    fake_server.script("tsdb = hang");
    let agent = sandbox.start();
    fake_server.wait(limit(15), "values", |seen| {
        seen.to("POST", TSDB).next().map(drop)
    });
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(5));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!sandbox.pidfile().exists());
}

/// Undelivered values are worth some patience: the server may come back.
#[test]
#[ignore = "slow: make test-slow"]
fn slow_it_can_be_ended_before_it_is_registered() {
    std::thread::scope(|scope| {
        for what in ["500", "hang"] {
            scope.spawn(move || {
                let fake_server = FakeServer::http();
                let sandbox = Sandbox::of(&fake_server);
                fake_server.script(&format!("* = {what}"));
                let agent = sandbox.start();
                fake_server.wait(limit(10), "request", |seen| seen.requests.front().map(drop));
                agent.signal(Signal::TERM);
                let finished = agent.wait_exit(Duration::from_secs(32));
                assert_eq!(finished.signal, None, "{what}: it ends by itself");
                assert!(!sandbox.pidfile().exists(), "{what}");
                assert!(!sandbox.id_file().exists(), "{what}");
            });
        }
    });
}

/// `cross/where` turns the addresses into functions and lines.
#[test]
fn a_crash_leaves_a_line_that_says_where_it_happened() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let agent = sandbox.start();
    posted(&fake_server);
    agent.signal(Signal::SEGV);
    let finished = agent.wait_exit(limit(5));
    if runner().is_empty() {
        assert_eq!(finished.signal, Some(11), "{}", finished.stderr);
    }
    let line = finished
        .stderr
        .lines()
        .find(|line| line.contains("crashed: signal 11, at"))
        .unwrap_or_else(|| panic!("{}", finished.stderr));
    assert!(
        line.starts_with("mackerel-agent ") && line.contains(" +0x"),
        "{line}"
    );
}

#[test]
fn hup_sends_a_new_description() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let mut agent = sandbox.start();
    posted(&fake_server);
    let more_than = |count| {
        fake_server.wait(limit(10), "description", |seen| {
            let updates = seen.model.only_host().updates;
            (updates > count).then_some(updates)
        })
    };
    let mut updates = more_than(0);
    for _ in 0..2 {
        agent.signal(Signal::HUP);
        updates = more_than(updates);
    }
    agent.assert_running();
}

#[test]
fn a_second_agent_with_the_same_pidfile_does_not_start() {
    only_if!(
        !is_emulated(),
        "all emulated programs have the name of the emulator, and programs are known by name"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let mut agent = sandbox.start();
    posted(&fake_server);
    let finished = sandbox.run(&[], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let pidfile = sandbox.pidfile().display().to_string();
    assert!(finished.stderr.contains(&pidfile), "{}", finished.stderr);
    assert_eq!(
        fs::read_to_string(sandbox.pidfile()).unwrap(),
        agent.pid().to_string()
    );
    agent.assert_running();
}

/// The owner of the state directory could replace the lock of an agent that is root.
#[test]
fn a_second_agent_of_another_user_starts_after_the_first_has_ended() {
    const OTHER: u32 = 4242;
    only_if!(
        !is_emulated(),
        "all emulated programs have the name of the emulator, and programs are known by name"
    );
    require!(is_root(), "only root can be several users");
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    sandbox.mode("", 0o755);
    sandbox.mode("agent.conf", 0o644);
    fs::create_dir(sandbox.root()).unwrap();
    chown(sandbox.root(), Some(OTHER), None).unwrap();
    let program = sandbox.copy_program().into_os_string();
    let pidfile = sandbox.root().join("pid").into_os_string();
    let conf = sandbox.conf().into_os_string();
    let words = [program, "-conf".into(), conf, "-pidfile".into(), pidfile];
    let mut agent = sandbox.start();
    posted(&fake_server);

    let finished = sandbox.spawn_as(OTHER, &words).wait_exit(limit(20));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let expected = "another mackerel-agent uses";
    assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    agent.assert_running();

    // As after a loss of power: what it has locked stays.
    agent.signal(Signal::KILL);
    agent.wait_exit(limit(5));
    let lock = sandbox.root().join("lock");
    assert_eq!(fs::metadata(&lock).unwrap().uid(), 0);
    let mut other = sandbox.spawn_as(OTHER, &words);
    poll_until(limit(15), "a lock of its own", || {
        fs::metadata(&lock)
            .is_ok_and(|lock| lock.uid() == OTHER)
            .then_some(())
    });
    other.assert_running();
}

#[test]
fn a_pidfile_of_something_else_is_overwritten() {
    let own = std::process::id().to_string();
    for left in ["", "nonsense", "1\n", "999999999", own.as_str()] {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        sandbox.write("agent.pid", left);
        let agent = sandbox.start();
        posted(&fake_server);
        let pid = fs::read_to_string(sandbox.pidfile()).unwrap();
        if runner().is_empty() {
            assert_eq!(pid, agent.pid().to_string(), "{left}");
        }
    }
}
