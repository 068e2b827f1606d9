//! The load of a fleet of hosts on a server: in normal operation, at a start, and after an outage.
//! Each host has a poster in simulated time. `make fleet` prints the figures of docs/fleet.md.

#![allow(
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "small numbers"
)]

use std::cell::Cell;
use std::ops::Range;

use super::*;
use crate::base::text::fnv1a;

const HOUR: u64 = 3_600;
/// Seconds in normal operation before an outage.
const BEFORE: u64 = 600;
/// Seconds over which an upgrade is spread.
const SPREAD: u64 = 6 * HOUR;

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
    /// values of the outage in its spool.
    Starting,
    /// There is no outage: all hosts start in the same second, with an id and without values.
    AtOnce,
}

struct Fleet {
    hosts: usize,
    series: usize,
    story: Story,
    /// Seconds during which the server is unreachable.
    outage: u64,
    /// Whether the hosts differ in their second of the minute and in their random numbers.
    is_spread: bool,
}

/// What the server has received in a second.
#[derive(Clone, Copy, Default)]
struct Second {
    requests: u32,
    /// Of bodies.
    bytes: u64,
}

/// The load on the server.
struct Load {
    /// From [`START`] on.
    seconds: Vec<Second>,
    /// For each host the second in which nothing waited any more, counted from the server's return.
    caught_up: Vec<u64>,
}

/// The server for one host: counts the requests of each second.
struct Door {
    now: Arc<Mutex<u64>>,
    id: String,
    away: Range<u64>,
    asked: Arc<Mutex<Vec<Second>>>,
}

