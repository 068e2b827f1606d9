//! What the agent costs while it does its main job, over TLS against the fake server: `make bench`.
//!
//! Everything is read from outside, from `/proc` and by strace, so that the Go agent can be
//! measured in the same way (`GO_AGENT=/path/to/mackerel-agent`). Ends with 1 if a limit is passed,
//! or if an agent could not be measured; what was measured of the other one is printed all the
//! same.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the doors are the agent's; what cannot be measured ends the bench"
)]

#[path = "../hosts/mod.rs"]
mod trees;

mod hosts;
mod outputs;
mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use argh::FromArgs;

use fake_server::{FakeServer, Settings};
use outputs::Outputs;
use process::{Process, SystemCalls};

/// Number of starts, of which the median is printed.
const STARTS: usize = 20;
/// Time until an agent has posted twice and is idle, for rounds of large hosts.
const WARM_UP: Duration = Duration::from_secs(100);
/// Time limit for a start until the first request.
const PATIENCE: Duration = Duration::from_secs(40);
/// Time limit for a start until the first values.
///
/// The Go agent waits for up to half a minute, then samples for a minute, and then posts once a
/// minute.
const FIRST_VALUES: Duration = Duration::from_secs(4 * 60);
/// Time limit for an agent to end after SIGTERM. Then it is killed.
const END: Duration = Duration::from_secs(60);

/// What the switch `--plugins` adds to the configuration.
const PLUGINS: &str = r#"
[plugin.metrics.bench]
command = "printf 'bench.a.b\t1\t%s\n' $(date +%s)"
[plugin.checks.bench]
command = "echo fine"
[plugin.metadata.bench]
command = "echo '{}'"
execution_interval = 1
"#;

/// Measures what the agent costs.
#[derive(FromArgs)]
struct Arguments {
    /// the agent to measure, the one that is shipped
    #[argh(positional)]
    agent: PathBuf,
    /// minutes of the window for CPU and memory (4)
    #[argh(option, default = "4")]
    minutes: u32,
    /// minutes of the window for system calls, under strace (3)
    #[argh(option, default = "3")]
    strace_minutes: u32,
    /// measure nothing but rounds of large hosts
    #[argh(switch)]
    rounds: bool,
    /// leave the rounds of large hosts out
    #[argh(switch)]
    no_rounds: bool,
    /// seconds from the first values until an agent rests (100)
    #[argh(option, default = "100")]
    warm_up: u64,
    /// measure with one metric, one check and one metadata plugin a minute
    #[argh(switch)]
    plugins: bool,
    /// measure with an OTLP destination over gRPC, without TLS
    #[argh(switch)]
    otlp: bool,
    /// measure with /metrics, which is scraped every 15 seconds
    #[argh(switch)]
    scrape: bool,
    /// more lines for the agent's configuration
    #[argh(option, default = "String::new()")]
    config: String,
}

/// A figure with its limit, its aim, and the documented figure of the Go agent.
struct Row {
    name: &'static str,
    unit: &'static str,
    limit: Option<f64>,
    aim: Option<f64>,
    go: Option<f64>,
    of: fn(&Figures) -> f64,
}

const fn row(name: &'static str, unit: &'static str, of: fn(&Figures) -> f64) -> Row {
    Row {
        name,
        unit,
        limit: None,
        aim: None,
        go: None,
        of,
    }
}

impl Row {
    const fn bound(mut self, limit: f64, aim: f64) -> Row {
        self.limit = Some(limit);
        self.aim = Some(aim);
        self
    }

    const fn go(mut self, figure: f64) -> Row {
        self.go = Some(figure);
        self
    }
}

/// The only place of the budgets.
///
/// Go's figures: version 0.87.0, stripped, over TLS and without plugins. This program runs the same
/// way unless `--config` adds plugins.
const ROWS: &[Row] = &[
    row("RSS", "kB", |f| f.after.rss),
    row("peak RSS", "kB", |f| f.after.peak),
    row("anonymous", "kB", |f| f.after.anonymous)
        .bound(500.0, 500.0)
        .go(4_322.0),
    row("PSS", "kB", |f| f.after.pss)
        .bound(1_600.0, 1_600.0)
        .go(11_976.0),
    row("threads", "", |f| f.after.threads).go(7.0),
    row("open files", "", |f| f.after.files),
    row("CPU", "ms/min", |f| {
        f.per_minute(f.after.cpu_ms - f.before.cpu_ms)
    })
    .bound(2.0, 1.5)
    .go(10.4),
    row("voluntary switches", "/min", |f| {
        f.per_minute(f.after.switches - f.before.switches)
    })
    .go(211.0),
    row("system calls", "/min", |f| f.calls(|calls| calls.all))
        .bound(150.0, 70.0)
        .go(496.0),
    row("forks", "/min", |f| f.calls(|calls| calls.forks))
        .bound(0.0, 0.0)
        .go(1.0),
    row("start to first request", "ms", |f| f.start_ms)
        .bound(10.0, 6.0)
        .go(49.0),
    // `make dist-check` has its limit.
    row("binary", "bytes", |f| f.binary).go(8_196_256.0),
];

