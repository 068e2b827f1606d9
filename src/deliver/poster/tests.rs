//! The poster against a server in memory, with a clock that the test advances.

mod creating;
mod fleet;
mod news;
mod outages;
mod place;
mod plugins;
mod stopping;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;
use crate::base::clock::{FakeClock, Stamp, Unix};
use crate::base::values::Values;
use crate::deliver::cloud_lookup::{CloudLookup, Look};
use crate::describe::Place;
use crate::sys::http::{Answer, Exchange, Kind, LinkError, Request};
use crate::sys::state::State;
use crate::wire::host::HostParam;

/// Unix time at which the tests begin, on a full minute.
const START: u64 = 1_700_000_040;
/// A host whose own second is 12 (vector 57).
const ID: &str = "xxx1234567890";
const OWN_SECOND: u64 = 12;

/// The status of the response to a request; `None` if there is no response.
type Rule = Box<dyn Fn(&Call) -> Option<u16> + Send>;

struct Call {
    /// Seconds since [`START`].
    at: u64,
    line: String,
    body: String,
}

/// A server in memory, which answers by its rule and records the requests.
struct Server {
    now: Arc<Mutex<u64>>,
    rule: Rule,
    /// The hosts with the identifier of a look-up, as JSON.
    found: &'static str,
    /// The identifier of the host itself.
    identifier: &'static str,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Exchange for Server {
    fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, LinkError> {
        let call = Call {
            at: *self.now.lock().unwrap(),
            line: format!("{:?} {}", request.method, request.path),
            body: request.text().to_owned(),
        };
        let status = (self.rule)(&call);
        let (found, identifier) = (self.found, self.identifier);
        let host = format!(
            r#"{{"id":"{ID}","name":"n","status":"working","customIdentifier":"{identifier}"}}"#
        );
        let body = format!(r#"{{"id":"{ID}","host":{host},"hosts":[{found}]}}"#);
        self.calls.lock().unwrap().push(call);
        match status {
            Some(status) => Ok(Answer {
                status,
                body,
                encoding: None,
                retry_after: None,
                location: None,
                date: None,
            }),
            None => Err(LinkError::for_test("connection refused")),
        }
    }
}

/// A poster, its clock, and the requests that its server has received.
struct Rig {
    poster: Poster,
    clock: FakeClock,
    now: Arc<Mutex<u64>>,
    calls: Arc<Mutex<Vec<Call>>>,
    news: Arc<Mutex<Vec<PosterEvent>>>,
    orders: VecDeque<(u64, PosterCommand)>,
    root: tempfile::TempDir,
}

impl Rig {
    fn new(known: bool, rule: impl Fn(&Call) -> Option<u16> + Send + 'static) -> Rig {
        Rig::placed(
            known,
            Box::new(|_| Some(Ok(Place::default()))),
            ("", ""),
            rule,
        )
    }

    /// A rig whose host looks up its place with `look`. The server finds the hosts `found` by
    /// identifier, and `identifier` is the host's own.
    fn placed(
        known: bool,
        look: Look,
        (found, identifier): (&'static str, &'static str),
        rule: impl Fn(&Call) -> Option<u16> + Send + 'static,
    ) -> Rig {
        let root = tempfile::tempdir().unwrap();
        let state = State::at(root.path());
        if known {
            state.save_host_id(ID).unwrap();
        }
        let clock = FakeClock::default();
        clock.pass(Duration::from_secs(START));
        let (now, calls) = (Arc::default(), Arc::default());
        let server = Server {
            now: Arc::clone(&now),
            rule: Box::new(rule),
            found,
            identifier,
            calls: Arc::clone(&calls),
        };
        let news = Arc::<Mutex<Vec<PosterEvent>>>::default();
        let told = Arc::clone(&news);
        let poster = Poster::new(
            Api::new(Box::new(server)),
            Registration::new(state, None, CloudLookup::new(look)).unwrap(),
            Box::new(|_, place| {
                Ok(HostParam {
                    custom_identifier: place.custom_identifier,
                    ..HostParam::default()
                })
            }),
            with_status_at_the_end(),
            Box::new(move |news| told.lock().unwrap().push(news)),
            || u32::MAX,
            clock.moment(),
        );
        Rig {
            poster,
            clock,
            now,
            calls,
            news,
            orders: VecDeque::new(),
            root,
        }
    }

    /// Adds a round on each of `count` minutes, beginning with the minute `from`.
    fn minutes(mut self, from: u64, count: u64) -> Rig {
        for minute in from..from + count {
            let order =
                PosterCommand::Round(stamp(START + minute * 60), None, values(minute as f64));
            self.orders.push_back((minute * 60, order));
        }
        self
    }

