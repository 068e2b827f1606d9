//! An afternoon in which each lane has something to send: in normal operation, during outages,
//! after a request that hangs, and at a stop. A faulty lane is detected by the times of its
//! requests.

use std::ops::RangeInclusive;

use super::world::{Face, ID, LOOKUP, Met, OTHER};
use super::*;
use crate::deliver::poster::lanes::COUNT;
use crate::parse::plugin::meta::Graph;
use crate::sys::cache::CacheFile;

/// The lanes in order of priority, by their place.
const LANES: [&str; COUNT] = [
    "registration",
    "reports",
    "values",
    "identifiers",
    "metadata",
    "graphs",
    "description",
];
const REPORTS: &str = "Post /api/v0/monitoring/checks/report";
const TSDB: &str = "Post /api/v0/tsdb";
const GRAPHS: &str = "Post /api/v0/graph-defs/create";
/// The second of the minute at which [`ID`] posts.
const OWN_SECOND: u64 = 12;
/// Minutes of events, in this order: the server answers for the first time; look-ups work for the
/// first time; an outage begins; there are new things to send; the outage ends; there are new
/// things to send again; the agent stops; another one starts; the end.
const ANSWERS: u64 = 10;
const LOOKS_UP: u64 = 15;
const AWAY: u64 = 25;
const NEW: u64 = 26;
const BACK: u64 = 45;
const WELL: u64 = 60;
const STOP: u64 = 75;
const START: u64 = 80;
const END: u64 = 95;
/// Maximum number of seconds of all steps that are due at the same moment. The rig gives each at
/// least one.
const STEPS: u64 = 6;
/// Seconds that the first request of the second agent takes.
const HANG: u64 = 90;

fn get_host() -> String {
    format!("Get /api/v0/hosts/{ID}")
}

fn put_host() -> String {
    format!("Put /api/v0/hosts/{ID}")
}

fn put_document() -> String {
    format!("Put /api/v0/hosts/{ID}/metadata/d")
}

impl Rig {
    fn command(&mut self, order: PosterCommand) {
        let clock = RigClock(Arc::clone(&self.world));
        if let Some(poster) = &mut self.poster {
            poster.on_command(order, &clock);
        }
    }

    /// Measures a round of one value for a host. The value is called `name` and the minute.
    fn value(&mut self, name: &str, minute: u64, destination: Option<&str>) {
        let clock = RigClock(Arc::clone(&self.world));
        let stamp = clock.stamp();
        let mut values = Values::default();
        values.put(format!("{name}{minute}"), self.next_value as f64);
        self.world().measure(self.next_value, false);
        self.next_value += 1;
        self.command(PosterCommand::Round(
            stamp,
            destination.map(Arc::from),
            values.into(),
        ));
    }

    /// Adds a report with the minute in it.
    fn report_to(&mut self, minute: u64, destination: Option<&str>, is_urgent: bool) {
        let number = self.next_report + minute;
        self.world().measure(number, false);
        let report = Report {
            name: format!("c{number}"),
            status: CheckStatus::Warning,
            message: format!("r{minute}"),
            occurred_at: RigClock(Arc::clone(&self.world)).unix(),
            notification_interval: None,
            max_check_attempts: None,
        };
        let began = RigClock(Arc::clone(&self.world)).stamp();
        self.command(PosterCommand::Report {
            destination: destination.map(str::to_owned),
            report,
            began,
            is_urgent,
        });
    }

    /// Adds something with the minute in it for each lane, except for the lanes of hosts.
    fn news(&mut self, minute: u64, is_urgent: bool) {
        self.report_to(minute, None, is_urgent);
        self.command(PosterCommand::Metadata("d".to_owned(), format!("{minute}")));
        self.command(PosterCommand::Graphs(vec![Graph {
            name: format!("custom.g{minute}"),
            label: String::new(),
            unit: "float".to_owned(),
            metrics: Vec::new(),
        }]));
        self.command(PosterCommand::Describe);
    }

    fn start_with_documents(&mut self) {
        self.start();
        let cache = CacheFile::at(self.state.path().join("metadata"));
        if let Some(poster) = &mut self.poster {
            let metadata = &mut poster.lanes.metadata.metadata;
            metadata.add("d", cache, false).unwrap();
        }
    }

