//! Looks up the ids of the other hosts for which plugins report by custom identifier.

use crate::base;
use crate::base::clock::{Clock, Moment};
use crate::deliver::api::Api;
use crate::deliver::poster::lane::{Context, Lane, Step, asked_pause};
use crate::sys::log;
use crate::sys::log_once::LogOnceFor;

/// The state of the look-ups. Their results are in [`Context::identities`].
#[derive(Default)]
pub(crate) struct IdentifiersLane {
    /// The failures for each custom identifier.
    logs: LogOnceFor,
}

impl Lane for IdentifiersLane {
    fn due(&self, context: &Context) -> Option<Moment> {
        // What waits for a host whose id is unknown at the stop is kept for the next agent.
        context.identities.due().filter(|_| context.stop.is_none())
    }

    fn step(&mut self, context: &mut Context, api: &mut Api, clock: &dyn Clock) -> Step {
        let identities = &mut context.identities;
        let Some(identifier) = identities.next(clock.moment()).map(str::to_owned) else {
            return Step::Idle;
        };
        let log = self.logs.of(&identifier);
        match api.find_by_custom_identifier(&identifier) {
            Ok(found) => {
                log.succeeded(|| {
                    format!("the look-up of custom_identifier {identifier} works again")
                });
                let is_absent = found.is_none();
                let id = found.map(|host| host.id);
                if identities.found(&identifier, id, clock.moment()) && is_absent {
                    log::warn!(
                        "no host has the custom_identifier {identifier}: what plugins report for it is dropped; it is looked for again in an hour"
                    );
                }
                Step::Sent
            }
            Err(error) => {
                let (asked, random) = (asked_pause(&error), (context.random)());
                identities.failed(&identifier, asked, random, clock.moment());
                let why = base::report(&error);
                log.warned(&format!("{why}; what plugins report for that host waits"));
                Step::Later
            }
        }
    }

    fn stop(&mut self, _: Moment) {}
}
