//! The types of the command line: the request, the trait of the structs of commands, and the
//! description of a command.

use std::ffi::OsString;
use std::mem;

use argh::{ArgsInfo, EarlyExit, FromArgs, PositionalInfo};

use super::normalise::FlagTable;
use crate::config::Flags;

/// The program's name in messages.
pub(super) const PROGRAM: &str = "mackerel-agent";

/// A parsed command line.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Request {
    pub(crate) command: Command,
    /// The operand of the command; empty if there is none.
    pub(crate) operand: OsString,
    pub(crate) flags: Flags,
    /// The words of all flags but the API key, as they were written. A supervisor passes them to
    /// its child.
    pub(crate) words: Vec<OsString>,
}

/// The command that the command line requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// Run the agent.
    Run,
    /// Run the agent as a child.
    Supervise,
    /// Measure once and print.
    Once,
    /// Print the version.
    Version,
    /// Check the configuration.
    Configtest,
    /// Follow the path of a post.
    Diagnose,
    /// Write the API key into the configuration file.
    Init,
    /// Ask the running agent for its health.
    Health,
    /// Retire the host.
    Retire,
    /// Ask the running agent for its state.
    Status,
    /// Serve the live page.
    Live,
    /// Print the log lines of the running agent.
    Logs,
    /// Show the readings of the host in the terminal.
    Top,
    /// List the applets, or make links to this program for them.
    Applets,
    /// Run a job and report how it ended.
    Wrap,
    /// Run the check that the operand names once and print.
    Check,
    /// Run the metric plugin that the operand names once and print.
    Plugin,
    /// Install plugins of others.
    PluginInstall,
    /// Install this program as a service of the host.
    Install,
    /// Undo [`Command::Install`].
    Uninstall,
    /// Replace the installed program by a newer release.
    Upgrade,
    /// Print the help of this command: it was given the flag `-help`.
    Help(&'static CommandSpec),
    /// Print the help of the command that the operand names, or the list of commands.
    Manual,
}

/// The flags that a command accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FlagSet {
    /// No flags. Words that look like flags are ignored.
    Ignored,
    /// The flags of the command's struct.
    Own,
    /// The flags of the command's struct and of [`super::config_flags::ConfigFlags`].
    OwnAndConfig,
}

/// The struct of a command: its flags, its operand, and its help as doc comments.
pub(super) trait CommandArgs: FromArgs + ArgsInfo {
    const FLAGS: FlagSet = FlagSet::OwnAndConfig;

    /// Stores the flags of this struct in `flags`, and returns the operand, which is empty if there
    /// is none. The flags of [`super::config_flags::ConfigFlags`] have been stored before.
    fn store(self, _: &mut Flags) -> OsString {
        OsString::new()
    }
}

/// An invalid command line.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct UsageError {
    pub(super) reason: String,
    /// The command whose help is shown; `None` for the list of commands.
    pub(super) command: Option<&'static CommandSpec>,
}

/// The description of one command, for the code that is common to all commands.
#[derive(Debug)]
pub(crate) struct CommandSpec {
    /// The command's name; empty for the one that applies if no command is named.
    pub(super) name: &'static str,
    pub(super) command: Command,
    pub(super) takes: FlagSet,
    pub(super) info: fn() -> Info,
    /// [`store`] for the command's struct.
    pub(super) store: fn(&[&str], &mut Flags) -> Result<OsString, EarlyExit>,
}

/// The information that argh derives from a command's struct.
pub(super) struct Info {
    /// The doc comment of the struct.
    pub(super) about: &'static str,
    pub(super) flags: FlagTable,
    pub(super) operands: &'static [PositionalInfo<'static>],
}

impl PartialEq for CommandSpec {
    fn eq(&self, other: &CommandSpec) -> bool {
        self.name == other.name
    }
}

impl Eq for CommandSpec {}

impl CommandSpec {
    /// The description of `command`, whose struct is `T`.
    pub(super) const fn of<T: CommandArgs>(name: &'static str, command: Command) -> CommandSpec {
        CommandSpec {
            name,
            command,
            takes: T::FLAGS,
            info: info::<T>,
            store: store::<T>,
        }
    }

    /// A usage error of this command, with the given reason.
    pub(super) fn error(&'static self, reason: String) -> UsageError {
        UsageError {
            reason,
            command: Some(self),
        }
    }

    /// A usage error of this command, with the text of an argh error on one line.
    pub(super) fn argh_error(&'static self, exit: &EarlyExit) -> UsageError {
        let mut reason = String::new();
        for word in exit.output.split_ascii_whitespace() {
            if !reason.is_empty() {
                reason.push(' ');
            }
            reason.push_str(word);
        }
        self.error(reason)
    }
}

/// The information that argh derives from the struct `T`.
pub(super) fn info<T: ArgsInfo>() -> Info {
    let info = T::get_args_info();
    // No command has subcommands, so the list is empty. Its destructor would cost 1 kB in all
    // commands.
    mem::forget(info.commands);
    Info {
        about: info.description,
        flags: info.flags,
        operands: info.positionals,
    }
}

/// Parses argh's arguments, stores the flags among them, and returns the operand.
pub(super) fn store<T: CommandArgs>(
    arguments: &[&str],
    flags: &mut Flags,
) -> Result<OsString, EarlyExit> {
    Ok(T::from_args(&[], arguments)?.store(flags))
}
