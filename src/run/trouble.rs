//! A failure that repeats: told when it starts, when it changes and when it ends.

/// One kind of failure, e.g. "posting". Says each new reason once.
#[derive(Default)]
pub(super) struct Trouble {
    reason: Option<String>,
}

impl Trouble {
    /// It failed. Logs `reason` unless it is what the last failure said.
    pub(super) fn because(&mut self, reason: String) {
        if self.reason.as_ref() != Some(&reason) {
            log::warn!("{reason}");
            self.reason = Some(reason);
        }
    }

    /// Whether the last attempt failed.
    pub(super) fn is_on(&self) -> bool {
        self.reason.is_some()
    }

    /// It succeeded. Logs `relief` if the last attempt had failed.
    pub(super) fn is_over(&mut self, relief: impl FnOnce() -> String) {
        if self.reason.take().is_some() {
            log::info!("{}", relief());
        }
    }
}
