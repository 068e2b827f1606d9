//! Servers of OTLP that break the rules of HTTP/2 and gRPC, beside an honest one.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::host::hosts::trees::large;
use crate::process::{Agent, Signal};
use crate::process_tree::{poll_until, text};
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::FakeServer;
use fake_server::h2::{End, Evil, Scenario, Server, evil, scenarios};

/// Destinations that an agent may have.
const MOST: usize = 8;
/// Time limit of a call that has to end at it, and of any other one.
const DEADLINE: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(60);
const TIMEOUT_OF_A_HALF: Duration = Duration::from_secs(5);
/// A call that ends at once ends within this time, on a busy machine too.
const AT_ONCE: Duration = Duration::from_secs(30);
/// Reloads, each of which has every failing destination called again at once.
const PASSES: usize = 10;
/// How much more a process may hold than after the first calls: kB of address space, kB of
/// anonymous memory, mappings, threads, descriptors.
///
/// Two threads that ask about file systems may come later, each destination may keep a connection,
/// and the next round of each destination waits. One of any of these for each call would be far more.
const MORE: [u64; 5] = [2_048, 384, 16, 2, 8];
/// kB of the list of series of a round with each of 256 cores. Each reload has the next round make
/// one of its own.
const LIST: u64 = 512;

/// A scenario, its server, and what each line about it in the log begins with.
struct Trial {
    scenario: &'static Scenario,
    server: Evil,
    label: String,
}

impl Trial {
    /// Whether its rounds are kept, and its connection closed, after each call.
    fn is_repeated(&self) -> bool {
        matches!(
            self.scenario.end,
            End::Broken | End::Refused | End::Deadline
        )
    }

    /// Whether a message is repeated in halves, if two rounds wait when the agent starts. The server
    /// does not answer that on the same connection.
    fn is_halved(&self) -> bool {
        self.scenario.end == End::Code(8)
    }

    /// A call has ended as the scenario says. `line` is the first one about it.
    fn check(&self, line: &str) {
        let is_late = line.contains("timed out");
        let is_right = match self.scenario.end {
            // The message of a good answer is not one of OTLP.
            End::Ok => line.contains("reports success, but its answer is not one of OTLP"),
            End::Code(code) => line.contains(" answers ") && line.contains(&format!(" ({code})")),
            End::Reset(_) => line.contains("stream ended by error"),
            End::Refused => line.contains("refused unprocessed, twice"),
            End::Deadline => is_late,
            End::Broken => {
                let others = ["refused unprocessed", "stream ended"];
                line.contains("otlp: call ")
                    && !is_late
                    && !others.iter().any(|text| line.contains(text))
            }
        };
        assert!(is_right, "{}: {line}", self.scenario.name);
        assert!(line.len() < 4_000, "{}: {line}", self.scenario.name);
    }

    /// Waits until its server has been called more than `before` times, and nobody is connected.
    ///
    /// A server that does not read sees no end of a connection. There is a next one only after it.
    fn wait_for_end(&self, before: usize) {
        let is_deaf = self.scenario.name == "never_reads";
        poll_until(limit(100), self.scenario.name, || {
            let (begun, ended) = (self.server.connections(), self.server.spans().len());
            let is_over = begun > before && (is_deaf || ended == begun);
            is_over.then_some(())
        });
    }

    /// Each connection has ended at once, or at the deadline and not before.
    fn check_spans(&self) {
        for span in self.server.spans() {
            let is_right = match self.scenario.end {
                // The clock of the call begins before the server has accepted the connection.
                End::Deadline => (DEADLINE / 2..AT_ONCE).contains(&span),
                _ => span < AT_ONCE,
            };
            assert!(is_right, "{}: {span:?}", self.scenario.name);
        }
    }
}

/// What a process holds: kB of address space, kB of anonymous memory, mappings, threads,
/// descriptors.
fn held(agent: &Agent<'_>) -> [u64; 5] {
    let status = text(agent.pid(), "status");
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
        number.map_or(0, |number| number.parse().unwrap())
    };
    let count = |count: usize| u64::try_from(count).unwrap();
    let files = fs::read_dir(format!("/proc/{}/fd", agent.pid()));
    [
        number("VmSize:"),
        number("RssAnon:"),
        count(text(agent.pid(), "maps").lines().count()),
        number("Threads:"),
        count(files.map_or(0, Iterator::count)),
    ]
}

