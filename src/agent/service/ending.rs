//! How the agent ends, and retires its host if `auto_retirement` is set.

use std::time::Duration;

use super::{Agent, End, STOP_LIMIT};
use crate::agent::event::Event;
use crate::base;
use crate::base::channel::{Receiver, Sender};
use crate::base::clock::{Clock, Moment, pause};
use crate::config::Config;
use crate::deliver::api::Api;
use crate::deliver::retire::until_retired;
use crate::listen::Question;
use crate::settings::apply::state;
use crate::settings::connection::{POSTER_STACK, link_within};
use crate::settings::organizations::{config_of, organizations};
use crate::sys::exec::reap_orphans;
use crate::sys::log;
use crate::sys::signal::Signal;
use crate::sys::thread;

/// Replaces [`STOP_LIMIT`] if the host is retired afterwards.
///
/// Container runtimes send SIGKILL ten or thirty seconds after the request to stop.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);
/// Time limit of each request to retire the host.
const RETIRE_REQUEST: Duration = Duration::from_secs(5);
/// Requests to retire the host.
const RETIRE_TRIES: u32 = 3;
const RETIRE_PAUSE: Duration = Duration::from_secs(1);

/// From the end of everything else until commands that still run are left running.
const COMMAND_GRACE: Duration = Duration::from_secs(3);
/// Added to the limit, so that the result of a request that was under way at the limit arrives.
pub(super) const END_GRACE: Duration = Duration::from_millis(500);
/// Signals within this time count as one request to stop.
pub(super) const ONE_STOP: Duration = Duration::from_secs(1);

/// The text for the user, as in the Go agent, if not everything has ended in time.
const FORCED: &str = "received terminate instruction again. force return";

