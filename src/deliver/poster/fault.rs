//! Faults that the rig injects between a poster and its lanes. The rig has to detect each of them.

use std::time::Duration;

use super::lane::{Lane, Step};
use super::lanes::COUNT;
use crate::base::clock::Moment;
use crate::deliver::api::Api;
use crate::sys::http::{Answer, Exchange, LinkError, Request};

/// Delay of [`Mutant::Late`].
const LATE: Duration = Duration::from_secs(10 * 60);

/// The fault of a lane.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mutant {
    /// It is never due.
    NeverDue,
    /// It is due too late.
    Late,
    /// It is due at once whenever something waits, without any pause.
    Hasty,
    /// Its steps make no request and count as successful.
    Pretends,
    /// It is never due again after a step that has to be repeated.
    NoRetry,
    /// The next lane goes first when both are due.
    Swapped,
    /// Its `stop` is not called.
    NotStopped,
}

/// The faults of a poster.
#[derive(Default)]
pub(super) struct Fault {
    /// A lane, by its place in the order of priority, and its fault.
    pub(super) lane: Option<(usize, Mutant)>,
    /// Whether a step of that lane has to be repeated.
    has_failed: bool,
    /// Whether the poster tries until the end, even if everything is saved.
    pub(super) is_stubborn: bool,
}

impl Fault {
    /// When each lane is due.
    pub(super) fn dues(&self, mut dues: [Option<Moment>; COUNT]) -> [Option<Moment>; COUNT] {
        if let Some((at, mutant)) = self.lane {
            let due = dues[at];
            dues[at] = match mutant {
                Mutant::NeverDue => None,
                Mutant::NoRetry if self.has_failed => None,
                Mutant::Late => due.map(|due| Moment(due.0 + LATE)),
                Mutant::Hasty => due.map(|_| Moment::default()),
                _ => due,
            };
        }
        dues
    }

    /// The lane that goes first with this fault; without it, `first` does.
    pub(super) fn first(&self, first: usize, dues: &[Option<Moment>; COUNT], now: Moment) -> usize {
        let next = dues.get(first + 1).copied().flatten();
        let is_swapped = self.lane == Some((first, Mutant::Swapped));
        first + usize::from(is_swapped && next.is_some_and(|due| due <= now))
    }

    /// Replaces the API in a step of a lane; `None` if the lane uses the real one.
    pub(super) fn api(&self, at: usize) -> Option<Api> {
        let is_pretended = self.lane == Some((at, Mutant::Pretends));
        is_pretended.then(|| Api::new(Box::new(NoServer)))
    }

    /// Records how a step of a lane ended.
    pub(super) fn ended(&mut self, at: usize, step: &Step) {
        let is_broken = self.lane.is_some_and(|(lane, _)| lane == at);
        self.has_failed |= is_broken && *step == Step::Later;
    }

    /// Those of `lanes` whose `stop` is called.
    pub(super) fn stopped<'a>(
        &self,
        lanes: impl Iterator<Item = &'a mut dyn Lane>,
    ) -> impl Iterator<Item = &'a mut dyn Lane> {
        let lanes = lanes.enumerate();
        let stopped = lanes.filter(|(at, _)| self.lane != Some((*at, Mutant::NotStopped)));
        stopped.map(|(_, lane)| lane)
    }
}

/// A connection that answers each request with success and does nothing.
struct NoServer;

impl Exchange for NoServer {
    fn exchange(&mut self, _: &Request<'_>) -> Result<Answer, LinkError> {
        let host = r#"{"id":"nobody","name":"n","status":"working"}"#;
        Ok(Answer {
            status: 200,
            body: format!(r#"{{"id":"nobody","host":{host},"hosts":[{host}]}}"#),
            encoding: None,
            retry_after: None,
            location: None,
            date: None,
        })
    }
}
