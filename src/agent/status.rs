//! The state of the agent in one line for people, as `systemctl status` shows it, and the state of
//! a destination in the report of `mackerel-agent status`.

use std::time::Duration;

use super::health::POSTED;
use crate::base::clock::Unix;
use crate::deliver::delivery::{Delivery, DeliveryFailure};
use crate::deliver::failed_step::FailedStep;
use crate::deliver::message::PosterEvent;
use crate::render::status::{DestinationStatus, FailureStatus, QueuedStatus};
use crate::sys::localtime;
use crate::sys::log;

/// The state of the registration and of posting.
#[derive(Default)]
pub(crate) struct AgentStatus {
    /// The host's name and its id on the server. `None` before the registration.
    host: Option<String>,
    works: bool,
    /// Since when requests fail, and why.
    trouble: Option<(Unix, String)>,
}

impl AgentStatus {
    /// Records an event at `now`. Returns whether [`AgentStatus::text`] may have changed.
    pub(crate) fn note(&mut self, news: PosterEvent, now: Unix) -> bool {
        let was = self.trouble.take();
        match news {
            PosterEvent::Alive | PosterEvent::Posted | PosterEvent::Trusted(_) => {
                self.trouble = was;
                return false;
            }
            PosterEvent::Registered { id, name } => self.host = Some(format!("{name} ({id})")),
            PosterEvent::Working => self.works = true,
            PosterEvent::Failing(reason) => {
                let since = was.map_or(now, |(since, _)| since);
                self.trouble = Some((since, reason));
            }
        }
        true
    }

    /// Whether the server accepts what is posted.
    pub(crate) fn works(&self) -> bool {
        self.works && self.trouble.is_none()
    }

    /// The line for people.
    pub(crate) fn text(&self) -> String {
        let (is, what) = match &self.host {
            Some(host) => (format!("registered as {host}"), "posting"),
            None => ("measuring, not registered yet".to_owned(), "registering"),
        };
        match &self.trouble {
            Some((since, why)) => {
                let since = localtime::rfc3339(Duration::from_secs(since.0));
                format!("{is}, {what} fails since {since}: {why}")
            }
            None if self.works => format!("{is}, {what} works"),
            None => is,
        }
    }
}

/// The part of a destination's state that its thread publishes. `posted_ago`: the time since the
/// server last accepted something. `has_ended`: nothing is sent there any more.
pub(super) fn of_delivery(
    delivery: Delivery,
    posted_ago: Option<Duration>,
    has_ended: bool,
) -> DestinationStatus {
    let Delivery {
        failure,
        queued,
        is_held,
        ..
    } = delivery;
    let state = match (&failure, posted_ago) {
        _ if has_ended => "ended",
        (Some(_), _) => "failing",
        (None, None) => "starting",
        (None, Some(ago)) if ago > POSTED => "late",
        (None, Some(_)) => "ok",
    };
    let held = is_held.then(|| {
        let step = FailedStep::Readiness;
        FailureStatus {
            since: None,
            step: step.word(),
            reason: "readiness_probe has not succeeded yet".to_owned(),
            remedy: step.remedy(),
        }
    });
    DestinationStatus {
        state,
        posted_ago: posted_ago.map(|ago| ago.as_secs()),
        failure: failure.map(of_failure).or(held),
        queued: QueuedStatus {
            values: queued.values as u64,
            rounds: queued.rounds as u64,
            reports: queued.reports as u64,
            disk_bytes: queued.disk_bytes,
            oldest: queued.oldest.map(|time| time.0),
            save_error: queued.save_error.map(|why| log::one_line(&why)),
        },
        ..DestinationStatus::default()
    }
}

fn of_failure(failure: DeliveryFailure) -> FailureStatus {
    FailureStatus {
        since: Some(failure.since.0),
        step: failure.step,
        // The reason may contain a server's text.
        reason: log::one_line(&failure.reason),
        remedy: failure.remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_who_it_is_and_since_when_it_fails() {
        let since = |seconds| localtime::rfc3339(Duration::from_secs(seconds));
        let registered = PosterEvent::Registered {
            id: "3aB".to_owned(),
            name: "pi".to_owned(),
        };
        let failing = |why: &str| PosterEvent::Failing(why.to_owned());
        let (first, second) = (since(60), since(120));
        // (second, event, text from then on)
        let table = [
            (
                60,
                failing("no answer"),
                format!(
                    "measuring, not registered yet, registering fails since {first}: no answer"
                ),
            ),
            (61, registered, "registered as pi (3aB)".to_owned()),
            (
                62,
                PosterEvent::Working,
                "registered as pi (3aB), posting works".to_owned(),
            ),
            (
                120,
                failing("no answer"),
                format!("registered as pi (3aB), posting fails since {second}: no answer"),
            ),
            (
                180,
                failing("status 500"),
                format!("registered as pi (3aB), posting fails since {second}: status 500"),
            ),
            (
                240,
                PosterEvent::Working,
                "registered as pi (3aB), posting works".to_owned(),
            ),
        ];
        let mut status = AgentStatus::default();
        assert_eq!(status.text(), "measuring, not registered yet");
        for (second, news, expected) in table {
            assert!(status.note(news, Unix(second)));
            assert_eq!(status.text(), expected);
            assert!(!status.note(PosterEvent::Alive, Unix(second + 1)));
            assert_eq!(status.text(), expected);
        }
    }

    #[test]
    fn state_of_a_destination_follows_from_what_its_thread_publishes() {
        let failure = DeliveryFailure {
            step: "key",
            remedy: "R",
            reason: "a\nb".to_owned(),
            since: Unix(7),
        };
        let published = |failure: Option<&DeliveryFailure>, is_held| Delivery {
            failure: failure.cloned(),
            is_held,
            ..Delivery::default()
        };
        let held = FailedStep::Readiness.word();
        // (failure, whether it waits for readiness, seconds since a post, whether it has ended,
        // state, step)
        let table = [
            (None, false, None, false, "starting", None),
            (None, true, None, false, "starting", Some(held)),
            (None, false, Some(300), false, "ok", None),
            (None, false, Some(301), false, "late", None),
            (Some(&failure), false, None, false, "failing", Some("key")),
            (
                Some(&failure),
                false,
                Some(1),
                false,
                "failing",
                Some("key"),
            ),
            (Some(&failure), false, Some(1), true, "ended", Some("key")),
            (None, false, Some(1), true, "ended", None),
        ];
        for (failure, is_held, ago, has_ended, state, step) in table {
            let ago = ago.map(Duration::from_secs);
            let found = of_delivery(published(failure, is_held), ago, has_ended);
            assert_eq!(found.state, state);
            assert_eq!(found.posted_ago, ago.map(|ago| ago.as_secs()));
            assert_eq!(found.failure.as_ref().map(|failure| failure.step), step);
            if failure.is_some() {
                let shown = found.failure.unwrap();
                assert_eq!((shown.since, &*shown.reason), (Some(7), "a\\nb"));
            }
        }
    }
}
