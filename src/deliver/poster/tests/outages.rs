//! What the log has of an outage that lasts longer than what waits can be used.

use super::plugins::found;
use super::*;

const HOUR: u64 = 60 * 60;
/// How long the outages last.
const HOURS: u64 = 30;
const END: u64 = HOURS * HOUR;

/// The lines of a run with a round and a report for `to` every minute, until minutes after the
/// outage. Times and counts are left out.
fn lines(mut rig: Rig, to: Option<&str>) -> Vec<String> {
    for minute in 0..HOURS * 60 {
        let order = found(to, minute * 60, true);
        rig.orders.push_back((minute * 60, order));
    }
    let mut rig = rig.minutes(0, HOURS * 60 + 5);
    rig.orders.make_contiguous().sort_by_key(|(at, _)| *at);
    let lines = lines_of(|| drop(rig.run_until(END + 600)));
    let without_counts = |line: String| line.replace(|c: char| c.is_ascii_digit(), "");
    lines.into_iter().map(without_counts).collect()
}

/// The lines of `run`, without the one of the start.
fn lines_of(run: impl FnOnce()) -> Vec<String> {
    let mut lines = log::lines_of(run);
    lines.retain(|line| !line.starts_with("INFO Start: "));
    lines
}

/// Whether each of `lines` has the words of its row.
fn have(lines: &[String], words: &[&str]) -> bool {
    let both = lines.iter().zip(words);
    lines.len() == words.len() && both.into_iter().all(|(line, words)| line.contains(words))
}

const FIRST_REPORT: &str =
    "ERROR check reports lost: ; the server takes none older than six hours; the sum";
const FIRST_ROUND: &str =
    "ERROR rounds of values lost: ; the server takes none older than a day; the sum";
const ALL_REPORTS: &str = "ERROR check reports lost in all: ";
const ALL_ROUNDS: &str = "ERROR rounds of values lost in all: ";

#[test]
fn outage_longer_than_a_day_is_logged_when_it_begins_when_something_is_lost_and_when_it_ends() {
    // (why this row exists, status meanwhile, words of the first line)
    let table = [
        ("the network is gone", None, "no answer"),
        ("the server fails", Some(503), "(status )"),
        ("the host is retired in the web UI", Some(404), "(status )"),
    ];
    for (why, status, words) in table {
        let down = move |call: &Call| match call.at {
            60..END => status,
            _ => Some(200),
        };
        let found = lines(Rig::new(true, down), None);
        let expected = [
            words,
            "; the values are kept",
            FIRST_REPORT,
            FIRST_ROUND,
            "INFO check reports are taken again",
            ALL_REPORTS,
            "INFO posting works again; catching up on ",
            ALL_ROUNDS,
        ];
        assert!(have(&found, &expected), "{why}: {found:#?}");
    }
}

#[test]
fn outage_in_which_the_spool_is_full_is_logged_in_the_same_way() {
    let down = |call: &Call| (call.at < 60 || call.at >= 3 * HOUR).then_some(200);
    let mut rig = Rig::new(true, down);
    rig.poster.fit(1 << 20);
    let mut rig = rig.minutes(0, 3 * 60 + 5);
    for (_, order) in &mut rig.orders {
        if let PosterCommand::Round(_, _, values) = order {
            let mut many = Values::default();
            (0..1_000).for_each(|at| many.put(format!("custom.{at}"), 1.0));
            *values = many.into();
        }
    }
    let found = lines_of(|| drop(rig.run_until(3 * HOUR + 600)));
    let expected = [
        "; the values are kept",
        "ERROR rounds of values lost: 1; the oldest make room for the newest; the sum",
        "INFO posting works again; catching up on ",
        ALL_ROUNDS,
    ];
    assert!(have(&found, &expected), "{found:#?}");
}

