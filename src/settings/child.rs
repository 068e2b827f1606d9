//! What a supervisor passes to its child, an agent process, in the environment.

use crate::config::{Flags, Secret};
use crate::sys::child;
use crate::sys::environment;

/// The variable that passes the key of `-apikey` to a child. It is not passed as a flag, because
/// every user of the host can see a command line.
pub(crate) const APIKEY: &str = "_MACKEREL_AGENT_APIKEY";

/// The variable that passes the supervisor's process id to a child. It is set only by a supervisor
/// with which the child has to end: the Go agent's supervisor may also start this program.
pub(crate) const SUPERVISOR: &str = "_MACKEREL_AGENT_SUPERVISOR";

/// Sets up this process as a supervisor's child. Takes the API key and the supervisor's process id
/// out of the environment. If the id is given, this process ends together with the supervisor. Must
/// be called before any thread is started. Fails if the supervisor has already ended.
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
