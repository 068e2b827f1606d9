//! A stop while the server is unreachable, the first round after a crash, and hosts that do not
//! exist. What waits is saved to a disk.

use std::path::Path;

use super::*;
use crate::sys::journal::testing::{Mood, ScriptedDisk};
use crate::wire::check::{CheckStatus, Report};

const TSDB: &str = "Post /api/v0/tsdb";
const WINDOW: Duration = Duration::from_secs(300);

impl Rig {
    /// The same rig, with a file on `disk`.
    fn kept_on(mut self, disk: &ScriptedDisk, is_hasty: bool) -> Rig {
        let mut persister = Persister::open(
            Box::new(disk.clone()),
            (Path::new("/root"), "spool"),
            WINDOW,
            1,
            Some(ID),
        );
        if is_hasty {
            persister = persister.hasty();
        }
        self.poster = self.poster.keep_with(persister, &self.clock);
        self
    }

    /// The same rig, with configured plugins that report for these hosts.
    fn with_plugins_for(mut self, identifiers: &[&str]) -> Rig {
        let mut config = with_status_at_the_end();
        for (at, identifier) in identifiers.iter().enumerate() {
            let text = format!(
                "[plugin.metrics.m{at}]\ncommand = 'x'\ncustom_identifier = '{identifier}'\n"
            );
            config.read(text.as_bytes()).unwrap();
        }
        self.poster.context.config = config;
        self.poster.configure_plugins(self.clock.moment());
        self
    }
}

#[test]
fn stop_does_not_wait_for_a_host_that_may_still_appear() {
    let disk = ScriptedDisk::default();
    let lost = |call: &Call| {
        let is_creation = call.line == "Post /api/v0/hosts";
        Some(if is_creation { 504 } else { 200 })
    };
    let mut rig = Rig::new(false, lost)
        .kept_on(&disk, false)
        .minutes(0, 2)
        .stop_at(90);
    assert_eq!(rig.run_until(200), Some(Outcome::Delivered));
    assert_eq!(rig.clock.unix(), Unix(START + 91));
    let after = rig.calls().into_iter().filter(|(at, _)| *at >= 90);
    assert_eq!(after.count(), 1);
}

#[test]
fn stop_with_everything_kept_makes_one_attempt() {
    // (why this row exists, status of posts, second of the stop, attempts after it)
    let table: [(&str, Option<u16>, u64, usize); 6] = [
        ("no answer", None, 90, 1),
        ("an error", Some(503), 90, 1),
        ("a refusal", Some(403), 90, 1),
        ("values that the server will not have", Some(400), 90, 1),
        ("an attempt has just failed", Some(503), 60 + OWN_SECOND, 1),
        ("a redirection", Some(302), 90, 1),
    ];
    for known in [true, false] {
        for (why, status, stop, attempts) in table {
            if !known && status.is_some_and(|status| (400..500).contains(&status)) {
                // Such a status ends the agent.
                continue;
            }
            let disk = ScriptedDisk::default();
            let rule = move |call: &Call| {
                if known && call.line != TSDB {
                    Some(200)
                } else {
                    status
                }
            };
            let mut rig = Rig::new(known, rule)
                .kept_on(&disk, false)
                .minutes(0, 2)
                .stop_at(stop);
            assert_eq!(rig.run_until(stop + 100), Some(Outcome::Delivered), "{why}");
            let took = rig.clock.unix().0 - START - stop;
            assert!(took <= 2, "{why}: {took} s");
            let calls = rig.calls().into_iter();
            let after: Vec<_> = calls.filter(|(at, _)| *at >= stop).collect();
            let tries = after.iter().filter(|(_, line)| !line.ends_with("/status"));
            assert_eq!(tries.count(), attempts, "{why}: {after:?}");
            let says = after.iter().any(|(_, line)| line.ends_with("/status"));
            assert_eq!(says, known, "{why}: {after:?}");
            assert!(disk.get("spool").is_some(), "{why}");
        }
    }
}

