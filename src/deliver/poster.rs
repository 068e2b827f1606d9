//! Delivery to one server by one thread: registration, posting and description of the host. Each
//! kind of traffic is a lane ([`lane::Lane`]). The first lane that is due, in order of priority,
//! makes one request. Measuring never waits for it.

mod identities;
mod lane;
mod lanes;
mod losses;
mod persister;
mod publishing;
mod stop;
mod time;

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::message::{Outcome, PosterCommand, PosterEvent};
use super::registration::Registration;
use crate::base::channel::Receiver;
use crate::base::clock::{Clock, Moment, Stamp};
use crate::base::values::Values;
use crate::config::Config;
use crate::deliver::api::Api;
use crate::deliver::clock_trust::ClockTrust;
use crate::deliver::delivery::SharedDelivery;
use crate::deliver::spool::Destination;
use crate::describe::describer::Describe;
use crate::sys::http::cancel::CancelToken;
use crate::sys::log;
use identities::Identities;
use lane::{Context, Step};
use lanes::Lanes;
pub(crate) use persister::Persister;

/// Longest wait for the first round, where it has to be saved before the first request.
const FIRST_ROUND: Duration = Duration::from_secs(5);

/// What the poster does next.
#[derive(Debug, Eq, PartialEq)]
enum Next {
    /// Wait for a command.
    Rest,
    /// Wait for a command, but no longer than this.
    Pause(Duration),
    End(Outcome),
}

/// The state of delivery to one server.
pub(crate) struct Poster {
    api: Api,
    context: Context,
    lanes: Lanes,
    /// Saves what waits to a file.
    persister: Persister,
    /// Shortens requests while the agent stops.
    cancel: CancelToken,
    /// Whether everything that waited at the stop is saved in the file.
    is_kept: bool,
    /// Whether a request for something that is saved has failed since the stop.
    has_failed: bool,
    /// The fault that a test injects.
    #[cfg(test)]
    fault: fault::Fault,
}

impl Poster {
    /// A poster that registers the host at once.
    pub(crate) fn new(
        api: Api,
        registration: Registration,
        describe: Describe,
        config: Config,
        events: Box<dyn Fn(PosterEvent) + Send>,
        random: fn() -> u32,
        now: Moment,
    ) -> Poster {
        let mut poster = Poster {
            api,
            context: Context {
                config,
                registration,
                describe,
                identities: Identities::default(),
                trust: ClockTrust::default(),
                events,
                random,
                delivery: SharedDelivery::default(),
                stop: None,
            },
            lanes: Lanes::new(now),
            persister: Persister::none(),
            cancel: CancelToken::default(),
            is_kept: false,
            has_failed: false,
            #[cfg(test)]
            fault: fault::Fault::default(),
        };
        poster.configure_plugins(now);
        poster
    }

    /// Saves what waits with `persister` from now on, and loads what an earlier agent has left.
    pub(crate) fn keep_with(mut self, persister: Persister, clock: &dyn Clock) -> Poster {
        self.persister = persister;
        let left = self.persister.restore(&mut self.lanes.values.spool);
        if let Some(start) = left.start {
            self.context.trust = ClockTrust::inherited(start);
            self.settle(clock);
        }
        let reports = &mut self.lanes.reports;
        for (destination, report) in left.reports {
            let number = reports.queue.number();
            let (to, now) = (destination.as_deref(), clock.moment());
            reports.queue.push(number, to, report, true, now);
        }
        for mut held in left.undated {
            held.number = reports.queue.number();
            reports.undated.push(held);
        }
        self.drop_unwanted(clock);
        self
    }

    /// Sets the token that shortens requests while the agent stops. The token is cleared if what
    /// waits at the stop cannot be saved.
    pub(crate) fn cancelled_by(mut self, cancel: CancelToken) -> Poster {
        self.cancel = cancel;
        self
    }

    /// Limits the spool to its share of `memory`, the number of bytes that this process may use.
    pub(crate) fn fit(&mut self, memory: u64) {
        self.lanes.values.spool.fit(memory);
    }

    /// Holds the registration of the host until [`PosterCommand::Begin`].
    pub(crate) fn hold(&mut self) {
        self.lanes.registration.is_held = true;
    }

