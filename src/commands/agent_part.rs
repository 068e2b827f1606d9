//! What the running agent adds to the readings of a command: checks, values of plugins, and the
//! state of its destinations.

use std::path::Path;

use crate::config::{Config, Flags, Secret};
use crate::settings::resolve::survey;
use crate::settings::tags::TAGS;
use crate::sys::agent_socket::{self, Response};
use crate::sys::log as backend;

/// The configuration, as far as it can be read. The agent itself reports errors in it.
pub(super) fn config(flags: &Flags) -> Config {
    backend::install(TAGS);
    backend::set_level(false, true);
    let keyless = Flags {
        apikey: Some(Secret::new("none")),
        ..flags.clone()
    };
    survey(&keyless).config
}

/// The agent's part of an event, a JSON object. Takes up to 10 seconds.
///
/// Fails with the reason if no agent of `root` answers this user.
pub(super) fn ask(root: &Path) -> Result<String, String> {
    let answer = agent_socket::get(root, "/agent").and_then(Response::accepted);
    answer.map_err(|error| error.to_string())
}
