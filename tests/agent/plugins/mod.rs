//! Plugins as real processes.

mod applets;
mod check_log;
mod growth;
mod jobs;
pub(crate) mod processes;
mod recorded;