/// The poster uses the whole time for what is only in memory.
#[test]
fn stop_with_nothing_kept_tries_until_the_end() {
    for mood in [Mood::Full(0), Mood::ReadOnly, Mood::Failing] {
        let disk = ScriptedDisk::default();
        disk.drive().mood = mood;
        let rule = |call: &Call| if call.line == TSDB { None } else { Some(200) };
        let mut rig = Rig::new(true, rule)
            .kept_on(&disk, false)
            .minutes(0, 2)
            .stop_at(90);
        let outcome = rig.run_until(200);
        assert!(
            matches!(outcome, Some(Outcome::Undelivered { .. })),
            "{outcome:?}"
        );
        assert_eq!(rig.clock.unix(), Unix(START + 120));
    }
}

/// A server that accepts what it receives gets the whole backlog.
#[test]
fn stop_delivers_a_backlog_as_long_as_that_works() {
    let disk = ScriptedDisk::default();
    let rule = |call: &Call| {
        if call.line == TSDB && call.at < 85 {
            None
        } else {
            Some(200)
        }
    };
    let mut rig = Rig::new(true, rule)
        .kept_on(&disk, false)
        .minutes(0, 2)
        .stop_at(90);
    assert_eq!(rig.run_until(200), Some(Outcome::Delivered));
    assert_eq!(rig.arrived(rule).len(), 2);
    assert!(disk.get("spool").is_none());
}

#[test]
fn spool_gets_the_first_round_at_once_after_a_crash() {
    // (why this row exists, whether a crash is expected, whether the server is unreachable, whether
    // there is a file after a second, whether there is one after a minute)
    let table = [
        ("a clean end, and an outage", false, true, false, false),
        ("a crash, and an outage", true, true, true, true),
        ("a crash, and all is well", true, false, false, false),
    ];
    for (why, is_hasty, is_away, at_once, later) in table {
        let disk = ScriptedDisk::default();
        let rule = move |_: &Call| (!is_away).then_some(200);
        let mut rig = Rig::new(true, rule).kept_on(&disk, is_hasty).minutes(0, 3);
        rig.run_until(1);
        assert_eq!(disk.get("spool").is_some(), at_once, "{why}");
        rig.run_until(60);
        assert_eq!(disk.get("spool").is_some(), later, "{why}");
        let before = disk.drive().touches;
        rig.run_until(120);
        assert_eq!(
            disk.drive().touches,
            before,
            "{why}: the window counts again"
        );
    }
}

#[test]
fn identifier_without_a_host_drops_what_comes_for_it() {
    let disk = ScriptedDisk::default();
    let away = |call: &Call| if call.line == TSDB { None } else { Some(200) };
    let mut rig = Rig::new(true, away)
        .with_plugins_for(&["absent"])
        .kept_on(&disk, false);
    for minute in 0..20 {
        let stamp = stamp(START + minute * 60);
        let round = PosterCommand::Round(stamp, Some("absent".into()), values(1.0));
        rig = rig.order(minute * 60, round);
    }
    let report = Report {
        name: "c".to_owned(),
        status: CheckStatus::Critical,
        message: "m".to_owned(),
        occurred_at: Unix(START + 90),
        notification_interval: None,
        max_check_attempts: None,
    };
    let mut rig = rig
        .order(
            90,
            PosterCommand::Report {
                destination: Some("absent".to_owned()),
                report,
                began: stamp(START + 90),
                is_urgent: true,
            },
        )
        .stop_at(20 * 60);
    assert_eq!(rig.run_until(20 * 60), None);
    assert_eq!(
        (
            rig.poster.lanes.values.spool.waiting(),
            rig.poster.lanes.reports.queue.waiting()
        ),
        (0, 0)
    );
    assert_eq!(disk.drive().touches, 0, "nothing is kept");
    assert_eq!(rig.run_until(30 * 60), Some(Outcome::Delivered));
    assert_eq!(disk.drive().touches, 0, "nothing is left");
}

