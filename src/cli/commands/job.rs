//! Commands that run something else than the agent.

use std::ffi::OsString;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use crate::cli::any_bytes::{os_string, path};
use crate::cli::command::{CommandArgs, FlagSet};
use crate::config::{Flags, Job};

/// list the built-in checks and metric plugins; NAME -help explains one
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Applets {
    /// directory in which to make a link to this program for each of them
    #[argh(option, arg_name = "path", from_str_fn(path))]
    install: Option<PathBuf>,
}

impl CommandArgs for Applets {
    const FLAGS: FlagSet = FlagSet::Own;

    fn store(self, flags: &mut Flags) -> OsString {
        flags.links = self.install;
        OsString::new()
    }
}

/// run a command, and report its failure as a check through the running agent
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Wrap {
    /// report success too, which closes the alert
    #[argh(option, short = 'a', arg_name = "bool")]
    auto_close: Option<bool>,

    /// report what the command prints, too
    #[argh(option, short = 'd', arg_name = "bool")]
    detail: Option<bool>,

    /// name of the check, which no other job of this host has
    /// (default "mkrwrap-", the program and a number made from the command)
    #[argh(option, short = 'n', arg_name = "string")]
    name: Option<String>,

    /// text in the report
    #[argh(option, short = 'N', arg_name = "string")]
    note: Option<String>,

    /// time between two notifications while the alert is open, at least 10m (default: none)
    #[argh(option, short = 'I', arg_name = "string")]
    notification_interval: Option<String>,

    /// report a failure as WARNING, not as CRITICAL
    #[argh(option, short = 'w', arg_name = "bool")]
    warning: Option<bool>,

    #[argh(positional, arg_name = "COMMAND", from_str_fn(os_string))]
    command: Vec<OsString>,
}

impl CommandArgs for Wrap {
    fn store(self, flags: &mut Flags) -> OsString {
        flags.job = Job {
            command: self.command,
            name: self.name,
            note: self.note,
            detail: self.detail.unwrap_or_default(),
            warning: self.warning.unwrap_or_default(),
            auto_close: self.auto_close.unwrap_or_default(),
            notification_interval: self.notification_interval,
        };
        OsString::new()
    }
}
