//! The command that writes the API key into the configuration file.

use std::ffi::OsString;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use crate::cli::any_bytes::path;
use crate::cli::command::{CommandArgs, FlagSet};
use crate::cli::config_flags::secret;
use crate::config::{Flags, Secret};

/// write the API key into the configuration file, unless it has one
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Init {
    /// base URL of the API, to be written as well
    #[argh(option, arg_name = "string")]
    apibase: Option<String>,

    /// API key to be written (required)
    #[argh(option, arg_name = "string", from_str_fn(secret))]
    apikey: Option<Secret>,

    /// configuration file to be written (default "/etc/mackerel-agent/mackerel-agent.conf")
    #[argh(option, arg_name = "path", from_str_fn(path))]
    conf: Option<PathBuf>,
}

impl CommandArgs for Init {
    const FLAGS: FlagSet = FlagSet::Own;

    fn store(self, flags: &mut Flags) -> OsString {
        if let Some(conf) = self.conf {
            flags.conf = conf;
        }
        flags.apibase = self.apibase;
        flags.apikey = self.apikey;
        OsString::new()
    }
}
