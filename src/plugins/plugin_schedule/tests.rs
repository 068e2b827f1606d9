//! The schedule with injected time.

use super::*;

fn moment(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

fn config(text: &str) -> Config {
    let mut config = Config::default();
    config.read(text.as_bytes()).unwrap();
    config
}

const ALL: &str = "
[plugin.metrics.m]
command = 'm'
[plugin.checks.c]
command = 'c'
check_interval = 2
[plugin.metadata.d]
command = 'd'
execution_interval = 10
";

/// A schedule that began at 0, and whose plugins have not run yet.
fn begun(text: &str) -> PluginSchedule {
    let mut schedule = PluginSchedule::default();
    schedule.configure(&config(text), moment(0));
    schedule.begin(moment(0));
    schedule
}

/// Kind and name of the plugins due at a second. Each run ends at once.
fn due(schedule: &mut PluginSchedule, second: u64) -> Vec<String> {
    let works = schedule.take_due(moment(second));
    let shown = works.into_iter().map(|(id, work)| {
        let word = match work {
            Work::Values(..) => "values",
            Work::Graphs(_) => "graphs",
            Work::Check { .. } => "check",
            Work::Metadata(_) => "metadata",
        };
        let entry = schedule.entry_of(id).unwrap();
        if word != "graphs" {
            entry.has_ended(false);
        }
        format!("{word} {}", entry.name)
    });
    shown.collect()
}

#[test]
fn each_kind_has_its_times() {
    let mut schedule = begun(ALL);
    // (second, what is due, seconds until something is due again)
    let table: [(u64, &[&str], u64); 7] = [
        (0, &["graphs m", "check c"], 10),
        (9, &[], 1),
        (10, &["metadata d"], 110),
        (120, &["check c"], 120),
        (241, &["check c"], 119),
        // A suspended hour is one run.
        (4_000, &["check c", "metadata d"], 80),
        (4_080, &["check c"], 120),
    ];
    for (second, expected, idle) in table {
        assert_eq!(due(&mut schedule, second), expected, "{second}");
        assert_eq!(schedule.idle(moment(second)).as_secs(), idle, "{second}");
    }
    assert_eq!(
        due(&mut schedule, 4_200),
        ["check c", "metadata d"],
        "whole intervals"
    );
}

#[test]
fn before_the_beginning_there_are_rounds_alone() {
    let mut schedule = PluginSchedule::default();
    schedule.configure(&config(ALL), moment(0));
    assert!(!schedule.has_begun());
    assert!(due(&mut schedule, 1_000).is_empty());
    assert_eq!(schedule.idle(moment(1_000)), Duration::MAX);
    let works = schedule.round(Unix(60));
    assert!(matches!(works[..], [(_, Work::Values(_, Unix(60)))]));
}

#[test]
fn plugin_that_is_still_running_is_skipped() {
    let mut schedule = begun(ALL);
    let (id, _) = schedule.round(Unix(0)).pop().unwrap();
    for minute in 1..METRIC_RUNS as u64 {
        assert_eq!(schedule.round(Unix(60 * minute)).len(), 1, "{minute}");
    }
    assert!(!schedule.entry_of(id).unwrap().is_late);
    assert!(schedule.round(Unix(180)).is_empty());
    assert!(schedule.entry_of(id).unwrap().is_late);
    schedule.entry_of(id).unwrap().has_ended(false);
    assert_eq!(schedule.round(Unix(240)).len(), 1);

    let works = schedule.take_due(moment(0));
    let (check, _) = works.last().unwrap();
    assert!(
        schedule
            .take_due(moment(120))
            .iter()
            .all(|(id, _)| id != check)
    );
    schedule.entry_of(*check).unwrap().has_ended(false);
    assert_eq!(due(&mut schedule, 240)[..1], ["check c"]);
}

#[test]
fn plugin_that_is_still_running_is_logged_again_only_after_a_run_in_time() {
    const CHECK: &str = "[plugin.checks.c]\ncommand = 'c'\n";
    const METRIC: &str = "[plugin.metrics.m]\ncommand = 'm'\n";
    // (why this row exists, configuration, seconds that each run takes, lines in the log)
    let table: [(&str, &str, &[u64], usize); 7] = [
        ("each run is too slow", CHECK, &[90; 40], 1),
        ("each run misses several turns", CHECK, &[1_000; 40], 1),
        ("each ends in time", CHECK, &[59; 40], 0),
        ("one of them ends in time", CHECK, &[90, 90, 10, 90, 90], 2),
        ("three runs at a time are too few", METRIC, &[200; 40], 1),
        ("they are enough", METRIC, &[170; 40], 0),
        (
            "none is left of the slow ones",
            METRIC,
            &[200, 200, 200, 1, 1, 200, 200, 200],
            2,
        ),
    ];
    for (why, text, runs, expected) in table {
        let mut schedule = begun(text);
        let mut runs = runs.iter();
        let mut ends = Vec::new();
        let lines = log::lines_of(|| {
            for minute in 0..60 {
                let now = 60 * minute;
                ends.retain(|(id, end)| {
                    if *end < now {
                        schedule.entry_of(*id).unwrap().has_ended(false);
                    }
                    *end >= now
                });
                let mut works = schedule.round(Unix(now));
                works.extend(schedule.take_due(moment(now)));
                works.retain(|(_, work)| !matches!(work, Work::Graphs(_)));
                for (id, _) in works {
                    ends.push((id, now + runs.next().unwrap_or(&1)));
                }
            }
        });
        assert_eq!(lines.len(), expected, "{why}: {lines:?}");
    }
}

#[test]
fn actions_may_overlap_up_to_a_number() {
    let mut schedule = begun("[plugin.checks.c]\ncommand = 'c'\n");
    let lines = log::lines_of(|| {
        for minute in 0..2 * ACTIONS as u64 {
            let (id, work) = schedule.take_due(moment(60 * minute)).pop().unwrap();
            let expected = minute < ACTIONS as u64;
            assert!(matches!(work, Work::Check { may_act, .. } if may_act == expected));
            schedule.entry_of(id).unwrap().has_ended(expected);
        }
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    let id = schedule.entries[0].id;
    schedule.entry_of(id).unwrap().has_acted();
    let works = schedule.take_due(moment(3_600));
    assert!(matches!(
        works[..],
        [(_, Work::Check { may_act: true, .. })]
    ));
    schedule.entry_of(id).unwrap().has_ended(true);
    let lines = log::lines_of(|| drop(schedule.take_due(moment(3_660))));
    assert!(
        lines.is_empty(),
        "the others have run ever since: {lines:?}"
    );
}

#[test]
fn a_reload_starts_what_is_new_and_leaves_the_rest_alone() {
    let mut schedule = begun(ALL);
    due(&mut schedule, 0);
    due(&mut schedule, 10);
    let before: Vec<Id> = schedule.entries.iter().map(|entry| entry.id).collect();
    let (running, _) = schedule.round(Unix(60)).pop().unwrap();
    schedule.configure(&config(ALL), moment(60));
    let after: Vec<Id> = schedule.entries.iter().map(|entry| entry.id).collect();
    assert_eq!(before, after);
    schedule.round(Unix(120));
    schedule.round(Unix(180));
    assert!(schedule.round(Unix(240)).is_empty(), "they still run");
    assert_eq!(schedule.idle(moment(60)).as_secs(), 60);

    let other = ALL
        .replace("command = 'c'", "command = 'other'")
        .replace("metrics.m]", "metrics.n]");
    schedule.configure(&config(&other), moment(60));
    assert!(schedule.entry_of(running).is_none());
    assert_eq!(due(&mut schedule, 60), ["graphs n", "check c"]);
    assert_eq!(due(&mut schedule, 179), [""; 0]);
    assert_eq!(due(&mut schedule, 180), ["check c"]);

    schedule.configure(&Config::default(), moment(200));
    assert_eq!(schedule.idle(moment(200)), Duration::MAX);
}

#[test]
fn state_of_a_plugin_is_that_of_its_last_run() {
    let mut schedule = begun(ALL);
    let ids: Vec<Id> = schedule.entries.iter().map(|entry| entry.id).collect();
    let shown = |schedule: &PluginSchedule| -> Vec<String> {
        let states = schedule.states(moment(60));
        let states = states.map(|state| {
            let last = state.last.map(|last| {
                let trouble = last.trouble.as_deref().unwrap_or("fine");
                (
                    last.began.0.as_secs(),
                    last.took.as_millis(),
                    last.code,
                    trouble,
                )
            });
            let next = state.next.map(|next| next.0.as_secs());
            format!(
                "{} {} {last:?} {next:?} {}",
                state.kind, state.name, state.is_running
            )
        });
        states.collect()
    };
    assert_eq!(
        shown(&schedule),
        [
            "metrics m None Some(60) false",
            "checks c None Some(0) false",
            "metadata d None Some(10) false",
        ]
    );
    schedule.round(Unix(0));
    let entry = schedule.entry_of(ids[0]).unwrap();
    entry.began.push(moment(3));
    let words = Words {
        trouble: Some("exit code 7: \u{1b}[31m".to_owned()),
        code: Some(7),
        ..Words::default()
    };
    entry.record(&words, Moment(Duration::from_millis(3_250)));
    schedule.take_due(moment(10));
    assert_eq!(
        shown(&schedule),
        [
            r#"metrics m Some((3, 250, Some(7), "exit code 7: \\u{1b}[31m")) Some(60) true"#,
            "checks c None Some(120) true",
            "metadata d None Some(600) true",
        ]
    );
    let entry = schedule.entry_of(ids[0]).unwrap();
    entry.record(&Words::default(), moment(4));
    entry.has_ended(false);
    assert_eq!(
        shown(&schedule)[0],
        r#"metrics m Some((3, 1000, None, "fine")) Some(60) false"#
    );
}
