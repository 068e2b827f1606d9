//! Everything that is said to the server, by one thread: registering, posting, describing. Decides
//! when the next request goes out; measuring never waits for it.

mod dating;
mod host;
mod identities;
mod keeper;
mod plugins;
mod values;

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::message::{News, Order, Outcome};
use super::register::{Describe, Registration};
use super::trouble::Trouble;
use crate::api::Api;
use crate::base::channel::Receiver;
use crate::base::clock::{Clock, Moment};
use crate::check::queue::Queue;
use crate::config::Config;
use crate::metadata::Metadata;
use crate::schedule::Backoff;
use crate::spool::Spool;
use crate::sys::http::cancel::CancelToken;
use crate::trust::Trust;
use identities::Identities;
pub(super) use keeper::Keeper;
use keeper::Undated;
use plugins::Graphs;

/// Longest pause between two attempts to register.
const REGISTER_PAUSE: Duration = Duration::from_secs(5 * 60);
/// Longest pause between two attempts to post: a server that is away is asked no more often than
/// one that is there.
const POST_PAUSE: Duration = Duration::from_secs(60);
/// Until the next look whether it is known where the host runs; an order tells sooner.
const PLACE_PAUSE: Duration = Duration::from_secs(1);
/// Between two attempts while the agent is about to end.
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// After a refusal: someone has to act first.
const REFUSED_PAUSE: Duration = Duration::from_secs(5 * 60);
/// Until the first round has to be there, where it is written before the first request.
const FIRST_ROUND: Duration = Duration::from_secs(5);
/// Longest pause that the server may ask for.
const ASKED_PAUSE: Duration = Duration::from_secs(60 * 60);

/// What there is to do next.
#[derive(Debug, Eq, PartialEq)]
enum Next {
    /// Nothing until an order comes.
    Rest,
    /// Nothing for this long.
    Pause(Duration),
    End(Outcome),
}

/// What the poster owns.
pub(super) struct Poster {
    api: Api,
    registration: Registration,
    describe: Describe,
    /// What the description says of roles and the like, and the status at the end.
    config: Config,
    /// Where [`News`] go.
    tell: Box<dyn Fn(News) + Send>,
    random: fn() -> u32,
    spool: Spool,
    reports: Queue,
    /// Reports whose time is not known yet.
    undated: Vec<Undated>,
    keeper: Keeper,
    trust: Trust,
    /// Requests in a row of which the server would not have the values.
    condemned: u32,
    metadata: Metadata,
    graphs: Graphs,
    identities: Identities,
    /// When the server took values last; `None` if it has none of this process: the first ones go
    /// out at once.
    last_post: Option<Moment>,
    backoff: Backoff,
    /// When the next request that registers or posts may go out; `None` if there is none.
    post_due: Option<Moment>,
    /// When the description is to be sent; `None` if it is up to date.
    describe_due: Option<Moment>,
    /// Whether the host is not to be registered yet.
    is_held: bool,
    /// When to give up delivering; `None` as long as the agent runs.
    stop: Option<Moment>,
    /// What gives requests little time while the agent is about to end.
    cancel: CancelToken,
    /// Whether everything that waited at the stop is in the file.
    is_kept: bool,
    /// Whether a request that registers, posts or reports has failed since the stop.
    has_failed: bool,
    /// Whether it tries until the end, whatever is kept, which the fault rig has to notice.
    #[cfg(test)]
    is_stubborn: bool,
    posting: Trouble,
    describing: Trouble,
    reporting: Trouble,
    defining: Trouble,
    looking: Trouble,
    documenting: Trouble,
}

