//! The document of a report, what is wrong in it, and the page about it.

use super::*;
use crate::base::json::Json;
use crate::base::width::columns;
use crate::sys::localtime;

/// A report of an agent that runs well.
fn well() -> StatusReport {
    StatusReport {
        time: 1_764_380_000,
        host_name: "pi".to_owned(),
        host_id: Some("3aB".to_owned()),
        server: Some("https://api.mackerelio.com".to_owned()),
        version: "0.1.0",
        revision: "abc",
        pid: 42,
        uptime: 90_000,
        measured_ago: Some(12),
        destinations: vec![DestinationStatus {
            name: "main organization".to_owned(),
            kind: "mackerel",
            server: "https://api.mackerelio.com".to_owned(),
            host_id: Some("3aB".to_owned()),
            state: "ok",
            posted_ago: Some(3),
            ..DestinationStatus::default()
        }],
        plugins: vec![PluginStatus {
            kind: "checks",
            name: "disk".to_owned(),
            last_run_ago: Some(7),
            duration_ms: Some(35),
            exit_code: Some(2),
            status: Some("CRITICAL"),
            message: "disk is full".to_owned(),
            error: None,
            next_run: Some(53),
            is_running: false,
        }],
        clock: ClockStatus {
            state: "confirmed",
            source: Some("ntp"),
            ahead: 0,
        },
        listener: Some("http://127.0.0.1:9100".to_owned()),
        hanging: Vec::new(),
        resources: Resources {
            resident_bytes: Some(3_145_728),
            cpu_ticks: Some(1_205),
            threads: Some(6),
            descriptors: Some(14),
        },
    }
}

fn failing(state: &'static str, step: &'static str) -> DestinationStatus {
    DestinationStatus {
        name: "main organization".to_owned(),
        state,
        failure: Some(FailureStatus {
            since: Some(1_764_379_700),
            step,
            reason: "REASON; REMEDY".to_owned(),
            remedy: "REMEDY",
        }),
        ..DestinationStatus::default()
    }
}

fn document(report: &StatusReport) -> Json {
    Json::parse(&json(report)).unwrap()
}

#[test]
fn status_document_has_all_members_in_order() {
    assert_eq!(
        json(&well()),
        r#"{"status_version":1,"running":true,"time":1764380000,"host":{"name":"pi","id":"3aB"},"#
            .to_owned()
            + r#""server":"https://api.mackerelio.com","version":"0.1.0","revision":"abc","#
            + r#""pid":42,"uptime_seconds":90000,"measured_seconds_ago":12,"destinations":["#
            + r#"{"name":"main organization","kind":"mackerel","#
            + r#""server":"https://api.mackerelio.com","host_id":"3aB","state":"ok","#
            + r#""posted_seconds_ago":3,"failing_since":null,"failing_step":null,"reason":null,"#
            + r#""remedy":null,"queued":{"values":0,"rounds":0,"reports":0,"disk_bytes":0,"#
            + r#""oldest":null,"save_error":null}}],"plugins":[{"kind":"checks","name":"disk","#
            + r#""last_run_seconds_ago":7,"duration_ms":35,"exit_code":2,"status":"CRITICAL","#
            + r#""message":"disk is full","error":null,"next_run_seconds":53,"running":false}],"#
            + r#""clock":{"state":"confirmed","source":"ntp","ahead_seconds":0},"#
            + r#""listener":"http://127.0.0.1:9100","hanging_mounts":[],"resources":{"#
            + r#""resident_bytes":3145728,"cpu_seconds":12.05,"threads":6,"descriptors":14}}"#
    );
    // Whatever is in a text, the document stays one line of JSON.
    let report = StatusReport {
        host_name: "\"\n\u{7f}\\日本</script>".to_owned(),
        hanging: vec!["/a".to_owned(), "/b\"".to_owned()],
        ..StatusReport::default()
    };
    let text = json(&report);
    assert!(!text.contains('\n'));
    let parsed = Json::parse(&text).unwrap();
    let name = parsed.member("host").and_then(|host| host.member("name"));
    assert_eq!(name, Some(&Json::Text(report.host_name)));
}