    /// Runs until a stop, a fatal error, or the end of the last sender of commands. Returns the
    /// outcome.
    pub(crate) fn run(mut self, clock: &dyn Clock, inbox: &Receiver<PosterCommand>) -> Outcome {
        // The first round is awaited: the first request may hang for longer than the agent lives.
        let begin = clock.moment();
        while self.persister.is_hasty() && self.persister.due().is_none() {
            let passed = clock.moment().since(begin);
            match inbox.recv_timeout(FIRST_ROUND.saturating_sub(passed)) {
                Ok(order) => self.on_command(order, clock),
                Err(_) => break,
            }
        }
        loop {
            // Commands first: a request may take long, and the next one has to contain the newest
            // round.
            while let Ok(order) = inbox.try_recv() {
                self.on_command(order, clock);
            }
            let next = self.step(clock);
            self.publish(matches!(next, Next::End(Outcome::Refused(_))));
            let order = match next {
                Next::End(outcome) => return outcome,
                Next::Rest => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Next::Pause(time) => inbox.recv_timeout(time),
            };
            match order {
                Ok(order) => self.on_command(order, clock),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.outcome(clock),
            }
        }
    }

    /// Passes a command to its lane. Makes no request.
    fn on_command(&mut self, order: PosterCommand, clock: &dyn Clock) {
        let now = clock.moment();
        match order {
            PosterCommand::Round(stamp, destination, values) => {
                self.on_round(stamp, destination, &values, clock);
            }
            PosterCommand::Report {
                destination,
                report,
                began,
                is_urgent,
            } => self.on_report(destination, (report, began), is_urgent, clock),
            PosterCommand::Metadata(name, document) => {
                self.lanes.metadata.push(&name, document, now)
            }
            PosterCommand::Graphs(graphs) => self.lanes.graphs.push(graphs, now),
            PosterCommand::Describe => {
                let cloud = &mut self.context.registration.cloud;
                cloud.look(self.context.config.cloud_platform);
                self.lanes.description.due = Some(now);
            }
            PosterCommand::Placed(found) => {
                self.context.registration.cloud.take(found);
                if self.context.registration.host().is_none() {
                    self.lanes.registration.hurry(now);
                } else if self.context.stop.is_none() {
                    self.lanes.description.due = Some(now);
                }
            }
            PosterCommand::Configure(api, config) => {
                self.api = api;
                if self.context.config.cloud_platform != config.cloud_platform {
                    self.context.registration.cloud.forget();
                }
                self.context.config = *config;
                self.configure_plugins(now);
                self.drop_unwanted(clock);
                self.lanes.registration.configure(now);
                self.lanes.values.configure(now);
            }
            PosterCommand::Begin => {
                self.lanes.registration.is_held = false;
                self.lanes.registration.due = Some(now);
            }
            PosterCommand::Answer => (self.context.events)(PosterEvent::Alive),
            PosterCommand::Stop(limit) => self.on_stop(limit, clock),
        }
    }

    /// Adds a round of values, unless its destination is unwanted.
    fn on_round(
        &mut self,
        stamp: Stamp,
        destination: Destination,
        values: &Values,
        clock: &dyn Clock,
    ) {
        if self.context.is_unwanted(destination.as_deref()) {
            return;
        }
        let dated = self.dated(stamp, clock);
        let lane = &mut self.lanes.values;
        lane.push(dated, destination, values, &self.context, clock);
        self.persister.request_save(clock.moment());
    }

    /// Applies the plugins of the configuration.
    fn configure_plugins(&mut self, now: Moment) {
        let config = &self.context.config;
        self.context.identities.configure(config, now);
        self.lanes.reports.queue.expect(config.check_plugins.len());
        let is_new_host = self.context.registration.is_new_host;
        self.lanes.metadata.configure(config, is_new_host);
    }