impl Exchange for Door {
    fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, LinkError> {
        let now = *self.now.lock().unwrap();
        let second = &mut self.asked.lock().unwrap()[now as usize];
        second.requests += 1;
        second.bytes += request.body.map_or(0, |body| body.len() as u64);
        if self.away.contains(&now) {
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
    /// The time during which the server is unreachable.
    fn away(&self) -> Range<u64> {
        match self.story {
            Story::AtOnce => 0..0,
            _ => BEFORE..BEFORE + self.outage,
        }
    }

    /// The end of the simulation. Its last ten minutes are of normal operation.
    fn end(&self) -> u64 {
        self.away().end + 1_200
    }

    fn load(&self) -> Load {
        let asked = Arc::new(Mutex::new(vec![Second::default(); self.end() as usize + 1]));
        let root = tempfile::tempdir().unwrap();
        let mut values = Values::default();
        for series in 0..self.series {
            values.put(format!("custom.fleet.{series}"), (series * 7 + 1) as f64);
        }
        let values = Arc::new(values);
        let mut caught_up = Vec::new();
        for number in 0..self.hosts {
            let id = if self.is_spread {
                format!("h{number}-{}", random())
            } else {
                "h".to_owned()
            };
            std::fs::write(root.path().join("id"), &id).unwrap();
            let state = State::at(root.path());
            caught_up.push(self.live(&id, state, &values, &asked));
        }
        caught_up.sort_unstable();
        let seconds = asked.lock().unwrap().clone();
        Load { seconds, caught_up }
    }

    /// The life of a host. Returns when nothing waited any more, in seconds from the server's
    /// return.
    fn live(
        &self,
        id: &str,
        state: State,
        values: &Arc<Values>,
        asked: &Arc<Mutex<Vec<Second>>>,
    ) -> u64 {
        let (away, end) = (self.away(), self.end());
        let offset = if self.is_spread { below(60) } else { 0 };
        let begin = match self.story {
            Story::Waiting => offset,
            Story::Starting => away.end + offset,
            Story::AtOnce => 0,
        };
        let clock = FakeClock::default();
        clock.pass(Duration::from_secs(START + begin));
        let now = Arc::new(Mutex::new(begin));
        let door = Door {
            now: Arc::clone(&now),
            id: id.to_owned(),
            away: away.clone(),
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
            poster.on_command(
                PosterCommand::Round(stamp(START + at), None, Arc::clone(values)),
                &clock,
            );
        };
        if self.story == Story::Starting {
            away.clone()
                .step_by(60)
                .for_each(|at| round(&mut poster, at));
        }
        round(&mut poster, begin);
        let mut minute = (begin / 60 + 1) * 60;
        let mut caught_up = None;
        loop {
            let elapsed = clock.unix().0 - START;
            *now.lock().unwrap() = elapsed;
            if elapsed >= end {
                break;
            }
            while minute <= elapsed {
                round(&mut poster, minute);
                minute += 60;
            }
            let until = Duration::from_secs(START + minute.min(end)) - clock.wall();
            let next = poster.step(&clock);
            if elapsed >= away.end && poster.lanes.values.spool.is_empty() {
                caught_up.get_or_insert(elapsed - away.end);
            }
            match next {
                Next::End(_) => break,
                Next::Rest => clock.pass(until),
                Next::Pause(pause) => clock.pass(pause.min(until)),
            }
        }
        assert!(poster.lanes.values.spool.is_empty(), "{id}: not caught up");
        caught_up.unwrap()
    }

    /// The largest number of requests in a second after the server's return, and the mean number in
    /// normal operation later on.
    fn peak_and_mean(&self) -> (u32, f64) {
        let load = self.load();
        let end = self.end() as usize;
        let (peak, _, _) = load.of(self.away().end as usize..load.seconds.len());
        let (_, mean, _) = load.of(end - 600..end);
        (peak, mean)
    }
}

impl Load {
    /// The largest number of requests in a second of these, the mean number, and the mean number of
    /// bytes.
    fn of(&self, seconds: Range<usize>) -> (u32, f64, f64) {
        let seconds = &self.seconds[seconds];
        let count = seconds.len() as f64;
        let requests = seconds.iter().map(|second| second.requests);
        let sum: u32 = requests.clone().sum();
        let bytes: u64 = seconds.iter().map(|second| second.bytes).sum();
        let peak = requests.max().unwrap();
        (peak, f64::from(sum) / count, bytes as f64 / count)
    }
}

fn told(hosts: usize, series: usize) {
    for (story, name) in [(Story::Waiting, "waiting"), (Story::Starting, "starting")] {
        for is_spread in [false, true] {
            let fleet = Fleet {
                hosts,
                series,
                story,
                outage: HOUR,
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

/// Prints the figures of docs/fleet.md: what hosts with this number of series ask of a server.
fn figures(hosts: usize, series: usize) {
    let fleet = |story, outage| Fleet {
        hosts,
        series,
        story,
        outage,
        is_spread: true,
    };
    println!("{hosts} hosts of {series} series; bytes are those of bodies");
    let at_once = fleet(Story::AtOnce, 0);
    let load = at_once.load();
    let (peak, usual, bytes) = load.of(at_once.end() as usize - 600..at_once.end() as usize);
    println!(
        "ordinary minute: {usual:.0}/s, peak {peak}/s, {:.0} kB/s",
        bytes / 1e3
    );
    let (peak, mean, _) = load.of(0..60);
    let start = mean * 60.0 / hosts as f64;
    println!("start of all in one second: peak {peak}/s, {start:.2} requests per host in a minute");
    let (peak, _, _) = load.of(1..at_once.end() as usize);
    println!("after that second: peak {peak}/s");
    for (story, outage, name) in [
        (Story::Waiting, HOUR, "server away for an hour"),
        (Story::Starting, HOUR, "server and hosts away for an hour"),
    ] {
        let fleet = fleet(story, outage);
        let load = fleet.load();
        let (back, end) = (fleet.away().end as usize, fleet.end() as usize);
        let (peak, attempts, _) = load.of(back - 600..back);
        println!("{name}: attempts meanwhile {attempts:.0}/s, peak {peak}/s");
        let (peak, _, _) = load.of(back..end);
        let minutes = (back..end).step_by(60);
        let busiest = minutes
            .map(|at| load.of(at..at + 60))
            .max_by(|one, other| one.1.total_cmp(&other.1));
        let (_, minute, bytes) = busiest.unwrap();
        let [half, all] = [hosts / 2, hosts - 1].map(|at| load.caught_up[at]);
        println!(
            "  then: peak {peak}/s ({:.1} times), busiest minute {minute:.0}/s and {:.0} kB/s; \
             half have caught up after {half} s, all after {all} s",
            f64::from(peak) / usual,
            bytes / 1e3
        );
    }
    let mut seconds = vec![0; SPREAD as usize];
    for number in 0..hosts {
        let id = format!("h{number}-{}", random());
        seconds[(u64::from(fnv1a(id.as_bytes())) % SPREAD) as usize] += 1;
    }
    let minute = seconds
        .chunks(60)
        .map(|chunk| chunk.iter().sum::<u32>())
        .max();
    println!(
        "upgrade spread over 6 h: {:.2} hosts/s, at most {} in a second and {} in a minute; \
         {:.1} requests/s more at the API",
        hosts as f64 / SPREAD as f64,
        seconds.iter().max().unwrap(),
        minute.unwrap(),
        (start - 1.0) * hosts as f64 / SPREAD as f64
    );
}

#[test]
fn fleet_figures_can_be_had_of_any_number_of_hosts() {
    figures(3, 2);
}

#[test]
#[ignore = "takes minutes unless it is optimised: make fleet"]
fn fleet_figures_of_many_hosts() {
    let hosts = std::env::var("FLEET_HOSTS").map_or(10_000, |hosts| hosts.parse().unwrap());
    figures(hosts, 40);
}
