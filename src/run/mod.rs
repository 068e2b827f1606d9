//! Layer 4: wires the parts together and runs them until the agent is told to stop.

mod load;
mod measure;
mod once;
mod poster;
mod register;
mod trouble;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use std::{env, thread};

use measure::Measure;
use poster::{Order, Outcome, Poster};
use register::{Describe, Registration};

use crate::api::Api;
use crate::base::clock::{Clock, HostClock, Moment};
use crate::base::text::without_userinfo;
use crate::base::{self, program};
use crate::config::{Config, Flags, Level};
use crate::describe::{self, Agent, Calls, Place};
use crate::schedule::{Job, Schedule};
use crate::sys::crash;
use crate::sys::fsstat::FsStats;
use crate::sys::http::proxy::Rules;
use crate::sys::http::{Http, Settings};
use crate::sys::log::{self as backend, Tags};
use crate::sys::netif::links;
use crate::sys::pidfile::PidFile;
use crate::sys::random::random;
use crate::sys::root::Root;
use crate::sys::signal::{self, Signal};
use crate::sys::state::State;
use crate::sys::uname::uname;

pub(crate) use once::once;

/// Between two rounds, in seconds.
const ROUND: u64 = 60;
/// Between two descriptions of the host, in seconds.
const DESCRIPTION: u64 = 60 * 60;
/// From the first request to stop until the end, whatever is left to be delivered.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How much longer a request that is under way at the limit gets to be told of.
const END_GRACE: Duration = Duration::from_millis(500);
/// Signals within this time are one request to stop.
const ONE_STOP: Duration = Duration::from_secs(1);
/// For one request, from the look-up of the name to the end of the answer.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// Bytes of stack for the thread that talks to the server: a TLS handshake needs a tenth of it.
const POSTER_STACK: usize = 512 << 10;

/// The Go agent's names of the parts that write to the log.
const TAGS: Tags = &[
    ("collect", "metrics"),
    ("describe", "spec"),
    ("api", "api"),
    ("sys::fsstat", "util.filesystem"),
    ("run::load", "config"),
    ("run", "command"),
    ("", "main"),
];

/// What can wake the main thread before its time.
enum Event {
    Signal(Signal),
    /// The poster has nothing more to do.
    Ended(Outcome),
}

/// Runs the agent as `flags` and the configuration say, until it is told to stop or cannot go on.
/// Returns the text for the user in the second case, and where values are left that could not be
/// delivered.
pub(crate) fn agent(flags: &Flags) -> Result<(), String> {
    backend::install(TAGS);
    let config = resolve(flags).map_err(|why| format!("failed to load config: {why}"))?;
    backend::set_level(config.verbose, config.silent);
    log::info!(
        "Starting mackerel-agent version:{}, rev:{}, apibase:{}",
        program::VERSION,
        program::REVISION,
        without_userinfo(&config.apibase)
    );
    watch_host(&config)
}

/// The configuration, with what the command line says over it.
fn resolve(flags: &Flags) -> Result<Config, String> {
    let loaded = load::load(&flags.conf).map_err(|error| base::report(&error))?;
    let (config, warnings) = loaded
        .config
        .overlay(flags)
        .map_err(|error| base::report(&error))?;
    for warning in loaded.findings.warnings.iter().chain(&warnings) {
        match warning.level {
            Level::Warn => log::warn!("{}", warning.text),
            Level::Error => log::error!("{}", warning.text),
        }
    }
    if config.verbose && config.silent {
        log::warn!(
            "both of `verbose` and `silent` option are specified. In this case, `verbose` get preference over `silent`"
        );
    }
    config
        .require_apikey()
        .map_err(|error| base::report(&error))?;
    Ok(config)
}

