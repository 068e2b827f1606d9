//! Commands that install this program as a service of the host, upgrade it and remove it.

use std::ffi::OsString;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use crate::cli::any_bytes::path;
use crate::cli::command::{CommandArgs, FlagSet};
use crate::config::Flags;

/// make this program a service of this host; adopts an agent that is there
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Install {
    /// file that holds the API key; without it, MACKEREL_APIKEY in the environment
    #[argh(option, arg_name = "path", from_str_fn(path))]
    apikey_file: Option<PathBuf>,

    /// run as root and without a sandbox, for plugins that need it; -as-root=false ends that
    #[argh(option, arg_name = "bool")]
    as_root: Option<bool>,

    /// print what would be done, and do nothing
    #[argh(option, arg_name = "bool")]
    dry_run: Option<bool>,

    /// directory to be used as the host's root directory, where nothing is started (default "/")
    #[argh(option, arg_name = "path", from_str_fn(path))]
    prefix: Option<PathBuf>,
}

impl CommandArgs for Install {
    const FLAGS: FlagSet = FlagSet::Own;

    fn store(self, flags: &mut Flags) -> OsString {
        let setup = &mut flags.setup;
        setup.apikey_file = self.apikey_file;
        setup.as_root = self.as_root;
        setup.dry_run = self.dry_run.unwrap_or_default();
        setup.prefix = self.prefix;
        OsString::new()
    }
}

/// undo what install has done; run retire before it
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Uninstall {
    /// print what would be done, and do nothing
    #[argh(option, arg_name = "bool")]
    dry_run: Option<bool>,

    /// directory to be used as the host's root directory, where nothing is started (default "/")
    #[argh(option, arg_name = "path", from_str_fn(path))]
    prefix: Option<PathBuf>,

    /// remove the configuration even if it has been edited
    #[argh(option, arg_name = "bool")]
    purge: Option<bool>,

    /// hand back to the agent that was there before; -restore=false removes it as well
    #[argh(option, arg_name = "bool")]
    restore: Option<bool>,
}

impl CommandArgs for Uninstall {
    const FLAGS: FlagSet = FlagSet::Own;

    fn store(self, flags: &mut Flags) -> OsString {
        let setup = &mut flags.setup;
        setup.dry_run = self.dry_run.unwrap_or_default();
        setup.prefix = self.prefix;
        setup.purge = self.purge.unwrap_or_default();
        setup.restore = self.restore;
        OsString::new()
    }
}

/// put a newer release in the place of the installed program
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Upgrade {
    /// install only a release that was issued this number of days ago, or earlier
    #[argh(option, arg_name = "string")]
    after: Option<u32>,

    /// print what would be done, and do nothing
    #[argh(option, arg_name = "bool")]
    dry_run: Option<bool>,

    /// try a release again that has failed on this host
    #[argh(option, arg_name = "bool")]
    force: Option<bool>,

    /// directory or URL of the release
    #[argh(option, arg_name = "string")]
    from: Option<String>,

    /// file that holds the public key of releases, 64 hexadecimal digits
    #[argh(option, arg_name = "path", from_str_fn(path))]
    key: Option<PathBuf>,

    /// directory to be used as the host's root directory, where nothing is started (default "/")
    #[argh(option, arg_name = "path", from_str_fn(path))]
    prefix: Option<PathBuf>,

    /// wait up to this time, by the id of the host, so that many hosts do not begin at once, e.g. 6h
    #[argh(option, arg_name = "string")]
    spread: Option<String>,
}

impl CommandArgs for Upgrade {
    const FLAGS: FlagSet = FlagSet::Own;

    fn store(self, flags: &mut Flags) -> OsString {
        let setup = &mut flags.setup;
        setup.after = self.after;
        setup.dry_run = self.dry_run.unwrap_or_default();
        setup.force = self.force.unwrap_or_default();
        setup.from = self.from;
        setup.key = self.key;
        setup.prefix = self.prefix;
        setup.spread = self.spread;
        OsString::new()
    }
}