    fn order(mut self, at: u64, order: PosterCommand) -> Rig {
        self.orders.push_back((at, order));
        self.orders.make_contiguous().sort_by_key(|(at, _)| *at);
        self
    }

    fn stop_at(self, at: u64) -> Rig {
        let limit = Moment(Duration::from_secs(START + at + 30));
        self.order(at, PosterCommand::Stop(limit))
    }

    /// Advances time until `end`, or until the poster ends.
    fn run_until(&mut self, end: u64) -> Option<Outcome> {
        loop {
            let elapsed = self.clock.unix().0 - START;
            *self.now.lock().unwrap() = elapsed;
            if elapsed >= end {
                return None;
            }
            while self.orders.front().is_some_and(|(at, _)| *at <= elapsed) {
                let (_, order) = self.orders.pop_front().unwrap();
                self.poster.on_command(order, &self.clock);
            }
            let order = self.orders.front().map_or(u64::MAX, |(at, _)| *at);
            let until_order = Duration::from_secs(START + order.min(end)) - self.clock.wall();
            match self.poster.step(&self.clock) {
                Next::End(outcome) => return Some(outcome),
                Next::Rest => self.clock.pass(until_order),
                Next::Pause(pause) => self.clock.pass(pause.min(until_order)),
            }
        }
    }

    /// The seconds and request lines of all requests.
    fn calls(&self) -> Vec<(u64, String)> {
        let calls = self.calls.lock().unwrap();
        calls
            .iter()
            .map(|call| (call.at, call.line.clone()))
            .collect()
    }

