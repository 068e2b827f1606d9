//! The command that follows the path of a post.

use std::ffi::OsString;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use crate::cli::any_bytes::path;
use crate::cli::command::CommandArgs;
use crate::config::Flags;

/// try each step of a post, and show which one fails; end with 0 if none does
#[derive(ArgsInfo, FromArgs)]
pub(in crate::cli) struct Diagnose {
    /// new file for a report to the maintainers of the agent, without secrets
    #[argh(option, arg_name = "path", from_str_fn(path))]
    bundle: Option<PathBuf>,
}

impl CommandArgs for Diagnose {
    fn store(self, flags: &mut Flags) -> OsString {
        flags.bundle = self.bundle;
        OsString::new()
    }
}
