//! From a configured plugin to its result.
//!
//! `roster` decides when a plugin is due. `runner` starts a thread for each run; `work` runs the
//! command there and parses what it printed: `values` of a metric plugin, the `finding` of a check,
//! the document of a metadata plugin. `history` suppresses reports of checks that have not changed,
//! and `voice` limits what is logged. The result goes to whoever started the runner.

mod finding;
pub(crate) mod history;
pub(crate) mod output;
pub(crate) mod roster;
pub(crate) mod runner;
mod values;
mod voice;
pub(crate) mod work;
