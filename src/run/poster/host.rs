//! The host itself: registering it, describing it, and its status at the end.

use super::{ASKED_PAUSE, PLACE_PAUSE, POST_PAUSE, Poster, REFUSED_PAUSE};
use crate::api::Verdict;
use crate::base;
use crate::base::clock::{Clock, Moment};
use crate::run::message::News;
use crate::schedule::Backoff;

impl Poster {
    /// Goes on with registering. Returns the text of a refusal that ends the agent.
    pub(super) fn register(&mut self, clock: &dyn Clock) -> Option<String> {
        let whereabouts = &mut self.registration.whereabouts;
        let is_settled = whereabouts.is_settled(self.config.cloud_platform);
        if !is_settled && self.registration.is_about_identity() {
            self.post_due = Some(Moment(clock.moment().0 + PLACE_PAUSE));
            return None;
        }
        let (api, describe) = (&mut self.api, &mut self.describe);
        match self.registration.step(api, describe, &self.config, clock) {
            Ok(()) => {
                if !self.registration.is_unclear() {
                    self.backoff.succeeded();
                }
                self.post_due = Some(clock.moment());
                self.welcome(clock);
                None
            }
            Err(error) => {
                let reason = base::report(&error);
                let Verdict::Later(asked) = error.verdict() else {
                    return Some(reason);
                };
                self.registration.whereabouts.doubt();
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
        self.hear_time(clock);
        self.backoff = Backoff::up_to(POST_PAUSE);
        self.describe_due = Some(clock.moment());
    }

    pub(super) fn send_description(&mut self, clock: &dyn Clock) {
        self.describe_due = None;
        let whereabouts = &mut self.registration.whereabouts;
        if !whereabouts.is_settled(self.config.cloud_platform) {
            // An order tells when it is.
            return;
        }
        let place = whereabouts.place();
        let Some(host) = self.registration.host() else {
            return;
        };
        let document = match (self.describe)(&self.config, place) {
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
    pub(super) fn say_stopped(&mut self) {
        let on_stop = &self.config.host_status.on_stop;
        let (Some(host), Some(status)) = (self.registration.host(), on_stop) else {
            return;
        };
        if let Err(error) = self.api.set_status(&host.id, status) {
            log::error!("host_status.on_stop not set: {}", base::report(&error));
        }
    }
}
