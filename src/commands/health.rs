//! `mackerel-agent health`: asks the running agent whether it measures and posts.

use std::io::{self, Write};

use super::agent_part;
use crate::config::Flags;
use crate::sys::agent_socket::{self, Response};
use crate::sys::log;

/// Asks the running agent for its health and prints the answer.
///
/// Fails with the text for the user if the agent does not measure, or does not post. Posting does
/// not count if `flags.live` is set.
pub(crate) fn health(flags: &mut Flags) -> Result<(), String> {
    let root = agent_part::config(flags).root;
    let answer = agent_socket::get(&root, "/health");
    let answer = answer.and_then(Response::accepted).map_err(|error| {
        let root = root.display();
        format!(
            "unhealthy: no agent of root {root} answers: {error}; start it, or remove health = false"
        )
    })?;
    let (is, words) = answer.split_once(' ').unwrap_or_default();
    let words = log::escaped(words);
    match (is, flags.live) {
        ("11", _) | ("10", true) => writeln!(io::stdout(), "healthy: {words}")
            .map_err(|error| format!("cannot print: {error}")),
        _ => Err(format!("unhealthy: {words}")),
    }
}
