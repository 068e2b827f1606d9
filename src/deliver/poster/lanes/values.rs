//! Sends values: all rounds of one minute in one request, at the host's own second of the minute. A
//! backlog is sent with short pauses.

use std::time::Duration;

use crate::base;
use crate::base::backoff::{Backoff, STOPPING};
use crate::base::clock::{Clock, Moment, Stamp, Unix};
use crate::base::json::Json;
use crate::base::values::Values;
use crate::deliver::api::{Api, ApiError, Verdict};
use crate::deliver::failed_step::FailedStep;
use crate::deliver::message::PosterEvent;
use crate::deliver::poster::identities::Identified;
use crate::deliver::poster::lane::{Context, Lane, REFUSED_PAUSE, Step, asked_pause};
use crate::deliver::poster::losses::{Losses, NO_ROOM};
use crate::deliver::spool::{Batch, Condemned, Destination, Spool};
use crate::sys::digest;
use crate::sys::log;
use crate::sys::log_once::LogOnce;

/// Longest pause between two attempts. An unreachable server gets no more requests than a reachable
/// one.
const PAUSE: Duration = Duration::from_secs(60);
/// Pause between two requests while a backlog is sent.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(1_500);
/// Seconds from the start of a minute until the values of fast plugins have arrived.
const SETTLE: u64 = 3;
/// Number of rejected requests in a row after which the server is considered the cause. A single
/// bad value in the largest batch causes half as many.
const REJECTIONS: u32 = 24;
/// Pause between two requests while all is well, so that the values of slow plugins accumulate.
const GATHER: Duration = Duration::from_secs(10);

/// The values that wait, and the state of sending them.
pub(crate) struct ValuesLane {
    pub(crate) spool: Spool,
    pub(crate) due: Option<Moment>,
    /// When the server last accepted values; `None` if it has accepted none from this process. The
    /// first ones are sent at once.
    last_post: Option<Moment>,
    /// Number of requests in a row whose values the server rejected.
    rejected: u32,
    /// Until when the values of other hosts wait, because the server refused some. `None` if it has
    /// accepted some since.
    others_held: Option<Moment>,
    backoff: Backoff,
    log: LogOnce,
    pub(crate) losses: Losses,
}

impl Default for ValuesLane {
    fn default() -> ValuesLane {
        ValuesLane {
            spool: Spool::default(),
            due: None,
            last_post: None,
            rejected: 0,
            others_held: None,
            backoff: Backoff::up_to(PAUSE),
            log: LogOnce::default(),
            losses: Losses::of("rounds of values"),
        }
    }
}

impl ValuesLane {
    /// Adds a round, whose time may not be known yet, and schedules its request.
    pub(crate) fn push(
        &mut self,
        (stamp, is_sure): (Stamp, bool),
        destination: Destination,
        values: &Values,
        context: &Context,
        clock: &dyn Clock,
    ) {
        let lost = self.spool.push(stamp, is_sure, destination, values.iter());
        self.losses.add(lost, NO_ROOM);
        if self.due.is_none() && !self.spool.is_empty() {
            let now = clock.moment();
            let pause = self.last_post.map_or(Duration::ZERO, |last| {
                until_own_second(context, clock.unix()).max(GATHER.saturating_sub(now.since(last)))
            });
            self.due = Some(Moment(now.0 + pause));
        }
    }

