//! Commands that do one thing and end: one file each.
//!
//! Each resolves the configuration (`settings`), does its work with the same parts as the agent,
//! and prints to stdout. An error is returned as the text for the user. `main` prints it and exits
//! with 1. `status` and `logs` have exit codes of their own.

mod agent_part;
mod applets;
pub(crate) mod diagnose;
pub(crate) mod health;
mod host_command;
#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "files of the tests, not of a host"
)]
mod hosts;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod live;
pub(crate) mod logs;
pub(crate) mod once;
mod owner;
pub(crate) mod retire;
pub(crate) mod status;
pub(crate) mod top;
mod wrap;

pub(crate) use applets::applets;
pub(crate) use diagnose::diagnose;
pub(crate) use health::health;
pub(crate) use init::init;
pub(crate) use inspect::{check, plugin};
pub(crate) use live::live;
pub(crate) use logs::logs;
pub(crate) use once::once;
pub(crate) use retire::retire;
pub(crate) use status::status;
pub(crate) use top::top;
pub(crate) use wrap::{send, wrap};
