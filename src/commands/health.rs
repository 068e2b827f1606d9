//! `mackerel-agent health`: asks the running agent whether it measures and posts.

use std::io::{self, Write};

use crate::config::{Flags, Secret};
use crate::settings::resolve::survey;
use crate::settings::tags::TAGS;
use crate::sys::health_socket;
use crate::sys::log as backend;

/// Asks the running agent for its health and prints the answer.
///
/// Fails with the text for the user if the agent does not measure, or does not post. Posting does
/// not count if `flags.live` is set.
pub(crate) fn health(flags: &Flags) -> Result<(), String> {
    backend::install(TAGS);
    // The agent itself reports errors in the rest of the configuration.
    let mut flags = flags.clone();
    flags.apikey = Some(Secret::new("none"));
    backend::set_level(false, true);
    let root = survey(&flags).config.root;
    let answer = health_socket::ask(&root).map_err(|error| {
        let root = root.display();
        format!("unhealthy: no agent of root {root} answers: {error}; health = true has it answer")
    })?;
    let (is, words) = answer.split_once(' ').unwrap_or_default();
    let words = backend::escaped(words);
    match (is, flags.live) {
        ("11", _) | ("10", true) => writeln!(io::stdout(), "healthy: {words}")
            .map_err(|error| format!("cannot print: {error}")),
        _ => Err(format!("unhealthy: {words}")),
    }
}
