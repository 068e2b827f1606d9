//! Starts the agent: claims the pid file and the lock, starts the threads, and runs the main loop.

use std::process;
use std::time::Duration;

use super::bootclock::BootClock;
use super::event::{Event, plugin_events};
use super::service::Agent;
use crate::base::channel::{Sender, channel};
use crate::base::clock::{Clock, HostClock};
use crate::base::url::without_userinfo;
use crate::base::{self, program};
use crate::config::{Config, Flags, IdStore};
use crate::deliver::api::Api;
use crate::deliver::cloud_lookup::CloudLookup;
use crate::deliver::message::PosterCommand;
use crate::deliver::poster::{Persister, Poster};
use crate::deliver::registration::Registration;
use crate::describe::describer::describer;
use crate::measure::Measure;
use crate::plugins::runner::Plugins;
use crate::settings::apply::{claim_pidfile, claim_root, export, set_level, state};
use crate::settings::connection::{POSTER_STACK, link};
use crate::settings::resolve::resolve;
use crate::settings::tags::TAGS;
use crate::sys::fsstat::FsStats;
use crate::sys::http::cancel::{CancelToken, Cancellable};
use crate::sys::journal::Directory;
use crate::sys::log as backend;
use crate::sys::notify::Notify;
use crate::sys::random::random;
use crate::sys::root::Root;
use crate::sys::signal::{self, Woken};
use crate::sys::{boot, crash, memory, thread};

/// Uptime of the host after which a start no longer counts as one after a power loss.
const SETTLED: Duration = Duration::from_secs(10 * 60);

/// Runs the agent with `flags` and the configuration until a signal stops it or an error ends it.
///
/// Fails with the text for the user in the case of an error, and if values were left undelivered.
pub(crate) fn agent(mut flags: Flags) -> Result<(), String> {
    backend::install(TAGS);
    let notify = Notify::from_env();
    if flags.child {
        crate::settings::child::become_child(&mut flags)?;
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
    // The text may contain a server's message.
    watch_host(&flags, config, notify).map_err(|text| backend::one_line(&text))
}

fn watch_host(flags: &Flags, config: Config, notify: Notify) -> Result<(), String> {
    let pidfile = claim_pidfile(&config)?;
    let clock = HostClock::new();
    let _lock = claim_root(&config)?;
    let (tell, events) = channel();
    let told = tell.clone();
    // Process 1 of a container inherits orphaned processes and must reap them.
    let with_children = process::id() == 1;
    let hear = move |woken| match woken {
        Woken::Signal(signal) => told.send(Event::Signal(signal)).is_ok(),
        Woken::Child => told.send(Event::Child).is_ok(),
        Woken::Time => true,
    };
    signal::watch(with_children, hear)
        .map_err(|error| format!("cannot start the thread that waits for signals: {error}"))?;
    let plugins = Plugins::new(&config, clock, plugin_events(tell.clone()), clock.moment())
        .map_err(|error| format!("cannot open a pipe: {error}"))?;
    let _socket = if config.health {
        super::health::serve(&config.root, tell.clone())
    } else {
        None
    };
    let root = Root::of(&config.host);
    let stats = FsStats::new(&root);
    // A removed pid file shows that the last run ended cleanly. Without a pid file, or shortly
    // after a boot, that is unknown.
    let was_clean = pidfile.as_ref().is_some_and(|file| !file.was_left()) && boot::age() > SETTLED;
    let keeper = if was_clean {
        keeper(&config)
    } else {
        keeper(&config).hasty()
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
        super::readiness::watch(config.readiness.clone(), orders.clone())?;
    }
    let measure = Measure::new(&config, root, stats);
    let agent = Agent::new(flags, config, measure, plugins, orders, notify)
        .told_through(tell)
        .cancelling_by(cancel);
    agent.run(&BootClock(clock), &events)
}

/// Starts the thread that sends requests to the server. Returns the sender of its commands.
fn start_poster(
    config: &Config,
    clock: HostClock,
    tell: Sender<Event>,
    stats: FsStats,
    keeper: Persister,
    cancel: CancelToken,
) -> Result<Sender<PosterCommand>, String> {
    let clock = BootClock(clock);
    let (orders, inbox) = channel();
    let cloud = CloudLookup::new(crate::deliver::cloud_lookup::in_background(
        Root::of(&config.host),
        orders.clone(),
    ));
    let on_start = config.host_status.on_start.clone();
    let registration = Registration::new(state(config), on_start, cloud)
        .map_err(|error| format!("{}; the setting is root", base::report(&error)))?;
    let news = tell.clone();
    let mut poster = Poster::new(
        Api::new(Box::new(Cancellable::new(link(config)?, cancel.clone()))),
        registration,
        describer(config, stats),
        config.clone(),
        // Sending fails only while the process ends.
        Box::new(move |what| drop(news.send(Event::PosterEvent(what)))),
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
    thread::start("poster", POSTER_STACK, run)
        .map_err(|error| format!("cannot start the thread that posts: {error}"))?;
    Ok(orders)
}

/// Keeps undelivered values, and restores those that an earlier agent has kept.
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
