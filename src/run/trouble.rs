//! A failure that repeats: told when it starts, when it changes and when it ends.

use crate::base::Failures;

/// One kind of failure, e.g. "posting". Says each new reason once.
#[derive(Default)]
pub(super) struct Trouble {
    reason: Option<String>,
}

impl Trouble {
    /// It failed. Logs `reason` unless it is what the last failure said. Returns whether it is not.
    pub(super) fn because(&mut self, reason: String) -> bool {
        let is_new = self.reason.as_ref() != Some(&reason);
        if is_new {
            log::warn!("{reason}");
            self.reason = Some(reason);
        }
        is_new
    }

    /// Whether the last attempt failed.
    pub(super) fn is_on(&self) -> bool {
        self.reason.is_some()
    }

    /// It succeeded. Logs `relief` if the last attempt had failed. Returns whether it had.
    pub(super) fn is_over(&mut self, relief: impl FnOnce() -> String) -> bool {
        let was_on = self.reason.take().is_some();
        if was_on {
            log::info!("{}", relief());
        }
        was_on
    }
}

/// The failures of something that has several parts and is done again and again.
pub(super) struct Troubles {
    /// What is done, as the log calls it.
    doing: &'static str,
    /// The module that does it, as the log's target.
    target: &'static str,
    last: Failures,
}

impl Troubles {
    /// Nothing has failed yet.
    pub(super) fn new(doing: &'static str, target: &'static str) -> Troubles {
        Troubles {
            doing,
            target,
            last: Failures::new(),
        }
    }

    /// It was done, and `now` is what failed. Logs what did not fail so the time before, and what
    /// no longer fails.
    pub(super) fn are(&mut self, now: Failures) {
        let (doing, target) = (self.doing, self.target);
        for failure in now.iter().filter(|failure| !self.last.contains(failure)) {
            let (part, reason) = failure;
            log::warn!(target: target, "{doing} {part}: {reason}");
        }
        for part in ended(&self.last, &now) {
            log::info!(target: target, "{doing} {part}: works again");
        }
        self.last = now;
    }
}

/// The parts that failed in `last`, each once, and not in `now`.
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
    fn what_ends_is_told_once_and_only_when_nothing_of_it_is_left() {
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
