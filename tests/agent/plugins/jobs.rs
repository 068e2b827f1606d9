//! Jobs that `wrap` runs, and how the running agent reports them.

use serde_json::Value;

use super::processes::add_prompt_host;
use crate::process::{Agent, Signal};
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::{Door, FakeServer};

const WAIT: u64 = 100;

/// An agent that has sent values, and its server.
fn with_agent(look: impl FnOnce(&FakeServer, &Sandbox, Agent<'_>)) {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    sandbox.adopt(&add_prompt_host(&fake_server));
    let mut agent = sandbox.start();
    agent.wait_line(limit(WAIT), "start", |line| line.contains("Start: "));
    look(&fake_server, &sandbox, agent);
}

/// The reports that the server has got of jobs.
fn reports(fake_server: &FakeServer) -> Vec<Value> {
    fake_server.seen(|seen| {
        let posts = seen.to("POST", "/api/v0/monitoring/checks/report");
        let posts = posts.filter(|post| post.status == Some(200));
        let lists = posts.map(|post| post.json()["reports"].as_array().cloned());
        lists.flatten().flatten().collect()
    })
}

/// Waits for so many reports.
#[track_caller]
fn wait_reports(fake_server: &FakeServer, count: usize) -> Vec<Value> {
    fake_server.wait(limit(WAIT), "reports", |seen| {
        let posts = seen.to("POST", "/api/v0/monitoring/checks/report");
        let posts = posts.filter(|post| post.status == Some(200));
        let sum: usize = posts
            .map(|post| post.json()["reports"].as_array().map_or(0, Vec::len))
            .sum();
        (sum >= count).then_some(())
    });
    reports(fake_server)
}

#[test]
fn wrap_passes_output_and_exit_code_on_and_reports_a_failure() {
    if is_emulated() {
        return fake_server::skip("an emulated program starts no other", false);
    }
    with_agent(|fake_server, sandbox, _agent| {
        let script = "read line; echo \"got $line\"; echo bad >&2; exit 3";
        let job = sandbox.through_shell(
            "echo hello | \"$@\" -n job -N 'ask Ann' -d -- sh -c 'read line; echo \"got $line\"; echo bad >&2; exit 3'",
            &["wrap"],
            &[],
        );
        let finished = job.wait_exit(limit(WAIT));
        assert_eq!(finished.code, Some(3), "{}", finished.stderr);
        assert_eq!(finished.stdout, "got hello\n");
        assert_eq!(finished.stderr, "bad\nwrap: command exited with code: 3");
        let report = &wait_reports(fake_server, 1)[0];
        assert_eq!(report["name"], "job");
        assert_eq!(report["status"], "CRITICAL");
        let message = report["message"].as_str().unwrap();
        let begin = format!("command exited with code: 3\nNote: ask Ann\n% sh -c {script}\n");
        assert!(message.starts_with(&begin), "{message}");
        assert!(message.contains("got hello\n") && message.contains("bad\n"));
    });
}

#[test]
fn wrap_reports_a_job_whose_output_a_process_left_behind_holds_open() {
    if is_emulated() {
        return fake_server::skip("an emulated program starts no other", false);
    }
    with_agent(|fake_server, sandbox, _agent| {
        let script = "echo done; sleep 300 & exit 3";
        let job = sandbox.start_with(&["wrap"], &["-n", "job", "--", "sh", "-c", script]);
        assert_eq!(wait_reports(fake_server, 1)[0]["status"], "CRITICAL");
        job.signal(Signal::TERM);
        let finished = job.wait_exit(limit(WAIT));
        assert_eq!(finished.code, Some(3), "{}", finished.stderr);
        assert_eq!(finished.stdout, "done\n");
    });
}

#[test]
fn wrap_gives_a_check_a_name_that_the_agent_accepts() {
    if is_emulated() {
        return fake_server::skip("an emulated program starts no other", false);
    }
    let long = "a".repeat(300);
    // (why this row exists, flag, begin of the name, its bytes)
    let table = [
        ("none", "", "mkrwrap-false-", 20),
        ("too long", &long, "aaa", 255),
    ];
    with_agent(|fake_server, sandbox, _agent| {
        for (at, (why, name, begin, bytes)) in table.into_iter().enumerate() {
            let finished = sandbox.run(&["wrap"], &["-n", name, "--", "false"]);
            assert_eq!(finished.code, Some(1), "{why}: {}", finished.stderr);
            let reports = wait_reports(fake_server, at + 1);
            let name = reports[at]["name"].as_str().unwrap();
            assert!(name.starts_with(begin), "{why}: {name}");
            assert_eq!(name.len(), bytes, "{why}: {name}");
        }
    });
}

#[test]
fn wrap_leaves_signals_ignored_that_its_caller_ignores() {
    if is_emulated() {
        return fake_server::skip("an emulated program starts no other", false);
    }
    let sandbox = Sandbox::of(&FakeServer::http());
    // As nohup(1) does, and a script with a command that ends in `&`.
    let script = "trap '' HUP INT QUIT; exec \"$@\" -- sh -c \
        'for signal in HUP INT QUIT; do kill -$signal $$; done; echo survived'";
    let finished = sandbox
        .through_shell(script, &["wrap"], &[])
        .wait_exit(limit(WAIT));
    assert_eq!(finished.stdout, "survived\n", "{}", finished.stderr);
    assert_eq!(finished.code, Some(0));
}

#[test]
fn wrap_reports_survive_an_outage_and_success_is_reported_once() {
    if is_emulated() {
        return fake_server::skip("an emulated program starts no other", false);
    }
    with_agent(|fake_server, sandbox, _agent| {
        fake_server.door(Door::Refusing);
        let run = |flags: &[&str]| sandbox.run(&["wrap"], flags);
        assert_eq!(run(&["-n", "a", "-w", "--", "false"]).code, Some(1));
        assert_eq!(run(&["-n", "quiet", "--", "true"]).code, Some(0));
        for _ in 0..2 {
            assert_eq!(run(&["-n", "b", "-a", "--", "true"]).code, Some(0));
        }
        let killed = run(&["-n", "c", "--", "sh", "-c", "kill -9 $$"]);
        assert_eq!(killed.code, Some(137));
        let missing = run(&["-n", "d", "--", "no-such-program"]);
        assert_eq!(missing.code, Some(127), "{}", missing.stderr);
        fake_server.door(Door::Open);
        let mut found: Vec<String> = wait_reports(fake_server, 4)
            .iter()
            .map(|report| format!("{} {}", report["name"], report["status"]))
            .collect();
        found.sort();
        let expected = [
            "\"a\" \"WARNING\"",
            "\"b\" \"OK\"",
            "\"c\" \"CRITICAL\"",
            "\"d\" \"CRITICAL\"",
        ];
        assert_eq!(found, expected);
    });
}

#[test]
fn wrap_runs_the_job_even_if_its_end_cannot_be_reported() {
    if is_emulated() {
        return fake_server::skip("an emulated program starts no other", false);
    }
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let job = sandbox.start_with(&["wrap"], &["--", "sh", "-c", "echo done; exit 7"]);
    let finished = job.wait_exit(limit(WAIT));
    assert_eq!(finished.code, Some(7));
    assert_eq!(finished.stdout, "done\n");
    assert!(
        finished
            .stderr
            .contains("is not reported: no agent of root "),
        "{}",
        finished.stderr
    );
    for flags in [&[][..], &["-I", "soon", "--", "true"]] {
        let finished = sandbox.run(&["wrap"], flags);
        assert_eq!(finished.code, Some(1));
        assert!(finished.stderr.starts_with("wrap: "), "{}", finished.stderr);
    }
}