/// The look-up of the host gets no answer, and is not repeated at a stop.
#[test]
fn stop_does_not_wait_for_a_host_that_is_not_known() {
    // (why this row exists, whether reports of this host wait too, whether they can be saved)
    let table = [
        ("alone", false, false),
        ("beside reports of this host", true, false),
        ("all is saved", true, true),
    ];
    for (why, has_own, is_kept) in table {
        let disk = ScriptedDisk::default();
        let rule = |call: &Call| (!call.line.contains('?')).then_some(200);
        let mut rig = Rig::new(true, rule).with_plugins_for(&["other"]);
        if is_kept {
            rig = rig.kept_on(&disk, false);
        }
        let other = Some("other".to_owned());
        for destination in [other].into_iter().chain(has_own.then_some(None)) {
            let report = Report {
                name: "c".to_owned(),
                status: CheckStatus::Critical,
                message: "m".to_owned(),
                occurred_at: Unix(START + 88),
                notification_interval: None,
                max_check_attempts: None,
            };
            let order = PosterCommand::Report {
                destination,
                report,
                began: stamp(START + 88),
                is_urgent: false,
            };
            rig = rig.order(88, order);
        }
        let mut rig = rig.stop_at(90);
        let expected = if is_kept {
            Outcome::Delivered
        } else {
            Outcome::Undelivered {
                values: 0,
                reports: 1,
            }
        };
        assert_eq!(rig.run_until(200), Some(expected), "{why}");
        let took = rig.clock.unix().0 - START - 90;
        assert!(took <= 2, "{why}: {took} s");
        let calls = rig.calls();
        let reported = calls.iter().filter(|(_, line)| line.contains("checks"));
        assert_eq!(reported.count(), usize::from(has_own), "{why}");
    }
}

/// Values wait for the host's own second, and reports for the next full minute, so that something
/// waits at every time.
#[test]
fn spool_is_written_only_for_what_is_not_delivered_in_time() {
    const DAY: u64 = 24 * 60;
    // (why this row exists, the minute whose values cannot be delivered)
    let table = [
        ("at the end of a day", DAY),
        ("in the middle of it", 601),
        ("nearly at the start", 1),
    ];
    for (why, minute) in table {
        let disk = ScriptedDisk::default();
        let rule = move |call: &Call| (call.line != TSDB || call.at < minute * 60).then_some(200);
        let mut rig = Rig::new(true, rule)
            .kept_on(&disk, false)
            .minutes(0, minute + 10);
        for minute in 0..minute + 10 {
            let report = Report {
                name: "c".to_owned(),
                status: CheckStatus::Critical,
                message: "m".to_owned(),
                occurred_at: Unix(START + minute * 60 + 8),
                notification_interval: None,
                max_check_attempts: None,
            };
            let order = PosterCommand::Report {
                destination: None,
                report,
                began: stamp(START + minute * 60 + 8),
                is_urgent: false,
            };
            rig.orders.push_back((minute * 60 + 8, order));
        }
        rig.orders.make_contiguous().sort_by_key(|(at, _)| *at);
        rig.run_until(minute * 60);
        assert_eq!(disk.drive().touches, 0, "{why}");
        rig.run_until(minute * 60 + 270);
        assert!(disk.get("spool").is_some(), "{why}");
    }
}

/// What an earlier agent has saved for a host is dropped if the host does not exist, or if no
/// plugin reports for it any more.
#[test]
fn identifier_without_a_host_drops_what_was_kept_for_it() {
    // (why this row exists, identifiers of the next agent's plugins)
    let table: [(&str, &[&str]); 2] = [
        ("the server has no such host", &["absent"]),
        ("no plugin reports for it", &["other"]),
    ];
    for (why, identifiers) in table {
        let disk = ScriptedDisk::default();
        // The look-up of the host gets no answer.
        let mut rig = Rig::new(true, |call| {
            (call.line.starts_with("Get") && !call.line.contains('?')).then_some(200)
        })
        .with_plugins_for(&["absent"])
        .kept_on(&disk, false)
        .order(
            0,
            PosterCommand::Round(stamp(START), Some("absent".into()), values(1.0)),
        )
        .stop_at(30);
        assert_eq!(rig.run_until(100), Some(Outcome::Delivered), "{why}");
        assert!(disk.get("spool").is_some(), "{why}");
        let mut rig = Rig::new(true, well)
            .with_plugins_for(identifiers)
            .kept_on(&disk, false);
        rig.run_until(30);
        assert_eq!(rig.poster.lanes.values.spool.waiting(), 0, "{why}");
        assert!(disk.get("spool").is_none(), "{why}");
    }
}

