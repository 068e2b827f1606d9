//! Reports, graph definitions, metadata documents, and hosts of custom identifiers.

use super::*;
use crate::parse::plugin::meta::Graph;
use crate::wire::check::{CheckStatus, Report};

const REPORTS: &str = "Post /api/v0/monitoring/checks/report";
const GRAPHS: &str = "Post /api/v0/graph-defs/create";
const TSDB: &str = "Post /api/v0/tsdb";

fn report(at: u64, status: CheckStatus) -> Report {
    Report {
        name: "c".to_owned(),
        status,
        message: at.to_string(),
        occurred_at: Unix(START + at),
        notification_interval: None,
        max_check_attempts: None,
    }
}

pub(super) fn found(destination: Option<&str>, at: u64, is_urgent: bool) -> PosterCommand {
    PosterCommand::Report {
        destination: destination.map(str::to_owned),
        report: report(at, CheckStatus::Critical),
        began: stamp(START + at),
        is_urgent,
    }
}

fn graph(name: &str) -> Graph {
    Graph {
        name: name.to_owned(),
        label: String::new(),
        unit: "float".to_owned(),
        metrics: Vec::new(),
    }
}

impl Rig {
    /// The seconds in which this request was made.
    fn times(&self, line: &str) -> Vec<u64> {
        let calls = self.calls();
        calls
            .iter()
            .filter(|(_, asked)| asked == line)
            .map(|(at, _)| *at)
            .collect()
    }

    /// The requests from this second on.
    fn lines_from(&self, second: u64) -> Vec<String> {
        let calls = self.calls().into_iter();
        calls
            .filter(|(at, _)| *at >= second)
            .map(|(_, line)| line)
            .collect()
    }