/// Waits until the process holds no more than `before` and `more`. What grows with each call never
/// does.
fn assert_no_growth(agent: &Agent<'_>, before: [u64; 5], more: [u64; 5], when: &str) {
    let end = Instant::now() + limit(20);
    loop {
        let now = held(agent);
        if (0..more.len()).all(|at| now[at] <= before[at] + more[at]) {
            eprintln!("held {when}: {now:?}, first {before:?}");
            return;
        }
        assert!(Instant::now() < end, "{when}: {now:?}, first {before:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Whether what the process holds is watched: the shipped program's own mappings alone.
fn is_watched() -> bool {
    std::env::var_os("AGENT_BIN").is_some() && !is_emulated()
}

/// Runs an agent with one honest destination and these.
fn survive(scenarios: &[&'static Scenario]) {
    let (fake_server, honest) = (FakeServer::http(), Server::plain());
    let mut sandbox = Sandbox::empty();
    let tree = sandbox.path("host");
    fs::create_dir(&tree).unwrap();
    // So large that a window of HTTP/2 has no room for a message with each core.
    let (_, make) = large::HOSTS
        .iter()
        .find(|(name, _)| *name == "256-cores")
        .unwrap();
    make(&tree);
    sandbox.env("HOST_ROOT", &tree);
    let mut more = format!(
        "[[otlp]]\nendpoint = \"127.0.0.1:{}\"\ninsecure = true\n",
        honest.port
    );
    let servers: Vec<_> = scenarios
        .iter()
        .map(|scenario| (*scenario, evil(scenario.name)))
        .collect();
    for (scenario, server) in &servers {
        let timeout = match scenario.end {
            End::Deadline => DEADLINE,
            End::Code(8) => TIMEOUT_OF_A_HALF,
            _ => TIMEOUT,
        };
        more += &format!(
            "[[otlp]]\nendpoint = \"127.0.0.1:{}\"\ninsecure = true\nper_cpu = {}\ntimeout = {}\n",
            server.port,
            scenario.needs > 0,
            timeout.as_secs(),
        );
    }
    sandbox.configure(&fake_server.base(), &more);
    let conf = sandbox.content("agent.conf");
    let line_of = |port: u16| {
        let text = format!("endpoint = \"127.0.0.1:{port}\"");
        conf.lines().position(|line| line == text).unwrap() + 1
    };
    let trials: Vec<Trial> = servers
        .into_iter()
        .map(|(scenario, server)| Trial {
            scenario,
            label: format!("agent.conf:{}: otlp: ", line_of(server.port)),
            server,
        })
        .collect();

    let mut agent = sandbox.start();
    for trial in &trials {
        let line = agent.wait_line(limit(100), trial.scenario.name, |line| {
            let is_half = trial.is_halved() && line.contains("timed out");
            line.contains(&trial.label) && !is_half
        });
        trial.check(&line);
    }
    let before = held(&agent);
    for _ in 0..PASSES {
        let calls: Vec<usize> = trials
            .iter()
            .map(|trial| trial.server.connections())
            .collect();
        agent.signal(Signal::HUP);
        for (trial, before) in trials.iter().zip(calls) {
            if trial.is_repeated() {
                trial.wait_for_end(before);
            }
        }
    }
    if is_watched() {
        assert_no_growth(&agent, before, MORE, "after reloads");
    }
    for trial in trials.iter().filter(|trial| trial.is_repeated()) {
        trial.check_spans();
    }
    // The next round is up to a minute away.
    let calls = honest.calls().len();
    poll_until(limit(150), "round at the honest server", || {
        (honest.calls().len() > calls.max(1)).then_some(())
    });
    if is_watched() {
        let lists = trials.iter().filter(|trial| trial.scenario.needs > 0);
        let [size, memory, rest @ ..] = MORE;
        let memory = memory + LIST * u64::try_from(lists.count()).unwrap();
        let [mappings, threads, files] = rest;
        let more = [size.max(memory), memory, mappings, threads, files];
        assert_no_growth(&agent, before, more, "in the next minute");
    }
    agent.assert_running();
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(40));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_otlp_survives_every_evil_server() {
    let all: Vec<&Scenario> = scenarios().collect();
    assert!(all.len() >= 39);
    thread::scope(|scope| {
        for part in all.chunks(MOST - 1) {
            scope.spawn(|| survive(part));
        }
    });
}
