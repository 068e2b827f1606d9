//! An outage of one destination, while the other one can be reached.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use crate::plugins::processes::add_prompt_host;
use crate::process::Signal;
use crate::process_tree::poll_until;
use crate::sandbox::{Sandbox, limit};
use fake_server::h2::{Answer, Server};
use fake_server::{Door, FakeServer, times};

/// Rounds that an outage lasts.
const ROUNDS: usize = 2;
/// Seconds from a round until a server that can be reached has it, on a busy machine too.
const SOON: u64 = 58;

/// A collector that can be away. It keeps the rounds that it accepts.
struct Collector {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_away: bool,
    /// For each accepted message, the Unix time of its arrival, and those of its rounds.
    messages: Vec<(u64, Vec<u64>)>,
}

impl Collector {
    fn start() -> Collector {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let server = Server::start(listener, None, move |call| {
            let mut state = shared.lock().unwrap();
            if state.is_away {
                return Some(Answer::status(14, "away"));
            }
            state.messages.push((now(), times(&call.message)));
            None
        });
        Collector { server, state }
    }

    fn set_away(&self, is_away: bool) {
        self.state.lock().unwrap().is_away = is_away;
    }

    fn messages(&self) -> Vec<(u64, Vec<u64>)> {
        self.state.lock().unwrap().messages.clone()
    }

    /// The times of all rounds, in the order of their arrival.
    fn rounds(&self) -> Vec<u64> {
        let messages = self.messages().into_iter();
        messages.flat_map(|(_, rounds)| rounds).collect()
    }
}

fn now() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// The times of Mackerel's values.
fn values(fake_server: &FakeServer) -> Vec<u64> {
    fake_server.seen(|seen| {
        let series = seen.model.hosts.values().next();
        let series = series.and_then(|host| host.series.get("loadavg5"));
        series.map_or_else(Vec::new, |series| series.keys().copied().collect())
    })
}

/// Full minutes without a gap.
#[track_caller]
fn assert_minutes(times: &[u64]) {
    for pair in times.windows(2) {
        assert_eq!(pair[1] - pair[0], 60, "{times:?}");
    }
}

/// Time limit for so many rounds: each a minute, and as much as they may be late.
fn minutes(count: usize) -> Duration {
    limit(60 * count as u64 + 100)
}

/// An agent with both destinations, and what happens to them.
fn with_both(run: impl FnOnce(&FakeServer, &Collector)) {
    let (fake_server, collector) = (FakeServer::http(), Collector::start());
    let sandbox = Sandbox::empty();
    let table = format!(
        "[[otlp]]\nendpoint = \"127.0.0.1:{}\"\ninsecure = true\n",
        collector.server.port
    );
    sandbox.configure(&fake_server.base(), &table);
    // Its values leave in the first seconds of a minute: those of second 59 would arrive after
    // `SOON`.
    sandbox.adopt(&add_prompt_host(&fake_server));
    let agent = sandbox.start();
    // Both have had the first round, so that the time is known to both.
    poll_until(limit(100), "first round over OTLP", || {
        (!collector.rounds().is_empty()).then_some(())
    });
    poll_until(limit(100), "first values", || {
        (!values(&fake_server).is_empty()).then_some(())
    });
    run(&fake_server, &collector);
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(40));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

/// OTLP receives each round in its minute, and Mackerel the values of all of them at last.
fn mackerel_is_away(fake_server: &FakeServer, collector: &Collector) {
    let (had, count) = (values(fake_server), collector.messages().len());
    fake_server.door(Door::Refusing);
    let during = poll_until(minutes(ROUNDS + 1), "rounds over OTLP", || {
        let during = collector.messages().split_off(count);
        (during.len() > ROUNDS).then_some(during)
    });
    let mut rounds = Vec::new();
    for (arrived, times) in &during {
        let [time] = times[..] else {
            panic!("rounds have waited: {during:?}");
        };
        assert!(arrived - time < SOON, "{during:?}");
        rounds.push(time);
    }
    // The first one is that of the start if it was sent late.
    let rounds: Vec<u64> = rounds.into_iter().filter(|time| time % 60 == 0).collect();
    assert!(rounds.len() >= ROUNDS, "{during:?}");
    assert_minutes(&rounds);
    let late = values(fake_server);
    let arrived: Vec<_> = rounds[1..]
        .iter()
        .filter(|time| late.contains(time))
        .collect();
    assert!(
        arrived.is_empty(),
        "values through a closed door: {arrived:?}, {had:?}"
    );
    fake_server.door(Door::Open);
    poll_until(minutes(2), "values of the outage", || {
        let values = values(fake_server);
        rounds
            .iter()
            .all(|time| values.contains(time))
            .then_some(())
    });
}

/// Mackerel receives each minute's values, and OTLP each round once at last.
fn collector_is_away(fake_server: &FakeServer, collector: &Collector) {
    collector.set_away(true);
    let count = collector.messages().len();
    let (since, had) = (now(), values(fake_server).len());
    let during = poll_until(minutes(ROUNDS + 1), "values", || {
        let during = values(fake_server).split_off(had);
        (during.len() > ROUNDS).then_some(during)
    });
    let arrived = now();
    assert_minutes(&during);
    let last = during.last().unwrap();
    assert!(arrived - last < SOON, "{arrived}: {during:?} since {since}");
    assert_eq!(collector.messages().len(), count);
    collector.set_away(false);
    let rounds = poll_until(minutes(1), "rounds of the outage", || {
        let rounds = collector.rounds();
        during
            .iter()
            .all(|time| rounds.contains(time))
            .then_some(rounds)
    });
    // Each once, and in their order.
    let full: Vec<u64> = rounds.into_iter().filter(|time| time % 60 == 0).collect();
    assert_minutes(&full);
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_otlp_and_mackerel_do_not_disturb_each_other_in_an_outage() {
    thread::scope(|scope| {
        scope.spawn(|| with_both(mackerel_is_away));
        scope.spawn(|| with_both(collector_is_away));
    });
}
