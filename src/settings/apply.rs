//! What a process sets up once from its configuration: log level, pid file, lock, state directory,
//! environment.

use crate::base;
use crate::config::{Config, IdStore};
use crate::sys::environment;
use crate::sys::lock::RootLock;
use crate::sys::log;
use crate::sys::pidfile::PidFile;
use crate::sys::state::State;

pub(crate) fn set_level(config: &Config) {
    log::set_level(config.verbose, config.silent);
}

/// The lock on the state directory, which excludes other agents; `None` if the host id is kept in
/// memory only.
pub(crate) fn claim_root(config: &Config) -> Result<Option<RootLock>, String> {
    if config.host_id_store == IdStore::Memory {
        return Ok(None);
    }
    // Before the first start the directory is missing. Other errors are reported where it is used.
    drop(State::at(&config.root).prepare());
    RootLock::claim(&config.root)
        .map(Some)
        .map_err(|error| base::report(&error))
}

/// The claimed pid file; `None` if the configured path is empty.
pub(crate) fn claim_pidfile(config: &Config) -> Result<Option<PidFile>, String> {
    if config.pidfile.as_os_str().is_empty() {
        return Ok(None);
    }
    PidFile::claim(&config.pidfile)
        .map(Some)
        .map_err(|error| base::report(&error))
}

/// The agent's state: files below `root`, or memory only if `host_id_store` is `memory`. The names
/// of the files are those of the configuration's organisation.
pub(crate) fn state(config: &Config) -> State {
    match config.host_id_store {
        IdStore::File => State::at(&config.root).with_id_in(config.state_name("id")),
        IdStore::Memory => State::forgetful(&config.root),
    }
}

/// Puts the configured proxies and the places of the host's trees into the environment, for plugins.
/// Must be called before any thread is started.
pub(crate) fn export(config: &Config) {
    let given = config.proxy_env();
    for (name, proxy) in [("HTTP_PROXY", given.http), ("HTTPS_PROXY", given.https)] {
        if let Some(proxy) = proxy {
            environment::set(name, proxy);
        }
    }
    let host = &config.host;
    for (name, tree) in [
        ("HOST_ROOT", &host.root),
        ("HOST_PROC", &host.proc),
        ("HOST_SYS", &host.sys),
        ("HOST_ETC", &host.etc),
    ] {
        if let Some(tree) = tree {
            environment::set(name, tree);
        }
    }
}
