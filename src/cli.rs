//! Layer 5: the command line, in the notation of Go's `flag` package: one dash or two,
//! `-name=value` or `-name value`, flags before everything else.
//!
//! [`parse`] makes a [`Command`] of it and touches nothing; [`answer`] is the one place that prints.

mod usage;

use std::env::consts;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::base::program;
use crate::config::Flags;
use usage::{APIKEY, COMMANDS, Flag, HELP, PROGRAM, Usage, Value, overview};

/// What the command line asks for.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// To watch this host.
    Run(Flags),
    /// To have this host watched by a child, which is given these arguments: all the flags but the
    /// API key.
    Supervise(Flags, Vec<OsString>),
    /// To measure once, and to print.
    Once(Flags),
    /// To print the version.
    Version,
    /// To check the configuration.
    Configtest(Flags),
    /// To write the API key into the configuration file.
    Init(Flags),
    /// To ask the running agent how it is doing.
    Health(Flags),
    /// To retire the host.
    Retire(Flags),
    /// To run the check of this name once, and to print.
    Check(Flags, OsString),
    /// To run the metric plugin of this name once, and to print.
    Plugin(Flags, OsString),
    /// To make this program a service of this host.
    Install(Flags),
    /// To undo that.
    Uninstall(Flags),
    /// To put a newer release in its place.
    Upgrade(Flags),
    /// To print how this command is used, because a flag asks for it.
    Help(&'static Usage),
    /// To print how this command is used, or which there are.
    Manual(Option<&'static Usage>),
}

/// A command line that cannot be understood.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Mistake {
    why: String,
    /// How the command is used; `None` if it is not known which was meant.
    usage: Option<&'static Usage>,
}

/// Understands the arguments after the program's name.
///
/// Flags may stand before and after the word of a command that takes one. A word that no command
/// takes is a mistake, but for an empty one: scripts leave it where a variable is not set.
pub(crate) fn parse(args: &[OsString]) -> Result<Command, Mistake> {
    let is_name = |word: &&OsString| !word.as_bytes().starts_with(b"-");
    let named = args.first().filter(is_name);
    let usage = match named {
        Some(name) => command(name)?,
        None => &COMMANDS[0],
    };
    let mistake = |why| Mistake {
        why,
        usage: Some(usage),
    };
    let mut flags = Flags::default();
    if usage.flags.is_none() {
        let mut words = args.iter().skip(1).filter(is_name);
        let topic = match usage.name {
            HELP => words.next().map(|name| command(name)).transpose()?,
            _ => None,
        };
        if let Some(word) = words.find(|word| !word.is_empty()) {
            return Err(mistake(unexpected(word, None)));
        }
        return Ok(match (usage.make)(flags) {
            Command::Manual(_) => Command::Manual(topic),
            other => other,
        });
    }
    let mut for_child = Vec::new();
    let mut operand = None;
    let mut has_ended = false;
    let mut rest = args.iter();
    if named.is_some() {
        rest.next();
    }
    while let (words, Some(word)) = (rest.as_slice(), rest.next()) {
        let flag = match has_ended {
            true => None,
            false => split(word).map_err(mistake)?,
        };
        let Some((name, value)) = flag else {
            match word.as_bytes() {
                b"--" if !has_ended => has_ended = true,
                b"" => {}
                _ if !usage.operand.is_empty() && operand.is_none() => {
                    operand = Some(word.clone());
                }
                _ if flags.apikey.is_some() => {
                    let why =
                        "unexpected argument, which may be part of the key; write -apikey=KEY";
                    return Err(mistake(why.to_owned()));
                }
                _ => {
                    let before = named.is_none().then_some(for_child.as_slice());
                    return Err(mistake(unexpected(word, before)));
                }
            }
            continue;
        };
        let Some(flag) = usage.flags().find(|flag| flag.name == name) else {
            return match name.as_bytes() {
                b"h" | b"help" => Ok(Command::Help(usage)),
                b"version" => Ok(Command::Version),
                _ => Err(mistake(format!(
                    "flag provided but not defined: -{}",
                    name.display()
                ))),
            };
        };
        let next = || rest.next().map(OsString::as_os_str);
        store(flag, &mut flags, value, next).map_err(mistake)?;
        if flag.name != APIKEY {
            let taken = words.len() - rest.len();
            for_child.extend(words.iter().take(taken).cloned());
        }
    }
    Ok(match (usage.make)(flags) {
        Command::Supervise(flags, _) => Command::Supervise(flags, for_child),
        Command::Check(flags, _) => Command::Check(flags, named_by(operand, usage)?),
        Command::Plugin(flags, _) => Command::Plugin(flags, named_by(operand, usage)?),
        other => other,
    })
}

