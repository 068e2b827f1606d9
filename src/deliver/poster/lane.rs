//! What a lane is: one kind of traffic to one server, with its own queue, pauses and log state.

use std::time::Duration;

use crate::base::clock::{Clock, Moment, Stamp, Unix};
use crate::config::Config;
use crate::deliver::api::{Api, ApiError, Verdict};
use crate::deliver::clock_trust::{Answer, ClockTrust};
use crate::deliver::message::PosterEvent;
use crate::deliver::registration::Registration;
use crate::describe::describer::Describe;
use crate::sys::log_once::LogOnce;

use super::identities::{Identified, Identities};

/// Pause after a request that somebody has to act upon before it can succeed.
pub(super) const REFUSED_PAUSE: Duration = Duration::from_secs(5 * 60);

/// One kind of traffic. The first lane that is due makes a step. What is to be sent reaches a lane
/// through methods of its own.
pub(super) trait Lane {
    /// When the next step is due; `None` if nothing is to be sent.
    fn due(&self, context: &Context) -> Option<Moment>;

    /// Makes at most one request.
    fn step(&mut self, context: &mut Context, api: &mut Api, clock: &dyn Clock) -> Step;

    /// The agent is about to end: what is to be sent is due now or never.
    fn stop(&mut self, now: Moment);
}

/// How a step ended.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// No request was made.
    Idle,
    /// The server did what was asked.
    Sent,
    /// The same request is repeated later.
    Later,
    /// The server rejects what was sent: it is not repeated as it was.
    Refused,
    /// The agent cannot go on; the text says why and what to do.
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
    /// Where [`PosterEvent`] go.
    pub(super) events: Box<dyn Fn(PosterEvent) + Send>,
    pub(super) random: fn() -> u32,
    /// When to give up delivering; `None` as long as the agent runs.
    pub(super) stop: Option<Moment>,
}

impl Context {
    /// The id of this host; `None` as long as it is not registered.
    pub(super) fn own_id(&self) -> Option<&str> {
        self.registration.host().map(|host| host.id.as_str())
    }

    /// The id of the host that a custom identifier stands for, or of this one.
    pub(super) fn id_of(&self, destination: Option<&str>) -> Identified<'_> {
        match destination {
            Some(identifier) => self.identities.of(identifier),
            None => self.own_id().map_or(Identified::NotYet, Identified::As),
        }
    }

    /// Whether no host has this custom identifier, or no plugin of the configuration has it any more.
    /// What comes for it is dropped; that is logged when it is found out.
    pub(super) fn is_unwanted(&self, destination: Option<&str>) -> bool {
        destination.is_some_and(|to| self.identities.of(to) == Identified::Absent)
    }

    /// The time that it is, as far as is known.
    pub(super) fn time(&self, clock: &dyn Clock) -> Option<Unix> {
        self.trust.time(clock.stamp())
    }

    /// Takes the time from the answer of the last successful request, unless a better one is known.
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

    /// Logs why the host cannot be registered, or values cannot be posted, and reports it.
    pub(super) fn report_failure(&self, log: &mut LogOnce, reason: String) {
        if log.failed(reason.clone()) {
            (self.events)(PosterEvent::Failing(reason));
        }
    }
}

/// How long a server that failed like this asks to wait, or would if it knew that somebody has to
/// act first.
pub(super) fn asked_pause(error: &ApiError) -> Duration {
    match error.verdict() {
        Verdict::Later(asked) => asked,
        Verdict::Refused => REFUSED_PAUSE,
    }
}
