//! From a configured plugin to its result.
//!
//! `plugin_schedule` decides when a plugin is due. `runner` starts each run in one of the
//! `run_threads`; `work` runs the command there and parses what it printed: `values` of a metric
//! plugin, the `finding` of a check, the document of a metadata plugin. `history` suppresses reports
//! of checks that have not changed, and `plugin_log` limits what is logged. The result goes to the
//! function that the runner was created with.

mod finding;
pub(crate) mod history;
pub(crate) mod output;
mod plugin_log;
pub(crate) mod plugin_schedule;
pub(crate) mod plugin_state;
pub(crate) mod run_threads;
pub(crate) mod runner;
mod values;
pub(crate) mod work;