/// What is wrong with a word that the command does not take; `before` are the flags before it where
/// it may be the command.
fn unexpected(word: &OsStr, before: Option<&[OsString]>) -> String {
    let mut why = format!("unexpected argument: {}", word.display());
    if let Some(before) = before
        && command(word).is_ok()
    {
        why.push_str("; the command comes before its flags: ");
        why.push_str(PROGRAM);
        for word in [word]
            .into_iter()
            .chain(before.iter().map(OsString::as_os_str))
        {
            why.push_str(&format!(" {}", word.display()));
        }
    } else if matches!(word.as_bytes(), b"true" | b"false") {
        why.push_str("; the value of a switch follows a =, as in -v=false");
    }
    why
}

/// Commands about the agent that the host's service runs, unless they are told which one.
const ABOUT_SERVICE: [&str; 4] = ["check", "health", "plugin", "retire"];
/// The flags that tell.
const WHICH: [&str; 3] = ["conf", "root", "child"];

/// The command line with the `flags` of the host's service, before its own ones, if the command is about
/// the agent of that service.
pub(crate) fn with_service(
    mut words: Vec<OsString>,
    flags: impl FnOnce() -> Vec<OsString>,
) -> Vec<OsString> {
    let is_about = |name: &OsString| ABOUT_SERVICE.iter().any(|known| name == known);
    let is_told = words.iter().skip(2).any(|word| {
        split(word)
            .ok()
            .flatten()
            .is_some_and(|(name, _)| WHICH.iter().any(|flag| name == *flag))
    });
    if words.get(1).is_some_and(is_about) && !is_told {
        words.splice(2..2, flags());
    }
    words
}

/// The variable that names the configuration file.
const CONF: &str = "MACKEREL_AGENT_CONFIG";
/// The variable with more flags.
const OPTS: &str = "opts";

/// The command line with what the environment adds to it, before its own flags, which win. `variable`
/// looks into the environment.
pub(crate) fn with_environment(
    mut words: Vec<OsString>,
    variable: &mut dyn FnMut(&str) -> Option<OsString>,
) -> Vec<OsString> {
    let named = words
        .get(1)
        .filter(|word| !word.as_bytes().starts_with(b"-"));
    let usage = match named {
        Some(name) => command(name).ok(),
        None => COMMANDS.first(),
    };
    let at = if named.is_some() { 2 } else { 1 };
    let Some(group) = usage.and_then(|usage| usage.flags) else {
        return words;
    };
    let mut added = Vec::new();
    if let Some(path) = variable(CONF) {
        added.extend(["-conf".into(), path]);
    }
    if usage::is_common(group)
        && let Some(opts) = variable(OPTS)
    {
        let opts = opts.as_bytes().split(u8::is_ascii_whitespace);
        let opts = opts.filter(|word| !word.is_empty());
        added.extend(opts.map(|word| OsStr::from_bytes(word).to_owned()));
    }
    words.splice(at.min(words.len())..at.min(words.len()), added);
    words
}

/// The word that has to be there.
fn named_by(operand: Option<OsString>, usage: &'static Usage) -> Result<OsString, Mistake> {
    operand.ok_or_else(|| Mistake {
        why: format!("{} needs a {}", usage.name, usage.operand),
        usage: Some(usage),
    })
}

/// The command of this name.
fn command(name: &OsStr) -> Result<&'static Usage, Mistake> {
    let named = COMMANDS.iter().filter(|usage| !usage.name.is_empty());
    named
        .into_iter()
        .find(|usage| usage.name == name)
        .ok_or_else(|| Mistake {
            why: format!("no such command: {}", name.display()),
            usage: None,
        })
}

