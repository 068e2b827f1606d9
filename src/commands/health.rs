//! `mackerel-agent health`: asks the running agent whether it measures and posts.

use std::io::{self, Write};

use crate::config::{Flags, Secret};
use crate::settings::resolve::survey;
use crate::settings::tags::TAGS;
use crate::sys::health_socket;
use crate::sys::log as backend;

/// Asks the running agent how it is doing, and prints it. Returns the text for the user if it is not
/// well: if it does not measure or, unless `flags` say that this does not matter, does not post.
pub(crate) fn health(flags: &Flags) -> Result<(), String> {
    backend::install(TAGS);
    // What is wrong with the rest has been said by the agent.
    let flags = Flags {
        apikey: Some(Secret::new("none")),
        ..flags.clone()
    };
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