impl Poster {
    /// A poster that registers the host at once.
    pub(super) fn new(
        api: Api,
        registration: Registration,
        describe: Describe,
        config: Config,
        tell: Box<dyn Fn(News) + Send>,
        random: fn() -> u32,
        now: Moment,
    ) -> Poster {
        let mut poster = Poster {
            api,
            registration,
            describe,
            config,
            tell,
            random,
            spool: Spool::default(),
            reports: Queue::new(now),
            undated: Vec::new(),
            keeper: Keeper::none(),
            trust: Trust::default(),
            condemned: 0,
            metadata: Metadata::new(now),
            graphs: Graphs::default(),
            identities: Identities::default(),
            last_post: None,
            backoff: Backoff::up_to(REGISTER_PAUSE),
            post_due: Some(now),
            describe_due: None,
            is_held: false,
            stop: None,
            cancel: CancelToken::default(),
            is_kept: false,
            has_failed: false,
            #[cfg(test)]
            is_stubborn: false,
            posting: Trouble::default(),
            describing: Trouble::default(),
            reporting: Trouble::default(),
            defining: Trouble::default(),
            looking: Trouble::default(),
            documenting: Trouble::default(),
        };
        poster.configure_plugins(now);
        poster
    }

    /// Keeps what waits with `keeper` from now on, and takes what an earlier agent has left there.
    pub(super) fn keep_with(mut self, keeper: Keeper, clock: &dyn Clock) -> Poster {
        self.keeper = keeper;
        let left = self.keeper.take(&mut self.spool);
        self.undated.extend(left.undated);
        if let Some(start) = left.start {
            self.trust = Trust::inherited(start);
            self.settle(clock);
        }
        for (destination, report) in left.reports {
            self.reports
                .push(destination.as_deref(), report, true, clock.moment());
        }
        self.drop_unwanted(clock);
        self
    }

    /// Takes the token that gives requests little time while the agent is about to end. It is cleared if
    /// what waits then cannot be kept.
    pub(super) fn cancelled_by(mut self, cancel: CancelToken) -> Poster {
        self.cancel = cancel;
        self
    }

    /// Limits what is held to a part of the memory that this process may have.
    pub(super) fn fit(&mut self, memory: u64) {
        self.spool.fit(memory);
    }

    /// Registers nothing before [`Order::Begin`].
    pub(super) fn hold(&mut self) {
        self.is_held = true;
    }

    /// Does what is due until it is to end.
    pub(super) fn run(mut self, clock: &dyn Clock, inbox: &Receiver<Order>) -> Outcome {
        // The first request may hang for longer than the agent lives.
        let begin = clock.moment();
        while self.keeper.is_hasty() && self.keeper.due().is_none() {
            let passed = clock.moment().since(begin);
            match inbox.recv_timeout(FIRST_ROUND.saturating_sub(passed)) {
                Ok(order) => self.take(order, clock),
                Err(_) => break,
            }
        }
        loop {
            // Orders first: a request may take long, and the newest round is to be in the next.
            while let Ok(order) = inbox.try_recv() {
                self.take(order, clock);
            }
            let order = match self.step(clock) {
                Next::End(outcome) => return outcome,
                Next::Rest => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Next::Pause(time) => inbox.recv_timeout(time),
            };
            match order {
                Ok(order) => self.take(order, clock),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.outcome(clock),
            }
        }
    }

    /// Notes what is to be done. Asks nothing of the server.
    fn take(&mut self, order: Order, clock: &dyn Clock) {
        let now = clock.moment();
        match order {
            Order::Round(stamp, destination, values) => {
                self.push(stamp, destination, &values, clock);
            }
            Order::Report {
                destination,
                report,
                is_urgent,
            } => {
                self.take_report(destination, report, is_urgent, clock);
            }
            Order::Metadata(name, document) => self.take_document(&name, document, now),
            Order::Graphs(graphs) => self.graphs.push(graphs, now),
            Order::Describe => {
                let whereabouts = &mut self.registration.whereabouts;
                whereabouts.look(self.config.cloud_platform);
                self.describe_due = Some(now);
            }
            Order::Placed(found) => {
                self.registration.whereabouts.take(found);
                if self.registration.host().is_none() {
                    self.post_due = self.post_due.map(|due| due.min(now));
                } else if self.stop.is_none() {
                    self.describe_due = Some(now);
                }
            }
            Order::Configure(api, config) => {
                self.api = api;
                if self.config.cloud_platform != config.cloud_platform {
                    self.registration.whereabouts.forget();
                }
                self.config = *config;
                self.configure_plugins(now);
                self.drop_unwanted(clock);
                // What failed with the old settings may not with the new ones.
                if self.posting.is_on() {
                    self.backoff.succeeded();
                    self.post_due = self.post_due.map(|due| due.min(now));
                }
            }
            Order::Begin => {
                self.is_held = false;
                self.post_due = Some(now);
            }
            Order::Answer => (self.tell)(News::Alive),
            Order::Stop(limit) => {
                self.stop = Some(limit);
                self.describe_due = None;
                self.graphs.due = None;
                self.reports.end(now);
                self.metadata.end(now);
                let is_waiting = !self.spool.is_empty() || !self.reports.is_empty();
                self.post_due = is_waiting.then_some(now);
                // Nobody knows how long there is for delivering it.
                self.is_kept = self.save(clock).is_some();
                if is_waiting && !self.is_kept {
                    self.cancel.clear();
                }
                // A request that has just been cut short for this is the attempt that is made.
                self.has_failed = self.cancel.has_cut();
            }
        }
    }