fn watch_host(config: &Config) -> Result<(), String> {
    let _pidfile = match config.pidfile.as_os_str().is_empty() {
        true => None,
        false => Some(PidFile::claim(&config.pidfile).map_err(|error| base::report(&error))?),
    };
    let clock = HostClock::new();
    let (tell, events) = mpsc::channel();
    let told = tell.clone();
    signal::watch(move |signal| told.send(Event::Signal(signal)).is_ok())
        .map_err(|error| format!("cannot start the thread that waits for signals: {error}"))?;
    let orders = start_poster(config, clock, tell)?;

    let mut measure = Measure::new(config, Root::from_env());
    let mut schedule = Schedule::default();
    let start = clock.unix();
    schedule.add(Job::Collect, ROUND, 0, start);
    schedule.add(Job::Describe, DESCRIPTION, start.0, start);

    // An order that nobody takes any more changes nothing: the poster says that it has ended.
    let order = |order| drop(orders.send(order));
    order(Order::Round(start, measure.round(clock.moment())));
    let end = until_stopped(&clock, &mut schedule, &events, |job| match job {
        Job::Collect => {
            let values = measure.round(clock.moment());
            order(Order::Round(clock.unix().minute(), values));
        }
        Job::Describe => order(Order::Describe),
    });
    let outcome = match end {
        End::Outcome(outcome) => outcome,
        End::Signal(signal) => {
            log::info!(
                "Received signal '{}', try graceful shutdown up to {} seconds. \
                 If you want force shutdown immediately, send a signal again.",
                signal.name(),
                STOP_LIMIT.as_secs()
            );
            let begin = clock.moment();
            order(Order::Stop(Moment(begin.0 + STOP_LIMIT)));
            wait_for_end(&clock, &events, begin)?
        }
    };
    match outcome {
        Outcome::Delivered => Ok(()),
        Outcome::Undelivered(left) => Err(format!("{left} values could not be delivered")),
        Outcome::Refused(text) => Err(text),
    }
}

/// How the main loop ended.
enum End {
    Signal(Signal),
    Outcome(Outcome),
}

/// Starts every job when it is due, until an event ends the loop. `start` must not block.
fn until_stopped(
    clock: &dyn Clock,
    schedule: &mut Schedule,
    events: &Receiver<Event>,
    mut start: impl FnMut(Job),
) -> End {
    loop {
        for job in schedule.take_due(clock.unix()) {
            start(job);
        }
        match events.recv_timeout(schedule.idle(clock.wall())) {
            Ok(Event::Signal(Signal::Hangup)) => start(Job::Describe),
            Ok(Event::Signal(signal)) => return End::Signal(signal),
            Ok(Event::Ended(outcome)) => return End::Outcome(outcome),
            Err(RecvTimeoutError::Timeout) => {}
            // The poster has gone without a word, which only a panic does.
            Err(RecvTimeoutError::Disconnected) => return End::Outcome(Outcome::Undelivered(0)),
        }
    }
}

/// Waits for the poster's last word until [`STOP_LIMIT`] after `begin`, or until a signal says that
/// nobody wants to wait any longer.
fn wait_for_end(
    clock: &dyn Clock,
    events: &Receiver<Event>,
    begin: Moment,
) -> Result<Outcome, String> {
    loop {
        let passed = clock.moment().since(begin);
        // A request that is under way at the limit gets a little longer to be told of.
        match events.recv_timeout((STOP_LIMIT + END_GRACE).saturating_sub(passed)) {
            Ok(Event::Signal(Signal::Hangup)) => {}
            // Whoever stops a unit signals every process of it, and so does a supervisor.
            Ok(Event::Signal(_)) if clock.moment().since(begin) < ONE_STOP => {}
            Ok(Event::Signal(signal)) => {
                log::info!("Received signal '{}' again, force shutdown.", signal.name());
                return Err("received terminate instruction again. force return".to_owned());
            }
            Ok(Event::Ended(outcome)) => return Ok(outcome),
            Err(_) => return Err("Timed out. force shutdown.".to_owned()),
        }
    }
}

