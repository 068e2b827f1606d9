//! Starts the agent: claims the pid file and the lock, starts the threads, and runs the main loop.

use std::process;
use std::time::Duration;

use super::destinations::{Destination, Destinations};
use super::event::{Event, plugin_events};
use super::exporters::Exporters;
use super::exposition;
use super::service::Agent;
use super::service::reloading::plugin_config;
use crate::base::channel::{Sender, channel};
use crate::base::clock::{Clock, HostClock};
use crate::base::url::without_secrets;
use crate::base::{self, program};
use crate::config::{Config, Flags, IdStore};
use crate::deliver::api::Api;
use crate::deliver::cloud_lookup::CloudLookup;
use crate::deliver::delivery::SharedDelivery;
use crate::deliver::message::PosterCommand;
use crate::deliver::otlp;
use crate::deliver::poster::{Persister, Poster};
use crate::deliver::registration::Registration;
use crate::describe::describer::describer;
use crate::measure::Measure;
use crate::plugins::runner::Plugins;
use crate::settings::apply::{claim_pidfile, claim_root, export, set_level, state};
use crate::settings::connection::{POSTER_STACK, link};
use crate::settings::organizations::{config_of, label, organizations};
use crate::settings::resolve::resolve;
use crate::sys::agent_socket;
use crate::sys::bootclock::BootClock;
use crate::sys::fsstat::FsStats;
use crate::sys::http::cancel::{CancelToken, Cancellable};
use crate::sys::journal::Directory;
use crate::sys::log;
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
    log::install();
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
        without_secrets(&config.apibase)
    );
    export(&config);
    // The text may contain a server's message.
    watch_host(&flags, config, notify).map_err(|text| log::one_line(&text))
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
    let plugins = Plugins::new(
        &plugin_config(&config),
        BootClock(clock),
        plugin_events(tell.clone()),
        clock.moment(),
    )
    .map_err(|error| format!("cannot open a pipe: {error}"))?;
    let (socket, _file) = if config.health {
        agent_socket::bind(&config.root)
            .inspect_err(|error| {
                log::warn!(
                    "the agent's socket: {error}; `mackerel-agent health` and `status` will not be answered"
                );
            })
            .ok()
            .unzip()
    } else {
        (None, None)
    };
    let root = Root::of(&config.host);
    let stats = FsStats::new(&root);
    // A removed pid file shows that the last run ended cleanly. Without a pid file, or shortly
    // after a boot, that is unknown.
    let was_clean = pidfile.as_ref().is_some_and(|file| !file.was_left()) && boot::age() > SETTLED;
    let mut all = Vec::new();
    let mut orders = Vec::new();
    let organizations = organizations(&config);
    let count = organizations.len();
    for (at, organization) in organizations.into_iter().enumerate() {
        let own = config_of(&config, organization);
        let name = organization.map(|organization| organization.name.as_str());
        let label = if count > 1 {
            label(name)
        } else {
            String::new()
        };
        let post = Start {
            at,
            label: label.clone(),
            memory: memory::limit().map(|limit| limit / count as u64),
            was_clean,
            config: own,
        };
        let cancel = CancelToken::default();
        let delivery = SharedDelivery::default();
        let started = post.start(
            clock,
            tell.clone(),
            stats.beside(),
            cancel.clone(),
            delivery.clone(),
        );
        let sender = started.map_err(|why| [label, why].concat())?;
        orders.push(sender.clone());
        all.push(Destination::new(organization, sender, cancel).published_in(delivery));
    }
    if config.readiness.is_given() {
        super::readiness::watch(config.readiness.clone(), orders)?;
    }
    let _listener = exposition::serve(
        &config,
        socket,
        root.clone(),
        stats.beside(),
        clock,
        tell.clone(),
    )?;
    let mounts = stats.beside();
    let measure = Measure::new(&config, root, stats);
    let destinations = Destinations::new(all);
    let told = tell.clone();
    let count = config.otlp.len().max(1) as u64;
    let memory = memory::limit().map(|limit| limit / count);
    let mut exporters = Exporters::new(Box::new(move |number, destination| {
        let told = told.clone();
        // Sending fails only while the process ends.
        let tell = move |event| drop(told.send(Event::Otlp(number, event)));
        otlp::start(
            destination,
            memory,
            Box::new(BootClock(clock)),
            Box::new(tell),
            random,
        )
    }));
    let prepared = exporters.prepare(&config)?;
    exporters.configure(prepared, clock.moment());
    let agent = Agent::new(
        flags,
        config,
        measure,
        plugins,
        destinations,
        exporters,
        notify,
    );
    let agent = agent.told_through(tell).with_mounts(mounts);
    agent.run(&BootClock(clock), &events)
}

/// What a poster is started with.
struct Start {
    /// The position of its destination.
    at: usize,
    /// What its log lines begin with.
    label: String,
    /// Number of bytes that this process may use for it; `None` if that is not limited.
    memory: Option<u64>,
    /// Whether the last agent is known to have ended in order.
    was_clean: bool,
    config: Config,
}

impl Start {
    /// Starts the thread that sends requests to the server. Returns the sender of its commands.
    fn start(
        self,
        clock: HostClock,
        tell: Sender<Event>,
        stats: FsStats,
        cancel: CancelToken,
        delivery: SharedDelivery,
    ) -> Result<Sender<PosterCommand>, String> {
        let Start {
            at,
            label,
            memory,
            was_clean,
            config,
        } = self;
        let config = &config;
        let keeper = if was_clean {
            keeper(config)
        } else {
            keeper(config).hasty()
        };
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
            Box::new(move |what| drop(news.send(Event::Poster(at, what)))),
            random,
            clock.moment(),
        );
        if let Some(limit) = memory {
            poster.fit(limit);
        }
        let mut poster = poster.keep_with(keeper, &clock).cancelled_by(cancel);
        poster = poster.published_in(delivery);
        if config.readiness.is_given() {
            poster.hold();
        }
        let run = move || {
            let _stack = crash::watch_stack();
            if !label.is_empty() {
                // There are few posters, and none is started later.
                log::label_thread(label.leak());
            }
            let outcome = poster.run(&clock, &inbox);
            drop(tell.send(Event::Ended(at, outcome)));
        };
        thread::start("poster", POSTER_STACK, run)
            .map_err(|error| format!("cannot start the thread that posts: {error}"))?;
        Ok(orders)
    }
}

/// Keeps undelivered values, and restores those that an earlier agent has kept.
fn keeper(config: &Config) -> Persister {
    if !config.spool.on_disk || config.host_id_store == IdStore::Memory {
        return Persister::none();
    }
    let id = state(config).host_id().ok().flatten();
    Persister::open(
        Box::new(Directory::at(&config.root)),
        (&config.root, &config.state_name("spool")),
        config.spool.window,
        boot::id(),
        id.as_deref(),
    )
}
