//! The load of a fleet of hosts on a server after an outage of an hour. Each host has a poster in
//! simulated time. `cargo test --profile fuzz fleet -- --ignored --nocapture` prints the figures of
//! 10,000 plain hosts.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "small numbers"
)]

use std::cell::Cell;
use std::ops::Range;

use super::*;

/// The time during which the server is unreachable.
const AWAY: Range<u64> = 600..600 + 3_600;
const END: u64 = AWAY.end + 1_200;

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(1) };
}

/// Random numbers, which are the same in every run.
fn random() -> u32 {
    let mut state = STATE.get();
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    STATE.set(state);
    (state >> 32) as u32
}

fn below(limit: u32) -> u64 {
    u64::from(random() % limit)
}

/// What the hosts do during the outage.
#[derive(Clone, Copy, PartialEq)]
enum Story {
    /// They continue to measure.
    Waiting,
    /// They have no power either. All hosts start within a minute of the server. Each has the
    /// values of an hour in its spool.
    Starting,
}

struct Fleet {
    hosts: usize,
    series: usize,
    story: Story,
    /// Whether the hosts differ in their second of the minute and in their random numbers.
    is_spread: bool,
}

/// The server for one host: counts the requests of each second.
struct Door {
    now: Arc<Mutex<u64>>,
    id: String,
    asked: Arc<Mutex<Vec<u32>>>,
}

impl Exchange for Door {
    fn exchange(&mut self, _: &Request<'_>) -> Result<Answer, LinkError> {
        let now = *self.now.lock().unwrap();
        self.asked.lock().unwrap()[now as usize] += 1;
        if AWAY.contains(&now) {
            return Err(LinkError::for_test("connection refused"));
        }
        let id = &self.id;
        Ok(Answer {
            status: 200,
            body: format!(
                r#"{{"id":"{id}","host":{{"id":"{id}","name":"n","status":"working"}}}}"#
            ),
            encoding: None,
            retry_after: None,
            location: None,
            date: None,
        })
    }
}

impl Fleet {
    /// Number of requests in each second from [`START`] on.
    fn requests(&self) -> Vec<u32> {
        let asked = Arc::new(Mutex::new(vec![0; END as usize + 1]));
        let root = tempfile::tempdir().unwrap();
        for number in 0..self.hosts {
            let id = if self.is_spread {
                format!("h{number}-{}", random())
            } else {
                "h".to_owned()
            };
            std::fs::write(root.path().join("id"), &id).unwrap();
            let state = State::at(root.path());
            self.live(&id, state, &asked);
        }
        asked.lock().unwrap().clone()
    }

    fn live(&self, id: &str, state: State, asked: &Arc<Mutex<Vec<u32>>>) {
        let offset = if self.is_spread { below(60) } else { 0 };
        let begin = match self.story {
            Story::Waiting => offset,
            Story::Starting => AWAY.end + offset,
        };
        let clock = FakeClock::default();
        clock.pass(Duration::from_secs(START + begin));
        let now = Arc::new(Mutex::new(begin));
        let door = Door {
            now: Arc::clone(&now),
            id: id.to_owned(),
            asked: Arc::clone(asked),
        };
        let mut poster = Poster::new(
            Api::new(Box::new(door)),
            Registration::new(
                state,
                None,
                CloudLookup::new(Box::new(|_| Some(Ok(Place::default())))),
            )
            .unwrap(),
            Box::new(|_, _| Ok(HostParam::default())),
            Config::default(),
            Box::new(|_| {}),
            if self.is_spread { random } else { || u32::MAX },
            clock.moment(),
        );
        let round = |poster: &mut Poster, at: u64| {
            let mut values = Values::default();
            for series in 0..self.series {
                values.put(format!("custom.fleet.{series}"), (at * 7 + 1) as f64);
            }
            poster.on_command(
                PosterCommand::Round(stamp(START + at), None, values.into()),
                &clock,
            );
        };
        if self.story == Story::Starting {
            AWAY.step_by(60).for_each(|at| round(&mut poster, at));
        }
        round(&mut poster, begin);
        let mut minute = (begin / 60 + 1) * 60;
        loop {
            let elapsed = clock.unix().0 - START;
            *now.lock().unwrap() = elapsed;
            if elapsed >= END {
                break;
            }
            while minute <= elapsed {
                round(&mut poster, minute);
                minute += 60;
            }
            let until = Duration::from_secs(START + minute.min(END)) - clock.wall();
            match poster.step(&clock) {
                Next::End(_) => break,
                Next::Rest => clock.pass(until),
                Next::Pause(pause) => clock.pass(pause.min(until)),
            }
        }
        assert!(poster.lanes.values.spool.is_empty(), "{id}: not caught up");
    }

    /// The largest number of requests in a second after the server's return, and the mean number in
    /// normal operation later on.
    fn peak_and_mean(&self) -> (u32, f64) {
        let asked = self.requests();
        let peak = asked[AWAY.end as usize..].iter().max().copied().unwrap();
        let calm = &asked[(END - 600) as usize..END as usize];
        let mean = f64::from(calm.iter().sum::<u32>()) / calm.len() as f64;
        (peak, mean)
    }
}

fn told(hosts: usize, series: usize) {
    for (story, name) in [(Story::Waiting, "waiting"), (Story::Starting, "starting")] {
        for is_spread in [false, true] {
            let fleet = Fleet {
                hosts,
                series,
                story,
                is_spread,
            };
            let (peak, mean) = fleet.peak_and_mean();
            eprintln!(
                "{hosts} hosts {name}, spread {is_spread}: peak {peak}/s, mean {mean:.1}/s, {:.1} times",
                f64::from(peak) / mean
            );
            assert!(
                (mean * 60.0 - hosts as f64).abs() < 0.02 * hosts as f64,
                "{mean}"
            );
            if is_spread {
                assert!(peak as usize * 4 < hosts)
            } else {
                assert!(peak as usize >= hosts)
            }
        }
    }
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_a_fleet_comes_back_spread() {
    told(300, 3);
}

#[test]
#[ignore = "takes minutes unless it is optimised"]
fn a_large_fleet_comes_back_spread() {
    told(10_000, 40);
}
