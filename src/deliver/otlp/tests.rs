//! The exporter, with a server and a clock of the tests. Hours pass in milliseconds.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "all numbers are small"
)]

mod clocks;
mod codes;
mod outage;
mod sockets;
mod stopping;

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::exporter::{Exporter, Next};
use super::transport::{Accepted, Transport};
use super::verdict::{Failure, Verdict};
use super::*;
use crate::base::clock::{Clock, Moment, Stamp, Unix};
use crate::deliver::failed_step::FailedStep;

/// A Unix time at which the tests begin: later than the commit of the program.
const NOW: u64 = 1_893_456_000;
/// Uptime of the host then, in seconds.
const AGE: u64 = 1_000;
const ROUND: u64 = 60;

/// A host's clock.
struct HostClock {
    /// Seconds since the tests began.
    passed: Cell<Duration>,
    /// By this many seconds the wall clock is ahead.
    skew: Cell<i64>,
    is_synchronised: Cell<bool>,
}

impl Clock for HostClock {
    fn wall(&self) -> Duration {
        let right = NOW + self.passed.get().as_secs();
        Duration::from_secs(right.saturating_add_signed(self.skew.get()))
    }

    fn moment(&self) -> Moment {
        Moment(self.passed.get())
    }

    fn age(&self) -> u64 {
        AGE + self.passed.get().as_secs()
    }

    fn is_synchronised(&self) -> bool {
        self.is_synchronised.get()
    }
}

/// Writes rounds as their time, the boot's and their size, each followed by bytes of zero.
struct Pairs;

#[derive(Clone)]
struct Pair {
    stamp: Stamp,
    size: usize,
}

impl Encode for Pairs {
    type Round = Pair;

    fn stamp(round: &Pair) -> Stamp {
        round.stamp
    }

    fn held(_: &Pair) -> usize {
        100
    }

    /// Too little.
    fn size(round: &Pair) -> usize {
        round.size - round.size / 4
    }

    fn encode(
        &self,
        rounds: &[&Pair],
        time_of: &dyn Fn(Stamp) -> Option<(u64, u64)>,
        message: &mut Vec<u8>,
    ) {
        for round in rounds {
            let end = message.len() + round.size;
            let (time, boot) = time_of(round.stamp).unwrap();
            assert_eq!(boot % 1_000_000_000, 0);
            message.extend(time.to_le_bytes());
            message.extend((boot / 1_000_000_000).to_le_bytes());
            message.extend((round.size as u64).to_le_bytes());
            message.resize(end, 0);
        }
    }
}

/// What a server answers.
enum Reply {
    Taken,
    Warned(&'static str),
    Dated(u64),
    /// The verdict, and the seconds that the server asks for.
    Not(Verdict, Option<u64>),
}

use Reply::{Dated, Not, Taken, Warned};

/// The answer at a second since the start to this many rounds.
type Rule = fn(u64, usize) -> Reply;

/// A request that the server has received.
#[derive(Clone, Debug, Default, PartialEq)]
struct Call {
    /// Milliseconds since the tests began.
    at: u64,
    bytes: usize,
    /// Seconds from [`NOW`] to the time of each round.
    rounds: Vec<i64>,
    /// Unix time of the boot for each round.
    boots: Vec<u64>,
    is_taken: bool,
    limit: Duration,
}

struct Server {
    rule: Rule,
    now: Arc<Mutex<Duration>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Transport for Server {
    fn export(&mut self, message: &[u8], limit: Duration) -> Result<Accepted, Failure> {
        let now = *self.now.lock().unwrap();
        let (mut rounds, mut boots) = (Vec::new(), Vec::new());
        let mut rest = message;
        while let Some((head, _)) = rest.split_first_chunk::<24>() {
            let time = u64::from_le_bytes(head[..8].try_into().unwrap());
            assert_eq!(time % 1_000_000_000, 0);
            rounds.push(((time / 1_000_000_000) as i64) - NOW as i64);
            boots.push(u64::from_le_bytes(head[8..16].try_into().unwrap()));
            let size = u64::from_le_bytes(head[16..].try_into().unwrap());
            rest = &rest[size as usize..];
        }
        let answer = match (self.rule)(now.as_secs(), rounds.len()) {
            Taken => Ok(Accepted::default()),
            Warned(text) => Ok(Accepted {
                warning: Some(text.to_owned()),
                date: None,
            }),
            Dated(time) => Ok(Accepted {
                warning: None,
                date: Some(Unix(time)),
            }),
            Not(verdict, asked) => Err(Failure {
                verdict,
                asked: asked.map(Duration::from_secs),
                text: "server:4317 answers".to_owned(),
                step: FailedStep::Server,
            }),
        };
        self.calls.lock().unwrap().push(Call {
            at: now.as_millis() as u64,
            bytes: message.len(),
            rounds,
            boots,
            is_taken: answer.is_ok(),
            limit,
        });
        answer
    }
}

/// An exporter, its clock, its server, and what has been observed.
struct Lab {
    exporter: Exporter<Pairs>,
    clock: HostClock,
    now: Arc<Mutex<Duration>>,
    calls: Arc<Mutex<Vec<Call>>>,
    events: Arc<Mutex<Vec<OtlpEvent>>>,
    /// Bytes of a round.
    size: usize,
    /// Whether a round is measured every minute.
    is_measuring: bool,
    ended: Option<usize>,
}

impl Lab {
    fn new(rule: Rule) -> Lab {
        Lab::with(rule, || u32::MAX / 2)
    }