/// Where in the whole command line, the program's name included, an API key stands: the number of
/// the word, and of the byte in it from which on it is one.
///
/// Looks everywhere, also where nothing is read any more.
pub(crate) fn secrets(words: &[OsString]) -> impl Iterator<Item = (usize, usize)> {
    words.iter().enumerate().filter_map(|(at, word)| {
        let (name, value) = split(word).ok()??;
        match value {
            _ if name != APIKEY => None,
            Some(value) => Some((at, word.len() - value.len())),
            None => Some((at + 1, 0)),
        }
    })
}

/// Name and, after `=`, value of a flag; `None` if no flags follow.
fn split(word: &OsStr) -> Result<Option<(&OsStr, Option<&OsStr>)>, String> {
    let bytes = word.as_bytes();
    let flag = match bytes {
        [b'-', b'-'] => return Ok(None),
        [b'-', b'-', flag @ ..] | [b'-', flag @ ..] if !flag.is_empty() => flag,
        _ => return Ok(None),
    };
    if let [b'-' | b'=', ..] = flag {
        return Err(format!("bad flag syntax: {}", word.display()));
    }
    let mut parts = flag.splitn(2, |byte| *byte == b'=').map(OsStr::from_bytes);
    let name = parts.next().unwrap_or_default();
    Ok(Some((name, parts.next())))
}

/// Stores the value of `flag`: that given with it, or else the `next` word.
fn store<'a>(
    flag: &Flag,
    flags: &mut Flags,
    given: Option<&'a OsStr>,
    next: impl FnOnce() -> Option<&'a OsStr>,
) -> Result<(), String> {
    let name = flag.name;
    let value = || {
        given
            .or_else(next)
            .ok_or_else(|| format!("flag needs an argument: -{name}"))
    };
    match flag.value {
        Value::Switch(set) => set(
            flags,
            match given.map_or(b"true".as_slice(), OsStr::as_bytes) {
                b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => true,
                b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => false,
                _ => {
                    let given = given.unwrap_or_default().display();
                    return Err(format!(
                        "invalid boolean value \"{given}\" for -{name}: parse error"
                    ));
                }
            },
        ),
        Value::Path(set) => set(flags, PathBuf::from(value()?)),
        // What is wrong with a text is not shown: it might be a key.
        Value::Text(set) => match value()?.to_str() {
            Some(text) => set(flags, text),
            None => return Err(format!("invalid value for -{name}: not UTF-8")),
        },
    }
    Ok(())
}

impl Mistake {
    /// How the command is used and then, where it is seen, what is wrong.
    fn text(&self) -> String {
        let usage = self.usage.map_or_else(overview, Usage::text);
        format!("{usage}\n{}\n", self.why)
    }
}

/// The line that `version` prints, its blank at the end included. Its parts are named as Go names
/// them.
fn version() -> String {
    let arch = match consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "loongarch64" => "loong64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        same => same,
    };
    let version = program::VERSION.split('-').next().unwrap_or_default();
    let rev = program::REVISION;
    let compiler = option_env!("MACKEREL_AGENT_RUSTC").unwrap_or("rustc");
    let os = consts::OS;
    format!("{PROGRAM} version {version} (rev {rev}) [{os} {arch} {compiler}] \n")
}

/// Prints the answer where there is no more to do than to print one, and returns the code to exit
/// with; `None`: there is work to do.
pub(crate) fn answer(asked: &Result<Command, Mistake>) -> Option<u8> {
    let (code, text) = match asked {
        Ok(Command::Version) => (0, version()),
        Ok(Command::Help(usage)) => (0, usage.text()),
        Ok(Command::Manual(topic)) => (0, topic.map_or_else(overview, Usage::text)),
        Ok(_) => return None,
        Err(mistake) => (2, mistake.text()),
    };
    let printed = match asked {
        Ok(Command::Version | Command::Manual(_)) => io::stdout().write_all(text.as_bytes()),
        _ => io::stderr().write_all(text.as_bytes()),
    };
    Some(if printed.is_ok() { code } else { 1 })
}

#[cfg(test)]
mod setting_flags;
#[cfg(test)]
mod tests;
