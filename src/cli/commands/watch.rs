//! Commands that show what happens until they are interrupted.

use std::ffi::OsString;

use argh::{ArgsInfo, FromArgs};

use crate::cli::command::CommandArgs;
use crate::config::Flags;

/// serve the live page of this host until interrupted
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Live {
    /// loopback address and port of the page (default "127.0.0.1:0", a free port)
    #[argh(option, arg_name = "string")]
    listen: Option<String>,
}

impl CommandArgs for Live {
    fn store(self, flags: &mut Flags) -> OsString {
        flags.listen = self.listen;
        OsString::new()
    }
}

/// print the log lines that the running agent has kept; ends as status does
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Logs {
    /// print further lines as they are logged
    #[argh(option, short = 'f', arg_name = "bool")]
    follow: Option<bool>,
}

impl CommandArgs for Logs {
    fn store(self, flags: &mut Flags) -> OsString {
        flags.follow = self.follow.unwrap_or_default();
        OsString::new()
    }
}

/// show the readings of this host in the terminal; the key q ends it
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Top {
    /// seconds between two readings, 1 to 3600 (default 1)
    #[argh(option, arg_name = "string")]
    interval: Option<u32>,
}

impl CommandArgs for Top {
    fn store(self, flags: &mut Flags) -> OsString {
        flags.interval = self.interval;
        OsString::new()
    }
}