/// The figures of one agent.
struct Figures {
    before: Process,
    after: Process,
    minutes: f64,
    /// `None` if strace cannot trace.
    calls: Option<SystemCalls>,
    strace_minutes: f64,
    start_ms: f64,
    binary: f64,
}

impl Figures {
    fn per_minute(&self, grown: f64) -> f64 {
        grown / self.minutes
    }

    /// System calls a minute. NaN if they are unknown.
    fn calls(&self, of: fn(&SystemCalls) -> f64) -> f64 {
        self.calls.as_ref().map_or(f64::NAN, of) / self.strace_minutes
    }
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    let mut failures = 0;
    if !arguments.no_rounds {
        match attempt("rounds of large hosts", || hosts::rounds(&arguments.agent)) {
            Some(over) => failures += over,
            None => failures += 1,
        }
    }
    if !arguments.rounds {
        let ours = attempt("this agent", || measure(&arguments.agent, &arguments));
        failures += usize::from(ours.is_none());
        let go = std::env::var_os("GO_AGENT")
            .map(PathBuf::from)
            .map(|path| attempt("GO_AGENT", || measure(&path, &arguments)));
        failures += usize::from(matches!(go, Some(None)));
        let has_limits = !arguments.otlp && !arguments.scrape;
        failures += print(ours.as_ref(), go.flatten().as_ref(), has_limits);
    }
    match failures {
        0 => ExitCode::SUCCESS,
        _ => {
            println!("\n{failures} limit(s) passed, or not measured");
            ExitCode::FAILURE
        }
    }
}

/// The result of `work`. If it panics, prints that and returns `None`, so that other figures are
/// still printed.
fn attempt<T>(what: &str, work: impl FnOnce() -> T) -> Option<T> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    result
        .inspect_err(|_| println!("{what}: not measured; the reason is on standard error"))
        .ok()
}

/// Prints the table. Returns how many limits were exceeded. They are those of an agent without other
/// outputs; unless `has_limits`, none is used.
fn print(ours: Option<&Figures>, go: Option<&Figures>, has_limits: bool) -> usize {
    let number = |value: Option<f64>| match value.filter(|value| value.is_finite()) {
        Some(value) => format!("{value:.1}"),
        None => "-".to_owned(),
    };
    println!(
        "{:<24}{:>12} {:<7}{:>12}{:>12}{:>14}{:>12}",
        "", "agent", "", "limit", "aim", "Go, recorded", "Go, here"
    );
    let mut passed = 0;
    for row in ROWS {
        let figure = ours.map(row.of);
        let limit = row.limit.filter(|_| has_limits);
        let is_passed = (figure.zip(limit)).is_some_and(|(figure, limit)| figure > limit);
        passed += usize::from(is_passed);
        println!(
            "{:<24}{:>12} {:<7}{:>12}{:>12}{:>14}{:>12}{}",
            row.name,
            number(figure),
            row.unit,
            number(limit),
            number(row.aim),
            number(row.go),
            number(go.map(row.of)),
            if is_passed { "  <- over" } else { "" }
        );
    }
    passed
}

