//! Commands that print help and the version.

use std::ffi::OsString;

use argh::{ArgsInfo, FromArgs};

use crate::cli::any_bytes::os_string;
use crate::cli::command::{CommandArgs, FlagSet};
use crate::config::Flags;

/// explain the command that follows, or list the commands
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Help {
    #[argh(positional, arg_name = "<command>", from_str_fn(os_string))]
    topic: Option<OsString>,
}

impl CommandArgs for Help {
    const FLAGS: FlagSet = FlagSet::Ignored;

    fn store(self, _: &mut Flags) -> OsString {
        self.topic.unwrap_or_default()
    }
}

/// print the version
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Version {}

impl CommandArgs for Version {
    const FLAGS: FlagSet = FlagSet::Ignored;
}
