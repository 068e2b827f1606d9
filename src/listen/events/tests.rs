//! The rules of the stream of events. Time is that of a clock which the test moves.

use std::sync::{Arc, Mutex};

use super::*;
use crate::base::clock::FakeClock;

/// Counts what it is asked for. Its events say their position in a watch, and what the agent says.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<(u64, u64)>>);

impl Counted {
    /// Number of events that were measured.
    fn measured(&self) -> u64 {
        self.0.lock().unwrap().0
    }
}

impl Source for Counted {
    fn host(&mut self) -> String {
        "{\"name\":\"pi\"}".to_owned()
    }

    fn is_full(&self) -> bool {
        self.0.lock().unwrap().1.is_multiple_of(10)
    }

    fn event(&mut self, _: Moment, wall: Duration, agent: Option<&str>) -> String {
        let mut counts = self.0.lock().unwrap();
        *counts = (counts.0 + 1, counts.1 + 1);
        let agent = agent.map_or(String::new(), |agent| format!(",{agent}"));
        format!("{{\"time\":{},\"at\":{}{agent}}}", wall.as_secs(), counts.1)
    }

    fn forget(&mut self) {
        self.0.lock().unwrap().1 = 0;
    }
}

struct Rig {
    events: Events,
    source: Counted,
    clock: FakeClock,
    ask: Box<Ask>,
    /// The result of the last turn.
    due: Option<Moment>,
}

impl Rig {
    fn new() -> Rig {
        let source = Counted::default();
        Rig {
            events: Events::new("0a1b2c3d".to_owned(), Box::new(source.clone())),
            source,
            clock: FakeClock::default(),
            ask: Box::new(|question| {
                assert_eq!(question, Question::Live);
                Some("\"checks\":[]".to_owned())
            }),
            due: None,
        }
    }

    fn turn(&mut self, is_watched: bool) {
        let ask = Some(&mut *self.ask);
        self.due = self.events.turn(is_watched, &self.clock, ask);
    }

    /// Lets time pass, with a turn whenever one is due.
    fn pass(&mut self, time: Duration, is_watched: bool) {
        let end = Moment(self.clock.moment().0 + time);
        self.turn(is_watched);
        while let Some(due) = self.due.filter(|due| *due <= end) {
            self.clock.pass(due.since(self.clock.moment()));
            self.turn(is_watched);
        }
        self.clock.pass(end.since(self.clock.moment()));
    }

    /// What a client gets at once whose last event has this id.
    fn begin(&mut self, last: Option<&str>) -> (Cursor, String) {
        let mut out = Vec::new();
        let mut cursor = self.events.begin(last, &mut out);
        loop {
            let length = out.len();
            let mut more = Vec::new();
            assert!(self.events.more(&mut cursor, &mut more));
            out.extend(more);
            if out.len() == length {
                return (cursor, String::from_utf8(out).unwrap());
            }
        }
    }
}

