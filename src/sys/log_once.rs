//! Logging of repeated failures: when they start, when they change and when they end.

use crate::base::Failures;
use crate::base::shape::digest;
use crate::sys::log::{self, Level};

/// The failures of one kind of work, e.g. of posting. A reason is logged once. It is logged again
/// only after another reason or a success. Reasons that differ only in numbers count as one.
#[derive(Default)]
pub(crate) struct LogOnce {
    /// Digest of the last failure's reason; `None` if the last attempt succeeded.
    reason: Option<u64>,
}

impl LogOnce {
    /// Records a failed attempt. Logs `reason` at ERROR, unless the attempt before failed for the
    /// same one. Returns whether it was logged.
    pub(crate) fn failed(&mut self, reason: String) -> bool {
        self.record(Level::Error, &reason)
    }

    /// Like [`LogOnce::failed`], at WARNING: nothing has failed that was wanted by now.
    pub(crate) fn warned(&mut self, reason: &str) {
        self.record(Level::Warn, reason);
    }

    fn record(&mut self, level: Level, reason: &str) -> bool {
        let digest = Some(digest("", reason));
        let is_new = self.reason != digest;
        self.reason = digest;
        if is_new {
            log::at!(level, "{reason}");
        }
        is_new
    }

    /// Whether the last attempt failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.reason.is_some()
    }

    /// Records a successful attempt. Logs `relief` if the attempt before had failed. Returns
    /// whether it had.
    pub(crate) fn succeeded(&mut self, relief: impl FnOnce() -> String) -> bool {
        let was_failing = self.reason.take().is_some();
        if was_failing {
            log::info!("{}", relief());
        }
        was_failing
    }
}

/// The failures of one kind of work for several objects, e.g. for several hosts: one that always
/// fails, among others that do not, is logged once. The objects are those of the configuration.
#[derive(Default)]
pub(crate) struct LogOnceFor(Vec<(String, LogOnce)>);

impl LogOnceFor {
    /// The failures for the object `name`.
    pub(crate) fn of(&mut self, name: &str) -> &mut LogOnce {
        let known = self.0.iter().position(|(known, _)| known == name);
        let at = known.unwrap_or_else(|| {
            self.0.push((name.to_owned(), LogOnce::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

/// The failures of repeated work that has several parts.
pub(crate) struct LogEachOnce {
    /// The work, as named in the log.
    doing: &'static str,
    /// The tag of its lines.
    tag: &'static str,
    last: Failures,
}

impl LogEachOnce {
    /// Starts without any failure.
    pub(crate) fn new(doing: &'static str, tag: &'static str) -> LogEachOnce {
        LogEachOnce {
            doing,
            tag,
            last: Failures::new(),
        }
    }

    /// Records one run of the work, in which the parts in `now` failed. Logs new failures at
    /// ERROR, and parts that work again at INFO.
    pub(crate) fn are(&mut self, now: Failures) {
        let (doing, tag) = (self.doing, self.tag);
        for failure in now.iter().filter(|failure| !self.last.contains(failure)) {
            let (part, reason) = failure;
            log::error!(tag: tag, "{doing} {part}: {reason}");
        }
        for part in ended(&self.last, &now) {
            log::info!(tag: tag, "{doing} {part}: works again");
        }
        self.last = now;
    }
}

/// The parts that failed in `last` and not in `now`, each once.
fn ended<'f>(last: &'f Failures, now: &'f Failures) -> impl Iterator<Item = &'static str> + 'f {
    let parts = last.iter().enumerate().map(|(at, (part, _))| (at, *part));
    parts
        .filter(|(at, part)| !is_in(now.iter(), part) && !is_in(last.iter().take(*at), part))
        .map(|(_, part)| part)
}

fn is_in<'f>(mut failures: impl Iterator<Item = &'f (&'static str, String)>, part: &str) -> bool {
    failures.any(|(failed, _)| *failed == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_once_logs_a_reason_again_only_if_another_or_a_success_came_between() {
        // (the reason of a failure or none for a success, whether it is logged)
        let table = [
            (None, false),
            (Some("no answer from 127.0.0.1:48210"), true),
            (Some("no answer from 127.0.0.1:51002"), false),
            (Some("API request failed (status 503)"), true),
            (Some("API request failed (status 403)"), true),
            (Some("API request failed (status 403)"), false),
            (None, true),
            (None, false),
            (Some("API request failed (status 403)"), true),
        ];
        let mut log = LogOnce::default();
        for (at, (reason, is_logged)) in table.into_iter().enumerate() {
            let logged = match reason {
                Some(reason) => log.failed(reason.to_owned()),
                None => log.succeeded(String::new),
            };
            assert_eq!(logged, is_logged, "row {at}");
            assert_eq!(log.is_failing(), reason.is_some(), "row {at}");
        }
    }

    #[test]
    fn log_each_once_reports_an_end_once_and_only_if_no_failure_is_left() {
        let failures = |list: &[(&'static str, &str)]| -> Failures {
            let list = list.iter();
            list.map(|(part, why)| (*part, (*why).to_owned())).collect()
        };
        let last = failures(&[("cpu", "a"), ("disk", "b"), ("disk", "c"), ("memory", "d")]);
        // (why this row exists, what fails now, what has ended)
        let table: [(&str, Failures, &[&str]); 4] = [
            ("all is well", failures(&[]), &["cpu", "disk", "memory"]),
            ("the same", last.clone(), &[]),
            (
                "another reason",
                failures(&[("cpu", "x"), ("memory", "d")]),
                &["disk"],
            ),
            (
                "one of two reasons",
                failures(&[("disk", "c")]),
                &["cpu", "memory"],
            ),
        ];
        for (why, now, expected) in table {
            assert!(ended(&last, &now).eq(expected.iter().copied()), "{why}");
        }
    }
}
