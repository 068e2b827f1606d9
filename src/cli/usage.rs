//! The commands and flags there are, and the help about them.

use std::path::PathBuf;

use super::Command;
use crate::config::{self, Flags, Secret};

/// The program's name, as messages show it.
pub(super) const PROGRAM: &str = "mackerel-agent";

/// How a command is used.
#[derive(Debug)]
pub(crate) struct Usage {
    /// Empty for the command that is meant when none is named.
    pub(super) name: &'static str,
    about: &'static str,
    /// `None`: whatever follows the name is ignored.
    pub(super) flags: Option<&'static [Flag]>,
    pub(super) make: fn(Flags) -> Command,
}

impl PartialEq for Usage {
    fn eq(&self, other: &Usage) -> bool {
        self.name == other.name
    }
}

impl Eq for Usage {}

/// The commands, sorted by name.
pub(super) static COMMANDS: [Usage; 4] = [
    Usage {
        name: "",
        about: "watch this host and report to Mackerel",
        flags: Some(COMMON),
        make: Command::Run,
    },
    Usage {
        name: "once",
        about: "measure once and print the host and its metrics as JSON",
        flags: Some(COMMON),
        make: Command::Once,
    },
    Usage {
        name: "supervise",
        about: "run the agent as a child, and start it again when it ends",
        flags: Some(COMMON),
        make: |flags| Command::Supervise(flags, Vec::new()),
    },
    Usage {
        name: "version",
        about: "print the version",
        flags: None,
        make: |_| Command::Version,
    },
];

/// A flag: its name, what it is for, and where its value goes.
#[derive(Debug)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    /// What applies if it is not given; empty if that is nothing.
    default: &'static str,
    about: &'static str,
    pub(super) value: Value,
}

/// What a flag takes.
#[derive(Debug)]
pub(super) enum Value {
    /// Nothing, or `=true` or `=false`.
    Switch(fn(&mut Flags, bool)),
    Path(fn(&mut Flags, PathBuf)),
    Text(fn(&mut Flags, &str)),
}

/// The flags of every command that reads the configuration, sorted by name.
const COMMON: &[Flag] = &[
    Flag {
        name: "apibase",
        default: config::APIBASE,
        about: "address of the API, over the configuration's",
        value: Value::Text(|flags, text| flags.apibase = Some(text.to_owned())),
    },
    Flag {
        name: "apikey",
        default: "",
        about: "(DEPRECATED: other users of the host can see it) API key, over the configuration's",
        value: Value::Text(|flags, text| flags.apikey = Some(Secret::new(text))),
    },
    Flag {
        name: "child",
        default: "",
        about: "(internal use) this is the child of a supervisor",
        value: Value::Switch(|flags, on| flags.child = on),
    },
    Flag {
        name: "conf",
        default: config::CONFFILE,
        about: "configuration file; other flags win over what it says",
        value: Value::Path(|flags, path| flags.conf = path),
    },
    Flag {
        name: "diagnostic",
        default: "",
        about: "report the agent's own memory and CPU too",
        value: Value::Switch(|flags, on| flags.diagnostic = Some(on)),
    },
    Flag {
        name: "pidfile",
        default: config::PIDFILE,
        about: "file that holds the agent's process id",
        value: Value::Path(|flags, path| flags.pidfile = Some(path)),
    },
    Flag {
        name: "private-autoshutdown",
        default: "",
        about: "(internal use) end when the program file is replaced",
        value: Value::Switch(|flags, on| flags.autoshutdown = Some(on)),
    },
    Flag {
        name: "role",
        default: "",
        about: "Service:role of this host, or several with commas between them; may be repeated, \
                and replaces the configuration's",
        value: Value::Text(|flags, text| {
            let roles = flags.roles.get_or_insert_default();
            roles.extend(text.split(',').map(str::to_owned));
        }),
    },
    Flag {
        name: "root",
        default: config::ROOT,
        about: "directory of the agent's state",
        value: Value::Path(|flags, path| flags.root = Some(path)),
    },
    Flag {
        name: "v",
        default: "",
        about: "the same as -verbose",
        value: Value::Switch(|flags, on| flags.verbose = Some(on)),
    },
    Flag {
        name: "verbose",
        default: "",
        about: "log what is done each minute",
        value: Value::Switch(|flags, on| flags.verbose = Some(on)),
    },
];

impl Usage {
    /// The help, with each flag's meaning and default.
    pub(super) fn text(&self) -> String {
        let mut text = format!("Usage: {PROGRAM}");
        if !self.name.is_empty() {
            text.extend([" ", self.name]);
        }
        let flags = self.flags.unwrap_or_default();
        if !flags.is_empty() {
            text.push_str(" [<flags>]");
        }
        text.extend(["\n\n    ", self.about, "\n\nOptions:\n\n"]);
        for flag in flags {
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
            text.push('\n');
            commands(&mut text);
        }
        text
    }
}

/// Lists the commands there are.
pub(super) fn commands(text: &mut String) {
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
            let flags = usage.flags.unwrap_or_default();
            assert!(flags.is_sorted_by_key(|flag| flag.name));
            assert!(flags.iter().all(|flag| usage.text().contains(flag.about)));
            assert!(text.contains(&format!("    {}\n", usage.about)));
        }
        assert!(COMMANDS.is_sorted_by_key(|usage| usage.name));
    }
}
