//! Layer 3: what the run of a check means, whether that is news, and the reports that wait to be
//! sent.

pub(crate) mod finding;
pub(crate) mod history;
pub(crate) mod queue;
