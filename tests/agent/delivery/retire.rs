//! `retire`: question, answer, request, and the removal of the id.

use crate::process::{Finished, Signal};
use crate::process_tree::text;
use crate::sandbox::{Sandbox, limit, runner};
use fake_server::FakeServer;

/// A sandbox whose agent is a host on the server. Also returns the host's id.
fn host(fake_server: &FakeServer) -> (Sandbox, String) {
    let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
    let sandbox = Sandbox::of(fake_server);
    sandbox.adopt(&id);
    (sandbox, id)
}

fn is_retired(fake_server: &FakeServer) -> bool {
    fake_server.seen(|seen| seen.model.only_host().is_retired)
}

/// Runs `retire` with this line as the answer.
fn answered(sandbox: &Sandbox, answer: &str) -> Finished {
    let script = format!("printf '{answer}' | \"$@\"");
    sandbox
        .through_shell(&script, &["retire"], &[])
        .wait_exit(limit(20))
}

#[test]
fn force_retires_without_a_question() {
    let fake_server = FakeServer::http();
    let (sandbox, id) = host(&fake_server);
    // Flags that units and scripts pass, used or not.
    let more = sandbox.path("other.pid").display().to_string();
    let flags = [
        "-force",
        "--pidfile",
        &more,
        "-v",
        "-role=a1:b1",
        "-diagnostic",
    ];
    let finished = sandbox.run(&["retire"], &flags);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
    assert!(
        finished.stderr.contains(" INFO <main> "),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains(&id), "{}", finished.stderr);
    assert!(is_retired(&fake_server) && !sandbox.id_file().exists());
    fake_server.seen(|seen| {
        let path = format!("/api/v0/hosts/{id}/retire");
        let request = seen.to("POST", &path).next().unwrap();
        assert_eq!(request.body, b"null");
    });
    // A second time fails.
    let finished = sandbox.run(&["retire"], &["-force"]);
    assert_eq!(finished.code, Some(1));
    let said = "hostID file is not found or empty";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
}

#[test]
fn nobody_to_ask_means_no() {
    let fake_server = FakeServer::http();
    let (sandbox, id) = host(&fake_server);
    let finished = sandbox.run(&["retire"], &[]);
    assert_eq!(finished.code, Some(1));
    assert_eq!(finished.stderr, "retirement is canceled");
    let question = format!("retire this host? (hostID: {id}) (y/n) [n]: ");
    assert_eq!(finished.stdout.trim_end_matches('\n'), question);
    assert_eq!(answered(&sandbox, "y\\n").code, Some(1), "a pipe is nobody");
    assert!(!is_retired(&fake_server) && sandbox.id_file().exists());
    assert_eq!(fake_server.seen(|seen| seen.counts.connections), 0);
}

#[test]
fn a_pipe_may_answer_if_it_is_told_to() {
    // (answer, GO_PROMPTER_USE_DEFAULT, questions, whether the host is retired)
    let table = [
        ("y\\n", false, 1, true),
        ("maybe\\nY\\n", false, 2, true),
        ("n\\n", false, 1, false),
        ("\\n", false, 1, false),
        ("", false, 1, false),
        ("y\\n", true, 1, false),
    ];
    for (answer, use_default, questions, expected) in table {
        let fake_server = FakeServer::http();
        let (mut sandbox, _) = host(&fake_server);
        sandbox.env("GO_PROMPTER_USE_PIPE", "1");
        sandbox.env(
            "GO_PROMPTER_USE_DEFAULT",
            if use_default { "1" } else { "" },
        );
        let finished = answered(&sandbox, answer);
        let code = if expected { 0 } else { 1 };
        assert_eq!(finished.code, Some(code), "{answer}: {}", finished.stderr);
        assert_eq!(finished.stdout.matches("(y/n) [n]: ").count(), questions);
        assert_eq!(is_retired(&fake_server), expected, "{answer}");
        assert_eq!(sandbox.id_file().exists(), !expected, "{answer}");
    }
}

#[test]
fn a_refusal_ends_it_at_once_with_the_servers_words() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    sandbox.adopt("unknown");
    let finished = sandbox.run(&["retire"], &["-force"]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert_eq!(fake_server.seen(|seen| seen.requests.len()), 1);
    assert!(
        finished.stderr.contains("Host Not Found."),
        "{}",
        finished.stderr
    );
    assert!(sandbox.id_file().exists());
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_an_outage_is_waited_out() {
    let fake_server = FakeServer::http();
    let (sandbox, _) = host(&fake_server);
    fake_server.script("* #1 = 503");
    let finished = sandbox.run(&["retire"], &["-force"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(is_retired(&fake_server));
    assert_eq!(
        finished.stderr.matches("WARNING").count(),
        1,
        "{}",
        finished.stderr
    );
}

/// Whether this process ignores a signal, and so do the processes that it starts.
fn is_ignored(signal: Signal) -> bool {
    let own = i32::try_from(std::process::id()).unwrap();
    let status = text(own, "status");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
    mask >> (signal.as_raw() - 1) & 1 != 0
}

#[test]
fn a_signal_ends_the_waiting() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        // Under nohup, or in the background of a shell, the agent inherits that the signal is
        // ignored.
        if is_ignored(signal) {
            continue;
        }
        let fake_server = FakeServer::http();
        let (sandbox, _) = host(&fake_server);
        fake_server.script("* = 503");
        let mut agent = sandbox.start_with(&["retire"], &["-force"]);
        agent.wait_line(limit(10), "complaint", |line| line.contains("503"));
        agent.signal(signal);
        let finished = agent.wait_exit(limit(10));
        if runner().is_empty() {
            assert_eq!(finished.signal, Some(signal.as_raw()));
        }
        assert!(sandbox.id_file().exists());
    }
}
