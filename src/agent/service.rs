//! The main thread: starts each job when it is due, handles signals, and ends on request.

mod ending;

use std::time::Duration;

use super::event::Event;
use super::health::Health;
use super::status::AgentStatus;
use super::watchdog::{Turn, Watchdog};
use crate::agent::schedule::{Job, Schedule};
use crate::base::channel::{Receiver, Sender};
use crate::base::clock::{Clock, Moment, Stamp};
use crate::config::{Config, Flags};
use crate::deliver::api::Api;
use crate::deliver::message::{Outcome, PosterCommand, PosterEvent};
use crate::measure::Measure;
use crate::plugins::plugin_schedule::Id;
use crate::plugins::runner::Plugins;
use crate::plugins::work::PluginEvent;
use crate::render::mackerel;
use crate::settings::apply::set_level;
use crate::settings::connection::link;
use crate::settings::reload;
use crate::sys::digest;
use crate::sys::exec::reap_orphans;
use crate::sys::executable::Executable;
use crate::sys::http::cancel::{CancelToken, Cancellable};
use crate::sys::localtime;
use crate::sys::log as backend;
use crate::sys::notify::Notify;
use crate::sys::segments;
use crate::sys::signal::Signal;

/// Seconds between two rounds.
const ROUND: u64 = 60;
/// Largest number of seconds between two rounds with none missing, wherever in its minute each is.
const GAP: u64 = 2 * ROUND;
/// Seconds between two descriptions of the host.
const DESCRIPTION: u64 = 60 * 60;
/// Seconds between two checks of the program's file.
const PROGRAM: u64 = 10;
/// From the first request to stop until the end, however much is still undelivered.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// From the start until plugins begin, unless the server answers sooner.
const PLUGIN_DELAY: Duration = Duration::from_secs(30);

/// The state of the main thread.
pub(crate) struct Agent<'a> {
    flags: &'a Flags,
    config: Config,
    measure: Measure,
    plugins: Plugins,
    /// When checks, metadata and graph definitions begin. `None` once they have begun.
    plugins_due: Option<Moment>,
    /// Sends commands to the poster.
    orders: Sender<PosterCommand>,
    /// Whether the poster still receives commands.
    has_poster: bool,
    notify: Notify,
    schedule: Schedule,
    status: AgentStatus,
    /// `None` if the service manager has no watchdog for this process.
    watchdog: Option<Watchdog>,
    /// The program's own file. `None` if the agent does not end when that file is replaced.
    program: Option<Executable>,
    /// Given to threads that report their end. `None` if the host cannot be retired.
    tell: Option<Sender<Event>>,
    /// The host's id on the server. `None` before the registration.
    host_id: Option<String>,
    /// Whether a second signal to stop has come.
    is_forced: bool,
    /// Shortens the time of the poster's requests at the end.
    cancel: CancelToken,
    /// When the last round was measured, by both clocks.
    last_round: Option<(Stamp, Moment)>,
    /// Whether the code that only the start used has been unmapped.
    has_released_code: bool,
    health: Health,
}

/// Why the main loop ended.
#[derive(Debug, Eq, PartialEq)]
enum End {
    Signal(Signal),
    Outcome(Outcome),
}

