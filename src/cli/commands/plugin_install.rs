//! The command that installs plugins of others.

use std::ffi::OsString;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use crate::cli::any_bytes::path;
use crate::cli::command::{CommandArgs, FlagSet};
use crate::config::Flags;

/// install plugins from GitHub, the plugin registry, a URL or a file
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct PluginInstall {
    /// base URL of GitHub's API (default "https://api.github.com")
    #[argh(option, arg_name = "string")]
    api_url: Option<String>,

    /// machine that the plugins are for, such as arm64 or armv6; without it, this one
    #[argh(option, arg_name = "string")]
    arch: Option<String>,

    /// base URL of GitHub (default "https://github.com")
    #[argh(option, arg_name = "string")]
    github_url: Option<String>,

    /// list installed plugins: name, source, tag, state
    #[argh(option, arg_name = "bool")]
    list: Option<bool>,

    /// lock file to install from; without it, plugins.lock in the prefix
    #[argh(option, arg_name = "path", from_str_fn(path))]
    lock: Option<PathBuf>,

    /// replace plugins that exist; without it, they are skipped
    #[argh(option, arg_name = "bool")]
    overwrite: Option<bool>,

    /// directory of bin and plugins.lock (default "/opt/mackerel-agent/plugins")
    #[argh(option, arg_name = "path", from_str_fn(path))]
    prefix: Option<PathBuf>,

    /// base URL of the plugin registry
    #[argh(option, arg_name = "string")]
    registry_url: Option<String>,

    /// remove this plugin, or all plugins of this source
    #[argh(option, arg_name = "string")]
    remove: Option<String>,

    /// replace plugins by those of a newer release; without a target, all of plugins.lock
    #[argh(option, arg_name = "bool")]
    upgrade: Option<bool>,

    /// owner/repo[@tag], name[@tag] of the registry, URL, or path of a zip or tar.gz; #sha256=DIGEST after it pins the archive; without a target, what plugins.lock records
    #[argh(positional, arg_name = "target")]
    targets: Vec<String>,
}

impl CommandArgs for PluginInstall {
    const FLAGS: FlagSet = FlagSet::Own;

    fn store(self, flags: &mut Flags) -> OsString {
        let plugins = &mut flags.plugins;
        plugins.api_url = self.api_url;
        plugins.arch = self.arch;
        plugins.github_url = self.github_url;
        plugins.list = self.list.unwrap_or_default();
        plugins.lock = self.lock;
        plugins.overwrite = self.overwrite.unwrap_or_default();
        plugins.prefix = self.prefix;
        plugins.registry_url = self.registry_url;
        plugins.remove = self.remove;
        plugins.targets = self.targets;
        plugins.upgrade = self.upgrade.unwrap_or_default();
        OsString::new()
    }
}
