//! What has to hold in every life, and which faults of the program have to be detected.

use std::ops::Range;

use super::world::{Met, things};
use super::*;
use crate::deliver::record::Record;
use crate::sys::journal::Journal;

/// The lives of these seeds.
fn lives(seeds: Range<u64>, broken: Broken) -> Vec<(u64, Life)> {
    seeds
        .map(|seed| (seed, Rig::new(seed, broken).live()))
        .collect()
}

/// Checks that nothing is wrong in the lives of these seeds. Prints a digest of all requests. A
/// change that alters no request leaves the digest as it is.
fn hold(seeds: Range<u64>) {
    let hours = (seeds.end - seeds.start) * HOURS;
    let (first, last) = (seeds.start, seeds.end - 1);
    let mut lives = lives(seeds, Broken::Not);
    let requests: u64 = lives.iter().map(|(_, life)| life.requests).sum();
    let digest = lives
        .iter()
        .fold(0, |all: u64, (_, life)| all.rotate_left(1) ^ life.digest);
    eprintln!("seeds {first} to {last}: {hours} hours, {requests} requests, digest {digest:016x}");
    lives.retain(|(_, life)| !life.wrong.is_empty());
    if let Some((_, life)) = lives.first() {
        eprintln!("{}", life.story.join("\n"));
    }
    for (seed, Life { wrong, .. }) in &lives {
        let (count, first) = (wrong.len(), wrong.first());
        eprintln!("seed {seed}: {count} wrong, among them {first:?}");
    }
    assert!(lives.is_empty(), "{} seeds fail", lives.len());
}

