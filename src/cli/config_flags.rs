//! The flags of all commands that read the configuration. The doc comments of the struct are the
//! text of the help.

use std::ffi::OsString;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use super::any_bytes::path;
use super::command::CommandArgs;
use crate::base::host_paths::HostPaths;
use crate::config::{Flags, Secret};

/// The name of the flag whose value must not be shown.
pub(super) const APIKEY: &str = "apikey";

/// flags that override the configuration
#[derive(ArgsInfo, FromArgs)]
pub(super) struct ConfigFlags {
    /// base URL of the API; overrides the configuration (default "https://api.mackerelio.com")
    #[argh(option, arg_name = "string")]
    apibase: Option<String>,

    /// (DEPRECATED: other users of the host may see it) API key; overrides all other sources.
    /// Use apikey or apikey_file in the configuration, or MACKEREL_APIKEY in the environment
    #[argh(option, arg_name = "string", from_str_fn(secret))]
    apikey: Option<Secret>,

    /// internal use: run as the child of a supervisor
    #[argh(option, arg_name = "bool")]
    child: Option<bool>,

    /// configuration file; other flags override it
    /// (default "/etc/mackerel-agent/mackerel-agent.conf")
    #[argh(option, arg_name = "path", from_str_fn(path))]
    conf: Option<PathBuf>,

    /// report the agent's own memory and CPU too
    #[argh(option, arg_name = "bool")]
    diagnostic: Option<bool>,

    /// where the watched host's /etc is for the agent; overrides HOST_ETC and host_etc
    #[argh(option, arg_name = "path", from_str_fn(path))]
    host_etc: Option<PathBuf>,

    /// where the watched host's /proc is for the agent; overrides HOST_PROC and host_proc
    #[argh(option, arg_name = "path", from_str_fn(path))]
    host_proc: Option<PathBuf>,

    /// where the watched host's / is for the agent; overrides HOST_ROOT and host_root
    #[argh(option, arg_name = "path", from_str_fn(path))]
    host_root: Option<PathBuf>,

    /// where the watched host's /sys is for the agent; overrides HOST_SYS and host_sys
    #[argh(option, arg_name = "path", from_str_fn(path))]
    host_sys: Option<PathBuf>,

    /// file that holds the agent's process ID (default "/var/run/mackerel-agent.pid")
    #[argh(option, arg_name = "path", from_str_fn(path))]
    pidfile: Option<PathBuf>,

    /// internal use: exit when the program file is replaced
    #[argh(option, arg_name = "bool")]
    private_autoshutdown: Option<bool>,

    /// role of this host as Service:role, or several separated by commas; may be repeated;
    /// replaces the roles of the configuration
    #[argh(option, arg_name = "string")]
    role: Vec<String>,

    /// directory of the agent's state (default "/var/lib/mackerel-agent")
    #[argh(option, arg_name = "path", from_str_fn(path))]
    root: Option<PathBuf>,

    /// log what is done each minute
    #[argh(option, short = 'v', arg_name = "bool")]
    verbose: Option<bool>,
}

/// A value that messages must not show. Never fails; argh requires a `Result`.
pub(super) fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

impl CommandArgs for ConfigFlags {
    fn store(self, flags: &mut Flags) -> OsString {
        let mut roles = Vec::new();
        for given in &self.role {
            roles.extend(given.split(',').map(str::to_owned));
        }
        if let Some(conf) = self.conf {
            flags.conf = conf;
        }
        flags.apibase = self.apibase;
        flags.apikey = self.apikey;
        flags.pidfile = self.pidfile;
        flags.root = self.root;
        flags.host = HostPaths {
            root: self.host_root,
            proc: self.host_proc,
            sys: self.host_sys,
            etc: self.host_etc,
        };
        flags.roles = (!roles.is_empty()).then_some(roles);
        flags.verbose = self.verbose;
        flags.diagnostic = self.diagnostic;
        flags.autoshutdown = self.private_autoshutdown;
        flags.child = self.child.unwrap_or_default();
        OsString::new()
    }
}
