//! Layer 4: wires the parts together and runs them until the agent is told to stop.

mod agent;
mod bootclock;
mod configtest;
mod health;
#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "files of the tests, not of a host"
)]
mod hosts;
mod identity;
mod init;
mod inspect;
mod install;
mod key;
mod load;
mod measure;
mod message;
mod once;
mod owner;
mod plugins;
mod poster;
mod readiness;
mod register;
mod reload;
mod resolve;
mod retire;
mod status;
mod supervise;
mod trouble;
mod watchdog;
mod whereabouts;

use std::time::Duration;
use std::{env, process, thread};

use agent::Agent;
use bootclock::BootClock;
use measure::Measure;
use message::{Event, Order};
use plugins::Plugins;
use poster::{Persister, Poster};
use register::{Describe, Registration};
use resolve::resolve;
use trouble::Troubles;
use whereabouts::Whereabouts;

use crate::api::Api;
use crate::base::channel::{Sender, channel};
use crate::base::clock::{Clock, HostClock};
use crate::base::url::without_userinfo;
use crate::base::{self, Failures, program};
use crate::config::{Config, Flags, IdStore};
use crate::describe::{self, Calls};
use crate::sys::boot;
use crate::sys::crash;
use crate::sys::environment;
use crate::sys::fsstat::FsStats;
use crate::sys::http::cancel::{CancelToken, Cancellable};
use crate::sys::http::proxy::Rules;
use crate::sys::http::{Http, Settings, SetupError};
use crate::sys::journal::Directory;
use crate::sys::lock::RootLock;
use crate::sys::log::{self as backend, Tags};
use crate::sys::memory;
use crate::sys::netif::links;
use crate::sys::notify::Notify;
use crate::sys::pidfile::PidFile;
use crate::sys::random::random;
use crate::sys::root::Root;
use crate::sys::signal::{self, Woken};
use crate::sys::state::State;
use crate::sys::uname::uname;

pub(crate) use configtest::configtest;
pub(crate) use health::health;
pub(crate) use init::init;
pub(crate) use inspect::{check, plugin};
pub(crate) use install::{install, service_flags, uninstall, upgrade};
pub(crate) use once::once;
pub(crate) use retire::retire;
pub(crate) use supervise::supervise;

/// For one request, from the look-up of the name to the end of the answer.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// Bytes of stack for a thread that talks to the server: a TLS handshake needs a tenth of it.
const POSTER_STACK: usize = 512 << 10;
/// How long the host has been up when a start is none after a loss of power any more.
const SETTLED: Duration = Duration::from_secs(10 * 60);

/// The Go agent's names of the parts that write to the log.
const TAGS: Tags = &[
    ("collect", "metrics"),
    ("describe", "spec"),
    ("api", "api"),
    ("sys::fsstat", "util.filesystem"),
    ("sys::pidfile", "pidfile"),
    ("plugins::metrics", "metrics.plugin"),
    ("plugins::checks", "checks"),
    ("plugins::metadata", "metadata"),
    ("run::resolve", "config"),
    ("run::supervise", "supervisor"),
    ("run::poster", "command"),
    ("run::register", "command"),
    ("run::trouble", "command"),
    ("", "main"),
];

/// Runs the agent as `flags` and the configuration say, until it is told to stop or cannot go on.
/// Returns the text for the user in the second case, and where values are left that could not be
/// delivered.
pub(crate) fn agent(mut flags: Flags) -> Result<(), String> {
    backend::install(TAGS);
    let notify = Notify::from_env();
    if flags.child {
        supervise::become_child(&mut flags)?;
    }
    let config = resolve(&flags).map_err(|why| format!("failed to load config: {why}"))?;
    set_level(&config);
    log::info!(
        "Starting mackerel-agent version:{}, rev:{}, apibase:{}",
        program::VERSION,
        program::REVISION,
        without_userinfo(&config.apibase)
    );
    export(&config);
    // It may be in a server's words.
    watch_host(&flags, config, notify).map_err(|text| backend::one_line(&text))
}

fn set_level(config: &Config) {
    backend::set_level(config.verbose, config.silent);
}

fn watch_host(flags: &Flags, config: Config, notify: Notify) -> Result<(), String> {
    let pidfile = claim_pidfile(&config)?;
    let clock = HostClock::new();
    let _lock = claim_root(&config)?;
    let (tell, events) = channel();
    let told = tell.clone();
    // As process 1 of a container, this one inherits the children of others.
    let with_children = process::id() == 1;
    let hear = move |woken| match woken {
        Woken::Signal(signal) => told.send(Event::Signal(signal)).is_ok(),
        Woken::Child => told.send(Event::Child).is_ok(),
        Woken::Time => true,
    };
    signal::watch(with_children, hear)
        .map_err(|error| format!("cannot start the thread that waits for signals: {error}"))?;
    let plugins = Plugins::new(&config, clock, tell.clone(), clock.moment())
        .map_err(|error| format!("cannot open a pipe: {error}"))?;
    let _socket = match config.health {
        true => health::serve(&config.root, tell.clone()),
        false => None,
    };
    let root = Root::of(&config.host);
    let stats = FsStats::new(&root);
    // Without a pid file, and after a loss of power, nothing tells a clean end from another.
    let was_clean = pidfile.as_ref().is_some_and(|file| !file.was_left()) && boot::age() > SETTLED;
    let keeper = match was_clean {
        true => keeper(&config),
        false => keeper(&config).hasty(),
    };
    let cancel = CancelToken::default();
    let orders = start_poster(
        &config,
        clock,
        tell.clone(),
        stats.beside(),
        keeper,
        cancel.clone(),
    )?;
    if config.readiness.is_given() {
        readiness::watch(config.readiness.clone(), orders.clone())?;
    }
    let measure = Measure::new(&config, root, stats);
    let agent = Agent::new(flags, config, measure, plugins, orders, notify);
    let agent = agent.told_through(tell).cancelling_by(cancel);
    agent.run(&BootClock(clock), &events)
}

