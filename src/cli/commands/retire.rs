//! The command that retires the host.

use std::ffi::OsString;

use argh::{ArgsInfo, FromArgs};

use crate::cli::command::CommandArgs;
use crate::config::Flags;

/// retire this host on Mackerel, and forget its ID
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Retire {
    /// do not ask
    #[argh(option, arg_name = "bool")]
    force: Option<bool>,
    /// retire it in the [[organization]] of this name only
    #[argh(option, arg_name = "string")]
    organization: Option<String>,
}

impl CommandArgs for Retire {
    fn store(self, flags: &mut Flags) -> OsString {
        flags.force = self.force.unwrap_or_default();
        flags.organization = self.organization;
        OsString::new()
    }
}