#[test]
fn outage_that_outlasts_the_agent_ends_with_the_sum() {
    let rig = Rig::new(true, |call| (call.at < 60).then_some(200));
    let found = lines(rig.stop_at(END), None);
    let expected = [
        "; the check reports are kept",
        "; the values are kept",
        FIRST_REPORT,
        FIRST_ROUND,
        "ERROR host_status.on_stop not set: ",
        ALL_REPORTS,
        ALL_ROUNDS,
    ];
    assert!(have(&found, &expected), "{found:#?}");
}

/// This host's reports and values are taken meanwhile.
#[test]
fn outage_of_one_host_is_logged_once_although_another_hosts_reports_are_taken() {
    const OTHER: &str = "yyy1234567890";
    let rule = |call: &Call| Some(if call.body.contains(OTHER) { 404 } else { 200 });
    let there = r#"{"id":"yyy1234567890","name":"o","status":"working"}"#;
    let look: Look = Box::new(|_| Some(Ok(Place::default())));
    let mut rig = Rig::placed(true, look, (there, ""), rule).identified(&["other"]);
    for minute in 0..HOURS * 60 {
        let to = Some("other".into());
        let order = PosterCommand::Round(stamp(START + minute * 60), to, values(1.0));
        rig.orders.push_back((minute * 60 + 30, order));
        let own = found(None, minute * 60, true);
        rig.orders.push_back((minute * 60 + 40, own));
    }
    let found = lines(rig, Some("other"));
    let expected = [
        "; the check reports of other are kept",
        "; the values of custom_identifier hosts are kept",
        FIRST_REPORT,
        FIRST_ROUND,
    ];
    assert!(have(&found, &expected), "{found:#?}");
}

#[test]
fn outage_is_logged_once_for_each_document_and_each_identifier() {
    let down = |call: &Call| {
        let is_other = call.line.contains("/metadata/") || call.line.contains("customIdentifier=");
        (!is_other || call.at >= HOUR).then_some(200)
    };
    let mut rig = Rig::with_identifiers(&["one", "other"], down);
    for name in ["m", "n"] {
        let cache = crate::sys::cache::CacheFile::none();
        let metadata = &mut rig.poster.lanes.metadata.metadata;
        metadata.add(name, cache, false).unwrap();
        rig = rig.order(1, PosterCommand::Metadata(name.to_owned(), "1".to_owned()));
    }
    let mut found = lines_of(|| drop(rig.run_until(HOUR + 600)));
    found.sort_unstable();
    let expected = [
        "ERROR plugin.metadata.m: ",
        "ERROR plugin.metadata.n: ",
        "INFO plugin.metadata.m is taken again",
        "INFO plugin.metadata.n is taken again",
        "INFO the look-up of custom_identifier one works again",
        "INFO the look-up of custom_identifier other works again",
        "customIdentifier=one",
        "customIdentifier=other",
        "no host has the custom_identifier one",
        "no host has the custom_identifier other",
    ];
    assert!(have(&found, &expected), "{found:#?}");
}

#[test]
fn outage_of_the_disk_of_documents_is_logged_once_for_each() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut rig = Rig::new(true, well);
    for name in ["m", "n"] {
        // Cannot be created: it would be below a file that is no directory.
        let cache = crate::sys::cache::CacheFile::at(file.join(name));
        let metadata = &mut rig.poster.lanes.metadata.metadata;
        metadata.add(name, cache, true).unwrap_err();
        for minute in 0..20 {
            let order = PosterCommand::Metadata(name.to_owned(), minute.to_string());
            rig = rig.order(minute * 60 + 1, order);
        }
    }
    // (until when it runs, words of the lines)
    let table: [(u64, &[&str]); 3] = [
        (
            600,
            &[
                "ERROR plugin.metadata.m: create ",
                "ERROR plugin.metadata.n: create ",
            ],
        ),
        (601, &[]),
        (
            1_500,
            &[
                "INFO plugin.metadata.m: its file is written again",
                "INFO plugin.metadata.n: its file is written again",
            ],
        ),
    ];
    for (end, expected) in table {
        let found = lines_of(|| drop(rig.run_until(end)));
        assert!(have(&found, expected), "{end}: {found:#?}");
        if end == 601 {
            std::fs::remove_file(&file).unwrap();
        }
    }
}
