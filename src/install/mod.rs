//! `mackerel-agent install`, `uninstall` and `upgrade`: this program as a service of the host.
//!
//! What is to be done is a list of steps, found out before the first one is taken; `-dry-run` prints
//! it. Before anything is changed, what is there is recorded on disk, so that a run which fails or
//! is interrupted leaves everything as it was.

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

/// Tells the user. A name may have been chosen by anybody: nothing in it moves the cursor.
pub(crate) fn say(line: &str) -> Result<(), String> {
    let line = command::shown(line);
    let said = writeln!(io::stdout(), "{line}");
    said.map_err(|error| format!("cannot write to standard output: {error}"))
}