    fn with(rule: Rule, random: fn() -> u32) -> Lab {
        let events = Arc::<Mutex<Vec<OtlpEvent>>>::default();
        let (now, calls) = (Arc::default(), Arc::default());
        let destination = destination(rule, &now, &calls);
        let observed = Arc::clone(&events);
        let note = move |event| observed.lock().unwrap().push(event);
        Lab {
            exporter: Exporter::new(destination, None, Box::new(note), random),
            clock: HostClock {
                passed: Cell::default(),
                skew: Cell::new(0),
                is_synchronised: Cell::new(true),
            },
            now,
            calls,
            events,
            size: 100,
            is_measuring: true,
            ended: None,
        }
    }

    fn command(&mut self, command: Command<Pairs>) {
        self.exporter.on_command(command, &self.clock);
    }

    /// Lets time pass until `end`, in seconds. A round is measured at each full minute before.
    fn run(&mut self, end: u64) {
        let end = Duration::from_secs(end);
        while self.ended.is_none() {
            let now = self.clock.passed.get();
            if self.is_measuring
                && now.subsec_nanos() == 0
                && now.as_secs().is_multiple_of(ROUND)
                && now < end
            {
                let (stamp, size) = (self.clock.stamp(), self.size);
                self.command(Command::Round(Pair { stamp, size }));
            }
            let before = self.calls.lock().unwrap().len();
            let pause = loop {
                match self.exporter.step(&self.clock) {
                    Next::Rest => break Duration::MAX,
                    Next::Pause(Duration::ZERO) => {}
                    Next::Pause(pause) => break pause,
                    Next::End(lost) => {
                        self.ended = Some(lost);
                        return;
                    }
                }
                let calls = self.calls.lock().unwrap().len() - before;
                assert!(calls < 100, "requests without a pause");
            };
            if now >= end {
                return;
            }
            let minute = Duration::from_secs((now.as_secs() / ROUND + 1) * ROUND);
            let next = now.saturating_add(pause).min(minute).min(end);
            self.clock.passed.set(next);
            *self.now.lock().unwrap() = next;
        }
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The rounds that the server has taken, in the order of their arrival.
    fn taken(&self) -> Vec<i64> {
        let calls = self.calls();
        let taken = calls.iter().filter(|call| call.is_taken);
        taken.flat_map(|call| call.rounds.clone()).collect()
    }

    fn events(&self) -> Vec<OtlpEvent> {
        self.events.lock().unwrap().clone()
    }
}

fn destination(
    rule: Rule,
    now: &Arc<Mutex<Duration>>,
    calls: &Arc<Mutex<Vec<Call>>>,
) -> Destination<Pairs> {
    let server = Server {
        rule,
        now: Arc::clone(now),
        calls: Arc::clone(calls),
    };
    Destination {
        transport: Box::new(server),
        encode: Pairs,
        timeout: Duration::from_secs(10),
        label: "agent.conf:3: otlp:".to_owned(),
        cancel: CancelToken::default(),
        delivery: SharedDelivery::default(),
    }
}

/// The times of rounds from the minute `first` to the one before `end`, in seconds.
fn minutes(first: i64, end: i64) -> Vec<i64> {
    (first..end).map(|minute| minute * 60).collect()
}
