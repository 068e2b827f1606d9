//! The agent itself, with and without a supervisor.

use argh::{ArgsInfo, FromArgs};

use crate::cli::command::CommandArgs;

/// watch this host and report to Mackerel
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Agent {}

impl CommandArgs for Agent {}

/// run the agent as a child, and start it again when it ends
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Supervise {}

impl CommandArgs for Supervise {}