/// Starts the thread that talks to the server. Returns what it is told by.
fn start_poster(
    config: &Config,
    clock: HostClock,
    tell: Sender<Event>,
) -> Result<Sender<Order>, String> {
    let state = State::at(&config.root);
    let registration = Registration::new(state, config.host_status.on_start.clone())
        .map_err(|error| format!("{}; the setting is root", base::report(&error)))?;
    let poster = Poster::new(
        Api::new(Box::new(link(config)?)),
        registration,
        describer(config.clone()),
        config.host_status.on_stop.clone(),
        random,
        clock.moment(),
    );
    let (orders, inbox) = mpsc::channel();
    let run = move || {
        crash::watch_stack();
        let outcome = poster.run(&clock, &inbox);
        // Nobody is left to be told only if the process is ending already.
        drop(tell.send(Event::Ended(outcome)));
    };
    let thread = thread::Builder::new().name("poster".to_owned());
    thread
        .stack_size(POSTER_STACK)
        .spawn(run)
        .map_err(|error| format!("cannot start the thread that posts: {error}"))?;
    Ok(orders)
}

/// The way to the API that the configuration describes.
fn link(config: &Config) -> Result<Http, String> {
    let settings = Settings {
        base: config.apibase.clone(),
        key: (*config.apikey).to_owned(),
        user_agent: program::agent_name(),
        version: program::VERSION.to_owned(),
        revision: program::REVISION.to_owned(),
        keep_alive: !config.disable_http_keep_alive,
        proxy: proxies(config),
        ca_file: None,
        limit: REQUEST_LIMIT,
    };
    Http::new(settings).map_err(|error| base::report(&error))
}

/// The proxies of the environment, and those of the configuration over them.
fn proxies(config: &Config) -> Rules {
    let given = config.proxy_env();
    Rules::read(|name| match name {
        "HTTP_PROXY" if given.http.is_some() => given.http.map(str::to_owned),
        "HTTPS_PROXY" if given.https.is_some() => given.https.map(str::to_owned),
        _ => env::var(name).ok(),
    })
}

/// What describes this host as it is when it is called.
fn describer(config: Config) -> Describe {
    let root = Root::from_env();
    let mut calls = Calls {
        uname,
        links,
        stats: FsStats::new(),
    };
    Box::new(move || {
        let agent = Agent {
            name: &program::agent_name(),
            version: program::VERSION,
            revision: program::REVISION,
        };
        describe::host(&root, &mut calls, &config, &agent, Place::default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::FakeClock;

    /// What the loop started, given what happens before it first waits.
    fn started(happens: &[Signal]) -> (Vec<Job>, End) {
        let (tell, events) = mpsc::channel();
        for signal in happens {
            tell.send(Event::Signal(*signal)).unwrap();
        }
        drop(tell);
        let clock = FakeClock::default();
        clock.pass(Duration::from_secs(119));
        let mut schedule = Schedule::default();
        schedule.add(Job::Collect, ROUND, 0, clock.unix());
        clock.pass(Duration::from_secs(1));
        let mut started = Vec::new();
        let end = until_stopped(&clock, &mut schedule, &events, |job| started.push(job));
        (started, end)
    }

    #[test]
    fn a_hangup_describes_and_the_other_signals_stop() {
        for stop in [Signal::Terminate, Signal::Interrupt, Signal::Quit] {
            let (jobs, end) = started(&[Signal::Hangup, stop, Signal::Hangup]);
            assert_eq!(jobs, [Job::Collect, Job::Describe]);
            assert!(matches!(end, End::Signal(signal) if signal == stop));
        }
    }

    #[test]
    fn a_poster_that_vanished_ends_the_agent() {
        let (_, end) = started(&[]);
        assert!(matches!(end, End::Outcome(Outcome::Undelivered(0))));
    }

    /// What waiting comes to if the agent is told to stop, and again after `pause`.
    fn told_again(pause: Duration) -> Result<Outcome, String> {
        let (tell, events) = mpsc::channel();
        tell.send(Event::Signal(Signal::Hangup)).unwrap();
        tell.send(Event::Signal(Signal::Terminate)).unwrap();
        tell.send(Event::Ended(Outcome::Delivered)).unwrap();
        let clock = FakeClock::default();
        clock.pass(pause);
        wait_for_end(&clock, &events, Moment::default())
    }

    #[test]
    fn a_second_signal_ends_the_waiting_unless_it_is_the_first_ones_echo() {
        assert_eq!(told_again(Duration::ZERO), Ok(Outcome::Delivered));
        assert!(told_again(ONE_STOP).unwrap_err().contains("again"));
    }
}
