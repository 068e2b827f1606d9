//! The main thread: starts each job when it is due, handles signals, and ends on request.

mod answers;
mod ending;
pub(super) mod reloading;
mod reporting;

use std::time::Duration;

use super::destinations::{self, Destinations};
use super::event::Event;
use super::exporters::Exporters;
use super::exposition::Latest;
use super::watchdog::Watchdog;
use crate::agent::schedule::{Job, Schedule};
use crate::base::channel::{Receiver, Sender};
use crate::base::clock::{Clock, Moment, Stamp};
use crate::config::{Config, Flags};
use crate::deliver::message::{Outcome, PosterCommand, PosterEvent};
use crate::deliver::otlp::OtlpEvent;
use crate::measure::Measure;
use crate::plugins::output::Output;
use crate::plugins::plugin_schedule::Id;
use crate::plugins::runner::Plugins;
use crate::plugins::work::PluginEvent;
use crate::render::mackerel;
use crate::sys::digest;
use crate::sys::exec::reap_orphans;
use crate::sys::executable::Executable;
use crate::sys::fsstat::FsStats;
use crate::sys::localtime;
use crate::sys::log;
use crate::sys::notify::Notify;
use crate::sys::segments;
use crate::sys::signal::Signal;

/// Seconds between two rounds.
const ROUND: u64 = 60;
/// Largest number of seconds between two rounds with none missing, wherever in its minute each is.
const GAP: u64 = 2 * ROUND;
/// Seconds between two descriptions of the host.
const DESCRIPTION: u64 = 60 * 60;
/// Rounds between two releases of code that is seldom used. The first one is the second round.
const RELEASE: u64 = 60;
/// Rounds after which plugins have begun and their first results have been sent, whose code is
/// released once more.
const START_ROUNDS: u64 = 4;
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
    /// The posters.
    destinations: Destinations,
    exporters: Exporters,
    notify: Notify,
    schedule: Schedule,
    /// `None` if the service manager has no watchdog for this process.
    watchdog: Option<Watchdog>,
    /// The program's own file. `None` if the agent does not end when that file is replaced.
    program: Option<Executable>,
    /// Given to threads that report their end. `None` if the host cannot be retired.
    tell: Option<Sender<Event>>,
    /// Whether a second signal to stop has come.
    is_forced: bool,
    /// When the main loop began.
    started: Option<Moment>,
    /// Which mounts do not answer. `None` if nobody asks for that.
    mounts: Option<FsStats>,
    /// When the last round was measured, by both clocks.
    last_round: Option<(Stamp, Moment)>,
    /// The values that plugins have printed. `None` if nobody serves them.
    latest: Option<Latest>,
    /// Names of the checks of jobs whose last report was OK.
    jobs: Vec<String>,
    /// Number of rounds so far.
    rounds: u64,
}

/// Why the main loop ended.
#[derive(Debug, Eq, PartialEq)]
enum End {
    Signal(Signal),
    /// The program's file has been replaced. The agent ends as by SIGINT, but its host is not
    /// retired: the new program goes on.
    Replaced,
    /// The poster of the last destination that was left has ended.
    Outcome(usize, Outcome),
}

