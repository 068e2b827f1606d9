//! Commands that print information and change nothing.

use std::ffi::OsString;

use argh::{ArgsInfo, FromArgs};

use crate::cli::command::CommandArgs;
use crate::config::Flags;

/// say what is wrong with the configuration; end with 0 if nothing is
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Configtest {}

impl CommandArgs for Configtest {}

/// ask the running agent whether it measures and posts; end with 0 if it does
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Health {
    /// healthy if the agent measures, even if the server does not accept what it posts
    #[argh(option, arg_name = "bool")]
    live: Option<bool>,
}

impl CommandArgs for Health {
    fn store(self, flags: &mut Flags) -> OsString {
        flags.live = self.live.unwrap_or_default();
        OsString::new()
    }
}

/// show the agent's state; ends with 0: well, 1: failing, 3: absent, 4: refused
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Status {
    /// print JSON
    #[argh(option, arg_name = "bool")]
    json: Option<bool>,
}

impl CommandArgs for Status {
    fn store(self, flags: &mut Flags) -> OsString {
        flags.json = self.json.unwrap_or_default();
        OsString::new()
    }
}

/// measure once and print the host and its metrics as JSON
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Once {}

impl CommandArgs for Once {}
