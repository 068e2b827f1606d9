//! A lane is one kind of traffic to one server, with its own queue, pauses and log state.

use std::time::Duration;

use crate::base::clock::{Clock, Moment, Stamp, Unix};
use crate::config::Config;
use crate::deliver::api::{Api, ApiError, Verdict};
use crate::deliver::clock_trust::{Answer, ClockTrust};
use crate::deliver::delivery::SharedDelivery;
use crate::deliver::failed_step::FailedStep;
use crate::deliver::message::PosterEvent;
use crate::deliver::registration::Registration;
use crate::describe::describer::Describe;
use crate::sys::log;
use crate::sys::log_once::LogOnce;

use super::identities::{Identified, Identities};

/// Pause after a request that cannot succeed before somebody acts.
pub(super) const REFUSED_PAUSE: Duration = Duration::from_secs(5 * 60);

/// One kind of traffic. The first lane that is due makes a step. Each lane has methods of its own
/// that add what is to be sent.
pub(super) trait Lane {
    /// When the next step is due; `None` if nothing is to be sent.
    fn due(&self, context: &Context) -> Option<Moment>;

    /// Makes at most one request.
    fn step(&mut self, context: &mut Context, api: &mut Api, clock: &dyn Clock) -> Step;

    /// Handles the stop of the agent: what is to be sent is due now, or not at all.
    fn stop(&mut self, now: Moment);
}

/// How a step ended.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// No request was made.
    Idle,
    /// The request succeeded.
    Sent,
    /// The same request is repeated later.
    Later,
    /// The server rejected the content. The same content is not sent again.
    Refused,
    /// The agent cannot continue. The text gives the reason and the remedy.
    Fatal(String),
}

/// What all lanes share.
pub(super) struct Context {
    pub(super) config: Config,
    /// This host, registered or not.
    pub(super) registration: Registration,
    pub(super) describe: Describe,
    /// The other hosts for which plugins report.
    pub(super) identities: Identities,
    pub(super) trust: ClockTrust,
    /// Receives each [`PosterEvent`].
    pub(super) events: Box<dyn Fn(PosterEvent) + Send>,
    pub(super) random: fn() -> u32,
    /// What the main thread reads of this poster.
    pub(super) delivery: SharedDelivery,
    /// When delivery is given up; `None` until the agent stops.
    pub(super) stop: Option<Moment>,
}

impl Context {
    /// The id of this host; `None` until it is registered.
    pub(super) fn own_id(&self) -> Option<&str> {
        self.registration.host().map(|host| host.id.as_str())
    }

    /// The id of the host with this custom identifier, or of this host for `None`.
    pub(super) fn id_of(&self, destination: Option<&str>) -> Identified<'_> {
        match destination {
            Some(identifier) => self.identities.of(identifier),
            None => self.own_id().map_or(Identified::NotYet, Identified::As),
        }
    }

    /// Whether no host has this custom identifier, or no configured plugin has it any more. What
    /// arrives for such a host is dropped. That is logged when the poster detects it.
    pub(super) fn is_unwanted(&self, destination: Option<&str>) -> bool {
        destination.is_some_and(|to| self.identities.of(to) == Identified::Absent)
    }

    /// The current time; `None` until it is known.
    pub(super) fn time(&self, clock: &dyn Clock) -> Option<Unix> {
        self.trust.time(clock.stamp())
    }

    /// Uses the date of the last successful response as the time, unless a better one is known.
    pub(super) fn read_server_time(&mut self, api: &Api, clock: &dyn Clock) {
        if self.trust.is_sure() {
            return;
        }
        let answer = api.date().map_or(Answer::Silent, Answer::Time);
        self.trust
            .ask_server(clock.stamp(), clock.is_synchronised(), answer);
        let now: Stamp = clock.stamp();
        if let Some(time) = self.trust.time(now)
            && time != now.wall
        {
            let (behind, ahead) = (
                time.0.saturating_sub(now.wall.0),
                now.wall.0.saturating_sub(time.0),
            );
            log::warn!(
                "the clock of this host is {} seconds {} the server's, which is taken to be right: set it, or have it set by NTP",
                behind.max(ahead),
                if behind > 0 { "behind" } else { "ahead of" }
            );
        }
    }

    /// Compares the date of the last successful response with the time that is taken to be right. If
    /// they differ, the server is asked before the next post.
    pub(super) fn compare_server_time(&mut self, api: &Api, clock: &dyn Clock) {
        if let Some(date) = api.date() {
            let is_synchronised = || clock.is_synchronised();
            self.trust.compare(clock.stamp(), date, &is_synchronised);
        }
    }

    /// Logs why the host cannot be registered or values cannot be posted, and publishes it. Sends
    /// the reason as an event if it was logged.
    pub(super) fn report_failure(
        &self,
        log: &mut LogOnce,
        step: FailedStep,
        reason: String,
        clock: &dyn Clock,
    ) {
        self.delivery.failed(step, &reason, clock);
        if log.failed(reason.clone()) {
            (self.events)(PosterEvent::Failing(reason));
        }
    }
}

/// The pause that the server asks for in this error. It is [`REFUSED_PAUSE`] if the request cannot
/// succeed before somebody acts.
pub(super) fn asked_pause(error: &ApiError) -> Duration {
    match error.verdict() {
        Verdict::Later(asked) => asked,
        Verdict::Refused => REFUSED_PAUSE,
    }
}