impl<'a> Agent<'a> {
    /// An agent that has not begun.
    pub(crate) fn new(
        flags: &'a Flags,
        config: Config,
        measure: Measure,
        plugins: Plugins,
        destinations: Destinations,
        exporters: Exporters,
        notify: Notify,
    ) -> Agent<'a> {
        Agent {
            flags,
            measure,
            plugins,
            plugins_due: None,
            latest: (config.health || config.listen.is_some()).then(Latest::default),
            config,
            destinations,
            exporters,
            notify,
            schedule: Schedule::default(),
            watchdog: None,
            program: None,
            tell: None,
            is_forced: false,
            started: None,
            mounts: None,
            last_round: None,
            jobs: Vec::new(),
            rounds: 0,
        }
    }

    /// The same agent, able to retire its host. The result of that comes through `tell`.
    pub(crate) fn told_through(mut self, tell: Sender<Event>) -> Agent<'a> {
        self.tell = Some(tell);
        self
    }

    /// The same agent, whose report names the mounts that hang according to `stats`.
    pub(crate) fn with_mounts(mut self, stats: FsStats) -> Agent<'a> {
        self.mounts = Some(stats);
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
        ended
    }

    /// Stops the posters, which first deliver what waits. Fails with the text for the user if
    /// something was left undelivered.
    fn end(&mut self, end: End, clock: &dyn Clock, events: &Receiver<Event>) -> Result<(), String> {
        let limit = self.limit(&end);
        let signal = match end {
            End::Outcome(at, outcome) => return self.result(at, outcome),
            End::Signal(signal) => signal,
            End::Replaced => Signal::Interrupt,
        };
        log::info!(
            "Received signal '{}', try graceful shutdown up to {}.000000 seconds. \
             If you want force shutdown immediately, send a signal again.",
            signal.name(),
            limit.as_secs()
        );
        let begin = clock.moment();
        let end = Moment(begin.0 + limit);
        // First: a poster clears its token at the command if nothing can be saved.
        for (_, destination) in self.destinations.left() {
            destination.cancel.cancel();
        }
        self.destinations.order_all(|| PosterCommand::Stop(end));
        self.exporters.stop(begin, end);
        self.wait_for_end(clock, events, begin, limit)
    }

    /// The text for the user if the poster of `at` has ended with something wrong.
    fn result(&self, at: usize, outcome: Outcome) -> Result<(), String> {
        let label = self.destinations.label(at);
        destinations::result(outcome).map_err(|text| [label, text].concat())
    }

    /// Measures the first round and sends READY=1.
    ///
    /// Does not wait for the registration: without a network at boot, the service would not become
    /// ready.
    fn begin(&mut self, clock: &dyn Clock) {
        let start = clock.unix();
        self.started = Some(clock.moment());
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
        self.notify.status(&self.text());
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
            let vanished = self.destinations.vanished();
            if vanished.is_some() {
                idle = Duration::ZERO;
            }
            match events.recv_timeout(idle) {
                Ok(Event::Signal(Signal::Hangup)) => self.reload(clock.moment()),
                Ok(Event::Signal(signal)) => return End::Signal(signal),
                Ok(Event::Poster(at, news)) => self.note(at, news, clock),
                Ok(Event::Otlp(number, event)) => self.note_otlp(number, event, clock),
                Ok(Event::Plugin(id, told)) => self.hear(id, told, clock),
                Ok(Event::Ended(at, outcome)) => {
                    if let Some(end) = self.on_ended(at, outcome) {
                        return end;
                    }
                }
                Ok(Event::Child) => drop(reap_orphans()),
                // The asking thread may have timed out.
                Ok(Event::Question(question, answer)) => {
                    drop(answer.send(self.reply(question, clock)));
                }
                Ok(Event::Exposition(answer)) => drop(answer.send(self.state(clock.moment()))),
                Ok(Event::Retired(..)) => {}
                Err(_) => {
                    // The thread of that poster has ended without `Event::Ended`.
                    let lost = Outcome::Undelivered {
                        values: 0,
                        reports: 0,
                    };
                    if let Some(end) = vanished.and_then(|at| self.on_ended(at, lost)) {
                        return end;
                    }
                }
            }
        }
    }

    /// Handles the end of the poster of `at`. The agent ends with the last one, unless something
    /// else is served.
    fn on_ended(&mut self, at: usize, outcome: Outcome) -> Option<End> {
        self.destinations.ended(at);
        self.settle_watchdog();
        let serves_others = !self.exporters.is_empty() || self.config.listen.is_some();
        if !self.destinations.is_any_left() && !serves_others {
            return Some(End::Outcome(at, outcome));
        }
        if let Err(text) = self.result(at, outcome) {
            log::error!(
                "{text}; nothing is sent there until the agent is restarted, the rest goes on"
            );
        }
        self.notify.status(&self.text());
        None
    }

    /// Runs a job or passes it on. Nothing here waits for the network.
    fn start(&mut self, job: Job, clock: &dyn Clock) -> Option<End> {
        match job {
            Job::Collect => {
                let now = clock.stamp();
                self.round(now.at(now.wall.minute()), clock.moment());
            }
            Job::Describe => self.destinations.order_all(|| PosterCommand::Describe),
            Job::LookAtProgram => {
                if self.program.as_ref().is_some_and(Executable::is_replaced) {
                    log::info!("the program's file has been replaced or removed");
                    return Some(End::Replaced);
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
        if self.rounds == START_ROUNDS || self.rounds % RELEASE == 1 {
            segments::release_code();
        }
        self.rounds += 1;
        // Plugins first: they take the longest.
        self.plugins.round(time);
        let values = self.measure.round(now);
        let count = values.iter().count();
        log::debug("metrics", format_args!("measured {count} values"));
        let round = Output::Round(time, None, values.into());
        self.destinations.output(round);
        self.exporters.rounds(self.measure.take_otlp(time));
    }

    /// Starts the plugins that are due.
    fn turn_plugins(&mut self, now: Moment) {
        if self.plugins_due.is_some_and(|due| due <= now) {
            self.plugins_due = None;
            self.plugins.begin(now);
            if self.config.diagnostic {
                let graphs = mackerel::agent::graphs();
                self.destinations.output(Output::Graphs(graphs));
            }
            if self.config.container.details {
                let graphs = mackerel::container::graphs();
                self.destinations.output(Output::Graphs(graphs));
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

    fn hear(&mut self, id: Id, told: PluginEvent, clock: &dyn Clock) {
        if let PluginEvent::Check(Some(finding), began, ..) = &told
            && self.exporters.take_checks()
            && let Some(name) = self.plugins.name_of(id)
        {
            self.exporters.check(&name, finding.status, *began);
        }
        // Asked once: what a run adds at another moment takes the place of what it added before.
        let now = clock.moment();
        for output in self.plugins.hear(id, told) {
            // The values of other hosts are not given out as those of this one.
            if let Output::Round(stamp, None, values) = &output {
                self.exporters.custom(values, *stamp);
                if let Some(latest) = &mut self.latest {
                    latest.put(id, now, values);
                }
            }
            self.destinations.output(output);
        }
    }

    /// Records an event of the exporter `number`.
    fn note_otlp(&mut self, number: usize, event: OtlpEvent, clock: &dyn Clock) {
        let (now, wall) = (clock.moment(), clock.unix());
        if self.exporters.note(number, event, now, wall) {
            self.notify.status(&self.text());
        }
        self.settle_watchdog();
    }

    fn note(&mut self, at: usize, news: PosterEvent, clock: &dyn Clock) {
        if let PosterEvent::Trusted(start) = news {
            self.exporters.trust(start);
        }
        // Half of the host's own second: hosts that start together do not run their checks
        // together.
        if let PosterEvent::Registered { id, .. } = &news
            && let Some(due) = &mut self.plugins_due
        {
            let offset = u64::from(digest::sha1_last_byte(id) % 60) / 2;
            *due = (*due).min(Moment(clock.moment().0 + Duration::from_secs(offset)));
        }
        let is_answer = news == PosterEvent::Alive;
        let (now, wall) = (clock.moment(), clock.unix());
        if self.destinations.note(at, news, now, wall) {
            self.notify.status(&self.text());
        }
        if is_answer {
            self.settle_watchdog();
        }
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