    /// The minutes that have reached the server, in the order of their arrival. `accepted` returns
    /// the status with which a post was answered.
    fn arrived(&self, accepted: impl Fn(&Call) -> Option<u16>) -> Vec<u64> {
        let calls = self.calls.lock().unwrap();
        let taken = calls
            .iter()
            .filter(|call| call.line == "Post /api/v0/tsdb" && accepted(call) == Some(200));
        taken
            .flat_map(|call| {
                let values: Vec<serde_json::Value> = serde_json::from_str(&call.body).unwrap();
                values
                    .into_iter()
                    .map(|value| value["value"].as_u64().unwrap())
            })
            .collect()
    }
}

fn with_status_at_the_end() -> Config {
    let mut config = Config::default();
    config.host_status.on_stop = Some("poweroff".to_owned());
    config
}

fn values(value: f64) -> Arc<Values> {
    let mut values = Values::default();
    values.put("loadavg5", value);
    values.into()
}

/// A stamp with this time by both clocks.
fn stamp(wall: u64) -> Stamp {
    Stamp {
        wall: Unix(wall),
        age: wall,
    }
}

fn well(_: &Call) -> Option<u16> {
    Some(200)
}

#[test]
fn a_new_host_is_created_looked_up_and_reported_at_once() {
    let mut rig = Rig::new(false, well).minutes(0, 1);
    rig.run_until(60);
    let host = format!("/api/v0/hosts/{ID}");
    assert_eq!(
        rig.calls(),
        [
            (0, "Post /api/v0/hosts".to_owned()),
            (0, format!("Get {host}")),
            (0, "Post /api/v0/tsdb".to_owned()),
            (0, format!("Put {host}")),
        ]
    );
}

#[test]
fn values_of_a_minute_are_one_request_in_the_hosts_own_second() {
    let mut rig = Rig::new(true, well).minutes(0, 4);
    rig.run_until(300);
    let posts: Vec<u64> = rig.calls()[3..].iter().map(|(at, _)| *at).collect();
    assert_eq!(posts, [1, 2, 3].map(|minute| minute * 60 + OWN_SECOND));
}

#[test]
fn values_that_are_the_first_do_not_wait_for_the_own_second() {
    let order = PosterCommand::Round(stamp(START + 2), None, values(1.0));
    let mut rig = Rig::new(true, well).order(2, order);
    rig.run_until(60);
    assert_eq!(rig.calls()[2], (2, "Post /api/v0/tsdb".to_owned()));
}

#[test]
fn a_server_down_for_the_first_ten_minutes_gets_all_of_them() {
    let down = |call: &Call| (call.at >= 600).then_some(200);
    let mut rig = Rig::new(false, down).minutes(0, 16);
    rig.run_until(960);
    let mut arrived = rig.arrived(down);
    arrived.sort_unstable();
    assert_eq!(arrived, (0..16).collect::<Vec<u64>>());
    // Registration is tried after 1, 2, 4, ... seconds, and not every second.
    let tries = rig.calls().iter().filter(|(at, _)| *at < 600).count();
    assert!(tries <= 11, "{tries}");
}

#[test]
fn backlog_of_25_hours_delivers_the_newest_24_within_minutes() {
    let hour = 60 * 60;
    let down = move |call: &Call| (call.at < 60 || call.at >= 25 * hour).then_some(200);
    let mut rig = Rig::new(true, down).minutes(0, 25 * 60 + 5);
    rig.run_until(25 * hour + 300);
    let arrived = rig.arrived(down);
    // The minute of the start, and then, newest first, those that the server still accepts.
    assert_eq!(arrived[0], 0);
    assert!(arrived[1..].contains(&62) && !arrived.contains(&30));
    assert!(arrived.len() > 24 * 60, "{}", arrived.len());
    let attempts = rig.calls().len();
    assert!(attempts < 25 * 60 + 100, "about one a minute: {attempts}");
}

#[test]
fn the_newest_round_goes_ahead_of_a_backlog() {
    let down = |call: &Call| (call.at < 60 || call.at >= 3 * 60 + 30).then_some(200);
    let mut rig = Rig::new(true, down).minutes(1, 3);
    rig.run_until(600);
    assert_eq!(rig.calls().last().unwrap().1, "Post /api/v0/tsdb");
    assert_eq!(rig.arrived(down), [3, 1, 2]);
}

#[test]
fn values_survive_every_answer_of_the_server() {
    for status in [
        None,
        Some(302),
        Some(400),
        Some(404),
        Some(429),
        Some(500),
        Some(503),
    ] {
        let odd = move |call: &Call| match call.at {
            60..200 => status,
            _ => Some(200),
        };
        let mut rig = Rig::new(true, odd).minutes(1, 10);
        assert_eq!(rig.run_until(800), None, "{status:?}");
        let mut arrived = rig.arrived(odd);
        arrived.sort_unstable();
        assert_eq!(arrived, (1..11).collect::<Vec<u64>>(), "{status:?}");
    }
}

#[test]
fn a_refusal_at_the_start_ends_the_agent_and_says_what_to_do() {
    // (status, known before, words of the message)
    let table = [
        (403, true, "check apikey"),
        (401, false, "check apikey"),
        (404, true, "delete "),
        (400, false, "failed to register"),
    ];
    for (status, known, words) in table {
        let mut rig = Rig::new(known, move |_| Some(status));
        let Some(Outcome::Refused(text)) = rig.run_until(60) else {
            panic!("{status}");
        };
        assert!(text.contains(words), "{text}");
        assert_eq!(rig.calls().len(), 1, "{status}");
    }
}

#[test]
fn stop_delivers_what_waits_and_sets_the_status() {
    let mut rig = Rig::new(true, well).minutes(0, 2).stop_at(61);
    assert_eq!(rig.run_until(200), Some(Outcome::Delivered));
    let calls = rig.calls();
    assert_eq!(calls[3], (61, "Post /api/v0/tsdb".to_owned()));
    assert_eq!(calls[4], (61, format!("Post /api/v0/hosts/{ID}/status")));
}

#[test]
fn stop_with_nothing_to_deliver_ends_at_once() {
    let mut rig = Rig::new(true, |_| None).stop_at(30);
    assert_eq!(rig.run_until(200), Some(Outcome::Delivered));
    assert_eq!(rig.clock.unix(), Unix(START + 30));
}

#[test]
fn stop_while_the_server_is_down_uses_its_time_and_counts_what_is_left() {
    for known in [true, false] {
        let mut rig = Rig::new(known, |_| None).minutes(0, 2).stop_at(90);
        assert_eq!(
            rig.run_until(200),
            Some(Outcome::Undelivered {
                values: 2,
                reports: 0
            })
        );
        assert_eq!(rig.clock.unix(), Unix(START + 120));
        let last = rig.calls().iter().filter(|(at, _)| *at >= 90).count();
        assert_eq!(last, 30);
    }
}

#[test]
fn stop_during_a_backlog_delivers_it() {
    let down = |call: &Call| (call.at < 60 || call.at >= 250).then_some(200);
    let mut rig = Rig::new(true, down).minutes(1, 4).stop_at(245);
    assert_eq!(rig.run_until(400), Some(Outcome::Delivered));
    assert_eq!(rig.arrived(down).len(), 4);
}
