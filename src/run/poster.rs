//! Everything that is said to the server, by one thread: registering, posting, describing. Decides
//! when the next request goes out; measuring never waits for it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::message::{News, Order, Outcome};
use super::register::{Describe, Registration};
use super::trouble::Trouble;
use crate::api::{Api, Verdict};
use crate::base;
use crate::base::clock::{Clock, Moment, Unix};
use crate::config::Config;
use crate::schedule::Backoff;
use crate::spool::Spool;
use crate::sys::digest;
use crate::sys::log as backend;

/// Longest pause between two attempts to register.
const REGISTER_PAUSE: Duration = Duration::from_secs(5 * 60);
/// Longest pause between two attempts to post: a server that is away is asked no more often than
/// one that is there.
const POST_PAUSE: Duration = Duration::from_secs(60);
/// Between two requests that catch up.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(1_500);
/// Between two attempts while the agent is about to end.
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// After a refusal: someone has to act first.
const REFUSED_PAUSE: Duration = Duration::from_secs(5 * 60);
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
    /// Whether the server has taken values of this process: the first ones go out at once.
    has_posted: bool,
    backoff: Backoff,
    /// When the next request that registers or posts may go out; `None` if there is none.
    post_due: Option<Moment>,
    /// When the description is to be sent; `None` if it is up to date.
    describe_due: Option<Moment>,
    /// When to give up delivering; `None` as long as the agent runs.
    stop: Option<Moment>,
    posting: Trouble,
    describing: Trouble,
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
        Poster {
            api,
            registration,
            describe,
            config,
            tell,
            random,
            spool: Spool::default(),
            has_posted: false,
            backoff: Backoff::up_to(REGISTER_PAUSE),
            post_due: Some(now),
            describe_due: None,
            stop: None,
            posting: Trouble::default(),
            describing: Trouble::default(),
        }
    }

    /// Does what is due until it is to end.
    pub(super) fn run(mut self, clock: &dyn Clock, inbox: &Receiver<Order>) -> Outcome {
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
                Err(RecvTimeoutError::Disconnected) => return self.outcome(),
            }
        }
    }

    /// Notes what is to be done. Asks nothing of the server.
    fn take(&mut self, order: Order, clock: &dyn Clock) {
        let now = clock.moment();
        match order {
            Order::Round(time, values) => {
                let lost = self.spool.push(time, values.iter());
                if lost > 0 {
                    log::warn!("{lost} rounds of values lost: the oldest make room for the newest");
                }
                if self.post_due.is_none() && !self.spool.is_empty() {
                    let pause = match self.has_posted {
                        true => self.own_second(clock.unix()),
                        false => Duration::ZERO,
                    };
                    self.post_due = Some(Moment(now.0 + pause));
                }
            }
            Order::Describe => self.describe_due = Some(now),
            Order::Configure(api, config) => {
                self.api = api;
                self.config = *config;
                // What failed with the old settings may not with the new ones.
                if self.posting.is_on() {
                    self.backoff.succeeded();
                    self.post_due = self.post_due.map(|due| due.min(now));
                }
            }
            Order::Answer => (self.tell)(News::Alive),
            Order::Stop(limit) => {
                self.stop = Some(limit);
                self.describe_due = None;
                self.post_due = (!self.spool.is_empty()).then_some(now);
            }
        }
    }

    /// Time until the host's own second of the minute, which spreads the hosts of a fleet; none if
    /// it has passed.
    fn own_second(&self, now: Unix) -> Duration {
        let host = self.registration.host();
        let offset = host.map_or(0, |host| digest::sha1_last_byte(&host.id) % 60);
        Duration::from_secs(u64::from(offset).saturating_sub(now.0 % 60))
    }

    /// Makes at most one request, if one is due.
    fn step(&mut self, clock: &dyn Clock) -> Next {
        let now = clock.moment();
        if let Some(limit) = self.stop
            && (self.post_due.is_none() || now >= limit)
        {
            self.say_stopped();
            return Next::End(self.outcome());
        }
        let is_due = |due: Option<Moment>| due.is_some_and(|due| due <= now);
        if is_due(self.post_due) {
            if let Some(refusal) = self.talk(clock) {
                return Next::End(Outcome::Refused(refusal));
            }
        } else if is_due(self.describe_due) {
            self.send_description(clock);
        }
        if self.stop.is_some() && self.post_due.is_none() {
            return Next::Pause(Duration::ZERO);
        }
        let now = clock.moment();
        let dues = [self.post_due, self.describe_due, self.stop];
        match dues.into_iter().flatten().min() {
            Some(due) => Next::Pause(due.since(now)),
            None => Next::Rest,
        }
    }

    /// Registers, or posts. Returns the text of a refusal that ends the agent.
    fn talk(&mut self, clock: &dyn Clock) -> Option<String> {
        if self.registration.host().is_some() {
            self.post(clock);
            return None;
        }
        let (api, describe) = (&mut self.api, &mut self.describe);
        match self.registration.step(api, describe, &self.config) {
            Ok(()) => {
                self.backoff.succeeded();
                self.post_due = Some(clock.moment());
                self.welcome(clock);
                None
            }
            Err(error) => {
                let reason = base::report(&error);
                let Verdict::Later(asked) = error.verdict() else {
                    return Some(reason);
                };
                self.is_failing(format!(
                    "{reason}; measuring goes on, and this is tried again"
                ));
                self.try_again(asked, clock);
                None
            }
        }
    }

    /// If the host has just become registered: goes over to posting.
    fn welcome(&mut self, clock: &dyn Clock) {
        let Some(host) = self.registration.host() else {
            return;
        };
        let (name, id) = (host.name.clone(), host.id.clone());
        self.posting
            .is_over(|| "the server answers again".to_owned());
        log::info!("Start: hostName = {name}, hostID = {id}");
        (self.tell)(News::Registered { id, name });
        self.backoff = Backoff::up_to(POST_PAUSE);
        self.describe_due = Some(clock.moment());
    }

    /// Posts the next batch.
    fn post(&mut self, clock: &dyn Clock) {
        let expired = self.spool.expire(clock.unix());
        if expired > 0 {
            log::warn!("{expired} rounds of values lost: the server takes none older than a day");
        }
        // A server that is away is asked with little, again and again.
        let batch = match self.posting.is_on() {
            true => self.spool.newest(),
            false => self.spool.batch(),
        };
        let Some(host) = self.registration.host().filter(|_| !batch.is_empty()) else {
            self.post_due = None;
            return;
        };
        match self.api.post_metrics(&host.id, self.spool.values(&batch)) {
            Ok(()) => {
                backend::debug("command", format_args!("posted {} rounds", batch.len()));
                self.spool.posted(&batch);
                let had_posted = std::mem::replace(&mut self.has_posted, true);
                self.backoff.succeeded();
                let left = self.spool.waiting();
                let is_over = self.posting.is_over(|| match left {
                    0 => "posting works again".to_owned(),
                    left => format!("posting works again; catching up on {left} values"),
                });
                if is_over || !had_posted {
                    (self.tell)(News::Working);
                }
                let pause = match self.stop {
                    Some(_) => LAST_PAUSE,
                    None => CATCH_UP_PAUSE,
                };
                let next = Moment(clock.moment().0 + pause);
                self.post_due = (left > 0).then_some(next);
            }
            Err(error) => {
                self.is_failing(format!("{}; the values are kept", base::report(&error)));
                let pause = match error.verdict() {
                    Verdict::Later(asked) => asked,
                    Verdict::Refused => REFUSED_PAUSE,
                };
                self.try_again(pause, clock);
            }
        }
    }

    /// It cannot register, or post.
    fn is_failing(&mut self, reason: String) {
        if self.posting.because(reason.clone()) {
            (self.tell)(News::Failing(reason));
        }
    }

    /// Puts the next attempt off, for at least as long as `asked`.
    fn try_again(&mut self, asked: Duration, clock: &dyn Clock) {
        let spread = self.backoff.failed((self.random)());
        let pause = match self.stop {
            Some(_) => LAST_PAUSE,
            None => spread.max(asked.min(ASKED_PAUSE)),
        };
        self.post_due = Some(Moment(clock.moment().0 + pause));
    }

    fn send_description(&mut self, clock: &dyn Clock) {
        self.describe_due = None;
        let Some(host) = self.registration.host() else {
            return;
        };
        let document = match (self.describe)(&self.config) {
            Ok(document) => document,
            Err(error) => {
                self.describing.because(base::report(&error));
                return;
            }
        };
        match self.api.update_host(&host.id, &document) {
            Ok(()) => {
                self.describing
                    .is_over(|| "the host's description is up to date again".to_owned());
            }
            Err(error) => {
                if let Verdict::Later(asked) = error.verdict() {
                    let pause = REFUSED_PAUSE.max(asked.min(ASKED_PAUSE));
                    self.describe_due = Some(Moment(clock.moment().0 + pause));
                }
                self.describing.because(base::report(&error));
            }
        }
    }

    /// Gives the host the status that it is to have when the agent has stopped.
    fn say_stopped(&mut self) {
        let on_stop = &self.config.host_status.on_stop;
        let (Some(host), Some(status)) = (self.registration.host(), on_stop) else {
            return;
        };
        if let Err(error) = self.api.set_status(&host.id, status) {
            log::error!("host_status.on_stop not set: {}", base::report(&error));
        }
    }

    fn outcome(&self) -> Outcome {
        match self.spool.waiting() {
            0 => Outcome::Delivered,
            left => Outcome::Undelivered(left),
        }
    }
}

#[cfg(test)]
mod tests;
