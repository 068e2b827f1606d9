//! `mackerel-agent install`, `uninstall` and `upgrade`: this program as a service of the host.
//!
//! The changes are a list of steps, computed before the first one is applied; `-dry-run` prints it.
//! The previous state is recorded on disk before any change, so that a run that fails or is
//! interrupted can be undone.

mod account;
mod command;
mod conf;
mod environment;
mod fetch;
mod host;
pub(crate) mod installer;
mod layout;
mod package;
mod plan;
mod reach;
mod record;
mod service;
mod step;
mod upgrade;

use std::io::{self, Write};

pub(crate) use environment::service_flags;
pub(crate) use installer::{install, is_sandboxed, uninstall};
pub(crate) use upgrade::upgrade;

use crate::sys::log::escaped_lines;

/// Prints a line for the user. Control characters are escaped, because other users may have chosen
/// a name in it.
pub(crate) fn say(line: &str) -> Result<(), String> {
    let line = escaped_lines(line);
    let said = writeln!(io::stdout(), "{line}");
    said.map_err(|error| format!("cannot write to standard output: {error}"))
}
