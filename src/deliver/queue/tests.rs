//! The queue against a server in memory, with a clock that the test advances.

mod failures;

use super::*;
use crate::wire::check::CheckStatus;

/// Unix time of the monotonic clock's zero, at which the tests begin.
const EPOCH: u64 = 1_700_000_000;

/// One request: its second, its destination, and the numbers of its reports.
type Request = (u64, Option<&'static str>, Vec<u64>);

/// How a request with reports for a destination ends in a second.
type Rule = Box<dyn FnMut(u64, Option<&str>) -> Sent>;

/// Numbers of reports that the server rejects, whatever its rule.
type Bad = &'static [u64];

/// A queue, its clock in seconds, and a server that answers by its rule.
struct Rig {
    queue: Queue,
    now: u64,
    rule: Rule,
    bad: Bad,
    requests: Vec<Request>,
    lost: usize,
    pushed: u64,
}

fn moment(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

fn report(number: u64, at: u64, message: &str) -> Report {
    Report {
        name: number.to_string(),
        status: CheckStatus::Critical,
        message: message.to_owned(),
        occurred_at: Unix(EPOCH + at),
        notification_interval: None,
        max_check_attempts: None,
    }
}

impl Queue {
    /// Adds a report with the next number.
    fn add(
        &mut self,
        destination: Option<&str>,
        report: Report,
        is_urgent: bool,
        now: Moment,
    ) -> usize {
        let number = self.number();
        self.push(number, destination, report, is_urgent, now)
    }
}

impl Rig {
    fn new(checks: usize, rule: impl FnMut(u64, Option<&str>) -> Sent + 'static) -> Rig {
        Rig {
            queue: {
                let mut queue = Queue::new(moment(0));
                queue.expect(checks);
                queue
            },
            now: 0,
            rule: Box::new(rule),
            bad: &[],
            requests: Vec::new(),
            lost: 0,
            pushed: 0,
        }
    }

    /// Pushes `count` reports, numbered on from the last one.
    fn push(&mut self, count: u64, destination: Option<&str>, is_urgent: bool) {
        for _ in 0..count {
            let report = report(self.pushed, self.now, "");
            let now = moment(self.now);
            self.lost += self.queue.add(destination, report, is_urgent, now);
            self.pushed += 1;
        }
    }

    /// Sends what is due up to and including this second.
    fn run_until(&mut self, end: u64) {
        while let Some(due) = self.queue.due() {
            let due = due.0.as_secs().max(self.now);
            if due > end {
                break;
            }
            self.now = due;
            self.lost += self.queue.expire(Unix(EPOCH + self.now));
            if let Some(batch) = self.queue.batch(moment(self.now)) {
                self.send(&batch);
            }
        }
        self.now = end;
    }

    fn send(&mut self, batch: &Batch) {
        let destination = self.queue.destination(batch);
        let mut sent = (self.rule)(self.now, destination);
        let destination = destination.map(|name| if name == "a" { "a" } else { "b" });
        let numbers: Vec<u64> = self
            .queue
            .reports(batch)
            .into_iter()
            .map(|report| report.name.parse().unwrap())
            .collect();
        if numbers.iter().any(|number| self.bad.contains(number)) {
            sent = Sent::Refused;
        }
        self.requests.push((self.now, destination, numbers));
        let lost = self.queue.done(batch, sent, moment(self.now));
        self.lost += usize::from(lost.is_some());
    }

    /// The seconds of all requests.
    fn times(&self) -> Vec<u64> {
        self.requests.iter().map(|(at, ..)| *at).collect()
    }
}

fn well(_: u64, _: Option<&str>) -> Sent {
    Sent::Accepted
}

#[test]
fn reports_of_a_minute_are_one_request() {
    let mut rig = Rig::new(9, well);
    for at in [10, 20, 59] {
        rig.run_until(at);
        rig.push(1, None, false);
    }
    rig.run_until(300);
    assert_eq!(rig.requests, [(60, None, vec![0, 1, 2])]);
    assert_eq!(rig.queue.due(), None);
    // The rounds continue while nothing waits.
    rig.run_until(310);
    rig.push(1, None, false);
    rig.run_until(500);
    assert_eq!(rig.requests[1..], [(360, None, vec![3])]);
}

#[test]
fn urgent_report_is_sent_with_all_that_wait() {
    let mut rig = Rig::new(9, well);
    rig.run_until(10);
    rig.push(1, None, false);
    rig.push(1, Some("a"), false);
    rig.run_until(20);
    rig.push(1, None, true);
    rig.run_until(25);
    rig.push(1, None, false);
    rig.run_until(300);
    let expected = [
        (20, None, vec![0, 2]),
        (20, Some("a"), vec![1]),
        (80, None, vec![3]),
    ];
    assert_eq!(rig.requests, expected);
}

#[test]
fn reports_are_sent_in_batches_with_pauses() {
    // (why this row exists, checks, reports, requests)
    let table: [(_, _, _, &[(u64, usize)]); 5] = [
        ("less than a batch", 19, 19, &[(0, 19)]),
        ("just one", 20, 20, &[(0, 20)]),
        ("more", 40, 45, &[(0, 20), (1, 20), (2, 5)]),
        (
            "two rounds of all checks",
            25,
            50,
            &[(0, 20), (1, 20), (2, 10)],
        ),
        ("a backlog", 10, 55, &[(0, 20), (15, 20), (30, 15)]),
    ];
    for (why, checks, reports, expected) in table {
        let mut rig = Rig::new(checks, well);
        rig.push(reports, None, true);
        rig.run_until(300);
        let requests: Vec<(u64, usize)> = rig
            .requests
            .iter()
            .map(|(at, _, numbers)| (*at, numbers.len()))
            .collect();
        assert_eq!(requests, expected, "{why}");
        let numbers = rig.requests.iter().flat_map(|(_, _, numbers)| numbers);
        assert!(numbers.copied().eq(0..reports), "{why}");
    }
}

#[test]
fn a_destination_that_fails_delays_no_other() {
    let rule = |_, destination: Option<&str>| match destination {
        Some("a") => Sent::Later(Duration::ZERO),
        Some(_) => Sent::Refused,
        None => Sent::Accepted,
    };
    let mut rig = Rig::new(100, rule);
    for minute in 0..5 {
        rig.run_until(minute * 60);
        rig.push(1, Some("a"), true);
        rig.push(1, Some("b"), true);
        rig.push(1, None, true);
    }
    rig.run_until(299);
    let times = |whose| {
        let own = rig
            .requests
            .iter()
            .filter(|(_, destination, _)| *destination == whose);
        own.map(|(at, ..)| *at).collect::<Vec<_>>()
    };
    assert_eq!(times(None), [0, 60, 120, 180, 240]);
    assert_eq!(times(Some("b")), [0, 60, 120, 180, 240]);
    assert_eq!(
        times(Some("a")),
        (0..10).map(|n| n * 30).collect::<Vec<_>>()
    );
    assert_eq!((rig.queue.waiting(), rig.lost), (5, 5));
    // After the failure nothing is missing, and nothing is out of order.
    rig.rule = Box::new(well);
    rig.run_until(400);
    assert_eq!(
        rig.requests.last(),
        Some(&(300, Some("a"), vec![0, 3, 6, 9, 12]))
    );
}

/// The check fails for an hour, with a report every minute. The server answers in every way.
#[test]
fn reports_of_an_hour_of_failures_arrive_unless_rejected() {
    let rule = |at: u64, _: Option<&str>| match at / 60 {
        5..10 => Sent::Later(Duration::ZERO),
        12 => Sent::Refused,
        15..25 => Sent::Silence,
        30 => Sent::Later(Duration::from_secs(400)),
        _ => Sent::Accepted,
    };
    let mut rig = Rig::new(3, rule);
    for minute in 0..60 {
        rig.run_until(minute * 60 + 10);
        rig.push(1, None, minute % 7 == 0);
    }
    rig.run_until(4_000);
    let mut arrived: Vec<u64> = Vec::new();
    for (at, _, numbers) in &rig.requests {
        if rule(*at, None) == Sent::Accepted {
            arrived.extend(numbers);
        }
    }
    let expected = (0..60).filter(|number| *number != 12);
    assert!(arrived.iter().copied().eq(expected), "{arrived:?}");
    assert_eq!((rig.lost, rig.queue.waiting()), (1, 0));
}

#[test]
fn reports_that_the_server_would_ignore_expire() {
    let mut rig = Rig::new(1, |_, _| Sent::Later(Duration::ZERO));
    rig.push(1, None, true);
    rig.run_until(100);
    rig.push(1, Some("a"), true);
    rig.run_until(USE - 1);
    assert_eq!((rig.lost, rig.queue.waiting()), (0, 2));
    rig.run_until(USE + 30);
    assert_eq!((rig.lost, rig.queue.waiting()), (1, 1));
    // After a clock was set back, nothing has expired.
    assert_eq!(rig.queue.expire(Unix(0)), 0);
}

#[test]
fn a_destination_is_bounded_and_the_newest_stay() {
    let mut queue = Queue::new(moment(0));
    queue.expect(1);
    let message = "x".repeat(1_024);
    let mut lost = 0;
    queue.add(Some("a"), report(0, 0, ""), false, moment(0));
    for number in 0..5_000 {
        lost += queue.add(None, report(number, 0, &message), false, moment(0));
        assert!(queue.lanes.iter().all(|lane| lane.bytes <= CAPACITY));
    }
    let batch = queue.batch(moment(60)).unwrap();
    assert_eq!(queue.destination(&batch), Some("a"));
    queue.done(&batch, Sent::Accepted, moment(60));
    let batch = queue.batch(moment(60)).unwrap();
    let first = queue.reports(&batch)[0];
    assert_eq!(first.name, lost.to_string());
    assert_eq!(queue.waiting(), 5_000 - lost);
    assert!(lost > 2_000 && queue.waiting() > 1_500, "{lost} lost");
}

#[test]
fn queue_of_all_destinations_is_bounded_at_the_cost_of_the_largest() {
    let mut queue = Queue::new(moment(0));
    let message = "x".repeat(1_024);
    let mut lost = 0;
    queue.add(None, report(0, 0, ""), false, moment(0));
    for number in 0..20_000_u64 {
        let destination = format!("host{}", number % 20);
        let report = report(number, 0, &message);
        lost += queue.add(Some(&destination), report, false, moment(0));
        let bytes: usize = queue.lanes.iter().map(|lane| lane.bytes).sum();
        assert!(bytes <= ALL, "{bytes} bytes");
    }
    assert!(lost > 10_000, "{lost} lost");
    assert_eq!(queue.waiting(), 20_001 - lost);
    assert!(queue.lanes.iter().all(|lane| !lane.reports.is_empty()));
}

#[test]
fn reports_dropped_during_their_request_are_not_confused_with_newer_ones() {
    let mut queue = Queue::new(moment(0));
    queue.expect(1);
    let big = "x".repeat(CAPACITY / 2);
    queue.add(None, report(0, 0, ""), true, moment(0));
    let batch = queue.batch(moment(0)).unwrap();
    for number in 1..4 {
        queue.add(None, report(number, 0, &big), false, moment(1));
    }
    assert!(queue.done(&batch, Sent::Refused, moment(1)).is_none());
    assert_eq!(queue.waiting(), 1);
}

#[test]
fn stop_sends_reports_at_once() {
    let mut rig = Rig::new(1, |at, _| match at {
        ..103 => Sent::Silence,
        _ => Sent::Accepted,
    });
    rig.push(45, None, true);
    rig.run_until(99);
    rig.requests.clear();
    rig.push(1, Some("a"), false);
    rig.now = 100;
    rig.queue.end(moment(100));
    rig.push(1, Some("b"), false);
    rig.run_until(200);
    assert_eq!(rig.queue.waiting(), 0);
    assert!(
        rig.now == 200 && rig.times().iter().all(|at| *at < 107),
        "{:?}",
        rig.times()
    );
}