/// A twentieth of the seeds, for daily use. `make test-slow` and CI run all of them.
#[test]
fn nothing_is_lost_in_the_first_seeds() {
    hold(0..25);
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_nothing_is_lost_in_the_first_quarter_of_the_seeds() {
    hold(0..125);
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_nothing_is_lost_in_the_second_quarter_of_the_seeds() {
    hold(125..250);
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_nothing_is_lost_in_the_third_quarter_of_the_seeds() {
    hold(250..375);
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_nothing_is_lost_in_the_last_quarter_of_the_seeds() {
    hold(375..500);
}

#[test]
fn a_day_without_trouble_touches_no_disk() {
    let mut rig = Rig::new(1, Broken::Not);
    rig.world().peace();
    rig.start();
    (0..24 * 60).for_each(|minute| rig.minute(minute));
    assert_eq!(rig.disk.drive().touches, 0);
}

#[test]
fn a_day_without_a_server_writes_little_and_seldom() {
    // (why this row exists, whether the kernel reports the clock as synchronised)
    let table = [
        ("the server is away", true),
        ("so is NTP: no time is known", false),
    ];
    for (why, is_synchronised) in table {
        let mut rig = Rig::new(1, Broken::Not);
        rig.series = 40;
        rig.world().refuse();
        rig.world().is_synchronised = is_synchronised;
        rig.start();
        (0..24 * 60).for_each(|minute| rig.minute(minute));
        let (touches, written) = {
            let drive = rig.disk.drive();
            (drive.touches, drive.written)
        };
        let length = rig.disk.get("spool").unwrap().len();
        eprintln!("{why}: {touches} operations, {written} bytes written, {length} bytes of a file");
        // Two operations every five minutes, and a few that create the file.
        assert!(touches < 2 * 24 * 12 + 8, "{why}: {touches}");
        assert!(
            written < 1 << 20 && length < 1 << 20,
            "{why}: {written} {length}"
        );
    }
}

impl Rig {
    /// The numbers of the reports in the file, in order.
    fn saved(&self) -> Vec<u64> {
        let disk = Box::new(self.disk.clone());
        let (_, found) = Journal::open(disk, Path::new(ROOT), "spool");
        let report = |frame| match Record::read(frame) {
            Some(Record::Report(report)) => report.report.name[1..].parse().ok(),
            _ => None,
        };
        found.frames().filter_map(report).collect()
    }

    /// The numbers of the reports that the server has confirmed, in order.
    fn confirmed(&self) -> Vec<u64> {
        let mut world = self.world();
        let met = world.record.take().unwrap_or_default();
        let done = met.iter().filter(|met| met.is_done);
        let reports = done.flat_map(|met| met.body.split(r#""name":"c"#).skip(1));
        let number = |report: &str| report.split('"').next()?.parse().ok();
        reports.filter_map(number).collect()
    }

    fn minutes(&mut self, minutes: Range<u64>) {
        // The rig's own reports would be among those of the test.
        self.has_reports = false;
        minutes.for_each(|minute| self.minute(minute));
    }
}

/// The time of a check's first report may become known after it was saved, or never.
#[test]
fn a_report_without_a_time_is_saved_once_and_sent_with_its_time() {
    // (why this row exists, whether the clock is set before the end, whether the host restarts,
    // whether the reports of the first boot are sent)
    let table = [
        ("the agent restarts", true, false, true),
        ("the host restarts", true, true, true),
        ("the next agent gets to know the time", false, false, true),
        ("nobody ever knew the time", false, true, false),
    ];
    for (why, is_set, loses_power, is_sent) in table {
        let mut rig = Rig::new(1, Broken::Not);
        let first = rig.next_report;
        rig.world().refuse();
        rig.world().is_synchronised = false;
        rig.world().error = -9 * 3_600;
        rig.start();
        rig.report();
        rig.minutes(0..12);
        assert_eq!(rig.saved(), [first], "{why}");
        rig.report();
        rig.minutes(12..40);
        assert_eq!(rig.saved(), [first, first + 1], "{why}");
        if is_set {
            rig.world().error = 0;
            rig.world().is_synchronised = true;
        }
        rig.minutes(40..41);
        rig.report();
        rig.minutes(41..60);
        assert_eq!(rig.saved(), [first, first + 1, first + 2], "{why}");
        rig.kill(loses_power);
        rig.world().error = -9 * 3_600;
        rig.world().is_synchronised = false;
        rig.start();
        rig.report();
        rig.minutes(60..80);
        // Numbers of an earlier process are used again.
        rig.kill(false);
        rig.start();
        rig.world().peace();
        rig.world().record = Some(Vec::new());
        rig.minutes(80..90);
        let oldest = if is_sent { first } else { first + 3 };
        let expected: Vec<u64> = (oldest..first + 4).collect();
        assert_eq!(rig.confirmed(), expected, "{why}");
        assert!(rig.disk.get("spool").is_none(), "{why}");
        rig.world().judge();
        assert_eq!(rig.world().violations, [""; 0], "{why}");
    }
}

#[test]
fn a_machine_that_was_paused_is_noticed_by_the_next_answer() {
    let mut rig = Rig::new(1, Broken::Not);
    rig.world().is_synchronised = false;
    rig.world().record = Some(Vec::new());
    rig.start();
    (0..5).for_each(|minute| rig.minute(minute));
    let before = rig.world().record.take().unwrap();
    // Both clocks stood still, and agree: of all that this host can ask, only the server knows.
    rig.world().paused = 30 * 60 * 60;
    rig.world().record = Some(Vec::new());
    (5..10).for_each(|minute| rig.minute(minute));
    let after = rig.world().record.take().unwrap();
    let now = rig.world().time();
    let posts = |met: &[Met]| -> Vec<bool> {
        let posts = met.iter().filter(|met| met.line.ends_with("tsdb"));
        let times = posts.map(|met| things("/api/v0/tsdb", &met.body)[0].1);
        times.map(|time| now - time < 10 * 60).collect()
    };
    let questions = |met: &[Met]| met.iter().filter(|met| met.line.starts_with("Get")).count();
    assert_eq!(posts(&before), [false; 5]);
    assert_eq!(posts(&after), [false, true, true, true, true]);
    assert_eq!((questions(&before), questions(&after)), (1, 1));
}

#[test]
fn a_program_that_is_broken_is_noticed() {
    for broken in [
        Broken::NoSync,
        Broken::NoHalves,
        Broken::Late,
        Broken::Gullible,
        Broken::Doubting,
        Broken::Calm,
        Broken::Stubborn,
        Broken::Careless,
    ] {
        let first = (0..60).find(|seed| !Rig::new(*seed, broken).live().wrong.is_empty());
        eprintln!("{broken:?}: noticed in the life of seed {first:?}");
        assert!(first.is_some(), "{broken:?}");
    }
}
