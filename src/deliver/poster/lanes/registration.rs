//! Finds or creates this host on the server. No other lane is due before that is done.

use std::time::Duration;

use crate::base;
use crate::base::backoff::Backoff;
use crate::base::clock::{Clock, Moment};
use crate::base::url::without_secrets;
use crate::deliver::api::{Api, Verdict};
use crate::deliver::message::PosterEvent;
use crate::deliver::poster::lane::{Context, Lane, Step};
use crate::sys::log;
use crate::sys::log_once::LogOnce;

/// Longest pause between two attempts to register.
const PAUSE: Duration = Duration::from_secs(5 * 60);
/// Pause between two checks whether the cloud look-up has ended. Its result also arrives as a
/// command.
const LOOKUP_PAUSE: Duration = Duration::from_secs(1);

/// The state of the registration.
pub(crate) struct RegistrationLane {
    /// When the next attempt is due; `None` if the agent stops and nothing waits for the host.
    pub(crate) due: Option<Moment>,
    /// Whether the registration is held back.
    pub(crate) is_held: bool,
    backoff: Backoff,
    log: LogOnce,
}

impl RegistrationLane {
    pub(crate) fn new(now: Moment) -> RegistrationLane {
        RegistrationLane {
            due: Some(now),
            is_held: false,
            backoff: Backoff::up_to(PAUSE),
            log: LogOnce::default(),
        }
    }

    /// Makes the next attempt, if there is one, due at `now`. Called after a change of something
    /// that the registration depends on.
    pub(crate) fn hurry(&mut self, now: Moment) {
        self.due = self.due.map(|due| due.min(now));
    }

    /// Whether the last attempt failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.log.is_failing()
    }

    /// Handles new settings: an attempt that failed with the old ones is repeated at once.
    pub(crate) fn configure(&mut self, now: Moment) {
        if self.log.is_failing() {
            self.backoff.succeeded();
            self.hurry(now);
        }
    }
}

impl Lane for RegistrationLane {
    fn due(&self, _: &Context) -> Option<Moment> {
        self.due.filter(|_| !self.is_held)
    }

    fn step(&mut self, context: &mut Context, api: &mut Api, clock: &dyn Clock) -> Step {
        let Context {
            config,
            registration,
            describe,
            ..
        } = context;
        let is_settled = registration.cloud.is_settled(config.cloud_platform);
        if !is_settled && registration.is_about_identity() {
            self.due = Some(Moment(clock.moment().0 + LOOKUP_PAUSE));
            return Step::Idle;
        }
        if let Err(error) = registration.step(api, describe, config, clock) {
            let reason = base::report(&error);
            let step = error.failed_step();
            let Verdict::Later(asked) = error.verdict() else {
                context.delivery.failed(step, &reason, clock);
                return Step::Fatal(reason);
            };
            registration.cloud.doubt();
            let pause = self.backoff.failed(asked, (context.random)());
            self.due = Some(Moment(clock.moment().0 + pause));
            let reason = format!("{reason}; measuring goes on, and this is tried again");
            context.report_failure(&mut self.log, step, reason, clock);
            return Step::Later;
        }
        if registration.is_finding() {
            let pause = self.backoff.failed(Duration::ZERO, (context.random)());
            self.due = Some(Moment(clock.moment().0 + pause));
            return Step::Later;
        }
        if !registration.is_unclear() {
            self.backoff.succeeded();
        }
        self.due = Some(clock.moment());
        if let Some(host) = registration.host() {
            let (name, id) = (host.name.clone(), host.id.clone());
            self.log.succeeded(|| "the server answers again".to_owned());
            log::info!(
                "Start: apibase = {}, hostName = {name}, hostID = {id}",
                without_secrets(&context.config.apibase)
            );
            (context.events)(PosterEvent::Registered { id, name });
            context.read_server_time(api, clock);
        }
        Step::Sent
    }

    fn stop(&mut self, _: Moment) {
        self.backoff.stop();
    }
}
