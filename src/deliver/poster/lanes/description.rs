//! Sends the description of this host: after its registration, and whenever it may have changed.

use crate::base;
use crate::base::backoff::Backoff;
use crate::base::clock::{Clock, Moment};
use crate::deliver::api::{Api, Verdict};
use crate::deliver::poster::lane::{Context, Lane, REFUSED_PAUSE, Step};
use crate::sys::log_once::LogOnce;

/// The state of sending the description.
pub(crate) struct DescriptionLane {
    /// When the description is sent; `None` if the server has it.
    pub(crate) due: Option<Moment>,
    backoff: Backoff,
    log: LogOnce,
}

impl Default for DescriptionLane {
    fn default() -> DescriptionLane {
        DescriptionLane {
            due: None,
            backoff: Backoff::every(REFUSED_PAUSE),
            log: LogOnce::default(),
        }
    }
}

impl Lane for DescriptionLane {
    fn due(&self, _: &Context) -> Option<Moment> {
        self.due
    }

    fn step(&mut self, context: &mut Context, api: &mut Api, clock: &dyn Clock) -> Step {
        self.due = None;
        let registration = &mut context.registration;
        let cloud = &mut registration.cloud;
        if !cloud.is_settled(context.config.cloud_platform) {
            // A command arrives when the look-up has ended.
            return Step::Idle;
        }
        let place = cloud.place();
        let Some(host) = registration.host() else {
            return Step::Idle;
        };
        let document = match (context.describe)(&context.config, place) {
            Ok(document) => document,
            Err(error) => {
                self.log.failed(base::report(&error));
                return Step::Refused;
            }
        };
        let Err(error) = api.update_host(&host.id, &document) else {
            self.log
                .succeeded(|| "the host's description is up to date again".to_owned());
            return Step::Sent;
        };
        self.log.failed(base::report(&error));
        let Verdict::Later(asked) = error.verdict() else {
            return Step::Refused;
        };
        // There is no time for retries at a stop. The next agent sends the description.
        if context.stop.is_none() {
            let pause = self.backoff.failed(asked, u32::MAX);
            self.due = Some(Moment(clock.moment().0 + pause));
        }
        Step::Later
    }

    fn stop(&mut self, _: Moment) {
        self.due = None;
    }
}