impl<'a> Agent<'a> {
    /// An agent that has not begun.
    pub(crate) fn new(
        flags: &'a Flags,
        config: Config,
        measure: Measure,
        plugins: Plugins,
        orders: Sender<PosterCommand>,
        notify: Notify,
    ) -> Agent<'a> {
        Agent {
            flags,
            config,
            measure,
            plugins,
            plugins_due: None,
            orders,
            has_poster: true,
            notify,
            schedule: Schedule::default(),
            status: AgentStatus::default(),
            watchdog: None,
            program: None,
            tell: None,
            host_id: None,
            is_forced: false,
            cancel: CancelToken::default(),
            last_round: None,
            has_released_code: false,
            health: Health::default(),
        }
    }

    /// The same agent, able to retire its host. The result of that comes through `tell`.
    pub(crate) fn told_through(mut self, tell: Sender<Event>) -> Agent<'a> {
        self.tell = Some(tell);
        self
    }

    /// The same agent. `cancel` shortens the requests of its poster at the end.
    pub(crate) fn cancelling_by(mut self, cancel: CancelToken) -> Agent<'a> {
        self.cancel = cancel;
        self
    }

    /// Runs until a signal stops it or an error ends it.
    ///
    /// Fails with the text for the user in the case of an error, and if values were left
    /// undelivered.
    pub(crate) fn run(mut self, clock: &dyn Clock, events: &Receiver<Event>) -> Result<(), String> {
        self.begin(clock);
        let end = self.until_stopped(clock, events);
        self.notify.stopping();
        self.plugins.stop();
        let leaves = self.leaves(&end);
        let ended = self.end(end, clock, events);
        if leaves && !self.is_forced {
            let left = self.leave(ended, clock, events);
            self.await_commands(clock, events);
            return left;
        }
        self.await_commands(clock, events);
        match ended? {
            Outcome::Delivered => Ok(()),
            Outcome::Undelivered { values, reports } => Err(match reports {
                0 => format!("{values} values could not be delivered"),
                reports => {
                    format!("{values} values and {reports} check reports could not be delivered")
                }
            }),
            Outcome::Refused(text) => Err(text),
        }
    }

    /// Stops the poster, which first delivers what waits. Returns how it ended.
    fn end(
        &mut self,
        end: End,
        clock: &dyn Clock,
        events: &Receiver<Event>,
    ) -> Result<Outcome, String> {
        let limit = self.limit(&end);
        match end {
            End::Outcome(outcome) => Ok(outcome),
            End::Signal(signal) => {
                log::info!(
                    "Received signal '{}', try graceful shutdown up to {} seconds. \
                     If you want force shutdown immediately, send a signal again.",
                    signal.name(),
                    limit.as_secs()
                );
                let begin = clock.moment();
                self.order(PosterCommand::Stop(Moment(begin.0 + limit)));
                self.cancel.cancel();
                self.wait_for_end(clock, events, begin, limit)
            }
        }
    }

    /// Measures the first round and sends READY=1.
    ///
    /// Does not wait for the registration: without a network at boot, the service would not become
    /// ready.
    fn begin(&mut self, clock: &dyn Clock) {
        let start = clock.unix();
        self.schedule.add(Job::Collect, ROUND, 0, start);
        self.schedule
            .add(Job::Describe, DESCRIPTION, start.0, start);
        if self.config.autoshutdown {
            match Executable::own() {
                Ok(program) => self.program = Some(program),
                Err(error) => log::error!("autoshutdown: own program not found: {error}"),
            }
            self.schedule.add(Job::LookAtProgram, PROGRAM, 0, start);
        }
        let now = clock.moment();
        let notify = &self.notify;
        self.watchdog = notify.watchdog().map(|limit| Watchdog::new(limit, now));
        self.round(clock.stamp().at(start), now);
        self.plugins_due = Some(Moment(now.0 + PLUGIN_DELAY));
        self.notify.ready();
        self.notify.status(&self.status.text());
    }

    /// Sends a command to the poster.
    fn order(&mut self, order: PosterCommand) {
        // A poster that ends sends `Event::Ended`, unless it has panicked.
        self.has_poster &= self.orders.send(order).is_ok();
    }

    /// Starts every job when it is due, until an event ends the loop.
    fn until_stopped(&mut self, clock: &dyn Clock, events: &Receiver<Event>) -> End {
        loop {
            for job in self.schedule.take_due(clock.unix()) {
                if let Some(end) = self.start(job, clock) {
                    return end;
                }
            }
            let now = clock.moment();
            self.turn_plugins(now);
            let jobs_idle = self.schedule.idle(clock.wall());
            let mut idle = jobs_idle.min(self.idle_plugins(now)).min(self.watch(now));
            if !self.has_poster {
                idle = Duration::ZERO;
            }
            match events.recv_timeout(idle) {
                Ok(Event::Signal(Signal::Hangup)) => self.reload(clock.moment()),
                Ok(Event::Signal(signal)) => return End::Signal(signal),
                Ok(Event::PosterEvent(news)) => self.note(news, clock),
                Ok(Event::Plugin(id, told)) => self.hear(id, told),
                Ok(Event::Ended(outcome)) => return End::Outcome(outcome),
                Ok(Event::Child) => drop(reap_orphans()),
                // The asking thread may have timed out.
                Ok(Event::Inquiry(answer)) => {
                    drop(answer.send(self.health.answer(clock.moment())));
                }
                Ok(Event::Retired(_)) => {}
                Err(_) if self.has_poster => {}
                // The poster's thread has ended without `Event::Ended`.
                Err(_) => {
                    return End::Outcome(Outcome::Undelivered {
                        values: 0,
                        reports: 0,
                    });
                }
            }
        }
    }

    /// Runs a job or passes it on. Nothing here waits for the network.
    fn start(&mut self, job: Job, clock: &dyn Clock) -> Option<End> {
        match job {
            Job::Collect => {
                let now = clock.stamp();
                self.round(now.at(now.wall.minute()), clock.moment());
            }
            Job::Describe => self.order(PosterCommand::Describe),
            Job::LookAtProgram => {
                if self.program.as_ref().is_some_and(Executable::is_replaced) {
                    log::info!("the program's file has been replaced or removed");
                    return Some(End::Signal(Signal::Interrupt));
                }
            }
        }
        None
    }

    /// Starts the metric plugins and measures, for the round of `time`.
    fn round(&mut self, time: Stamp, now: Moment) {
        let last = self.last_round.replace((time, now));
        if let Some(line) = last.and_then(|last| gap(last, (time, now))) {
            log::warn!("{line}");
        }
        if last.is_some() && !self.has_released_code {
            self.has_released_code = true;
            segments::release_code();
        }
        // Plugins first: they take the longest.
        self.plugins.round(time);
        let values = self.measure.round(now);
        self.health.measured = Some(now);
        let count = values.iter().count();
        backend::debug("metrics", format_args!("measured {count} values"));
        self.order(PosterCommand::Round(time, None, values));
    }

    /// Starts the plugins that are due.
    fn turn_plugins(&mut self, now: Moment) {
        if self.plugins_due.is_some_and(|due| due <= now) {
            self.plugins_due = None;
            self.plugins.begin(now);
            if self.config.diagnostic {
                self.order(PosterCommand::Graphs(mackerel::agent::graphs()));
            }
            if self.config.container.details {
                self.order(PosterCommand::Graphs(mackerel::container::graphs()));
            }
        }
        self.plugins.turn(now);
    }

    fn idle_plugins(&self, now: Moment) -> Duration {
        match self.plugins_due {
            Some(due) => due.since(now),
            None => self.plugins.idle(now),
        }
    }

    fn hear(&mut self, id: Id, told: PluginEvent) {
        for output in self.plugins.hear(id, told) {
            self.order(output.into());
        }
    }

    /// Sends WATCHDOG=1 if it is due and the poster answers. Returns the time until the next turn.
    fn watch(&mut self, now: Moment) -> Duration {
        let Some(watchdog) = &mut self.watchdog else {
            return Duration::MAX;
        };
        let turn = watchdog.turn(now);
        let idle = watchdog.idle(now);
        match turn {
            Turn::Rest => {}
            Turn::Complain => log::error!("the thread that posts hangs: the watchdog is not told"),
            Turn::Tell { ask } => {
                self.notify.alive();
                if ask {
                    self.order(PosterCommand::Answer);
                }
            }
        }
        idle
    }

    fn note(&mut self, news: PosterEvent, clock: &dyn Clock) {
        if let Some(watchdog) = &mut self.watchdog
            && news == PosterEvent::Alive
        {
            watchdog.answered();
        }
        // Half of the host's own second: hosts that start together do not run their checks
        // together.
        if let PosterEvent::Registered { id, .. } = &news
            && let Some(due) = &mut self.plugins_due
        {
            let offset = u64::from(digest::sha1_last_byte(id) % 60) / 2;
            *due = (*due).min(Moment(clock.moment().0 + Duration::from_secs(offset)));
        }
        match &news {
            PosterEvent::Registered { id, .. } => self.host_id = Some(id.clone()),
            PosterEvent::Working | PosterEvent::Posted => self.health.posted = Some(clock.moment()),
            PosterEvent::Alive | PosterEvent::Failing(_) => {}
        }
        if self.status.note(news, clock.unix()) {
            self.notify.status(&self.status.text());
        }
    }

    /// Reloads the configuration, unless it is invalid, and has the host described in any case.
    fn reload(&mut self, now: Moment) {
        self.notify.reloading();
        let taken = reload::checked(self.flags).and_then(|config| self.configure(config, now));
        match taken {
            Ok(()) => log::info!("configuration reloaded"),
            Err(why) => {
                log::warn!("failed to reload: configtest failed: {why}; nothing is changed");
            }
        }
        self.order(PosterCommand::Describe);
        self.notify.ready();
        self.notify.status(&self.status.text());
    }

    /// Changes to the configuration `new` completely or not at all.
    ///
    /// Fails if no connection to the API can be prepared with its settings.
    fn configure(&mut self, new: Config, now: Moment) -> Result<(), String> {
        let (config, staying) = reload::as_far_as_possible(&self.config, new);
        // Always new: certificates may have changed where their path has not.
        let link = Cancellable::new(link(&config)?, self.cancel.clone());
        let api = Api::new(Box::new(link));
        if !staying.is_empty() {
            let staying = staying.join(", ");
            log::warn!("changed, but needs a restart to take effect: {staying}");
        }
        set_level(&config);
        self.measure.configure(&config);
        self.plugins.configure(&config, now);
        if config.diagnostic && !self.config.diagnostic {
            self.order(PosterCommand::Graphs(mackerel::agent::graphs()));
        }
        self.order(PosterCommand::Configure(api, Box::new(config.clone())));
        self.config = config;
        Ok(())
    }
}

/// The log line about the time between two rounds, each given by both clocks. `None` if no round is
/// missing.
fn gap((last, before): (Stamp, Moment), (time, now): (Stamp, Moment)) -> Option<String> {
    let passed = time.age.saturating_sub(last.age);
    if passed <= GAP {
        return None;
    }
    // The monotonic clock stands still while the host is suspended.
    let asleep = passed.saturating_sub(now.since(before).as_secs());
    let why = if asleep >= ROUND {
        "the host was suspended"
    } else {
        "the agent was stopped or got no CPU"
    };
    let shown = |seconds| localtime::rfc3339(Duration::from_secs(seconds));
    Some(format!(
        "nothing was measured from {} to {}: {why}",
        shown(time.wall.0.saturating_sub(passed)),
        shown(time.wall.0)
    ))
}

#[cfg(test)]
mod tests;