#[test]
fn status_page_shows_a_healthy_agent() {
    let status = document(&well());
    let problems = problems(&status);
    assert_eq!(problems, []);
    let expected = "\
OK: the agent measures, and everything is delivered

Host        pi (3aB)
Server      https://api.mackerelio.com
Agent       0.1.0 (revision abc), process 42, running for 25 h 0 min
Measured    12 s ago
Clock       set by NTP
Listener    http://127.0.0.1:9100
Resources   3145 kB of memory, 12.05 s of CPU, 6 threads, 14 descriptors

Destinations
  main organization       ok, last accepted 3 s ago
                          https://api.mackerelio.com
                          nothing waits

Plugins
  checks disk             CRITICAL, ran 7 s ago, took 35 ms, exit code 2, next
                          in 53 s
      disk is full
";
    assert_eq!(text(&status, &problems, false), expected);
    let coloured = text(&status, &problems, true);
    assert!(coloured.starts_with("\x1b[32mOK: "), "{coloured}");
}

#[test]
fn status_problems_name_what_is_wrong_and_what_to_do() {
    let at = localtime::rfc3339(std::time::Duration::from_secs(1_764_379_700));
    let of = |change: &dyn Fn(&mut StatusReport)| {
        let mut report = well();
        change(&mut report);
        report
    };
    let with = |destination: fn() -> DestinationStatus| {
        of(&|report| report.destinations = vec![destination()])
    };
    // (report, expected: what, why, remedy)
    let table = [
        (
            of(&|report| report.measured_ago = Some(151)),
            "measuring",
            "nothing was measured for 2 min".to_owned(),
            "see the log of the agent, and restart it",
        ),
        (
            of(&|report| report.measured_ago = None),
            "measuring",
            "nothing was measured for 25 h 0 min".to_owned(),
            "see the log of the agent, and restart it",
        ),
        (
            with(|| failing("failing", "key")),
            "main organization",
            format!("delivery fails at the step key since {at} (5 min): REASON"),
            "REMEDY",
        ),
        (
            with(|| failing("ended", "key")),
            "main organization",
            format!("nothing is sent there any more since {at} (5 min): REASON"),
            "REMEDY; then restart the agent",
        ),
        (
            with(|| {
                let mut held = failing("starting", "readiness");
                held.failure.as_mut().unwrap().since = None;
                held
            }),
            "main organization",
            "not registered yet, waits for the step readiness: REASON".to_owned(),
            "REMEDY",
        ),
        (
            of(&|report| {
                report.destinations[0].state = "late";
                report.destinations[0].posted_ago = Some(400);
            }),
            "main organization",
            "nothing was accepted for 6 min".to_owned(),
            "mackerel-agent diagnose tries each step of a post",
        ),
        (
            of(&|report| {
                report.destinations[0].queued.save_error = Some("no space".to_owned());
            }),
            "main organization",
            "what waits is in memory alone: no space".to_owned(),
            "free space on the file system of root, and let the agent's user write there",
        ),
        (
            of(&|report| report.plugins[0].error = Some("not found".to_owned())),
            "plugin.checks.disk",
            "not found".to_owned(),
            "try it with: mackerel-agent check disk",
        ),
        (
            of(&|report| {
                report.clock = ClockStatus {
                    state: "wrong",
                    source: Some("server"),
                    ahead: -7_260,
                };
            }),
            "clock",
            "it differs from the server's, which is used: 2 h 1 min behind".to_owned(),
            "set the clock, or have it set by NTP",
        ),
        (
            of(&|report| report.hanging = vec!["/mnt/a b".to_owned()]),
            "file system /mnt/a b",
            "it does not answer: its values are missing".to_owned(),
            "check its disk or its server; umount -l removes it",
        ),
    ];
    for (report, what, why, remedy) in table {
        let status = document(&report);
        let found = problems(&status);
        let expected = Problem {
            what: what.to_owned(),
            why,
            remedy: remedy.to_owned(),
        };
        assert_eq!(found, [expected]);
        let page = text(&status, &found, false);
        assert!(page.starts_with("1 problem\n\n! "), "{page}");
        for words in [what, remedy] {
            let shown = page.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(shown.contains(words), "{page}");
        }
    }
}

