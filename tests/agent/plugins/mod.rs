//! Plugins as real processes.

mod growth;
pub(crate) mod processes;