/// The directory of the agent's state, for this agent alone; `None` if it keeps nothing there.
fn claim_root(config: &Config) -> Result<Option<RootLock>, String> {
    if config.host_id_store == IdStore::Memory {
        return Ok(None);
    }
    // It is missing before the first start. Whatever else is wrong with it is told by who uses it.
    drop(State::at(&config.root).prepare());
    RootLock::claim(&config.root)
        .map(Some)
        .map_err(|error| base::report(&error))
}

/// The pid file of the configuration, if there is to be one.
fn claim_pidfile(config: &Config) -> Result<Option<PidFile>, String> {
    match config.pidfile.as_os_str().is_empty() {
        true => Ok(None),
        false => PidFile::claim(&config.pidfile)
            .map(Some)
            .map_err(|error| base::report(&error)),
    }
}

/// Starts the thread that talks to the server. Returns what it is told by.
fn start_poster(
    config: &Config,
    clock: HostClock,
    tell: Sender<Event>,
    stats: FsStats,
    keeper: Persister,
    cancel: CancelToken,
) -> Result<Sender<Order>, String> {
    let clock = BootClock(clock);
    let (orders, inbox) = channel();
    let whereabouts = Whereabouts::new(whereabouts::in_background(
        Root::of(&config.host),
        orders.clone(),
    ));
    let on_start = config.host_status.on_start.clone();
    let registration = Registration::new(state(config), on_start, whereabouts)
        .map_err(|error| format!("{}; the setting is root", base::report(&error)))?;
    let news = tell.clone();
    let mut poster = Poster::new(
        Api::new(Box::new(Cancellable::new(link(config)?, cancel.clone()))),
        registration,
        describer(config, stats),
        config.clone(),
        // Nobody is left to be told only if the process is ending already.
        Box::new(move |what| drop(news.send(Event::News(what)))),
        random,
        clock.moment(),
    );
    if let Some(limit) = memory::limit() {
        poster.fit(limit);
    }
    let mut poster = poster.keep_with(keeper, &clock).cancelled_by(cancel);
    if config.readiness.is_given() {
        poster.hold();
    }
    let run = move || {
        let _stack = crash::watch_stack();
        let outcome = poster.run(&clock, &inbox);
        drop(tell.send(Event::Ended(outcome)));
    };
    let thread = thread::Builder::new().name("poster".to_owned());
    thread
        .stack_size(POSTER_STACK)
        .spawn(run)
        .map_err(|error| format!("cannot start the thread that posts: {error}"))?;
    Ok(orders)
}

/// What keeps values that wait, and has those that an earlier agent has kept.
fn keeper(config: &Config) -> Persister {
    if !config.spool.on_disk || config.host_id_store == IdStore::Memory {
        return Persister::none();
    }
    let id = state(config).host_id().ok().flatten();
    Persister::open(
        Box::new(Directory::at(&config.root)),
        &config.root,
        config.spool.window,
        boot::id(),
        id.as_deref(),
    )
}

/// The agent's own files, as the configuration has them.
fn state(config: &Config) -> State {
    match config.host_id_store {
        IdStore::File => State::at(&config.root),
        IdStore::Memory => State::forgetful(&config.root),
    }
}

/// The way to the API that the configuration describes.
fn link(config: &Config) -> Result<Http, String> {
    link_within(config, REQUEST_LIMIT)
}

/// The same, with another limit for a request.
fn link_within(config: &Config, limit: Duration) -> Result<Http, String> {
    let settings = Settings {
        base: config.apibase.clone(),
        key: (*config.apikey).to_owned(),
        user_agent: program::agent_name(),
        version: program::VERSION.to_owned(),
        revision: program::REVISION.to_owned(),
        keep_alive: !config.disable_http_keep_alive,
        proxy: proxies(config),
        ca_file: config.ca_file.as_ref().map(|named| named.path.clone()),
        limit,
    };
    let given = config.proxy_env();
    let is_configured = |what: &str| match what {
        "HTTP_PROXY" => given.http.is_some(),
        "HTTPS_PROXY" => given.https.is_some(),
        _ => false,
    };
    Http::new(settings).map_err(|error| match (&error, &config.ca_file) {
        (SetupError::Roots(_), Some(named)) => {
            let path = named.path.display();
            format!("{named}: ca_file {path}: {}", base::report(&error))
        }
        (SetupError::Url { what, .. }, _) if is_configured(what) => {
            format!("{error}; the settings are http_proxy and https_proxy")
        }
        _ => base::report(&error),
    })
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

/// Puts the configured proxies into the environment, for plugins. To be called before any thread
/// is started.
fn export(config: &Config) {
    let given = config.proxy_env();
    for (name, proxy) in [("HTTP_PROXY", given.http), ("HTTPS_PROXY", given.https)] {
        if let Some(proxy) = proxy {
            environment::set(name, proxy);
        }
    }
}

/// What describes this host as it is when it is called. Sizes are asked of `stats`.
fn describer(config: &Config, stats: FsStats) -> Describe {
    let root = Root::of(&config.host);
    let mut calls = Calls {
        uname: Box::new(uname),
        links: Box::new(links),
        stats,
    };
    let mut troubles = Troubles::new("describe", "mackerel_agent::describe");
    Box::new(move |config, place| {
        let agent = describe::Agent {
            name: &program::agent_name(),
            version: program::VERSION,
            revision: program::REVISION,
        };
        let mut failures = Failures::new();
        let host = describe::host(&root, &mut calls, config, &agent, place, &mut failures);
        troubles.are(failures);
        host
    })
}
