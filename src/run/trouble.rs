//! A failure that repeats: told when it starts, when it changes and when it ends.

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
