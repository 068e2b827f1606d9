//! `mackerel-agent supervise`: runs the agent as a child process and restarts it when it ends.
//!
//! `supervisor` waits for signals and for the end of its child. `policy` decides whether and when
//! the next child is started. One thread, no network.

mod policy;
pub(crate) mod supervisor;

pub(crate) use supervisor::supervise;