#[test]
fn status_problems_are_none_while_the_agent_starts() {
    // (state, whether it is a problem)
    let table = [("starting", false), ("ok", false), ("new word", false)];
    for (state, _) in table {
        let mut report = well();
        report.measured_ago = Some(1);
        report.destinations[0].state = state;
        report.destinations[0].posted_ago = None;
        assert_eq!(problems(&document(&report)), [], "{state}");
    }
}

#[test]
fn status_page_has_80_columns_whatever_the_agent_says() {
    let long = "very-long-name-".repeat(12);
    let wide = "日本語のプラグイン".repeat(12);
    let blanks = "many words ".repeat(40);
    for text_of in [long, wide, blanks, "\u{1b}[2J\u{202e}".repeat(9)] {
        let text_of = || text_of.clone();
        let mut report = well();
        report.host_name = text_of();
        report.server = Some(text_of());
        report.listener = Some(text_of());
        report.hanging = vec![text_of()];
        let mut destination = failing("failing", "resolve");
        destination.name = text_of();
        destination.server = text_of() + "x";
        destination.queued = QueuedStatus {
            values: u64::MAX / 4096,
            rounds: 1_000_000,
            reports: 1_000_000,
            disk_bytes: u64::MAX / 4096,
            oldest: Some(0),
            save_error: Some(text_of()),
        };
        if let Some(failure) = &mut destination.failure {
            failure.reason = text_of();
        }
        report.destinations.push(destination);
        report.plugins[0].name = text_of();
        report.plugins[0].message = text_of();
        report.plugins[0].error = Some(text_of());
        let status = document(&report);
        let found = problems(&status);
        assert_eq!(found.len(), 4);
        let page = text(&status, &found, false);
        for line in page.lines() {
            assert!(columns(line) <= 80, "{} columns: {line}", columns(line));
        }
        assert!(!page.contains(['\u{1b}', '\u{202e}']), "{page}");
        let absent = page_of_absent(&found, &[text_of()], false);
        assert!(absent.lines().all(|line| columns(line) <= 80), "{absent}");
    }
}

#[test]
fn status_page_of_any_json_does_not_panic() {
    for odd in [
        "null",
        "[]",
        "{}",
        r#"{"destinations":7,"plugins":[1,null,{}],"clock":[],"hanging_mounts":{"a":1}}"#,
        r#"{"destinations":[{"state":"failing","failing_since":-1.5}],"time":1e300}"#,
    ] {
        let status = Json::parse(odd).unwrap();
        let found = problems(&status);
        assert!(!text(&status, &found, true).is_empty(), "{odd}");
    }
}

#[test]
fn status_page_of_an_absent_agent_shows_why() {
    let problem = Problem {
        what: "systemd: failed (failed): exit-code, exit code 1, restarts: 5".to_owned(),
        why: "the agent has ended and is not started again".to_owned(),
        remedy: "start it: systemctl start mackerel-agent".to_owned(),
    };
    let expected = "\
No agent runs

! systemd: failed (failed): exit-code, exit code 1, restarts: 5
    the agent has ended and is not started again
    Remedy: start it: systemctl start mackerel-agent

The last lines of its log
    one
";
    let (problems, log) = ([problem], ["one".to_owned()]);
    assert_eq!(page_of_absent(&problems, &log, false), expected);
    let expected = r#"{"status_version":1,"running":false,"problems":[{"what":"systemd: "#
        .to_owned()
        + r#"failed (failed): exit-code, exit code 1, restarts: 5","reason":"the agent has ended "#
        + r#"and is not started again","remedy":"start it: systemctl start mackerel-agent"}],"#;
    let service = r#""service":{"manager":"systemd","state":"failed","log":["one"]}}"#;
    let found = json_of_absent(&problems, Some(("systemd", "failed")), &log);
    assert_eq!(found, expected.clone() + service);
    let found = json_of_absent(&problems, None, &[]);
    assert_eq!(found, expected + r#""service":null}"#);
}
