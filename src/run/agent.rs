//! The main thread: starts each job when it is due, does what signals ask for, and ends when it is
//! told to.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::measure::Measure;
use super::message::{Event, News, Order, Outcome};
use super::reload;
use super::status::Status;
use super::watchdog::{Turn, Watchdog};
use super::{link, set_level};
use crate::api::Api;
use crate::base::clock::{Clock, Moment};
use crate::config::{Config, Flags};
use crate::schedule::{Job, Schedule};
use crate::sys::executable::Executable;
use crate::sys::log as backend;
use crate::sys::notify::Notify;
use crate::sys::signal::Signal;

/// Between two rounds, in seconds.
const ROUND: u64 = 60;
/// Between two descriptions of the host, in seconds.
const DESCRIPTION: u64 = 60 * 60;
/// Between two looks at the program's file, in seconds.
const PROGRAM: u64 = 10;
/// From the first request to stop until the end, whatever is left to be delivered.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How much longer a request that is under way at the limit gets to be told of.
const END_GRACE: Duration = Duration::from_millis(500);
/// Signals within this time are one request to stop.
const ONE_STOP: Duration = Duration::from_secs(1);

/// What the main thread owns.
pub(super) struct Agent<'a> {
    flags: &'a Flags,
    config: Config,
    measure: Measure,
    /// What the poster is told by.
    orders: Sender<Order>,
    notify: Notify,
    schedule: Schedule,
    status: Status,
    /// `None` if nobody wants to know whether the agent is alive.
    watchdog: Option<Watchdog>,
    /// `None` if the agent is not to end when there is another one.
    program: Option<Executable>,
}

/// Why the main loop ended.
#[derive(Debug, Eq, PartialEq)]
enum End {
    Signal(Signal),
    Outcome(Outcome),
}

impl<'a> Agent<'a> {
    /// An agent that has not begun.
    pub(super) fn new(
        flags: &'a Flags,
        config: Config,
        measure: Measure,
        orders: Sender<Order>,
        notify: Notify,
    ) -> Agent<'a> {
        Agent {
            flags,
            config,
            measure,
            orders,
            notify,
            schedule: Schedule::default(),
            status: Status::default(),
            watchdog: None,
            program: None,
        }
    }

    /// Runs until it is told to stop or cannot go on. Returns the text for the user in the second
    /// case, and where values are left that could not be delivered.
    pub(super) fn run(mut self, clock: &dyn Clock, events: &Receiver<Event>) -> Result<(), String> {
        self.begin(clock);
        let end = self.until_stopped(clock, events);
        self.notify.stopping();
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
                self.order(Order::Stop(Moment(begin.0 + STOP_LIMIT)));
                wait_for_end(clock, events, begin)?
            }
        };
        match outcome {
            Outcome::Delivered => Ok(()),
            Outcome::Undelivered(left) => Err(format!("{left} values could not be delivered")),
            Outcome::Refused(text) => Err(text),
        }
    }

    /// Takes the first round and says that the agent is at work: it need not be registered for
    /// that, or a host that boots without a network would wait for it.
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
        let values = self.measure.round(now);
        self.order(Order::Round(start, values));
        self.notify.ready();
        self.notify.status(&self.status.text());
    }

    /// Tells the poster. An order that nobody takes any more changes nothing: the poster says that
    /// it has ended.
    fn order(&self, order: Order) {
        drop(self.orders.send(order));
    }

    /// Starts every job when it is due, until an event ends the loop.
    fn until_stopped(&mut self, clock: &dyn Clock, events: &Receiver<Event>) -> End {
        loop {
            for job in self.schedule.take_due(clock.unix()) {
                if let Some(end) = self.start(job, clock) {
                    return end;
                }
            }
            let idle = self.schedule.idle(clock.wall());
            match events.recv_timeout(idle.min(self.watch(clock.moment()))) {
                Ok(Event::Signal(Signal::Hangup)) => self.reload(),
                Ok(Event::Signal(signal)) => return End::Signal(signal),
                Ok(Event::News(news)) => self.note(news, clock),
                Ok(Event::Ended(outcome)) => return End::Outcome(outcome),
                Err(RecvTimeoutError::Timeout) => {}
                // The poster has gone without a word, which only a panic does.
                Err(RecvTimeoutError::Disconnected) => {
                    return End::Outcome(Outcome::Undelivered(0));
                }
            }
        }
    }

    /// Does a job, or has it done: nothing here waits for the network.
    fn start(&mut self, job: Job, clock: &dyn Clock) -> Option<End> {
        match job {
            Job::Collect => {
                let values = self.measure.round(clock.moment());
                let count = values.iter().count();
                backend::debug("metrics", format_args!("measured {count} values"));
                self.order(Order::Round(clock.unix().minute(), values));
            }
            Job::Describe => self.order(Order::Describe),
            Job::LookAtProgram => {
                if self.program.as_ref().is_some_and(Executable::is_replaced) {
                    log::info!("the program's file has been replaced or removed");
                    return Some(End::Signal(Signal::Interrupt));
                }
            }
        }
        None
    }

    /// Tells the service manager that the agent is alive, if it is and if it is time. Returns until
    /// when it is not.
    fn watch(&mut self, now: Moment) -> Duration {
        let Some(watchdog) = &mut self.watchdog else {
            return Duration::MAX;
        };
        match watchdog.turn(now) {
            Turn::Rest => {}
            Turn::Complain => log::error!("the thread that posts hangs: the watchdog is not told"),
            Turn::Tell { ask } => {
                self.notify.alive();
                if ask {
                    drop(self.orders.send(Order::Answer));
                }
            }
        }
        watchdog.idle(now)
    }

    fn note(&mut self, news: News, clock: &dyn Clock) {
        if let Some(watchdog) = &mut self.watchdog
            && news == News::Alive
        {
            watchdog.answered();
        }
        if self.status.note(news, clock.unix()) {
            self.notify.status(&self.status.text());
        }
    }

    /// Goes over to the configuration as it is now, unless it is broken, and has the host described
    /// in any case.
    fn reload(&mut self) {
        self.notify.reloading();
        let taken = reload::checked(self.flags).and_then(|config| self.configure(config));
        match taken {
            Ok(()) => log::info!("configuration reloaded"),
            Err(why) => {
                log::warn!("failed to reload: configtest failed: {why}; nothing is changed");
            }
        }
        self.order(Order::Describe);
        self.notify.ready();
        self.notify.status(&self.status.text());
    }

    /// Goes over to `new`, all of it or nothing. Fails if the API cannot be spoken to as it says.
    fn configure(&mut self, new: Config) -> Result<(), String> {
        let (config, staying) = reload::as_far_as_possible(&self.config, new);
        // Made anew in any case: certificates may have changed where their path has not.
        let api = Api::new(Box::new(link(&config)?));
        if !staying.is_empty() {
            let staying = staying.join(", ");
            log::warn!("changed, but needs a restart to take effect: {staying}");
        }
        set_level(&config);
        self.measure.configure(&config);
        self.order(Order::Configure(api, Box::new(config.clone())));
        self.config = config;
        Ok(())
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
            Ok(Event::Signal(Signal::Hangup) | Event::News(_)) => {}
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

#[cfg(test)]
mod tests;
