//! The types of the command line: what it asks for, what the struct of a command adds to argh's
//! traits, and what is known about each command.

use std::ffi::OsString;
use std::mem;

use argh::{ArgsInfo, EarlyExit, FromArgs, PositionalInfo};

use super::normalise::FlagTable;
use crate::config::Flags;

/// The program's name in messages.
pub(super) const PROGRAM: &str = "mackerel-agent";

/// A command line that was understood.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Request {
    pub(crate) command: Command,
    /// The word that the command is about; empty if it takes none.
    pub(crate) operand: OsString,
    pub(crate) flags: Flags,
    /// The words of all flags but the API key, as they were written: the arguments of a child.
    pub(crate) words: Vec<OsString>,
}

/// What the command line asks for.
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
    /// Write the API key into the configuration file.
    Init,
    /// Ask the running agent for its health.
    Health,
    /// Retire the host.
    Retire,
    /// Run the check that the operand names once and print.
    Check,
    /// Run the metric plugin that the operand names once and print.
    Plugin,
    /// Make this program a service of this host.
    Install,
    /// Undo [`Command::Install`].
    Uninstall,
    /// Replace the installed program by a newer release.
    Upgrade,
    /// Print the help of this command because a flag asks for it.
    Help(&'static CommandSpec),
    /// Print the help of the command that the operand names, or the list of commands.
    Manual,
}

/// The flags that a command takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FlagSet {
    /// None: words that look like flags are ignored.
    Ignored,
    /// Those of its own struct.
    Own,
    /// Those of its own struct and [`super::config_flags::ConfigFlags`].
    OwnAndConfig,
}

/// The struct of a command: its flags, its operand, and its help as doc comments.
pub(super) trait CommandArgs: FromArgs + ArgsInfo {
    const FLAGS: FlagSet = FlagSet::OwnAndConfig;

    /// Stores the flags of this struct in `flags`, and returns the operand, empty if there is none.
    /// The flags of [`super::config_flags::ConfigFlags`] are stored before those of the command.
    fn store(self, _: &mut Flags) -> OsString {
        OsString::new()
    }
}

/// A command line that cannot be understood.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct UsageError {
    pub(super) reason: String,
    /// The command whose help is shown; `None` for the list of commands.
    pub(super) command: Option<&'static CommandSpec>,
}

/// One command, for the code that serves all of them.
#[derive(Debug)]
pub(crate) struct CommandSpec {
    /// Empty for the command that applies if none is named.
    pub(super) name: &'static str,
    pub(super) command: Command,
    pub(super) takes: FlagSet,
    pub(super) info: fn() -> Info,
    /// [`store`] for the command's struct.
    pub(super) store: fn(&[&str], &mut Flags) -> Result<OsString, EarlyExit>,
}

/// What argh derives from a command's struct.
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
    /// The command of this struct.
    pub(super) const fn of<T: CommandArgs>(name: &'static str, command: Command) -> CommandSpec {
        CommandSpec {
            name,
            command,
            takes: T::FLAGS,
            info: info::<T>,
            store: store::<T>,
        }
    }

    /// A usage error of this command.
    pub(super) fn error(&'static self, reason: String) -> UsageError {
        UsageError {
            reason,
            command: Some(self),
        }
    }

    /// An error of argh, on one line.
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

/// What argh derives from the struct `T`.
pub(super) fn info<T: ArgsInfo>() -> Info {
    let info = T::get_args_info();
    // No command has subcommands: an empty list, whose destructor would cost 1 kB in all commands.
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