    /// Simulates the whole afternoon. Returns the violations.
    fn afternoon(fault: Option<(usize, Mutant)>) -> Vec<String> {
        let mut rig = Rig::new(1, Broken::Not);
        rig.config = "[plugin.metrics.m]\ncommand = 'x'\ncustom_identifier = 'other'\n";
        rig.fault = fault;
        rig.world().record = Some(Vec::new());
        rig.world().face = Face::Status(503);
        rig.world().lookups_fail_until = LOOKS_UP * 60;
        rig.start_with_documents();
        for minute in 0..END {
            match minute {
                ANSWERS | BACK => rig.world().face = Face::Well,
                AWAY => rig.world().face = Face::Status(503),
                START => {
                    rig.world().hang = HANG;
                    rig.start_with_documents();
                }
                _ => {}
            }
            if (STOP + 1..START).contains(&minute) {
                rig.world().elapsed = (minute + 1) * 60;
                continue;
            }
            rig.value("own", minute, None);
            rig.value("other", minute, Some("other"));
            match minute {
                NEW | WELL | START => rig.news(minute, true),
                STOP => {
                    rig.news(minute, false);
                    rig.stop();
                    let took = rig.world().elapsed - minute * 60;
                    if took > STEPS {
                        let what = format!("a stop that takes {took} s");
                        rig.world().violations.push(what);
                    }
                }
                _ => {}
            }
            rig.run_until((minute + 1) * 60);
        }
        let steps = rig.steps;
        let mut world = rig.world();
        let met = world.record.take().unwrap_or_default();
        let mut wrong = std::mem::take(&mut world.violations);
        judge(&met, steps, &mut wrong);
        wrong
    }
}