    /// Makes at most one request, if one is due: what alerts wait for first.
    fn step(&mut self, clock: &dyn Clock) -> Next {
        let now = clock.moment();
        if let Some(limit) = self.stop
            && (self.due().is_none() || now >= limit || self.may_stop_trying())
        {
            self.say_stopped();
            return Next::End(self.outcome(clock));
        }
        if self.keeper.due().is_some_and(|due| due <= now) {
            self.save(clock);
        }
        let is_due = |due: Option<Moment>| due.is_some_and(|due| due <= now);
        if self.registration.host().is_none() {
            if is_due(self.post_due)
                && !self.is_held
                && let Some(refusal) = self.register(clock)
            {
                self.save(clock);
                return Next::End(Outcome::Refused(refusal));
            }
        } else if is_due(self.reports.due()) {
            self.report(clock);
        } else if is_due(self.post_due) {
            self.post(clock);
        } else if is_due(self.identities.due()) {
            self.look_up(clock);
        } else if is_due(self.metadata.due()) {
            self.put_document(clock);
        } else if is_due(self.graphs.due) {
            self.define(clock);
        } else if is_due(self.describe_due) {
            self.send_description(clock);
        }
        match (self.due(), self.stop) {
            (None, Some(_)) => Next::Pause(Duration::ZERO),
            (None, None) => match self.keeper.due() {
                Some(due) => Next::Pause(due.since(clock.moment())),
                None => Next::Rest,
            },
            (Some(due), stop) => {
                let due = stop.map_or(due, |stop| due.min(stop));
                let due = self.keeper.due().map_or(due, |save| due.min(save));
                Next::Pause(due.since(clock.moment()))
            }
        }
    }

    /// Whether an attempt at the end has failed, and the next agent can make the others.
    fn may_stop_trying(&self) -> bool {
        #[cfg(test)]
        if self.is_stubborn {
            return false;
        }
        self.is_kept && self.has_failed
    }

    /// When the next request goes out; `None` if nothing waits.
    fn due(&self) -> Option<Moment> {
        if self.registration.host().is_none() {
            return self.post_due.filter(|_| !self.is_held);
        }
        let dues = [
            self.post_due,
            self.reports.due(),
            // A host that is unknown at the end stays so.
            self.identities.due().filter(|_| self.stop.is_none()),
            self.metadata.due(),
            self.graphs.due,
            self.describe_due,
        ];
        dues.into_iter().flatten().min()
    }

    /// Sees to it that nothing is lost that has not been delivered.
    fn outcome(&mut self, clock: &dyn Clock) -> Outcome {
        if self.is_held {
            // Nobody has been told that there is such a host.
            return Outcome::Delivered;
        }
        let (values, reports) = (
            self.spool.waiting(),
            self.reports.waiting() + self.undated.len(),
        );
        if values + reports == 0 {
            self.save(clock);
            return Outcome::Delivered;
        }
        match self.save(clock) {
            Some(path) => {
                log::info!(
                    "{values} values and {reports} check reports could not be delivered: the next agent sends them from {}",
                    path.display()
                );
                Outcome::Delivered
            }
            None => Outcome::Undelivered { values, reports },
        }
    }
}

#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;