    /// Whether the last request failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.log.is_failing()
    }

    /// Makes the waiting values due at `now`, unless a request is scheduled, those of other hosts
    /// too. Called when what is known about the ids of other hosts has changed.
    pub(crate) fn wake(&mut self, now: Moment) {
        self.others_held = None;
        if !self.spool.is_empty() {
            self.due.get_or_insert(now);
        }
    }

    /// Handles new settings: a request that failed with the old ones is repeated at once.
    pub(crate) fn configure(&mut self, now: Moment) {
        if self.log.is_failing() {
            self.backoff.succeeded();
            self.due = self.due.map(|due| due.min(now));
        }
    }

    /// Requests the time from the server, because no other clock is known to be right. Nothing is
    /// posted before the time is known.
    fn ask_time(&mut self, context: &mut Context, api: &mut Api, clock: &dyn Clock) -> Step {
        let Some(id) = context.own_id() else {
            return Step::Idle;
        };
        match api.host(id) {
            Ok(_) => {
                context.read_server_time(api, clock);
                if context.trust.is_sure() {
                    return Step::Sent;
                }
                let why = "the clock of this host has never been set: values are kept until it is; set it, or have it set by NTP";
                let step = FailedStep::Time;
                self.retry(step, why.to_owned(), REFUSED_PAUSE, context, clock)
            }
            Err(error) => self.retry_after(&error, context, clock),
        }
    }

    /// Handles the success of `batch`. `is_left` is whether more of what waits can be sent.
    fn accepted(&mut self, batch: &Batch, is_left: bool, context: &Context, now: Moment) {
        log::debug("command", format_args!("posted {} rounds", batch.len()));
        self.rejected = 0;
        let is_first = self.last_post.replace(now).is_none();
        self.backoff.succeeded();
        let waiting = self.spool.waiting();
        let is_over = self.log.succeeded(|| {
            if is_left {
                format!("posting works again; catching up on {waiting} values")
            } else {
                "posting works again".to_owned()
            }
        });
        // Losses go on although posting works while rounds wait for the id of another host.
        if is_over || self.spool.is_empty() {
            self.losses.end();
        }
        if is_over || is_first {
            (context.events)(PosterEvent::Working);
        } else if context.config.health {
            (context.events)(PosterEvent::Posted);
        }
        self.due = is_left.then_some(Moment(now.0 + self.next_pause(CATCH_UP_PAUSE)));
    }

    /// Holds the values of other hosts after a refusal of a request that had some, and schedules
    /// one with the values of this host alone.
    fn hold_others(&mut self, why: &str, step: Step, now: Moment) -> Step {
        self.rejected = 0;
        let until = Moment(now.0 + REFUSED_PAUSE);
        if self.others_held.replace(until).is_none() {
            log::error!(
                "{why}; the values of custom_identifier hosts are kept, and their ids are looked up again"
            );
        }
        self.due = Some(Moment(now.0 + CATCH_UP_PAUSE));
        step
    }

    /// Handles the rejection of `batch`: bisects it until the rejected value is found, and drops
    /// that. `may_hold` is whether the values of other hosts can be held.
    fn reject(
        &mut self,
        batch: &Batch,
        may_hold: bool,
        error: &ApiError,
        context: &Context,
        clock: &dyn Clock,
    ) -> Step {
        let why = base::report(error);
        if let Condemned::Dropped(value) = self.spool.condemned(batch) {
            let of = value.destination.map(|host| format!(" of {host}"));
            log::error!(
                "dropped {}{} = {} at {}: {why}",
                value.name,
                of.unwrap_or_default(),
                Json::Number(value.value),
                value.time.0
            );
        }
        self.rejected += 1;
        let is_all = self.rejected >= REJECTIONS;
        if is_all && may_hold {
            return self.hold_others(&why, Step::Refused, clock.moment());
        }
        if is_all {
            // The cause is the server: more than one or two values are rejected.
            let why = format!("{why}; so are all other values");
            context.report_failure(&mut self.log, error.failed_step(), why, clock);
        }
        let pause = self.next_pause(if is_all {
            REFUSED_PAUSE
        } else {
            CATCH_UP_PAUSE
        });
        self.due = (!self.spool.is_empty()).then_some(Moment(clock.moment().0 + pause));
        Step::Refused
    }

    /// Schedules a retry after a failure that the values did not cause.
    fn retry_after(&mut self, error: &ApiError, context: &Context, clock: &dyn Clock) -> Step {
        let asked = if error.is_foreign() {
            REFUSED_PAUSE
        } else {
            asked_pause(error)
        };
        let why = format!("{}; the values are kept", base::report(error));
        self.retry(error.failed_step(), why, asked, context, clock)
    }

    fn retry(
        &mut self,
        step: FailedStep,
        why: String,
        asked: Duration,
        context: &Context,
        clock: &dyn Clock,
    ) -> Step {
        context.report_failure(&mut self.log, step, why, clock);
        let pause = self.backoff.failed(asked, (context.random)());
        self.due = Some(Moment(clock.moment().0 + pause));
        Step::Later
    }

    /// The pause before a request that is not a retry: `usual`, or a shorter one at a stop.
    fn next_pause(&self, usual: Duration) -> Duration {
        if self.backoff.is_stopping() {
            STOPPING
        } else {
            usual
        }
    }
}

impl Lane for ValuesLane {
    fn due(&self, _: &Context) -> Option<Moment> {
        self.due
    }

    fn step(&mut self, context: &mut Context, api: &mut Api, clock: &dyn Clock) -> Step {
        if !context.trust.is_sure() {
            return self.ask_time(context, api, clock);
        }
        let expired = context.time(clock).map_or(0, |now| self.spool.expire(now));
        self.losses
            .add(expired, "the server takes none older than a day");
        let is_held = self.others_held.is_some_and(|until| clock.moment() < until);
        if is_held {
            context.identities.doubt(clock.moment());
        }
        let id_of = |destination: Option<&str>| match context.id_of(destination) {
            Identified::As(id) if destination.is_none() || !is_held => Some(id),
            _ => None,
        };
        let is_known = |destination: Option<&str>| id_of(destination).is_some();
        // While requests fail, they are kept small.
        let batch = if self.log.is_failing() {
            self.spool.newest(&is_known)
        } else {
            self.spool.batch(&is_known)
        };
        if batch.is_empty() {
            self.due = None;
            return Step::Idle;
        }
        let mut has_others = false;
        let posted = {
            let values = self.spool.values(&batch);
            let mut values = values.filter_map(|(to, time, name, value)| {
                has_others |= to.is_some();
                Some((id_of(to)?, time, name, value))
            });
            api.post_metrics(&mut || values.next())
        };
        let may_hold = has_others && !self.backoff.is_stopping();
        match posted {
            Ok(()) => {
                self.spool.posted(&batch);
                if has_others {
                    self.others_held = None;
                }
                let is_left = !self.spool.batch(&is_known).is_empty();
                context.compare_server_time(api, clock);
                self.accepted(&batch, is_left, context, clock.moment());
                Step::Sent
            }
            Err(error) if error.condemns_content() => {
                self.reject(&batch, may_hold, &error, context, clock)
            }
            Err(error) if may_hold && error.verdict() == Verdict::Refused => {
                self.hold_others(&base::report(&error), Step::Later, clock.moment())
            }
            Err(error) => self.retry_after(&error, context, clock),
        }
    }

    fn stop(&mut self, now: Moment) {
        self.backoff.stop();
        self.due = (!self.spool.is_empty()).then_some(now);
    }
}

/// Time until the host's own second of the minute; zero if it has passed. The own second spreads
/// the requests of a fleet over the minute.
fn until_own_second(context: &Context, now: Unix) -> Duration {
    let offset = context
        .own_id()
        .map_or(0, |id| digest::sha1_last_byte(id) % 60);
    let least = if context.config.metric_plugins.is_empty() {
        0
    } else {
        SETTLE
    };
    Duration::from_secs(u64::from(offset).max(least).saturating_sub(now.0 % 60))
}
