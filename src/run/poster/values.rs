//! Posting values: which, and when.

use std::time::Duration;

use super::identities::Identified;
use super::{ASKED_PAUSE, LAST_PAUSE, Poster, REFUSED_PAUSE};
use crate::api::{ApiError, Verdict};
use crate::base;
use crate::base::clock::{Clock, Moment, Stamp, Unix};
use crate::base::json::Json;
use crate::collect::Values;
use crate::spool::{Batch, Condemned, Destination};
use crate::sys::digest;
use crate::sys::log as backend;

use super::super::message::News;

/// Between two requests that catch up.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(1_500);
/// From the beginning of a minute until the values of plugins that take no time have come.
const SETTLE: u64 = 3;
/// Refusals of values in a row after which it is taken to be the server: what one value in the largest
/// batch brings about is half of it.
const CONDEMNED: u32 = 24;
/// Between two requests when all is well: what slow plugins bring gathers.
const GATHER: Duration = Duration::from_secs(10);

/// The least pause after a request for which it was not the values that failed.
pub(super) fn until_next(error: &ApiError) -> Duration {
    match error.verdict() {
        Verdict::Later(asked) if !error.is_foreign() => asked,
        Verdict::Later(_) | Verdict::Refused => REFUSED_PAUSE,
    }
}

impl Poster {
    /// Keeps values, and sees to it that they are posted.
    pub(super) fn push(
        &mut self,
        stamp: Stamp,
        destination: Destination,
        values: &Values,
        clock: &dyn Clock,
    ) {
        if self.is_unwanted(destination.as_deref()) {
            return;
        }
        let (stamp, is_sure) = self.dated(stamp, clock);
        let lost = self.spool.push(stamp, is_sure, destination, values.iter());
        self.keeper.note(clock.moment());
        if lost > 0 {
            log::warn!("{lost} rounds of values lost: the oldest make room for the newest");
        }
        if self.post_due.is_none() && !self.spool.is_empty() {
            let now = clock.moment();
            let pause = match self.last_post {
                Some(last) => self
                    .own_second(clock.unix())
                    .max(GATHER.saturating_sub(now.since(last))),
                None => Duration::ZERO,
            };
            self.post_due = Some(Moment(now.0 + pause));
        }
    }

    /// Whether there is no host for this custom identifier, or no plugin that has it any more: what comes
    /// for it is dropped, as the log has said.
    pub(super) fn is_unwanted(&self, destination: Option<&str>) -> bool {
        destination.is_some_and(|to| self.identities.of(to) == Identified::Absent)
    }

    /// Drops what waits for hosts that there are not, and for identifiers that no plugin has any more.
    pub(super) fn drop_unwanted(&mut self, clock: &dyn Clock) {
        let unwanted = |poster: &Poster| {
            let undated = poster.undated.iter();
            let mut all = poster
                .spool
                .destinations()
                .chain(poster.reports.destinations())
                .chain(undated.filter_map(|report| report.destination.as_deref()));
            let found = all.find(|to| poster.is_unwanted(Some(to)));
            found.map(str::to_owned)
        };
        while let Some(to) = unwanted(self) {
            let values = self.spool.give_up(&to);
            let undated = self.undated.len();
            self.undated
                .retain(|report| report.destination.as_deref() != Some(&*to));
            let undated = undated - self.undated.len();
            let reports = self.reports.give_up(&to, clock.moment()) + undated;
            if !self.identities.is_absent(&to) {
                log::warn!(
                    "dropped {values} values and {reports} check reports for the custom_identifier {to}: no plugin of the configuration has it any more"
                );
            }
            self.delivered(clock);
        }
    }

    /// Time until the host's own second of the minute, which spreads the hosts of a fleet; none if
    /// it has passed.
    fn own_second(&self, now: Unix) -> Duration {
        let host = self.registration.host();
        let offset = host.map_or(0, |host| digest::sha1_last_byte(&host.id) % 60);
        let offset = match self.config.metric_plugins.is_empty() {
            true => u64::from(offset),
            false => u64::from(offset).max(SETTLE),
        };
        Duration::from_secs(offset.saturating_sub(now.0 % 60))
    }