impl Agent<'_> {
    /// How long undelivered values may be delivered for.
    pub(super) fn limit(&self, end: &End) -> Duration {
        if self.leaves(end) {
            LEAVE_LIMIT
        } else {
            STOP_LIMIT
        }
    }

    /// Whether the host is retired after `end`.
    ///
    /// Only SIGTERM and SIGINT do that, for they end a container. A restart uses another signal, or
    /// is one with a new program.
    pub(super) fn leaves(&self, end: &End) -> bool {
        self.config.auto_retirement
            && matches!(end, End::Signal(Signal::Terminate | Signal::Interrupt))
    }

    /// Retires the host in each organisation, unless a second signal to stop arrives first. `ended`
    /// is how the posters ended. Fails with the text for the user.
    pub(super) fn leave(
        &mut self,
        ended: Result<(), String>,
        clock: &dyn Clock,
        events: &Receiver<Event>,
    ) -> Result<(), String> {
        if let Err(why) = &ended {
            log::error!("{why}");
        }
        let Some(tell) = self.tell.clone() else {
            return Ok(());
        };
        let all = organizations(&self.config);
        let (mut leaving, mut failures) = (Vec::new(), Vec::new());
        for (at, id) in self.destinations.hosts() {
            let organization = all.get(at).copied().flatten();
            let config = config_of(&self.config, organization);
            match start_retiring(at, id.to_owned(), &config, tell.clone()) {
                Ok(()) => leaving.push((at, id.to_owned(), config)),
                Err(why) => failures.push([self.destinations.label(at), why].concat()),
            }
        }
        if leaving.is_empty() && failures.is_empty() {
            log::info!("this host is not registered, and so need not be retired");
        }
        let begin = clock.moment();
        while !leaving.is_empty() {
            match events.recv() {
                Ok(Event::Retired(at, end)) => {
                    let Some(found) = leaving.iter().position(|(known, ..)| *known == at) else {
                        continue;
                    };
                    let (_, id, config) = leaving.swap_remove(found);
                    let label = self.destinations.label(at);
                    let end = end
                        .map_err(|why| format!("failed to retire this host: {why}"))
                        .and_then(|()| {
                            log::info!("{label}This host (hostID: {id}) has been retired.");
                            let forgotten = state(&config).forget_host_id();
                            forgotten.map_err(|error| base::report(&error))
                        });
                    failures.extend(end.err().map(|why| [label, why].concat()));
                }
                Ok(Event::Signal(Signal::Hangup)) => {}
                Ok(Event::Signal(_)) if clock.moment().since(begin) < ONE_STOP => {}
                Ok(Event::Signal(_)) | Err(_) => {
                    return Err("stopped by a signal before this host was retired".to_owned());
                }
                Ok(Event::Child) => drop(reap_orphans()),
                Ok(Event::Plugin(id, told)) => drop(self.plugins.hear(id, told)),
                Ok(_) => {}
            }
        }
        joined(failures)
    }

    /// Waits for the posters to end, until `limit` after `begin` or until a second signal to stop.
    ///
    /// Fails with the text for the user if one has not ended by then, or has left something
    /// undelivered.
    pub(super) fn wait_for_end(
        &mut self,
        clock: &dyn Clock,
        events: &Receiver<Event>,
        begin: Moment,
        limit: Duration,
    ) -> Result<(), String> {
        let mut failures = Vec::new();
        while self.destinations.is_any_left() || self.exporters.is_any_left() {
            let passed = clock.moment().since(begin);
            // The result of a request that is under way at the limit may arrive a little later.
            match events.recv_timeout((limit + END_GRACE).saturating_sub(passed)) {
                // The host may be registered only now.
                Ok(Event::Poster(at, news)) => self.note(at, news, clock),
                Ok(Event::Otlp(number, event)) => self.note_otlp(number, event, clock),
                Ok(Event::Child) => drop(reap_orphans()),
                Ok(Event::Question(question @ Question::Status, answer)) => {
                    drop(answer.send(self.reply(question, clock)));
                }
                Ok(
                    Event::Signal(Signal::Hangup)
                    | Event::Question(..)
                    | Event::Exposition(_)
                    | Event::Retired(..),
                ) => {}
                // Values of a plugin come too late now, but its end counts.
                Ok(Event::Plugin(id, told)) => drop(self.plugins.hear(id, told)),
                // systemd and other supervisors signal every process of a unit.
                Ok(Event::Signal(_)) if clock.moment().since(begin) < ONE_STOP => {}
                Ok(Event::Signal(signal)) => {
                    self.is_forced = true;
                    log::info!("Received signal '{}' again, force shutdown.", signal.name());
                    return Err(FORCED.to_owned());
                }
                Ok(Event::Ended(at, outcome)) => {
                    self.destinations.ended(at);
                    failures.extend(self.result(at, outcome).err());
                }
                Err(_) => {
                    log::info!("Timed out. force shutdown.");
                    failures.push(FORCED.to_owned());
                    break;
                }
            }
        }
        joined(failures)
    }

    /// Waits up to [`COMMAND_GRACE`] for commands that still run. They have been signalled before.
    pub(super) fn await_commands(&mut self, clock: &dyn Clock, events: &Receiver<Event>) {
        let begin = clock.moment();
        while self.plugins.running() > 0 {
            let passed = clock.moment().since(begin);
            match events.recv_timeout(COMMAND_GRACE.saturating_sub(passed)) {
                Ok(Event::Plugin(id, told)) => drop(self.plugins.hear(id, told)),
                Ok(Event::Signal(Signal::Hangup) | Event::Poster(..) | Event::Ended(..)) => {}
                Ok(Event::Child) => drop(reap_orphans()),
                Ok(
                    Event::Question(..)
                    | Event::Exposition(_)
                    | Event::Otlp(..)
                    | Event::Retired(..),
                ) => {}
                Ok(Event::Signal(_)) if passed < ONE_STOP => {}
                // A second signal to stop, or a command that cannot be killed.
                Ok(Event::Signal(_)) | Err(_) => return,
            }
        }
    }
}

/// Retires the host `id` in a thread of its own. The result is sent as an event.
fn start_retiring(
    at: usize,
    id: String,
    config: &Config,
    tell: Sender<Event>,
) -> Result<(), String> {
    // Through a connection of its own: the poster's may hang.
    let mut api = Api::new(Box::new(link_within(config, RETIRE_REQUEST)?));
    let run = move || {
        let end = until_retired(&mut api, &id, RETIRE_TRIES, &mut || pause(RETIRE_PAUSE));
        let end = end.map_err(|error| base::report(&error));
        drop(tell.send(Event::Retired(at, end)));
    };
    thread::start("retire", POSTER_STACK, run)
        .map_err(|error| format!("cannot start a thread: {error}"))
}

/// Fails with all of these texts, if there are any.
fn joined(failures: Vec<String>) -> Result<(), String> {
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("; "))
    }
}
