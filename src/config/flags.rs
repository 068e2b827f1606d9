//! The values of the command line's flags.

use std::path::PathBuf;

use super::{CONFFILE, Secret};
use crate::base::host_paths::HostPaths;

/// The flags of all commands that read the configuration. `None`: not given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Flags {
    /// The configuration file.
    pub(crate) conf: PathBuf,
    pub(crate) apibase: Option<String>,
    pub(crate) apikey: Option<Secret>,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) root: Option<PathBuf>,
    pub(crate) host: HostPaths,
    pub(crate) roles: Option<Vec<String>>,
    pub(crate) verbose: Option<bool>,
    pub(crate) diagnostic: Option<bool>,
    /// Whether the agent ends when its program file has been replaced.
    pub(crate) autoshutdown: Option<bool>,
    /// Whether a supervisor started this process. The supervisor then holds the pid file.
    pub(crate) child: bool,
    /// Whether to retire the host without a confirmation.
    pub(crate) force: bool,
    /// For `retire`: the name of the only organisation in which the host is retired.
    pub(crate) organization: Option<String>,
    /// For `health`: whether it is enough that the agent measures.
    pub(crate) live: bool,
    /// Whether the output is JSON.
    pub(crate) json: bool,
    /// For `diagnose`: the file for maintainers.
    pub(crate) bundle: Option<PathBuf>,
    /// For `live`: where the page is served.
    pub(crate) listen: Option<String>,
    /// For `logs`: whether further lines are printed.
    pub(crate) follow: bool,
    /// For `top`: seconds between two readings.
    pub(crate) interval: Option<u32>,
    pub(crate) setup: Setup,
}

/// The flags of `install`, `uninstall` and `upgrade`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Setup {
    /// The file that holds the API key.
    pub(crate) apikey_file: Option<PathBuf>,
    /// The directory that replaces `/`.
    pub(crate) prefix: Option<PathBuf>,
    /// Whether to print the steps without performing them.
    pub(crate) dry_run: bool,
    /// Whether the service runs as root, without a sandbox.
    pub(crate) as_root: Option<bool>,
    /// Whether to remove an edited configuration too.
    pub(crate) purge: bool,
    /// Whether to restore the agent that was installed before.
    pub(crate) restore: Option<bool>,
    /// The location of the release: a directory or a URL.
    pub(crate) from: Option<String>,
    /// The file that holds the public key of releases.
    pub(crate) key: Option<PathBuf>,
}

impl Default for Flags {
    fn default() -> Flags {
        Flags {
            conf: PathBuf::from(CONFFILE),
            apibase: None,
            apikey: None,
            pidfile: None,
            root: None,
            host: HostPaths::default(),
            roles: None,
            verbose: None,
            diagnostic: None,
            autoshutdown: None,
            child: false,
            force: false,
            organization: None,
            setup: Setup::default(),
            live: false,
            json: false,
            bundle: None,
            listen: None,
            follow: false,
            interval: None,
        }
    }
}
