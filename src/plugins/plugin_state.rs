//! What is known of a plugin and its last run.

use std::time::Duration;

use crate::base::clock::Moment;
use crate::wire::check::CheckStatus;

/// What is known of a plugin.
pub(crate) struct PluginState<'a> {
    /// `metrics`, `checks` or `metadata`.
    pub(crate) kind: &'static str,
    pub(crate) name: &'a str,
    /// Status and message of a check's last run; `None` if it has not run yet.
    pub(crate) finding: Option<(CheckStatus, &'a str)>,
    /// The last run that has ended.
    pub(crate) last: Option<&'a LastRun>,
    /// When it is due again; `None` before the plugins begin.
    pub(crate) next: Option<Moment>,
    pub(crate) is_running: bool,
}

/// A run that has ended.
pub(crate) struct LastRun {
    pub(crate) began: Moment,
    pub(crate) took: Duration,
    /// The exit code, or 128 plus the signal's number; `None` if the command was not started, or was
    /// ended by the agent.
    pub(crate) code: Option<i32>,
    /// Why the run has no result, or an incomplete one.
    pub(crate) trouble: Option<String>,
}
