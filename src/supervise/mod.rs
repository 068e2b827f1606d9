//! `mackerel-agent supervise`: runs the agent as a child process and restarts it when it ends.
//!
//! `supervisor` waits for signals and for the end of its child; `policy` decides from what has
//! happened whether and when the next child starts. One thread, no network.

mod policy;
pub(crate) mod supervisor;

pub(crate) use supervisor::supervise;