    /// The messages of all reports, one string for each request.
    fn reported(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        let reports = calls.iter().filter(|call| call.line == REPORTS);
        reports
            .map(|call| {
                let body: serde_json::Value = serde_json::from_str(&call.body).unwrap();
                let reports = body["reports"].as_array().unwrap().iter();
                let messages = reports.map(|report| report["message"].as_str().unwrap());
                messages.collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    /// A rig whose plugins report for these hosts.
    pub(super) fn with_identifiers(
        identifiers: &[&str],
        rule: impl Fn(&Call) -> Option<u16> + Send + 'static,
    ) -> Rig {
        Rig::new(true, rule).identified(identifiers)
    }

    /// The same rig, whose plugins report for these hosts.
    pub(super) fn identified(mut self, identifiers: &[&str]) -> Rig {
        let mut config = with_status_at_the_end();
        for (at, identifier) in identifiers.iter().enumerate() {
            let text = format!(
                "[plugin.checks.c{at}]\ncommand = 'x'\ncustom_identifier = '{identifier}'\n"
            );
            config.read(text.as_bytes()).unwrap();
        }
        self.poster.context.config = config;
        self.poster.configure_plugins(self.clock.moment());
        self
    }
}

/// A clock that shows local time, or none, until NTP sets it while the check runs.
#[test]
fn report_has_its_time_although_the_clock_was_set_during_the_run() {
    // (why this row exists, seconds by which the clock is off when the check begins, whether the
    // time was known before)
    let table = [
        ("it was right", 0, false),
        ("it was set back", 9 * 3_600, false),
        ("it was set ahead", -9 * 3_600, false),
        ("it showed 1970", -1_700_000_000, false),
        ("it was right, then wrong, then right", 9 * 3_600, true),
    ];
    for (why, off, is_known) in table {
        let mut rig = Rig::new(true, well);
        if is_known {
            rig = rig.minutes(0, 1);
        }
        rig.run_until(39);
        let mut began = rig.clock.stamp();
        began.wall.0 = began.wall.0.saturating_add_signed(off);
        let mut taken = report(0, CheckStatus::Critical);
        taken.occurred_at = began.wall;
        let order = PosterCommand::Report {
            destination: None,
            report: taken,
            began,
            is_urgent: true,
        };
        let mut rig = rig.order(41, order);
        rig.run_until(45);
        let calls = rig.calls.lock().unwrap();
        let posts = calls.iter().filter(|call| call.line == REPORTS);
        let bodies: Vec<&str> = posts.map(|call| call.body.as_str()).collect();
        let expected = format!("\"occurredAt\":{}}}", START + 39);
        assert_eq!(bodies.len(), 1, "{why}");
        assert!(bodies[0].contains(&expected), "{why}: {bodies:?}");
    }
}

#[test]
fn reports_that_are_urgent_go_at_once_and_the_rest_with_the_minute() {
    let mut rig = Rig::new(true, well)
        .order(10, found(None, 10, false))
        .order(20, found(None, 20, true))
        .order(70, found(None, 70, false))
        .order(75, found(None, 75, false));
    rig.run_until(300);
    assert_eq!(rig.times(REPORTS), [20, 80]);
    assert_eq!(rig.reported(), ["10 20", "70 75"]);
}

#[test]
fn checks_go_before_a_backlog_of_values() {
    let down = |call: &Call| (call.at < 60 || call.at >= 600).then_some(200);
    let mut rig = Rig::new(true, down)
        .minutes(0, 10)
        .order(600, found(None, 600, true));
    rig.run_until(700);
    let after = rig.lines_from(600);
    assert_eq!(after[0], REPORTS, "{after:?}");
    assert_eq!(rig.arrived(down).len(), 10);
}

/// The check flaps for an hour, with another report every minute, while the server often fails.
#[test]
fn reports_of_a_flapping_check_all_arrive_in_order() {
    let moody = |call: &Call| match (call.line == REPORTS, call.at / 300 % 6) {
        (true, 1) => Some(500),
        (true, 2) => Some(429),
        (true, 3) => None,
        (true, 4) => Some(403),
        _ => Some(200),
    };
    let mut rig = Rig::new(true, moody);
    for minute in 0..60 {
        rig = rig.order(minute * 60, found(None, minute * 60, true));
    }
    rig.run_until(2 * 3_600);
    let calls = rig.calls.lock().unwrap();
    let taken = calls
        .iter()
        .filter(|call| call.line == REPORTS && moody(call) == Some(200));
    let mut arrived = Vec::new();
    for call in taken {
        let body: serde_json::Value = serde_json::from_str(&call.body).unwrap();
        for report in body["reports"].as_array().unwrap() {
            arrived.push(report["message"].as_str().unwrap().parse::<u64>().unwrap());
        }
    }
    assert_eq!(
        arrived,
        (0..60).map(|minute| minute * 60).collect::<Vec<u64>>()
    );
}

#[test]
fn reports_that_are_rejected_are_not_sent_again() {
    let picky = |call: &Call| {
        if call.line == REPORTS && call.at < 60 {
            Some(400)
        } else {
            Some(200)
        }
    };
    let mut rig = Rig::new(true, picky)
        .order(10, found(None, 10, true))
        .order(70, found(None, 70, true));
    rig.run_until(300);
    assert_eq!(rig.reported(), ["10", "70"]);
}

#[test]
fn graphs_are_defined_once_and_after_an_outage_too() {
    let down = |call: &Call| {
        if call.line == GRAPHS && call.at < 100 {
            Some(503)
        } else {
            Some(200)
        }
    };
    let mut rig = Rig::new(true, down)
        .order(
            10,
            PosterCommand::Graphs(vec![graph("custom.a"), graph("custom.b")]),
        )
        .order(12, PosterCommand::Graphs(vec![graph("custom.c")]));
    rig.run_until(3_600);
    let times = rig.times(GRAPHS);
    assert_eq!(times[0], 15, "they gather");
    assert!(
        *times.last().unwrap() >= 100 && times.len() < 10,
        "{times:?}"
    );
    let calls = rig.calls.lock().unwrap();
    let last = calls.iter().rfind(|call| call.line == GRAPHS).unwrap();
    assert_eq!(last.body.matches("custom.").count(), 3);
}

#[test]
fn graphs_that_wait_are_bounded() {
    let down = |call: &Call| (call.at >= 1_000).then_some(200);
    let mut rig = Rig::new(true, down);
    // As after changes of the configuration while the server is unreachable.
    for at in 0..50 {
        let mut graphs = vec![graph(&format!("custom.{at}"))];
        graphs[0].label = "x".repeat(200 << 10);
        rig = rig.order(at, PosterCommand::Graphs(graphs));
    }
    rig.run_until(3_600);
    let calls = rig.calls.lock().unwrap();
    let bodies = calls.iter().filter(|call| call.line == GRAPHS);
    let longest = bodies.map(|call| call.body.len()).max().unwrap();
    assert!((900 << 10..1 << 20).contains(&longest), "{longest} bytes");
}

#[test]
fn graphs_that_are_rejected_do_not_affect_others() {
    let picky = |call: &Call| {
        if call.line == GRAPHS && call.body.contains("custom.bad") {
            Some(400)
        } else {
            Some(200)
        }
    };
    let mut rig = Rig::new(true, picky)
        .order(1, PosterCommand::Graphs(vec![graph("custom.a")]))
        .order(1, PosterCommand::Graphs(vec![graph("custom.bad")]))
        .order(1, PosterCommand::Graphs(vec![graph("custom.c")]));
    rig.run_until(600);
    let calls = rig.calls.lock().unwrap();
    let bodies: Vec<&str> = calls
        .iter()
        .filter(|call| call.line == GRAPHS)
        .map(|call| call.body.as_str())
        .collect();
    assert_eq!(bodies.len(), 4, "all, and then each: {bodies:?}");
    assert!(bodies[1].contains("custom.a") && bodies[3].contains("custom.c"));
}

#[test]
fn values_of_another_host_wait_until_it_is_known() {
    let away = |call: &Call| {
        if call.line.starts_with("Get /api/v0/hosts?") {
            (call.at >= 100).then_some(200)
        } else {
            Some(200)
        }
    };
    let to = || Some(Arc::from("other"));
    let mut rig = Rig::with_identifiers(&["other"], away)
        .order(10, PosterCommand::Round(stamp(START), to(), values(1.0)))
        .order(10, PosterCommand::Round(stamp(START), None, values(2.0)));
    rig.run_until(90);
    assert_eq!(rig.arrived(away), [2]);
    rig.run_until(3_600);
    // The server in memory has no other hosts. The values are dropped, and the next look-up is in
    // an hour.
    assert_eq!(rig.arrived(away), [2]);
    assert!(rig.poster.lanes.values.spool.is_empty());
    let lines = rig.lines_from(0);
    let asked = lines
        .iter()
        .filter(|line| line.contains("customIdentifier=other"));
    assert!((2..12).contains(&asked.count()));
}

#[test]
fn values_that_are_refused_for_another_host_do_not_delay_those_of_this_one() {
    const HOUR: u64 = 60 * 60;
    const OTHER: &str = "yyy1234567890";
    // (why this row exists, status for the other host's values, number of them in each minute)
    let table = [
        ("the other host is retired", 404, 30),
        ("it belongs to somebody else", 403, 30),
        ("one of its values is bad", 400, 1),
        ("all of its values are bad", 400, 30),
    ];
    for (why, status, count) in table {
        let rule = move |call: &Call| {
            let is_bad = call.at < HOUR && call.line == TSDB && call.body.contains(OTHER);
            Some(if is_bad { status } else { 200 })
        };
        let found = r#"{"id":"yyy1234567890","name":"o","status":"working"}"#;
        let look: Look = Box::new(|_| Some(Ok(Place::default())));
        let mut rig = Rig::placed(true, look, (found, ""), rule)
            .identified(&["other"])
            .minutes(0, 70);
        for minute in 0..60 {
            let mut values = Values::default();
            for value in 0..count {
                values.put(format!("custom.v{value}"), 1.0);
            }
            let stamp = stamp(START + minute * 60);
            let round = PosterCommand::Round(stamp, Some("other".into()), values.into());
            rig = rig.order(minute * 60 + 1, round);
        }
        rig.run_until(HOUR + 600);
        let mut own = Vec::new();
        for call in rig.calls.lock().unwrap().iter() {
            if call.line != TSDB || rule(call) != Some(200) {
                continue;
            }
            let values: Vec<serde_json::Value> = serde_json::from_str(&call.body).unwrap();
            for value in values.iter().filter(|value| value["hostId"] == ID) {
                let minute = value["value"].as_u64().unwrap();
                let took = call.at - minute * 60;
                assert!(took <= 75, "{why}: minute {minute} arrives after {took} s");
                own.push(minute);
            }
        }
        own.sort_unstable();
        assert!(own.into_iter().eq(0..70), "{why}");
        assert!(rig.poster.lanes.values.spool.is_empty(), "{why}");
        let posts = rig.times(TSDB).len();
        // A retry every five minutes, with the bisection of what is bad.
        let most = if status == 400 {
            70 + 12 * 60
        } else {
            70 + 12 * 3
        };
        assert!(posts <= most, "{why}: {posts} requests");
    }
}

#[test]
fn reports_for_a_host_that_is_not_there_delay_no_others() {
    let mut rig = Rig::with_identifiers(&["other"], well)
        .order(1, found(Some("other"), 1, true))
        .order(2, found(None, 2, true));
    rig.run_until(200);
    assert_eq!(rig.reported(), ["2"]);
    assert_eq!(rig.poster.lanes.reports.queue.waiting(), 0);
}

#[test]
fn a_stop_delivers_reports_and_documents() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(true, well)
        .order(10, found(None, 10, false))
        .order(
            10,
            PosterCommand::Metadata("m".to_owned(), "{\"a\":1}".to_owned()),
        )
        .stop_at(12);
    let cache = || crate::sys::cache::CacheFile::at(dir.path().join("m"));
    let metadata = &mut rig.poster.lanes.metadata.metadata;
    metadata.add("m", cache(), false).unwrap();
    assert_eq!(rig.run_until(60), Some(Outcome::Delivered));
    let lines = rig.lines_from(12);
    let put = format!("Put /api/v0/hosts/{ID}/metadata/m");
    assert_eq!(lines[..2], [REPORTS.to_owned(), put]);
    assert_eq!(cache().load().unwrap().unwrap(), b"{\"a\":1}");
}

/// The document of an earlier host is no reason to leave it out. The documents of another
/// organization are left alone.
#[test]
fn documents_are_sent_to_a_new_host_even_if_they_have_not_changed() {
    let there = r#"{"id":"yyy1234567890","name":"o","status":"working"}"#;
    // (why this row exists, whether there is an id, hosts found by identifier, whether it is sent)
    let table = [
        ("the host is known", true, "", false),
        ("it is created", false, "", true),
        ("it is found by its identifier", false, there, true),
    ];
    for (why, known, found, is_sent) in table {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("mackerel-plugin-metadata-m.a");
        let other = dir.path().join("mackerel-plugin-metadata-m.b");
        for file in [&own, &other] {
            std::fs::write(file, "1").unwrap();
        }
        let look: Look = Box::new(|_| {
            Some(Ok(Place {
                custom_identifier: Some("i-1".to_owned()),
                ..Place::default()
            }))
        });
        // An agent that ends after this request has an id the next time.
        let file = own.clone();
        let rule = move |call: &Call| {
            assert!(call.line != "Post /api/v0/hosts" || !file.exists());
            Some(200)
        };
        let mut rig = Rig::placed(known, look, (found, ""), rule);
        let text = format!(
            "[plugin.metadata.m]\ncommand = 'x'\nenv = {{ MACKEREL_PLUGIN_WORKDIR = '{}' }}\n",
            dir.path().display()
        );
        let config = &mut rig.poster.context.config;
        config.read(text.as_bytes()).unwrap();
        config.organization = Some("a".to_owned());
        rig.poster.configure_plugins(rig.clock.moment());
        let print = || PosterCommand::Metadata("m".to_owned(), "1".to_owned());
        let mut rig = rig.order(10, print()).order(610, print());
        rig.run_until(700);
        let puts = rig.lines_from(0).into_iter();
        let puts = puts.filter(|line| line.ends_with("/metadata/m"));
        assert_eq!(puts.count(), usize::from(is_sent), "{why}");
        for file in [&own, &other] {
            assert_eq!(std::fs::read(file).unwrap(), b"1", "{why}");
        }
    }
}

#[test]
fn a_stop_does_not_wait_for_a_document_that_is_not_taken() {
    let down = |call: &Call| (!call.line.contains("metadata")).then_some(200);
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(true, down)
        .order(10, PosterCommand::Metadata("m".to_owned(), "1".to_owned()))
        .stop_at(12);
    let cache = crate::sys::cache::CacheFile::at(dir.path().join("m"));
    let metadata = &mut rig.poster.lanes.metadata.metadata;
    metadata.add("m", cache, false).unwrap();
    assert_eq!(rig.run_until(60), Some(Outcome::Delivered));
    assert_eq!(rig.clock.unix().0 - START, 12);
}

#[test]
fn reports_that_are_left_are_counted() {
    let mut rig = Rig::new(true, |call| (call.line != REPORTS).then_some(200))
        .order(10, found(None, 10, true))
        .stop_at(20);
    let left = Outcome::Undelivered {
        values: 0,
        reports: 1,
    };
    assert_eq!(rig.run_until(60), Some(left));
}

#[test]
fn plugins_that_take_a_moment_share_the_request_of_their_minute() {
    let mut rig = Rig::new(true, well);
    rig.poster
        .context
        .config
        .read(b"[plugin.metrics.m]\ncommand = 'x'\n")
        .unwrap();
    for minute in 0..5 {
        for late in [0, 1, 2] {
            let order = PosterCommand::Round(stamp(START + minute * 60), None, values(0.0));
            rig = rig.order(minute * 60 + late, order);
        }
    }
    rig.run_until(400);
    let posts = rig.times(TSDB);
    assert_eq!(
        posts[2..],
        [1, 2, 3, 4].map(|minute| minute * 60 + OWN_SECOND)
    );
}
