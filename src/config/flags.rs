//! The values of the command line's flags.

use std::ffi::OsString;
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
    /// For `applets`: the directory for links.
    pub(crate) links: Option<PathBuf>,
    /// For `wrap`.
    pub(crate) job: Job,
    pub(crate) setup: Setup,
    pub(crate) plugins: PluginSetup,
}

/// The flags of `wrap`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Job {
    /// The program and its arguments.
    pub(crate) command: Vec<OsString>,
    /// The name of the check; `None` for one made from the command.
    pub(crate) name: Option<String>,
    pub(crate) note: Option<String>,
    /// Whether the report contains what the command printed.
    pub(crate) detail: bool,
    /// Whether a failure is a WARNING.
    pub(crate) warning: bool,
    /// Whether success is reported.
    pub(crate) auto_close: bool,
    /// Time between two notifications, as Go writes durations.
    pub(crate) notification_interval: Option<String>,
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
    /// Days that a release has to be old.
    pub(crate) after: Option<u32>,
    /// Whether a release that has failed is tried again.
    pub(crate) force: bool,
    /// The time over which hosts are spread by their id, as Go writes durations.
    pub(crate) spread: Option<String>,
}

/// The flags and operands of `plugin-install`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct PluginSetup {
    /// What is installed: repositories, names, URLs or paths.
    pub(crate) targets: Vec<String>,
    /// The directory that plugins are installed in.
    pub(crate) prefix: Option<PathBuf>,
    /// Whether files that exist are replaced.
    pub(crate) overwrite: bool,
    /// Whether newer releases replace what is installed.
    pub(crate) upgrade: bool,
    /// Whether to list what is installed.
    pub(crate) list: bool,
    /// The plugin or the source to be removed.
    pub(crate) remove: Option<String>,
    /// The lock file to install from.
    pub(crate) lock: Option<PathBuf>,
    /// The machine that the plugins are for, if not this one.
    pub(crate) arch: Option<String>,
    /// Base URLs in place of GitHub, its API, and the plugin registry.
    pub(crate) github_url: Option<String>,
    pub(crate) api_url: Option<String>,
    pub(crate) registry_url: Option<String>,
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
            plugins: PluginSetup::default(),
            live: false,
            json: false,
            bundle: None,
            listen: None,
            follow: false,
            interval: None,
            links: None,
            job: Job::default(),
        }
    }
}
