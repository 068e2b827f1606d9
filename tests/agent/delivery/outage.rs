//! Stops and crashes while the server is unreachable: how long they take, and which values are
//! lost.

use std::fs;
use std::time::{Duration, Instant};

use crate::process::{Agent, Signal};
use crate::process_tree::poll_until;
use crate::sandbox::{Sandbox, limit};
use fake_server::{Door, FakeServer};

const TSDB: &str = "/api/v0/tsdb";
const ON_STOP: &str = "[host_status]\non_stop = \"poweroff\"\n";
const LITTLE: &str = "[filesystems]\nignore = \".\"\n[interfaces]\nignore = \".\"\n";

/// A registered host whose values the server rejects. Returns its sandbox and its id.
fn known(fake_server: &FakeServer, more: &str) -> (Sandbox, String) {
    let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
    let sandbox = Sandbox::of(fake_server);
    sandbox.configure(&fake_server.base(), more);
    sandbox.adopt(&id);
    (sandbox, id)
}

fn until_failing(agent: &mut Agent<'_>) {
    agent.wait_line(limit(20), "failure", |line| {
        line.contains("are kept") || line.contains("this is tried again")
    });
}

fn until_tsdb(fake_server: &FakeServer) {
    fake_server.wait(limit(20), "values", |seen| {
        seen.to("POST", TSDB).next().map(drop)
    });
}

/// Sends SIGTERM and waits for the end. Returns the exit code, the log and how long that took.
fn stopped(agent: Agent<'_>) -> (Option<i32>, String, Duration) {
    let begin = Instant::now();
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(Duration::from_secs(33));
    (finished.code, finished.stderr, begin.elapsed())
}

/// With values in the spool, one attempt to deliver them is enough.
#[test]
fn stop_during_an_outage_ends_within_seconds_with_success() {
    std::thread::scope(|scope| {
        // (why this row exists, the server's answer to values, whether the failure is awaited,
        // seconds until the end, whether the status arrives)
        let table = [
            ("an error at once", "500", true, 2, true),
            ("a refusal", "403", true, 2, true),
            ("a proxy's page", "portal", true, 2, true),
            ("a broken connection", "reset", true, 2, true),
            ("a request that hangs", "hang", false, 5, true),
            (
                "an answer that stops half-way",
                "hang-midway",
                false,
                5,
                true,
            ),
        ];
        for (why, what, is_awaited, seconds, is_told) in table {
            scope.spawn(move || {
                let fake_server = FakeServer::http();
                let (sandbox, id) = known(&fake_server, ON_STOP);
                fake_server.script(&format!("tsdb = {what}"));
                let mut agent = sandbox.start();
                if is_awaited {
                    until_failing(&mut agent);
                } else {
                    until_tsdb(&fake_server);
                }
                let (code, stderr, took) = stopped(agent);
                assert_eq!(code, Some(0), "{why}: {stderr}");
                assert!(took < limit(seconds), "{why}: {took:?}\n{stderr}");
                assert!(sandbox.root().join("spool").exists(), "{why}: {stderr}");
                let status = fake_server.seen(|seen| seen.model.hosts[&id].status.clone());
                assert_eq!(status == "poweroff", is_told, "{why}: {stderr}");
            });
        }
    });
}

#[test]
fn stop_without_a_server_ends_within_seconds_with_success() {
    std::thread::scope(|scope| {
        for (why, door, seconds) in [
            ("connections are refused", Door::Refusing, 2),
            ("connections are not answered", Door::Deaf, 5),
        ] {
            scope.spawn(move || {
                let fake_server = FakeServer::http();
                let (sandbox, _) = known(&fake_server, ON_STOP);
                fake_server.script("tsdb = 503");
                let mut agent = sandbox.start();
                until_failing(&mut agent);
                fake_server.door(door);
                let (code, stderr, took) = stopped(agent);
                assert_eq!(code, Some(0), "{why}: {stderr}");
                assert!(took < limit(seconds), "{why}: {took:?}\n{stderr}");
                assert!(sandbox.root().join("spool").exists(), "{why}: {stderr}");
            });
        }
    });
}

/// Without a spool, values are delivered for up to 30 seconds, as by the Go agent.
#[test]
#[ignore = "slow: make test-slow"]
fn slow_stop_without_a_spool_tries_for_its_time() {
    let fake_server = FakeServer::http();
    let (sandbox, _) = known(&fake_server, "[spool]\non_disk = false\n");
    fake_server.script("tsdb = 503");
    let mut agent = sandbox.start();
    until_failing(&mut agent);
    let (code, stderr, took) = stopped(agent);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("could not be delivered"), "{stderr}");
    assert!(took >= Duration::from_secs(29), "{took:?}");
}

/// Each life is far shorter than the spool's window, and still keeps its first round.
#[test]
fn crash_loop_keeps_the_first_round_of_every_life() {
    for what in ["tsdb = 503", "* = hang"] {
        let fake_server = FakeServer::http();
        let (sandbox, _) = known(&fake_server, LITTLE);
        let spool = sandbox.root().join("spool");
        fake_server.script(what);
        // The first agent finds no sign of a crash.
        let agent = sandbox.start();
        fake_server.wait(limit(20), "request", |seen| seen.requests.back().map(drop));
        agent.signal(Signal::KILL);
        drop(agent);
        let (mut length, lives) = (0, 3);
        for life in 0..lives {
            let agent = sandbox.start();
            let grown = poll_until(limit(10), "round in the spool", || {
                let now = fs::metadata(&spool).map_or(0, |file| file.len());
                (now > length).then_some(now)
            });
            length = grown;
            agent.signal(Signal::KILL);
            let finished = agent.wait_exit(limit(10));
            assert_eq!(finished.signal, Some(9), "{life}: {}", finished.stderr);
        }
        fake_server.clear_script();
        let _agent = sandbox.start();
        fake_server.wait(limit(20), "every first round", |seen| {
            // Counted in the posts: values of lives that begin in the same second have the same
            // time.
            let posts = seen
                .to("POST", TSDB)
                .filter(|post| post.status == Some(200));
            let bodies = posts.map(|post| String::from_utf8_lossy(&post.body).into_owned());
            let rounds: usize = bodies
                .map(|body| body.matches("\"loadavg5\"").count())
                .sum();
            (rounds >= lives).then_some(())
        });
    }
}

#[test]
fn clean_end_is_not_taken_for_a_crash() {
    let fake_server = FakeServer::http();
    let (sandbox, _) = known(&fake_server, "");
    let agent = sandbox.start();
    until_tsdb(&fake_server);
    let (code, stderr, _) = stopped(agent);
    assert_eq!(code, Some(0), "{stderr}");
    let agent = sandbox.start();
    fake_server.wait(limit(20), "values again", |seen| {
        (seen.to("POST", TSDB).count() > 1).then_some(())
    });
    // Shortly after a boot, the spool is written and removed.
    poll_until(limit(10), "end of the spool", || {
        (!sandbox.root().join("spool").exists()).then_some(())
    });
    drop(agent);
}