/// The numbers of the ids of a text.
fn numbers(text: &str) -> Vec<u64> {
    let ids = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: 0a1b2c3d-"));
    ids.map(|number| number.parse().unwrap()).collect()
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn events_begin_with_retry_host_and_all_that_is_kept() {
    let mut rig = Rig::new();
    rig.pass(seconds(2), true);
    let (_, text) = rig.begin(None);
    let expected = "retry: 2000\n\nevent: host\ndata: {\"name\":\"pi\"}\n\n\
                    id: 0a1b2c3d-1\ndata: {\"time\":0,\"at\":1,\"checks\":[]}\n\n\
                    id: 0a1b2c3d-2\ndata: {\"time\":1,\"at\":2}\n\n\
                    id: 0a1b2c3d-3\ndata: {\"time\":2,\"at\":3}\n\n";
    assert_eq!(text, expected);
}

#[test]
fn events_are_measured_once_a_second_while_somebody_watches() {
    let mut rig = Rig::new();
    rig.pass(seconds(1000), false);
    assert_eq!(
        (rig.source.measured(), rig.due),
        (0, None),
        "nobody has watched"
    );
    rig.pass(seconds(60), true);
    assert_eq!(rig.source.measured(), 61);
    // Turns for other reasons, and turns that come a little late, measure nothing more.
    for _ in 0..10 {
        rig.clock.pass(Duration::from_millis(150));
        rig.turn(true);
    }
    assert_eq!(rig.source.measured(), 62);
    rig.pass(seconds(60), false);
    assert_eq!(rig.source.measured(), 62, "nobody watches");
    assert!(rig.due.is_some(), "what is kept is freed later");
    rig.pass(seconds(60), false);
    assert_eq!(rig.due, None, "no wake-up any more");
}

#[test]
fn events_are_resumed_without_gap_and_repeat() {
    let mut rig = Rig::new();
    rig.pass(seconds(200), true);
    let (_, text) = rig.begin(None);
    assert_eq!(numbers(&text), (82..=201).collect::<Vec<_>>());
    // (why this row exists, last id, the first number and whether there is a reset)
    let table = [
        ("a cut connection", "0a1b2c3d-190", 191, false),
        ("nothing is missed", "0a1b2c3d-201", 202, false),
        ("too old", "0a1b2c3d-80", 82, true),
        ("another run", "11111111-190", 82, true),
    ];
    for (why, last, first, is_reset) in table {
        let (cursor, text) = rig.begin(Some(last));
        assert_eq!(numbers(&text), (first..=201).collect::<Vec<_>>(), "{why}");
        let resets = text.matches("event: reset\ndata: {}\n\n").count();
        assert_eq!(resets, usize::from(is_reset), "{why}");
        assert_eq!(cursor.next, 202, "{why}");
    }
    // The watch goes on within two minutes, and later.
    for pause in [119, 121] {
        rig.pass(seconds(pause), false);
        let (_, text) = rig.begin(Some("0a1b2c3d-201"));
        assert_eq!(numbers(&text), [] as [u64; 0], "{pause}");
        assert!(!text.contains("reset"), "{pause}: nothing was measured");
        let (_, text) = rig.begin(None);
        assert_eq!(numbers(&text).len(), if pause < 120 { 120 } else { 0 });
        let (_, text) = rig.begin(Some("0a1b2c3d-200"));
        assert_eq!(text.contains("reset"), pause > 120, "{pause}: it is freed");
        rig.turn(pause < 120);
        rig.pass(Duration::ZERO, false);
        if pause < 120 {
            // One more event was measured.
            let (_, text) = rig.begin(Some("0a1b2c3d-201"));
            assert_eq!(numbers(&text), [202]);
            rig = Rig::new();
            rig.pass(seconds(200), true);
        }
    }
}

#[test]
fn events_after_a_pause_have_no_rates() {
    // (seconds without a watcher, position of the next event in its watch)
    for (pause, at) in [(3, 12), (6, 1), (119, 1), (500, 1)] {
        let mut rig = Rig::new();
        rig.pass(seconds(10), true);
        rig.pass(seconds(pause), false);
        rig.turn(true);
        let (_, text) = rig.begin(Some("0a1b2c3d-11"));
        assert!(text.contains(&format!("\"at\":{at}")), "{pause}: {text}");
        assert_eq!(numbers(&text), [12], "{pause}");
    }
}

#[test]
fn events_that_the_host_delays_are_not_made_up_for() {
    let mut rig = Rig::new();
    rig.pass(seconds(3), true);
    rig.clock.pass(seconds(4));
    rig.turn(true);
    assert_eq!(rig.source.measured(), 5);
    let next = rig.due.map(|due| due.since(rig.clock.moment()));
    assert_eq!(next, Some(PERIOD));
}

#[test]
fn events_say_what_is_missing() {
    let mut rig = Rig::new();
    rig.ask = Box::new(|_| None);
    rig.pass(seconds(1), true);
    let (_, text) = rig.begin(None);
    let trouble = "id: 0a1b2c3d-1\ndata: {\"time\":0,\"at\":1}\n\nevent: trouble\n\
                   data: {\"text\":\"the agent does not answer: \
                   checks, plugins and destinations are missing\"}\n\nid: 0a1b2c3d-2\n";
    assert!(text.contains(trouble), "{text}");
    assert_eq!(
        text.matches("trouble").count(),
        1,
        "only where it was asked"
    );
    // Without an agent nothing is missing.
    let mut rig = Rig::new();
    rig.due = rig.events.turn(true, &rig.clock, None);
    assert!(!rig.begin(None).1.contains("trouble"));
}

#[test]
fn events_that_are_too_long_are_left_out() {
    struct Long;
    impl Source for Long {
        fn host(&mut self) -> String {
            "{}".to_owned()
        }
        fn is_full(&self) -> bool {
            false
        }
        fn event(&mut self, _: Moment, _: Duration, _: Option<&str>) -> String {
            "x".repeat(EVENT + 1)
        }
        fn forget(&mut self) {}
    }
    let mut events = Events::new("r".to_owned(), Box::new(Long));
    events.turn(true, &FakeClock::default(), None);
    let mut out = Vec::new();
    let mut cursor = events.begin(None, &mut out);
    assert!(events.more(&mut cursor, &mut out));
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("id: r-1\ndata: {}\n\nevent: trouble\n"),
        "{text}"
    );
    assert!(text.len() < 500, "{}", text.len());
}

#[test]
fn events_for_a_reader_that_is_too_slow_end() {
    let mut rig = Rig::new();
    rig.pass(seconds(10), true);
    let (mut cursor, _) = rig.begin(None);
    rig.pass(seconds(120), true);
    let mut out = Vec::new();
    assert!(rig.events.more(&mut cursor, &mut out), "all are kept");
    rig.pass(seconds(120), true);
    cursor.next = 12;
    assert!(!rig.events.more(&mut cursor, &mut out), "one is lost");
}