/// Adds the violations of an afternoon's requests to `wrong`.
fn judge(met: &[Met], steps: u64, wrong: &mut Vec<String>) {
    // Line, a part of the body, and the seconds in which such a request is accepted for the first
    // time.
    let mut expected: Vec<(String, String, RangeInclusive<u64>)> = Vec::new();
    let mut expect = |line: &str, part: String, from: u64, to: u64| {
        expected.push((line.to_owned(), part, from..=to));
    };
    let (answers, looks_up, back) = (ANSWERS * 60, LOOKS_UP * 60, BACK * 60);
    // The longest pause of registration, description, look-ups and graphs is five minutes.
    expect(&get_host(), String::new(), answers, answers + 300);
    expect(&put_host(), String::new(), answers, answers + 301);
    expect(LOOKUP, String::new(), looks_up, looks_up + 300);
    for minute in (0..=STOP).chain(START..END - 1) {
        let at = minute * 60;
        let (own, other) = match minute {
            0..ANSWERS => ((answers, answers + 310), (looks_up, looks_up + 310)),
            ANSWERS..AWAY => ((at, at + 310), (at.max(looks_up), at.max(looks_up) + 370)),
            AWAY..=BACK => ((back, back + 70), (back, back + 70)),
            STOP => ((at, at + STEPS), (at, at + STEPS)),
            START => {
                let then = (at + HANG, at + HANG + STEPS);
                (then, then)
            }
            _ if minute == START + 1 => ((at, at + 60), (at, at + 60)),
            _ => {
                let then = (at + OWN_SECOND, at + OWN_SECOND + 2);
                (then, then)
            }
        };
        for (name, id, (from, to)) in [("own", ID, own), ("other", OTHER, other)] {
            let part = format!(r#"{{"hostId":"{id}","name":"{name}{minute}","#);
            expect(TSDB, part, from, to);
        }
    }
    // After an outage: reports are repeated each 30 seconds, documents each minute.
    let (report, document) = (|at: u64| format!(r#""r{at}""#), |at: u64| at.to_string());
    let graph = |at: u64| format!("custom.g{at}");
    expect(REPORTS, report(NEW), back, back + 30);
    expect(&put_document(), document(NEW), back, back + 61);
    expect(GRAPHS, graph(NEW), back, back + 300);
    // In normal operation: at once, with the minute, or after they have accumulated.
    let well = WELL * 60;
    expect(REPORTS, report(WELL), well, well);
    expect(&put_document(), document(WELL), well + 60, well + 60);
    expect(GRAPHS, graph(WELL), well + 5, well + 5);
    let stop = STOP * 60;
    expect(REPORTS, report(STOP), stop, stop + STEPS);
    expect(&put_document(), document(STOP), stop, stop + STEPS);
    let is_it = |met: &&Met, line: &str, part: &str| {
        let is_line = met.line == line || (line == LOOKUP && met.line.contains(LOOKUP));
        is_line && met.body.contains(part)
    };
    for (line, part, when) in expected {
        let of = met.iter().filter(|met| is_it(met, &line, &part));
        let first = of.clone().find(|met| met.is_done).map(|met| met.at);
        if !first.is_some_and(|at| when.contains(&at)) {
            wrong.push(format!("{line} {part}: at {first:?}, expected at {when:?}"));
        }
    }
    // Requested descriptions: after the outage, and at once.
    for (from, to) in [(back, back + 300), (well, well + STEPS)] {
        let put = put_host();
        let mut puts = met.iter().filter(|met| met.line == put && met.is_done);
        if !puts.any(|met| (from..=to).contains(&met.at)) {
            wrong.push(format!("no description from {from} to {to}"));
        }
    }
    // After the request that hangs, everything is due at the same moment.
    let start = START * 60;
    let lines: Vec<&str> = met
        .iter()
        .filter(|met| met.at >= start)
        .map(|met| met.line.split(LOOKUP).next().unwrap_or_default())
        .take(8)
        .collect();
    let (host, put, document) = (get_host(), put_host(), put_document());
    let hosts = "Get /api/v0/hosts";
    let order = [&host, REPORTS, TSDB, hosts, TSDB, &document, GRAPHS, &put];
    if lines != order {
        wrong.push(format!("out of order: {lines:?}"));
    }
    // Graphs and descriptions do not delay a stop.
    let at_stop = met.iter().filter(|met| (stop..start).contains(&met.at));
    let late = at_stop.filter(|met| [GRAPHS, &put].contains(&met.line.as_str()));
    wrong.extend(late.map(|met| format!("{} at a stop", met.line)));
    // Maximum number of failures in an outage of 20 minutes, or before the first success.
    for (line, most) in [
        (host.as_str(), 11),
        (REPORTS, 41),
        (TSDB, 40),
        (LOOKUP, 11),
        (&document, 21),
        (GRAPHS, 15),
        (&put, 6),
    ] {
        let failed = met
            .iter()
            .filter(|met| is_it(met, line, "") && !met.is_done)
            .count();
        if failed > most {
            wrong.push(format!(
                "{line}: {failed} failures, expected {most} at most"
            ));
        }
    }
    // A lane that is due and has nothing to send would keep the poster busy.
    let least = met.len() as u64;
    if steps > 2 * least + 10 * END {
        wrong.push(format!("{steps} steps for {least} requests"));
    }
}

#[test]
fn an_afternoon_of_all_lanes_goes_as_it_should() {
    assert_eq!(Rig::afternoon(None), [""; 0]);
}

/// Values and reports for another host go to its new id if it is retired and registered again.
#[test]
fn a_host_that_is_registered_again_gets_everything_under_its_new_id() {
    const NEW_ID: &str = "zzz1234567890";
    const AGAIN: u64 = 10;
    const MINUTES: u64 = 60;
    // (why this row exists, whether there are values, whether there are reports)
    for (why, has_values, has_reports) in [("values", true, false), ("reports", false, true)] {
        let mut rig = Rig::new(1, Broken::Not);
        rig.config = "[plugin.metrics.m]\ncommand = 'x'\ncustom_identifier = 'other'\n";
        rig.world().record = Some(Vec::new());
        rig.start();
        for minute in 0..MINUTES {
            if minute == AGAIN {
                rig.world().other = NEW_ID;
            }
            rig.value("own", minute, None);
            if has_values {
                rig.value("other", minute, Some("other"));
            }
            if has_reports {
                rig.report_to(minute, Some("other"), true);
            }
            rig.run_until((minute + 1) * 60);
        }
        let met = rig.world().record.take().unwrap();
        let accepted = |part: String| {
            let mut met = met.iter().filter(|met| met.is_done);
            met.find(|met| met.body.contains(&part)).map(|met| met.at)
        };
        for minute in 0..MINUTES {
            let part = if has_values {
                format!(r#""name":"other{minute}","#)
            } else {
                format!(r#""message":"r{minute}""#)
            };
            // What was refused is repeated after five minutes.
            let late = if (AGAIN..AGAIN + 5).contains(&minute) {
                310
            } else {
                75
            };
            let at = accepted(part).unwrap_or_else(|| panic!("{why} of minute {minute}"));
            let took = at - minute * 60;
            assert!(took <= late, "{why} of minute {minute} after {took} s");
        }
        let lookups = met.iter().filter(|met| met.line.contains(LOOKUP));
        assert_eq!(lookups.count(), 2, "{why}");
        let refused = met.iter().filter(|met| !met.is_done);
        assert_eq!(refused.count(), 1, "{why}");
    }
}

#[test]
fn a_lane_that_is_broken_is_noticed() {
    use Mutant::{Hasty, Late, NeverDue, NoRetry, NotStopped, Pretends, Swapped};
    let mut unnoticed = Vec::new();
    for (at, name) in LANES.iter().enumerate() {
        for mutant in [
            NeverDue, Late, Hasty, Pretends, NoRetry, Swapped, NotStopped,
        ] {
            let has_no_effect = match mutant {
                // The lane is the only one that is due, or the last one.
                Swapped => at == 0 || at + 1 == LANES.len(),
                // What these lanes do at a stop is decided elsewhere.
                NotStopped => ["registration", "identifiers"].contains(name),
                _ => false,
            };
            if has_no_effect {
                continue;
            }
            match Rig::afternoon(Some((at, mutant))).first() {
                Some(what) => eprintln!("{name}, {mutant:?}: {what}"),
                None => unnoticed.push((name, mutant)),
            }
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}