/// An agent counts its reports from 0. The file may still name the numbers of the last agent's
/// reports as gone.
#[test]
fn report_of_the_next_agent_is_not_taken_for_one_that_is_gone() {
    let disk = ScriptedDisk::default();
    let report = |at: u64| PosterCommand::Report {
        destination: None,
        report: Report {
            name: "c".to_owned(),
            status: CheckStatus::Critical,
            message: "m".to_owned(),
            occurred_at: Unix(START + at),
            notification_interval: None,
            max_check_attempts: None,
        },
        began: stamp(START + at),
        is_urgent: true,
    };
    let is_report = |call: &Call| call.line.contains("checks");
    let saved_and_sent = move |call: &Call| {
        let is_away = call.line == TSDB || (is_report(call) && call.at < 400);
        (!is_away).then_some(200)
    };
    let mut rig = Rig::new(true, saved_and_sent)
        .kept_on(&disk, false)
        .minutes(0, 14)
        .order(10, report(10));
    rig.run_until(840);
    assert_eq!(rig.poster.lanes.reports.waiting(), 0);
    drop(rig);
    let away = |call: &Call| call.line.starts_with("Get").then_some(200);
    let mut rig = Rig::new(true, away)
        .kept_on(&disk, false)
        .order(10, report(10));
    rig.run_until(840);
    drop(rig);
    let rig = Rig::new(true, away).kept_on(&disk, false);
    assert_eq!(rig.poster.lanes.reports.waiting(), 1);
}

/// The server is asked once for the time if the error of the clock is constant.
#[test]
fn clock_that_is_off_delays_no_report_and_is_asked_about_once() {
    struct Dated(Server, i64);
    impl Exchange for Dated {
        fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, LinkError> {
            let now = START + *self.0.now.lock().unwrap();
            let date = Some(Unix(now.saturating_add_signed(self.1)));
            self.0
                .exchange(request)
                .map(|answer| Answer { date, ..answer })
        }
    }
    /// Uptime of the host in seconds.
    const AGE: u64 = 1_000;
    struct Unsure<'a>(&'a FakeClock);
    impl Clock for Unsure<'_> {
        fn wall(&self) -> Duration {
            self.0.wall()
        }
        fn moment(&self) -> Moment {
            self.0.moment()
        }
        fn age(&self) -> u64 {
            self.0.unix().0 - START + AGE
        }
        fn is_synchronised(&self) -> bool {
            false
        }
    }
    for off in [90, -90, 9 * 3_600] {
        let rig = Rig::new(true, well);
        let server = Server {
            found: "",
            identifier: "",
            now: Arc::clone(&rig.now),
            rule: Box::new(well),
            calls: Arc::clone(&rig.calls),
        };
        let Rig {
            mut poster,
            clock,
            now,
            calls,
            ..
        } = rig;
        poster.api = Api::new(Box::new(Dated(server, off)));
        let unsure = Unsure(&clock);
        for minute in 0..60 {
            *now.lock().unwrap() = minute * 60;
            poster.on_command(
                PosterCommand::Round(unsure.stamp(), None, values(minute as f64)),
                &unsure,
            );
            let report = Report {
                name: "c".to_owned(),
                status: if minute % 2 == 0 {
                    CheckStatus::Ok
                } else {
                    CheckStatus::Critical
                },
                message: minute.to_string(),
                occurred_at: Unix(START + minute * 60),
                notification_interval: None,
                max_check_attempts: None,
            };
            let order = PosterCommand::Report {
                destination: None,
                report,
                began: unsure.stamp(),
                is_urgent: true,
            };
            poster.on_command(order, &unsure);
            for _ in 0..6 {
                poster.step(&unsure);
            }
            assert_eq!(
                poster.lanes.reports.undated.len() + poster.lanes.reports.queue.waiting(),
                0,
                "{off}: {minute}"
            );
            clock.pass(Duration::from_secs(60));
        }
        let calls = calls.lock().unwrap();
        let asked = calls
            .iter()
            .filter(|call| call.line.starts_with("Get"))
            .count();
        assert!(asked <= 2, "{off}: registered, and asked {asked} times");
        let posts = calls.iter().filter(|call| call.line == TSDB);
        let posted: Vec<serde_json::Value> = posts
            .flat_map(|call| serde_json::from_str::<Vec<serde_json::Value>>(&call.body).unwrap())
            .collect();
        assert!(posted.len() > 50, "{off}: {}", posted.len());
        for value in posted {
            let minute = value["value"].as_u64().unwrap();
            let right = (START + minute * 60).saturating_add_signed(off);
            let time = value["time"].as_u64().unwrap();
            assert!(time.abs_diff(right) <= 1, "{off}: {time} {right}");
        }
    }
}
