//! Built-in checks and metric plugins (applets): one file each.
//!
//! `list` names them. `launch` decides which applet a command line or a plugin's `command` names.
//! `arguments` reads the flags, which are written down once, in the text of the applet's help. An
//! applet gets its arguments and a `Host`, and returns a `Finding` (`check/`) or prints `Values`
//! (`plugin/`). Names, flags, messages and exit codes are those of the official plugins;
//! docs/applets.md lists the differences.

mod applet;
mod arguments;
mod check;
mod command;
mod counters;
mod finding;
mod host;
mod launch;
mod limit;
mod list;
mod number;
mod plugin;
mod run;
mod status_map;
#[cfg(test)]
mod testing;
mod trust;
mod values;

pub(crate) use launch::{built_in, named};
pub(crate) use list::APPLETS;
pub(crate) use run::run;
