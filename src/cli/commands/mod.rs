//! The structs of the commands. Each one holds the command's own flags and its operand. The doc
//! comments of these structs and fields are the text of the help, so they are written as messages.

mod agent;
mod diagnose;
mod info;
mod init;
mod inspect;
mod job;
mod plugin_install;
mod plugins;
mod retire;
mod setup;
mod watch;

pub(super) use agent::{Agent, Supervise};
pub(super) use diagnose::Diagnose;
pub(super) use info::{Help, Version};
pub(super) use init::Init;
pub(super) use inspect::{Configtest, Health, Once, Status};
pub(super) use job::{Applets, Wrap};
pub(super) use plugin_install::PluginInstall;
pub(super) use plugins::{Check, Plugin};
pub(super) use retire::Retire;
pub(super) use setup::{Install, Uninstall, Upgrade};
pub(super) use watch::{Live, Logs, Top};
