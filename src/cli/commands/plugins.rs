//! Commands that run one plugin of the configuration.

use std::ffi::OsString;

use argh::{ArgsInfo, FromArgs};

use crate::cli::any_bytes::os_string;
use crate::cli::command::CommandArgs;
use crate::config::Flags;

/// run one check of the configuration and print what would be reported
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Check {
    #[argh(positional, arg_name = "NAME", from_str_fn(os_string))]
    name: OsString,
}

impl CommandArgs for Check {
    fn store(self, _: &mut Flags) -> OsString {
        self.name
    }
}

/// run one metric plugin of the configuration and print what would be posted
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Plugin {
    #[argh(positional, arg_name = "NAME", from_str_fn(os_string))]
    name: OsString,
}

impl CommandArgs for Plugin {
    fn store(self, _: &mut Flags) -> OsString {
        self.name
    }
}
