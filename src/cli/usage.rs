//! The commands and flags there are, and the help about them.

mod flags;

use std::ffi::OsString;

use super::Command;
use crate::config::Flags;

use flags::FLAGS;
pub(super) use flags::{APIKEY, Flag, Value};

/// The command that explains the others.
pub(super) const HELP: &str = "help";
/// The program's name, as messages show it.
pub(super) const PROGRAM: &str = "mackerel-agent";

/// How a command is used.
#[derive(Debug)]
pub(crate) struct Usage {
    /// Empty for the command that is meant when none is named.
    pub(super) name: &'static str,
    about: &'static str,
    /// The word that has to come with the flags; empty if there is none.
    pub(super) operand: &'static str,
    /// `None`: whatever follows the name is ignored.
    pub(super) flags: Option<Group>,
    pub(super) make: fn(Flags) -> Command,
}

/// Commands with the same flags: one bit for each.
type Group = u8;
/// The commands that read the configuration.
const COMMON: Group = 1;
/// `retire`, for what it takes besides.
const RETIRE: Group = 2;
/// `init`
const INIT: Group = 4;
/// `install`
const INSTALL: Group = 8;
/// `uninstall`
const UNINSTALL: Group = 16;
/// `upgrade`
const UPGRADE: Group = 32;
/// What these three share.
const SETUP: Group = INSTALL | UNINSTALL | UPGRADE;
/// `health`, for what it takes besides.
const HEALTH: Group = 64;

/// Whether commands of these groups read the configuration.
pub(super) fn is_common(group: Group) -> bool {
    group & COMMON != 0
}

impl PartialEq for Usage {
    fn eq(&self, other: &Usage) -> bool {
        self.name == other.name
    }
}

impl Eq for Usage {}

/// The commands, sorted by name.
pub(super) static COMMANDS: [Usage; 14] = [
    Usage {
        name: "",
        about: "watch this host and report to Mackerel",
        operand: "",
        flags: Some(COMMON),
        make: Command::Run,
    },
    Usage {
        name: "check",
        about: "run one check of the configuration and print what would be reported",
        operand: "NAME",
        flags: Some(COMMON),
        make: |flags| Command::Check(flags, OsString::new()),
    },
    Usage {
        name: "configtest",
        about: "say what is wrong with the configuration; end with 0 if nothing is",
        operand: "",
        flags: Some(COMMON),
        make: Command::Configtest,
    },
    Usage {
        name: "health",
        about: "ask the running agent whether it measures and posts; end with 0 if it does",
        operand: "",
        flags: Some(COMMON | HEALTH),
        make: Command::Health,
    },
    Usage {
        name: HELP,
        about: "explain the command that follows, or list the commands",
        operand: "",
        flags: None,
        make: |_| Command::Manual(None),
    },
    Usage {
        name: "init",
        about: "write the API key into the configuration file, unless it has one",
        operand: "",
        flags: Some(INIT),
        make: Command::Init,
    },
    Usage {
        name: "install",
        about: "make this program a service of this host; adopts an agent that is there",
        flags: Some(INSTALL),
        operand: "",
        make: Command::Install,
    },
    Usage {
        name: "once",
        about: "measure once and print the host and its metrics as JSON",
        operand: "",
        flags: Some(COMMON),
        make: Command::Once,
    },
    Usage {
        name: "plugin",
        about: "run one metric plugin of the configuration and print what would be posted",
        operand: "NAME",
        flags: Some(COMMON),
        make: |flags| Command::Plugin(flags, OsString::new()),
    },
    Usage {
        name: "retire",
        about: "retire this host on Mackerel, and forget its id",
        operand: "",
        flags: Some(COMMON | RETIRE),
        make: Command::Retire,
    },
    Usage {
        name: "supervise",
        about: "run the agent as a child, and start it again when it ends",
        operand: "",
        flags: Some(COMMON),
        make: |flags| Command::Supervise(flags, Vec::new()),
    },
    Usage {
        name: "uninstall",
        about: "undo what install has done; retire comes before it",
        flags: Some(UNINSTALL),
        operand: "",
        make: Command::Uninstall,
    },
    Usage {
        name: "upgrade",
        about: "put a newer release in the place of the installed program",
        flags: Some(UPGRADE),
        operand: "",
        make: Command::Upgrade,
    },
    Usage {
        name: "version",
        about: "print the version",
        operand: "",
        flags: None,
        make: |_| Command::Version,
    },
];

impl Usage {
    /// The flags of the command, sorted by name.
    pub(super) fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        let group = self.flags.unwrap_or_default();
        FLAGS.iter().filter(move |flag| flag.of & group != 0)
    }

    /// The help, with each flag's meaning and default.
    pub(super) fn text(&self) -> String {
        let mut text = format!("Usage: {PROGRAM}");
        if !self.name.is_empty() {
            text.extend([" ", self.name]);
        }
        text.push_str(match (self.name, self.flags) {
            (HELP, _) => " [<command>]",
            (_, Some(_)) => " [<flags>]",
            (_, None) => "",
        });
        if !self.operand.is_empty() {
            text.extend([" ", self.operand]);
        }
        text.extend(["\n\n    ", self.about, "\n"]);
        if self.flags.is_some() {
            text.push_str("\nOptions:\n\n");
        }
        for flag in self.flags() {
            let kind = match flag.value {
                Value::Switch(_) => "",
                Value::Path(_) => " path",
                Value::Text(_) => " string",
            };
            text.extend(["  -", flag.name, kind, "\n    \t", flag.about]);
            if !flag.default.is_empty() {
                text.extend([" (default \"", flag.default, "\")"]);
            }
            text.push('\n');
        }
        if self.name.is_empty() {
            text.push_str("  -version\n    \tprint the version\n\n");
            commands(&mut text);
        }
        text
    }
}

/// The help about all commands.
pub(super) fn overview() -> String {
    let mut text = format!("Usage: {PROGRAM} <command> [<args>]\n\n");
    commands(&mut text);
    text.push_str(&format!(
        "\n{PROGRAM} {HELP} <command> explains a command, {PROGRAM} -{HELP} what there is without one.\n"
    ));
    text
}

/// Lists the commands there are.
fn commands(text: &mut String) {
    text.push_str("Commands:\n\n");
    for usage in &COMMANDS {
        let name = if usage.name.is_empty() {
            "<no command>"
        } else {
            usage.name
        };
        text.push_str(&format!("    {name:<12}    {}\n", usage.about));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_help_has_every_flag_with_the_default_that_applies() {
        let text = COMMANDS[0].text();
        let config = Config::default();
        for (name, default) in [
            ("apibase string", config.apibase),
            ("conf path", Flags::default().conf.display().to_string()),
            ("pidfile path", config.pidfile.display().to_string()),
            ("root path", config.root.display().to_string()),
        ] {
            let (_, after) = text.split_once(&format!("\n  -{name}\n")).unwrap();
            let line = after.lines().next().unwrap();
            assert!(
                line.ends_with(&format!(" (default \"{default}\")")),
                "{line}"
            );
        }
        assert_eq!(text.matches("(default ").count(), 4);
        for usage in &COMMANDS {
            let mut names: Vec<_> = usage.flags().map(|flag| flag.name).collect();
            assert!(names.is_sorted());
            names.dedup();
            assert_eq!(names.len(), usage.flags().count(), "{}", usage.name);
            for flag in usage.flags() {
                assert!(usage.text().contains(flag.about), "{}", flag.name);
            }
            assert!(text.contains(&format!("    {}\n", usage.about)));
        }
        assert!(COMMANDS.is_sorted_by_key(|usage| usage.name));
    }
}
