//! What commands ask the running agent for, and how they say that none answers.

use std::io;
use std::path::Path;

use crate::config::{Config, Flags, Secret};
use crate::settings::resolve::{ConfigReport, survey};
use crate::sys::agent_socket::{self, Response};
use crate::sys::log;

/// The configuration, as far as it can be read. The agent itself reports errors in it.
pub(super) fn config(flags: &mut Flags) -> Config {
    log::install();
    log::set_level(false, true);
    survey_without_key(flags).config
}

/// The configuration for a command that needs no API key.
pub(super) fn survey_without_key(flags: &mut Flags) -> ConfigReport {
    let key = flags.apikey.replace(Secret::new("none"));
    let report = survey(flags);
    flags.apikey = key;
    report
}

/// What the agent of `root` answers to `path`. Takes up to 10 seconds. Fails with the reason if it
/// does not answer this user.
pub(super) fn ask(root: &Path, path: &str) -> Result<String, String> {
    let answer = agent_socket::get(root, path).and_then(Response::accepted);
    answer.map_err(|error| error.to_string())
}

/// The path of the agent's part of an event, a JSON object: checks, values of plugins, and the state
/// of its destinations.
pub(super) const PART: &str = "/agent";
/// Exit code: the agent runs, and something fails.
pub(super) const FAILING: u8 = 1;
/// Exit code: no agent runs.
pub(super) const ABSENT: u8 = 3;
/// Exit code: the agent does not answer this user.
pub(super) const FORBIDDEN: u8 = 4;

/// The exit code and the text if the agent of `root` cannot be asked.
pub(super) fn refusal(root: &Path, error: &io::Error) -> (u8, String) {
    let root = root.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        let text = format!("not allowed to ask the agent of root {root}: {error}");
        return (FORBIDDEN, text);
    }
    let text = format!("no agent of root {root} answers: {error}");
    (ABSENT, text)
}