fn measure(agent: &Path, arguments: &Arguments) -> Figures {
    eprintln!("{}: {STARTS} starts", agent.display());
    let plugins = if arguments.plugins { PLUGINS } else { "" };
    let outputs = Outputs::new(arguments.otlp, arguments.scrape);
    // Tables are behind all keys.
    let lines = [
        outputs.key(),
        arguments.config.as_str(),
        plugins,
        outputs.table(),
    ];
    let bench = Bench::new(agent, &lines.concat());
    let mut starts: Vec<f64> = (0..STARTS).map(|_| bench.start_ms()).collect();
    starts.sort_by(f64::total_cmp);

    let running = bench.start();
    let _scraping = outputs.scrape();
    let pid = running.0.id();
    eprintln!("warming up for {} s", arguments.warm_up);
    sleep(Duration::from_secs(arguments.warm_up));
    eprintln!("measuring for {} minutes", arguments.minutes);
    let before = Process::of(pid);
    let begin = Instant::now();
    sleep(Duration::from_secs(60) * arguments.minutes);
    let after = Process::of(pid);
    let minutes = begin.elapsed().as_secs_f64() / 60.0;
    eprintln!(
        "counting system calls for {} minutes",
        arguments.strace_minutes
    );
    let span = Duration::from_secs(60) * arguments.strace_minutes;
    let calls = SystemCalls::count(pid, bench.directory.path(), span, |_| true);
    eprintln!("{}", outputs.received());
    Figures {
        before,
        after,
        minutes,
        calls,
        strace_minutes: f64::from(arguments.strace_minutes),
        start_ms: (starts[STARTS / 2 - 1] + starts[STARTS / 2]) / 2.0,
        binary: fs::metadata(agent).unwrap().len() as f64,
    }
}

/// A server, and an agent that is registered there.
struct Bench<'a> {
    agent: &'a Path,
    server: FakeServer,
    directory: tempfile::TempDir,
}

impl Bench<'_> {
    fn new<'a>(agent: &'a Path, config: &str) -> Bench<'a> {
        let server = FakeServer::start(Settings {
            tls: true,
            key: None,
            ..Settings::default()
        })
        .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let at = |name| directory.path().join(name);
        fs::write(at("ca.pem"), server.ca()).unwrap();
        let text = format!(
            "apikey = \"bench\"\napibase = \"{}\"\nroot = \"{}\"\npidfile = \"{}\"\ncloud_platform = \"none\"\n{config}",
            server.base(),
            directory.path().display(),
            at("pid").display(),
        );
        fs::write(at("conf"), text).unwrap();
        let bench = Bench {
            agent,
            server,
            directory,
        };
        // The first start registers the host.
        let registering = bench.spawn();
        bench.server.wait(PATIENCE, "registered host", |seen| {
            (!seen.model.hosts.is_empty()).then_some(())
        });
        // The agent then writes its id, and after that describes the host or posts.
        let id = bench.directory.path().join("id");
        let begin = Instant::now();
        while fs::metadata(&id).map_or(0, |id| id.len()) == 0 {
            assert!(begin.elapsed() < PATIENCE, "no {} is written", id.display());
            sleep(Duration::from_millis(10));
        }
        drop(registering);
        bench
    }

    /// Starts the agent and returns once its first metrics have arrived.
    fn start(&self) -> Running {
        let posts = self
            .server
            .seen(|seen| seen.to("POST", "/api/v0/tsdb").count());
        let running = self.spawn();
        self.server.wait(FIRST_VALUES, "first metrics", |seen| {
            (seen.to("POST", "/api/v0/tsdb").count() > posts).then_some(())
        });
        running
    }

    fn spawn(&self) -> Running {
        let child = Command::new(self.agent)
            .arg("-conf")
            .arg(self.directory.path().join("conf"))
            .env_clear()
            .env("SSL_CERT_FILE", self.directory.path().join("ca.pem"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.agent.display()));
        Running(child)
    }

    /// Milliseconds from the start of the process until the server has read its first request.
    fn start_ms(&self) -> f64 {
        let before = self
            .server
            .seen(|seen| seen.requests.back().map(|last| last.number));
        let begin = Instant::now();
        let running = self.spawn();
        let arrived = self.server.wait(PATIENCE, "first request", |seen| {
            let new = |number| before.is_none_or(|before| number > before);
            let first = seen.requests.iter().find(|request| new(request.number));
            first.map(|request| request.at)
        });
        drop(running);
        (arrived - begin).as_secs_f64() * 1_000.0
    }
}

/// A running agent. Dropping it sends SIGTERM and waits; an agent that does not end is killed.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let begin = Instant::now();
        if matches!(self.0.try_wait(), Ok(None)) {
            process::terminate(self.0.id());
        }
        while matches!(self.0.try_wait(), Ok(None)) {
            if begin.elapsed() > END {
                eprintln!("process {} does not end by TERM: killed", self.0.id());
                drop(self.0.kill());
                drop(self.0.wait());
                return;
            }
            sleep(Duration::from_millis(5));
        }
    }
}
