//! What an agent that is a supervisor's child receives from it.

use crate::config::{Flags, Secret};
use crate::sys::child;
use crate::sys::environment;

/// The variable in which a child finds the key of `-apikey`: a command line can be seen by every
/// user of the host.
pub(crate) const APIKEY: &str = "_MACKEREL_AGENT_APIKEY";

/// The variable in which a child finds the number of its supervisor's process, if that is one with
/// which it has to end: the Go agent's supervisor may also start this program.
pub(crate) const SUPERVISOR: &str = "_MACKEREL_AGENT_SUPERVISOR";

/// Makes this process the child that its flags say it is: it ends with its supervisor, and takes
/// the API key from it. To be called before any thread is started. Fails if the supervisor has
/// ended by now.
pub(crate) fn become_child(flags: &mut Flags) -> Result<(), String> {
    if let Some(key) = environment::take(APIKEY) {
        flags.apikey = Some(Secret::new(&key.to_string_lossy()));
    }
    let supervisor = environment::take(SUPERVISOR);
    match supervisor.and_then(|pid| pid.to_str()?.parse().ok()) {
        Some(pid) => child::end_with(pid).map_err(|error| format!("no supervisor: {error}")),
        None => Ok(()),
    }
}
