//! What the spool keeps of agents that are killed at any moment, and with any byte of it damaged.
//!
//! `make test-spool` runs the long tests, which are ignored otherwise.

mod damage;

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::process::{Agent, Signal};
use crate::sandbox::{Sandbox, limit};
use fake_server::FakeServer;

const LITTLE: &str = "[filesystems]\nignore = \".\"\n[interfaces]\nignore = \".\"\n";
/// A metric that every round has, also the first one.
const SERIES: &str = "loadavg5";

/// Pseudo-random numbers. The output of a failed test shows the seed.
struct Random(u64);

impl Random {
    fn new(what: &str) -> Random {
        let seed = RandomState::new().hash_one(()) | 1;
        eprintln!("{what}: seed {seed}");
        Random(seed)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

fn now() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

fn spool(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("spool")
}

/// A registered host whose values the server rejects.
fn away(fake_server: &FakeServer, more: &str) -> (Sandbox, String) {
    let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
    let sandbox = Sandbox::of(fake_server);
    sandbox.configure(&fake_server.base(), more);
    sandbox.adopt(&id);
    (sandbox, id)
}

/// The numbers of values and reports that the log gives as left by an earlier agent; 0 if it gives
/// none.
fn left(log: &[String]) -> (usize, usize) {
    let line = log.iter().find(|line| line.contains("of an earlier agent"));
    let Some((_, told)) = line.and_then(|line| line.split_once("> ")) else {
        return (0, 0);
    };
    let mut numbers = told.split(' ').filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Waits until the server has rejected the first values, or could not be reached.
///
/// The spool has been read and the first round measured by then.
fn until_refused(agent: &mut Agent<'_>) {
    agent.wait_line(limit(20), "failure", |line| {
        line.contains("the values are kept") || line.contains("this is tried again")
    });
}

fn until_changed(sandbox: &Sandbox, before: &Option<Vec<u8>>) {
    let end = Instant::now() + limit(20);
    while fs::read(spool(sandbox)).ok() == *before {
        assert!(Instant::now() < end, "nothing is written");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Starts and kills an agent `lives` times, mostly while it writes.
fn killed(lives: usize) {
    let mut random = Random::new("kills");
    let fake_server = FakeServer::http();
    fake_server.script("tsdb = 503");
    let (sandbox, id) = away(&fake_server, LITTLE);
    let begin = now();
    // The times of the values in the file, and their number.
    let (mut kept, mut values) = (Vec::new(), 0);
    let (mut early, mut late) = (0, 0);
    for life in 0..lives {
        let before = fs::read(spool(&sandbox)).ok();
        let start = now();
        let mut agent = sandbox.start();
        match random.below(4) {
            0 => thread::sleep(Duration::from_micros(random.below(200_000))),
            how => {
                until_refused(&mut agent);
                let (found, _) = left(agent.log());
                assert!(found >= values, "life {life}: {found} of {values} values");
                values = found;
                agent.signal(Signal::TERM);
                match how {
                    1 => until_changed(&sandbox, &before),
                    _ => thread::sleep(Duration::from_micros(random.below(12_000))),
                }
            }
        }
        agent.signal(Signal::KILL);
        let finished = agent.wait_exit(limit(20));
        // The agent may have ended by itself: it does not wait for values in the file.
        let has_ended = finished.signal == Some(9) || finished.code == Some(0);
        assert!(has_ended, "{}", finished.stderr);
        for wrong in ["damaged", "cannot be used", "make no sense", "lost"] {
            assert!(!finished.stderr.contains(wrong), "{}", finished.stderr);
        }
        if fs::read(spool(&sandbox)).ok() == before {
            early += 1;
        } else {
            late += 1;
            kept.push(start..=now());
        }
    }
    eprintln!("{lives} kills: {early} before anything was written, {late} after it");
    fake_server.clear_script();
    let _agent = sandbox.start();
    fake_server.wait(limit(60), "all that was kept", |_| {
        (!spool(&sandbox).exists()).then_some(())
    });
    let times: BTreeSet<u64> = fake_server.seen(|seen| {
        let host = &seen.model.hosts[&id];
        host.series[SERIES].keys().copied().collect()
    });
    for life in &kept {
        let is_there = times.range(life.clone()).next().is_some();
        assert!(is_there, "{life:?} is not in {times:?}");
    }
    let end = now();
    assert!(
        times.iter().all(|time| (begin..=end).contains(time)),
        "{times:?}"
    );
}

#[test]
fn what_was_written_outlives_kills() {
    killed(10);
}

#[test]
#[ignore = "takes minutes: make test-spool"]
fn what_was_written_outlives_two_hundred_kills() {
    killed(200);
}

/// Seconds that values may at least wait in memory: the spool's window. An agent that lives longer
/// writes them.
const WINDOW: u64 = 120;
/// Seconds that a busy machine needs to measure.
const SLACK: u64 = 10;

/// Starts and kills an agent several times while the server rejects its values. Returns when each
/// of them lived.
fn live_and_die(sandbox: &Sandbox, lives: &[u64]) -> Vec<Range<u64>> {
    let live = |seconds: &u64| {
        let start = now();
        let agent = sandbox.start();
        thread::sleep(Duration::from_secs(*seconds));
        let end = now();
        agent.signal(Signal::KILL);
        let finished = agent.wait_exit(limit(20));
        assert_eq!(finished.signal, Some(9), "{}", finished.stderr);
        assert!(!finished.stderr.contains("damaged"), "{}", finished.stderr);
        start..end
    };
    lives.iter().map(live).collect()
}

/// Agents are killed at any moment of an outage of minutes.
///
/// Afterwards the server receives every minute that was older than the window when its agent was
/// killed.
#[test]
#[ignore = "takes ten minutes: make test-spool"]
fn an_outage_with_two_hundred_kills_costs_no_more_than_the_window() {
    const AGENTS: usize = 50;
    const LIVES: usize = 4;
    let mut random = Random::new("outage");
    let fake_server = &FakeServer::http();
    fake_server.script("tsdb = 503");
    let more = format!("{LITTLE}[spool]\nwindow = \"2m\"\n");
    let hosts: Vec<_> = (0..AGENTS).map(|_| away(fake_server, &more)).collect();
    let lived: Vec<_> = thread::scope(|scope| {
        let spawned: Vec<_> = hosts
            .iter()
            .map(|(sandbox, _)| {
                let lives = [(); LIVES].map(|()| 1 + random.below(2 * WINDOW));
                scope.spawn(move || live_and_die(sandbox, &lives))
            })
            .collect();
        spawned
            .into_iter()
            .map(|agent| agent.join().unwrap())
            .collect()
    });
    fake_server.clear_script();
    let (mut owed, mut lost, mut oldest) = (0, 0, 0);
    for ((sandbox, id), lived) in hosts.iter().zip(&lived) {
        let back = now();
        let agent = sandbox.start();
        fake_server.wait(limit(60), "all that was kept", |seen| {
            let is_there = seen.model.hosts[id].series.contains_key(SERIES);
            (is_there && !spool(sandbox).exists()).then_some(())
        });
        drop(agent);
        let minutes = fake_server.seen(|seen| seen.model.hosts[id].minutes(SERIES));
        let is_alive = |minute: u64| {
            let (start, end) = (minute * 60, minute * 60 + 59);
            start >= back - back % 60
                || lived
                    .iter()
                    .any(|life| life.start <= end && life.end >= start)
        };
        assert!(
            minutes.iter().all(|minute| is_alive(*minute)),
            "{minutes:?} of {lived:?}"
        );
        for life in lived {
            for minute in life.start / 60 + 1..=life.end / 60 {
                let age = life.end.saturating_sub(minute * 60);
                let is_there = minutes.contains(&minute);
                owed += u64::from(age > WINDOW + SLACK);
                assert!(
                    is_there || age <= WINDOW + SLACK,
                    "{age} s old: {minute} of {lived:?} in {minutes:?}"
                );
                lost += u64::from(!is_there);
                oldest = oldest.max(if is_there { 0 } else { age });
            }
        }
    }
    let kills = AGENTS * LIVES;
    eprintln!(
        "{kills} kills: {owed} minutes older than the window, all there; {lost} younger ones lost, the oldest {oldest} s old"
    );
}
