//! What a process takes from its configuration once: log level, pid file, lock, state, environment.

use crate::base;
use crate::config::{Config, IdStore};
use crate::sys::environment;
use crate::sys::lock::RootLock;
use crate::sys::log as backend;
use crate::sys::pidfile::PidFile;
use crate::sys::state::State;

pub(crate) fn set_level(config: &Config) {
    backend::set_level(config.verbose, config.silent);
}

/// The directory of the agent's state, for this agent alone; `None` if it keeps nothing there.
pub(crate) fn claim_root(config: &Config) -> Result<Option<RootLock>, String> {
    if config.host_id_store == IdStore::Memory {
        return Ok(None);
    }
    // It is missing before the first start. Whatever else is wrong with it is told by who uses it.
    drop(State::at(&config.root).prepare());
    RootLock::claim(&config.root)
        .map(Some)
        .map_err(|error| base::report(&error))
}

/// The pid file of the configuration, if there is to be one.
pub(crate) fn claim_pidfile(config: &Config) -> Result<Option<PidFile>, String> {
    match config.pidfile.as_os_str().is_empty() {
        true => Ok(None),
        false => PidFile::claim(&config.pidfile)
            .map(Some)
            .map_err(|error| base::report(&error)),
    }
}

/// The agent's own files, as the configuration has them.
pub(crate) fn state(config: &Config) -> State {
    match config.host_id_store {
        IdStore::File => State::at(&config.root),
        IdStore::Memory => State::forgetful(&config.root),
    }
}

/// Puts the configured proxies into the environment, for plugins. To be called before any thread
/// is started.
pub(crate) fn export(config: &Config) {
    let given = config.proxy_env();
    for (name, proxy) in [("HTTP_PROXY", given.http), ("HTTPS_PROXY", given.https)] {
        if let Some(proxy) = proxy {
            environment::set(name, proxy);
        }
    }
}
