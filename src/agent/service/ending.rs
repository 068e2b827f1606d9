//! How the agent ends, and takes its host with it if that is asked for.

use std::time::Duration;

use super::{Agent, End, STOP_LIMIT};
use crate::agent::event::Event;
use crate::base;
use crate::base::channel::Receiver;
use crate::base::clock::{Clock, Moment, pause};
use crate::deliver::api::Api;
use crate::deliver::message::Outcome;
use crate::deliver::retire::until_retired;
use crate::settings::apply::state;
use crate::settings::connection::{POSTER_STACK, link_within};
use crate::sys::exec::reap_orphans;
use crate::sys::signal::Signal;
use crate::sys::thread;

/// The same as [`STOP_LIMIT`], where the host is retired afterwards: whoever stops a container kills
/// it after ten seconds, or after thirty.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);
/// For each request to retire the host.
const RETIRE_REQUEST: Duration = Duration::from_secs(5);
/// How often that is asked for, and the pause between.
const RETIRE_TRIES: u32 = 3;
const RETIRE_PAUSE: Duration = Duration::from_secs(1);

/// From the end of all else until the commands that still run are left to themselves.
const COMMAND_GRACE: Duration = Duration::from_secs(3);
/// How much longer a request that is under way at the limit gets to be told of.
pub(super) const END_GRACE: Duration = Duration::from_millis(500);
/// Signals within this time are one request to stop.
pub(super) const ONE_STOP: Duration = Duration::from_secs(1);

impl Agent<'_> {
    /// For how long what waits is delivered.
    pub(super) fn limit(&self, end: &End) -> Duration {
        match self.leaves(end) {
            true => LEAVE_LIMIT,
            false => STOP_LIMIT,
        }
    }

    /// Whether the host is to be retired after this: whoever starts the agent again says so by another
    /// signal than those that end a container.
    pub(super) fn leaves(&self, end: &End) -> bool {
        self.config.auto_retirement
            && matches!(end, End::Signal(Signal::Terminate | Signal::Interrupt))
    }

    /// Retires the host, unless a signal says that nobody wants to wait. `ended` is how the poster did.
    pub(super) fn leave(
        &mut self,
        ended: Result<Outcome, String>,
        clock: &dyn Clock,
        events: &Receiver<Event>,
    ) -> Result<(), String> {
        if let Err(why) = &ended {
            log::warn!("{why}");
        }
        let (Some(id), Some(tell)) = (self.host_id.clone(), self.tell.clone()) else {
            log::info!("this host is not registered, and so need not be retired");
            return Ok(());
        };
        // By another connection: the poster's may hang.
        let mut api = Api::new(Box::new(link_within(&self.config, RETIRE_REQUEST)?));
        let retired = id.clone();
        let run = move || {
            let end = until_retired(&mut api, &id, RETIRE_TRIES, || pause(RETIRE_PAUSE));
            drop(tell.send(Event::Retired(end.map_err(|error| base::report(&error)))));
        };
        let thread = thread::start("retire", POSTER_STACK, run);
        thread.map_err(|error| format!("cannot start a thread: {error}"))?;
        let begin = clock.moment();
        loop {
            match events.recv() {
                Ok(Event::Retired(Ok(()))) => break,
                Ok(Event::Retired(Err(why))) => {
                    return Err(format!("failed to retire this host: {why}"));
                }
                Ok(Event::Signal(Signal::Hangup)) => {}
                Ok(Event::Signal(_)) if clock.moment().since(begin) < ONE_STOP => {}
                Ok(Event::Signal(_)) | Err(_) => {
                    return Err("told to end before this host was retired".to_owned());
                }
                Ok(Event::Child) => drop(reap_orphans()),
                Ok(Event::Plugin(id, told)) => drop(self.plugins.hear(id, told)),
                Ok(_) => {}
            }
        }
        log::info!("This host (hostID: {retired}) has been retired.");
        state(&self.config)
            .forget_host_id()
            .map_err(|error| base::report(&error))
    }

    /// Waits for the poster's last word until [`STOP_LIMIT`] after `begin`, or until a signal says
    /// that nobody wants to wait any longer.
    pub(super) fn wait_for_end(
        &mut self,
        clock: &dyn Clock,
        events: &Receiver<Event>,
        begin: Moment,
        limit: Duration,
    ) -> Result<Outcome, String> {
        loop {
            let passed = clock.moment().since(begin);
            // A request that is under way at the limit gets a little longer to be told of.
            match events.recv_timeout((limit + END_GRACE).saturating_sub(passed)) {
                // The host may be registered only now.
                Ok(Event::PosterEvent(news)) => self.note(news, clock),
                Ok(Event::Child) => drop(reap_orphans()),
                Ok(Event::Signal(Signal::Hangup) | Event::Inquiry(_) | Event::Retired(_)) => {}
                // What a plugin brings now comes too late, but it has ended.
                Ok(Event::Plugin(id, told)) => drop(self.plugins.hear(id, told)),
                // Whoever stops a unit signals every process of it, and so does a supervisor.
                Ok(Event::Signal(_)) if clock.moment().since(begin) < ONE_STOP => {}
                Ok(Event::Signal(signal)) => {
                    self.is_forced = true;
                    log::info!("Received signal '{}' again, force shutdown.", signal.name());
                    return Err("received terminate instruction again. force return".to_owned());
                }
                Ok(Event::Ended(outcome)) => return Ok(outcome),
                Err(_) => return Err("Timed out. force shutdown.".to_owned()),
            }
        }
    }

    /// Gives the commands that still run the time to end as they have been told to.
    pub(super) fn await_commands(&mut self, clock: &dyn Clock, events: &Receiver<Event>) {
        let begin = clock.moment();
        while self.plugins.running() > 0 {
            let passed = clock.moment().since(begin);
            match events.recv_timeout(COMMAND_GRACE.saturating_sub(passed)) {
                Ok(Event::Plugin(id, told)) => drop(self.plugins.hear(id, told)),
                Ok(Event::Signal(Signal::Hangup) | Event::PosterEvent(_) | Event::Ended(_)) => {}
                Ok(Event::Child) => drop(reap_orphans()),
                Ok(Event::Inquiry(_) | Event::Retired(_)) => {}
                Ok(Event::Signal(_)) if passed < ONE_STOP => {}
                // Somebody is in a hurry, or a command cannot be killed.
                Ok(Event::Signal(_)) | Err(_) => return,
            }
        }
    }
}
