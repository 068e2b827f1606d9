//! Answers that break the API's rules.
//!
//! Hosts are not created twice, ids are checked, times are plausible, and no answer can forge a log
//! line.

use std::fs;

use crate::process::{Agent, Signal};
use crate::sandbox::{Sandbox, limit};
use fake_server::{Act, Answer, FakeServer, Rule};

const HOSTS: &str = "/api/v0/hosts";

/// Starts an agent whose requests to create a host meet `acts`, the last of them from then on.
fn creating<'a>(fake_server: &FakeServer, sandbox: &'a Sandbox, acts: Vec<Act>) -> Agent<'a> {
    let last = acts.len();
    for (at, act) in acts.into_iter().enumerate() {
        let end = if at + 1 == last { usize::MAX } else { at + 1 };
        fake_server.rule(Rule::on("POST /api/v0/hosts", act).only(at + 1, end));
    }
    sandbox.start()
}

/// A row's answer: this text instead of the right one.
fn instead(body: &str) -> Act {
    Act::Instead(Answer::new(200, body))
}

#[test]
fn register_creates_one_host_whatever_the_answer_looks_like() {
    std::thread::scope(|scope| {
        // (why this row exists, fault of every request to create a host)
        let table: Vec<(&str, Act)> = vec![
            ("a page", instead("<html>")),
            ("nothing", instead("")),
            ("no id", instead("{}")),
            ("a number", instead(r#"{"id":7}"#)),
            ("an empty id", instead(r#"{"id":""}"#)),
            ("an id with a path", instead(r#"{"id":"../../x"}"#)),
            ("an id with a line end", instead(r#"{"id":"a\nb"}"#)),
            ("half of an id", instead(r#"{"id":"2uN4pX"#)),
            ("cut", Act::Cut),
            ("no answer", Act::Lost),
            ("a gateway that gave up", Act::Instead(Answer::new(504, ""))),
            (
                "an error after the fact",
                Act::Instead(Answer::new(500, "")),
            ),
            ("somebody redirects", Act::Instead(Answer::new(302, ""))),
        ];
        for (why, act) in table {
            for identifier in ["", "custom_identifier = \"i-1.example\"\n"] {
                let act = act.clone();
                scope.spawn(move || {
                    let fake_server = FakeServer::http();
                    let sandbox = Sandbox::of(&fake_server);
                    sandbox.configure(&fake_server.base(), identifier);
                    // An existing host of the same name belongs to another machine.
                    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
                    let stranger = fake_server.seen(|seen| {
                        let id = seen.model.add_host(name.trim_end(), "");
                        seen.model.hosts.get_mut(&id).unwrap().created_at -= 3_600;
                        id
                    });
                    let _agent = creating(&fake_server, &sandbox, vec![act]);
                    let own = fake_server.wait(limit(30), "description", |seen| {
                        let mut hosts = seen.model.hosts.values();
                        Some(hosts.find(|host| host.updates > 0)?.id.clone())
                    });
                    let why = format!("{why} {identifier}");
                    assert_ne!(own, stranger, "{why}");
                    assert_eq!(fs::read_to_string(sandbox.id_file()).unwrap(), own, "{why}");
                    fake_server.seen(|seen| {
                        assert_eq!(
                            seen.to("POST", HOSTS).count(),
                            1,
                            "{why}: {}",
                            seen.summary()
                        );
                        assert_eq!(seen.model.hosts.len(), 2, "{why}: {}", seen.summary());
                    });
                });
            }
        }
    });
}

/// No host seems to have been created: the agent retries a few times only.
#[test]
fn register_gives_up_creating_hosts_after_a_few_attempts() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let portal = Act::Answer(Answer::portal());
    let mut agent = creating(&fake_server, &sandbox, vec![portal]);
    let line = agent.wait_line(limit(30), "end of attempts", |line| {
        line.contains("no other host is created")
    });
    assert!(line.contains("3 requests") && line.contains("id"), "{line}");
    fake_server.wait(limit(30), "another look", |seen| {
        (seen.to("GET", HOSTS).count() > 3).then_some(())
    });
    assert_eq!(fake_server.seen(|seen| seen.to("POST", HOSTS).count()), 3);
    agent.assert_running();
}

/// It is unknown whether a host was created: the agent creates none until it is known.
#[test]
fn register_creates_no_host_while_the_server_will_not_look() {
    for what in ["403", "404", "500", "hang", "portal"] {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        fake_server.script(&format!("GET {HOSTS} = {what}"));
        let mut agent = creating(&fake_server, &sandbox, vec![instead("{}")]);
        let wanted = if what == "hang" { 1 } else { 2 };
        fake_server.wait(limit(30), "look-ups", |seen| {
            (seen.to("GET", HOSTS).count() >= wanted).then_some(())
        });
        agent.assert_running();
        assert_eq!(
            fake_server.seen(|seen| seen.to("POST", HOSTS).count()),
            1,
            "{what}"
        );
    }
}

#[test]
fn id_file_that_holds_no_id_ends_the_agent_with_the_remedy() {
    let long = "x".repeat(65);
    let huge = "x".repeat(100_000);
    for id in [
        "../x",
        " 3aB ",
        "a b",
        "a\nb",
        "a/b",
        "é",
        "a\x1b[31m",
        &long,
        &huge,
    ] {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        sandbox.adopt(id);
        for command in [&[][..], &["retire", "-force"]] {
            let finished = match command {
                [command, flag] => sandbox.run(&[command], &[flag]),
                _ => sandbox.run(&[], &[]),
            };
            assert_eq!(finished.code, Some(1), "{id:?}: {}", finished.stderr);
            let path = sandbox.id_file().display().to_string();
            let stderr = finished.stderr;
            let shown: String = id.chars().take(20).collect();
            assert!(
                stderr.contains(&path) && stderr.contains("not a host id"),
                "{shown:?}: {stderr}"
            );
            assert!(
                !stderr.contains('\x1b') && stderr.len() < 4_096,
                "{shown:?}"
            );
        }
        assert_eq!(fake_server.seen(|seen| seen.requests.len()), 0);
    }
}

#[test]
fn log_shows_foreign_text_on_one_line_without_control_characters() {
    const BAD: &str = "n\u{1b}[31m\nINFO <main> FORGED\r\u{85}\u{9b}2J\u{202e}\u{2028}\u{2066}x";
    let fake_server = FakeServer::http();
    let id = fake_server.seen(|seen| seen.model.add_host(BAD, ""));
    let sandbox = Sandbox::of(&fake_server);
    let long = "y".repeat(100_000);
    let more = format!(
        "[plugin.metrics.p]\ncommand = [\"sh\", \"-c\", \"cat said >&2; cat named\"]\n{}",
        "[host_status]\non_start = \"standby\"\n"
    );
    sandbox.configure(&fake_server.base(), &more);
    sandbox.write("said", &format!("{BAD}{long}"));
    sandbox.write("named", "n\u{1b}[31m\u{202e}\u{9b}2Jx\t1\t1\n");
    sandbox.adopt(&id);
    let refusal = Answer::error(500, BAD);
    fake_server.rule(Rule::on("tsdb", Act::Answer(refusal)));
    let mut agent = sandbox.start();
    for word in ["Start: apibase", "says:", "status 500", "dropped"] {
        agent.wait_line(limit(20), word, |line| line.contains(word));
    }
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(40));
    for line in finished.stderr.lines() {
        let has_time = line.starts_with("20") && line.get(4..5) == Some("/");
        assert!(has_time, "a line of its own: {line:?}");
        let odd = |c: char| c.is_control() || "\u{202e}\u{2028}\u{2066}".contains(c);
        assert!(!line.contains(odd), "{line:?}");
        assert!(line.len() < 20_000, "{} bytes", line.len());
    }
}

/// A refusal ends the agent with a message without a time, which is one line too.
#[test]
fn refusal_at_the_start_is_one_line() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let answer = Answer::error(403, "no\nfailed to load config: FORGED\u{1b}[2J");
    fake_server.rule(Rule::on("hosts", Act::Answer(answer)));
    let finished = sandbox.run(&[], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let forged = |line: &str| line.starts_with("failed to load config");
    assert!(!finished.stderr.lines().any(forged), "{}", finished.stderr);
    assert!(!finished.stderr.contains('\x1b'), "{}", finished.stderr);
}

/// If the kernel of this machine reports its clock as synchronised, the Date header does not
/// matter.
#[test]
fn date_header_that_cannot_be_right_is_not_believed() {
    for date in [0_u64, 946_684_800, 4_070_908_800] {
        let fake_server = FakeServer::http();
        let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
        let sandbox = Sandbox::of(&fake_server);
        sandbox.adopt(&id);
        fake_server.script(&format!("* = date:{date}"));
        let _agent = sandbox.start();
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let times: Vec<u64> = fake_server.wait(limit(100), "values", |seen| {
            let bodies = seen.to("POST", "/api/v0/tsdb").next()?.json();
            let values = bodies.as_array()?.iter();
            Some(values.filter_map(|value| value["time"].as_u64()).collect())
        });
        assert!(
            times.iter().all(|time| time.abs_diff(now) < 120),
            "{date}: {times:?}"
        );
    }
}