    /// Posts the next batch.
    pub(super) fn post(&mut self, clock: &dyn Clock) {
        if !self.trust.is_sure() {
            return self.ask_time(clock);
        }
        let expired = self.time(clock).map_or(0, |now| self.spool.expire(now));
        if expired > 0 {
            log::warn!("{expired} rounds of values lost: the server takes none older than a day");
        }
        let own_id = self.registration.host().map(|host| host.id.as_str());
        let identities = &self.identities;
        let id_of = |destination: Option<&str>| match destination.map(|to| identities.of(to)) {
            None => own_id,
            Some(Identified::As(id)) => Some(id),
            Some(Identified::NotYet | Identified::Absent) => None,
        };
        let is_known = |destination: Option<&str>| id_of(destination).is_some();
        // A server that is away is asked with little, again and again.
        let batch = match self.posting.is_on() {
            true => self.spool.newest(&is_known),
            false => self.spool.batch(&is_known),
        };
        if batch.is_empty() {
            self.post_due = None;
            return;
        }
        let values = self.spool.values(&batch);
        let values =
            values.filter_map(|(to, time, name, value)| Some((id_of(to)?, time, name, value)));
        match self.api.post_metrics(values) {
            Ok(()) => {
                backend::debug("command", format_args!("posted {} rounds", batch.len()));
                self.spool.posted(&batch);
                let left = !self.spool.batch(&is_known).is_empty();
                self.condemned = 0;
                self.delivered(clock);
                let now = clock.moment();
                let had_posted = self.last_post.replace(now).is_some();
                self.backoff.succeeded();
                let waiting = self.spool.waiting();
                let is_over = self.posting.is_over(|| match left {
                    false => "posting works again".to_owned(),
                    true => format!("posting works again; catching up on {waiting} values"),
                });
                if is_over || !had_posted {
                    (self.tell)(News::Working);
                } else if self.config.health {
                    (self.tell)(News::Posted);
                }
                let pause = match self.stop {
                    Some(_) => LAST_PAUSE,
                    None => CATCH_UP_PAUSE,
                };
                self.post_due = left.then_some(Moment(now.0 + pause));
            }
            Err(error) if error.condemns_content() => self.condemn(&batch, &error, clock),
            Err(error) => {
                self.is_failing(format!("{}; the values are kept", base::report(&error)));
                self.try_again(until_next(&error), clock);
            }
        }
    }

    /// The server will not have something in `batch`: halves it until that is found.
    fn condemn(&mut self, batch: &Batch, error: &ApiError, clock: &dyn Clock) {
        let why = base::report(error);
        if let Condemned::Dropped(value) = self.spool.condemned(batch) {
            let of = value.destination.map(|host| format!(" of {host}"));
            log::warn!(
                "dropped {}{} = {} at {}: {why}",
                value.name,
                of.unwrap_or_default(),
                Json::Number(value.value),
                value.time.0
            );
            self.delivered(clock);
        }
        self.condemned += 1;
        self.has_failed = true;
        let is_all = self.condemned >= CONDEMNED;
        if is_all {
            // Whatever it is that the server will not have, it is not a value or two.
            self.is_failing(format!("{why}; whatever it is sent"));
        }
        let pause = match self.stop {
            Some(_) => LAST_PAUSE,
            None if is_all => REFUSED_PAUSE,
            None => CATCH_UP_PAUSE,
        };
        let left = !self.spool.is_empty();
        self.post_due = left.then_some(Moment(clock.moment().0 + pause));
    }

    /// It cannot register, or post.
    pub(super) fn is_failing(&mut self, reason: String) {
        if self.posting.because(reason.clone()) {
            (self.tell)(News::Failing(reason));
        }
    }

    /// Puts the next attempt off, for at least as long as `asked`.
    pub(super) fn try_again(&mut self, asked: Duration, clock: &dyn Clock) {
        self.has_failed = true;
        let spread = self.backoff.failed((self.random)());
        let pause = match self.stop {
            Some(_) => LAST_PAUSE,
            None => spread.max(asked.min(ASKED_PAUSE)),
        };
        self.post_due = Some(Moment(clock.moment().0 + pause));
    }
}