    /// Makes at most one request, if one is due.
    fn step(&mut self, clock: &dyn Clock) -> Next {
        let now = clock.moment();
        if let Some(limit) = self.context.stop
            && (self.due().is_none() || now >= limit || self.may_stop_trying())
        {
            self.set_final_status();
            return Next::End(self.outcome(clock));
        }
        if self.is_to_save(clock) {
            self.save(clock);
        }
        if let Some(refusal) = self.step_first(now, clock) {
            self.save(clock);
            return Next::End(Outcome::Refused(refusal));
        }
        match (self.due(), self.context.stop) {
            (None, Some(_)) => Next::Pause(Duration::ZERO),
            (due, stop) => {
                // A stop with nothing to send has returned above.
                let dues = [due, due.and(stop), self.persister.due()];
                match dues.into_iter().flatten().min() {
                    Some(due) => Next::Pause(due.since(clock.moment())),
                    None => Next::Rest,
                }
            }
        }
    }

    /// Makes the step of the first lane that is due. Returns the reason if the agent has to end.
    fn step_first(&mut self, now: Moment, clock: &dyn Clock) -> Option<String> {
        let dues = self.dues();
        let first = dues
            .iter()
            .position(|due| due.is_some_and(|due| due <= now))?;
        #[cfg(test)]
        let first = self.fault.first(first, &dues, now);
        let Poster {
            api,
            context,
            lanes,
            ..
        } = self;
        #[cfg(test)]
        let mut nobody = self.fault.api(first);
        #[cfg(test)]
        let api = nobody.as_mut().unwrap_or(api);
        let was_registered = context.registration.host().is_some();
        let was_sure = context.trust.is_sure();
        let lane = lanes.by_priority().into_iter().nth(first)?;
        let step = lane.step(context, api, clock);
        #[cfg(test)]
        self.fault.ended(first, &step);
        let now = clock.moment();
        // The result of a step may concern other lanes.
        if !was_registered && context.registration.host().is_some() {
            self.lanes.values.due = Some(now);
            self.lanes.description.due = Some(now);
        }
        if !was_sure && context.trust.is_sure() {
            self.settle(clock);
        }
        if self.context.identities.take_change() {
            self.drop_unwanted(clock);
            self.lanes.values.wake(now);
        }
        match step {
            Step::Idle => {}
            Step::Sent => self.delivered(clock),
            Step::Later => self.has_failed |= first < lanes::KEPT,
            Step::Refused => {
                self.has_failed |= first < lanes::KEPT;
                self.delivered(clock);
            }
            Step::Fatal(refusal) => return Some(refusal),
        }
        None
    }

    /// When each lane is due, in order of priority.
    fn dues(&mut self) -> [Option<Moment>; lanes::COUNT] {
        let context = &self.context;
        let mut dues = self.lanes.by_priority().map(|lane| lane.due(context));
        let (registration, others) = dues.split_at_mut(1);
        if context.registration.host().is_some() {
            registration.fill(None);
        } else {
            others.fill(None);
        }
        #[cfg(test)]
        let dues = self.fault.dues(dues);
        dues
    }

    /// When the next request is made; `None` if nothing is to be sent, or nothing before the end of a
    /// stop.
    fn due(&mut self) -> Option<Moment> {
        let due = self.dues().into_iter().flatten().min()?;
        let stop = self.context.stop;
        stop.is_none_or(|limit| due <= limit).then_some(due)
    }

    /// Drops what waits for hosts that do not exist, or for identifiers that no plugin has any
    /// more.
    fn drop_unwanted(&mut self, clock: &dyn Clock) {
        while let Some(to) = self.unwanted() {
            let Poster { context, lanes, .. } = self;
            let values = lanes.values.spool.give_up(&to);
            let reports = lanes.reports.give_up(&to, clock.moment());
            if !context.identities.is_absent(&to) {
                log::warn!(
                    "dropped {values} values and {reports} check reports for the custom_identifier {to}: no plugin of the configuration has it any more"
                );
            }
            self.delivered(clock);
        }
    }

    /// The custom identifier of an unwanted host for which something waits; `None` if there is
    /// none.
    fn unwanted(&self) -> Option<String> {
        let values = self.lanes.values.spool.destinations();
        let mut all = values.chain(self.lanes.reports.destinations());
        all.find(|to| self.context.is_unwanted(Some(to)))
            .map(str::to_owned)
    }
}

#[cfg(test)]
mod fault;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;
