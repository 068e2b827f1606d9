//! The table of commands. To add a command, add a struct to `commands` and a row here.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::command::{Command, CommandSpec, FlagSet, UsageError, info};
use super::commands::{
    Agent, Applets, Check, Configtest, Diagnose, Health, Help, Init, Install, Live, Logs, Once,
    Plugin, PluginInstall, Retire, Status, Supervise, Top, Uninstall, Upgrade, Version, Wrap,
};
use super::config_flags::ConfigFlags;
use super::normalise::FlagTable;

/// The command that applies if none is named.
pub(super) static AGENT: CommandSpec = CommandSpec::of::<Agent>("", Command::Run);

/// The commands that have a name, sorted by it.
pub(super) static COMMANDS: [CommandSpec; 21] = [
    CommandSpec::of::<Applets>("applets", Command::Applets),
    CommandSpec::of::<Check>("check", Command::Check),
    CommandSpec::of::<Configtest>("configtest", Command::Configtest),
    CommandSpec::of::<Diagnose>("diagnose", Command::Diagnose),
    CommandSpec::of::<Health>("health", Command::Health),
    CommandSpec::of::<Help>("help", Command::Manual),
    CommandSpec::of::<Init>("init", Command::Init),
    CommandSpec::of::<Install>("install", Command::Install),
    CommandSpec::of::<Live>("live", Command::Live),
    CommandSpec::of::<Logs>("logs", Command::Logs),
    CommandSpec::of::<Once>("once", Command::Once),
    CommandSpec::of::<Plugin>("plugin", Command::Plugin),
    CommandSpec::of::<PluginInstall>("plugin-install", Command::PluginInstall),
    CommandSpec::of::<Retire>("retire", Command::Retire),
    CommandSpec::of::<Status>("status", Command::Status),
    CommandSpec::of::<Supervise>("supervise", Command::Supervise),
    CommandSpec::of::<Top>("top", Command::Top),
    CommandSpec::of::<Uninstall>("uninstall", Command::Uninstall),
    CommandSpec::of::<Upgrade>("upgrade", Command::Upgrade),
    CommandSpec::of::<Version>("version", Command::Version),
    CommandSpec::of::<Wrap>("wrap", Command::Wrap),
];

/// The command with this name. Fails if there is none.
pub(super) fn find(name: &OsStr) -> Result<&'static CommandSpec, UsageError> {
    let found = COMMANDS.iter().find(|spec| spec.name == name);
    found.ok_or_else(|| UsageError {
        reason: format!("no such command: {}", name.display()),
        command: None,
    })
}

/// The command that these words name, or else [`AGENT`], and the words after the name. Fails if
/// there is no such command.
pub(super) fn select(
    words: &[OsString],
) -> Result<(&'static CommandSpec, &[OsString]), UsageError> {
    match words {
        [name, rest @ ..] if is_name(name) => Ok((find(name)?, rest)),
        _ => Ok((&AGENT, words)),
    }
}

/// Whether `word` is in the place of a command's name, that is, does not begin with `-`.
pub(super) fn is_name(word: &OsStr) -> bool {
    !word.as_bytes().starts_with(b"-")
}

impl CommandSpec {
    /// The flags of the command: its own, and those of [`ConfigFlags`] if it accepts them.
    pub(super) fn tables(&self) -> [FlagTable; 2] {
        let own = (self.info)().flags;
        match self.takes {
            FlagSet::Ignored => [&[], &[]],
            FlagSet::Own => [own, &[]],
            FlagSet::OwnAndConfig => [own, info::<ConfigFlags>().flags],
        }
    }
}

/// The long names of the flags of a command, without dashes. The empty name is the agent.
#[cfg(test)]
pub(crate) fn flags_of(command: &str) -> Vec<&'static str> {
    use super::normalise;

    let spec = match command {
        "" => &AGENT,
        name => find(OsStr::new(name)).unwrap(),
    };
    spec.tables()
        .into_iter()
        .flat_map(normalise::flags)
        .map(normalise::name)
        .collect()
}
