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
use usage::{COMMANDS, Flag, PROGRAM, Usage, Value, commands};

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
    /// To print how this command is used.
    Help(&'static Usage),
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
/// What follows the first word that is no flag, or `--`, is ignored.
pub(crate) fn parse(args: &[OsString]) -> Result<Command, Mistake> {
    let named = args
        .first()
        .filter(|word| !word.as_bytes().starts_with(b"-"));
    let name = named.map_or(OsStr::new(""), |word| word);
    let usage = match COMMANDS.iter().find(|usage| usage.name == name) {
        Some(usage) if named.is_none_or(|word| !word.is_empty()) => usage,
        _ => {
            let why = format!("no such command: {}", name.display());
            return Err(Mistake { why, usage: None });
        }
    };
    let mut flags = Flags::default();
    let Some(known) = usage.flags else {
        return Ok((usage.make)(flags));
    };
    let mut for_child = Vec::new();
    let mut rest = args.iter();
    if named.is_some() {
        rest.next();
    }
    while let (words, Some(word)) = (rest.as_slice(), rest.next()) {
        let mistake = |why| Mistake {
            why,
            usage: Some(usage),
        };
        let (name, value) = match split(word).map_err(mistake)? {
            Some(flag) => flag,
            None => break,
        };
        let Some(flag) = known.iter().find(|flag| flag.name == name) else {
            return match name == "h" || name == "help" {
                true => Ok(Command::Help(usage)),
                false => Err(mistake(format!(
                    "flag provided but not defined: -{}",
                    name.display()
                ))),
            };
        };
        let next = || rest.next().map(OsString::as_os_str);
        store(flag, &mut flags, value, next).map_err(mistake)?;
        if flag.name != "apikey" {
            let taken = words.len() - rest.len();
            for_child.extend(words.iter().take(taken).cloned());
        }
    }
    Ok(match (usage.make)(flags) {
        Command::Supervise(flags, _) => Command::Supervise(flags, for_child),
        other => other,
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
    fn text(&self) -> String {
        let mut text = format!("{}\n", self.why);
        match self.usage {
            Some(usage) => text.push_str(&usage.text()),
            None => {
                text.push_str(&format!("Usage: {PROGRAM} <command> [<args>]\n\n"));
                commands(&mut text);
            }
        }
        text
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
        Ok(Command::Run(_) | Command::Supervise(..) | Command::Once(_)) => return None,
        Ok(Command::Version) => (0, version()),
        Ok(Command::Help(usage)) => (0, usage.text()),
        Err(mistake) => (2, mistake.text()),
    };
    let printed = match asked {
        Ok(Command::Version) => io::stdout().write_all(text.as_bytes()),
        _ => io::stderr().write_all(text.as_bytes()),
    };
    Some(if printed.is_ok() { code } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn asked(line: &[&str]) -> Result<Command, Mistake> {
        let args: Vec<OsString> = line.iter().map(OsString::from).collect();
        parse(&args)
    }

    fn flags(line: &[&str]) -> Flags {
        match asked(line) {
            Ok(Command::Run(flags) | Command::Once(flags)) => flags,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    #[test]
    fn takes_flags_as_go_does() {
        let given = |change: fn(&mut Flags)| {
            let mut flags = Flags::default();
            change(&mut flags);
            flags
        };
        let conf = |path: &str| Flags {
            conf: path.into(),
            ..Flags::default()
        };
        let table: Vec<(&[&str], Flags)> = vec![
            (&[], Flags::default()),
            (&["-conf", "x"], conf("x")),
            (&["--conf", "x"], conf("x")),
            (&["-conf=x"], conf("x")),
            (&["--conf=x=y"], conf("x=y")),
            (&["-conf="], conf("")),
            (&["-conf", "-v"], conf("-v")),
            (&["-conf", "x", "-conf", "y"], conf("y")),
            (&["-conf", "x", "extra", "-v"], conf("x")),
            (&["-conf", "x", "--", "-v"], conf("x")),
            (&["-conf", "x", "-", "-v"], conf("x")),
            (&["-v"], given(|f| f.verbose = Some(true))),
            (&["-v", "false"], given(|f| f.verbose = Some(true))),
            (&["-v=false"], given(|f| f.verbose = Some(false))),
            (&["--verbose=T"], given(|f| f.verbose = Some(true))),
            (&["-verbose", "-v=0"], given(|f| f.verbose = Some(false))),
            (&["-diagnostic"], given(|f| f.diagnostic = Some(true))),
            (
                &["-private-autoshutdown"],
                given(|f| f.autoshutdown = Some(true)),
            ),
            (&["-child"], given(|f| f.child = true)),
            (&["--root", "/r"], given(|f| f.root = Some("/r".into()))),
            (&["--pidfile", ""], given(|f| f.pidfile = Some("".into()))),
            (&["-apibase", "b"], given(|f| f.apibase = Some("b".into()))),
            (&["-apikey="], given(|f| f.apikey = Some(Secret::default()))),
            (
                &["-role=a:b,c:d", "-role", "e:f"],
                given(|f| f.roles = Some(["a:b", "c:d", "e:f"].map(str::to_owned).into())),
            ),
            (
                &["-role", ""],
                given(|f| f.roles = Some(vec![String::new()])),
            ),
        ];
        for (line, expected) in table {
            assert_eq!(flags(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_child_is_given_the_flags_as_they_are_but_no_key() {
        // (line after the command, what the child is given)
        let table: [(&[&str], &[&str]); 5] = [
            (&[], &[]),
            (
                &["--root", "/r", "-v=false", "-role=a:b", "--conf=x=y"],
                &["--root", "/r", "-v=false", "-role=a:b", "--conf=x=y"],
            ),
            (
                &["-v", "-apikey", "KEY", "-root", "/r"],
                &["-v", "-root", "/r"],
            ),
            (&["--apikey=KEY", "-apikey", "-v", "-v"], &["-v"]),
            (&["-v", "--", "-apikey", "KEY"], &["-v"]),
        ];
        for (line, expected) in table {
            match asked(&[&["supervise"], line].concat()) {
                Ok(Command::Supervise(given, arguments)) => {
                    assert_eq!(arguments, expected, "{line:?}");
                    assert_eq!(given, flags(line));
                }
                other => panic!("{line:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_path_may_hold_any_bytes_and_a_text_may_not() {
        let bytes = |line: &[u8]| OsStr::from_bytes(line).to_owned();
        match parse(&[bytes(b"-conf=/\xff")]) {
            Ok(Command::Run(flags)) => assert_eq!(flags.conf.as_os_str(), bytes(b"/\xff")),
            other => panic!("{other:?}"),
        }
        let mistake = parse(&[bytes(b"-apikey"), bytes(b"SECRET\xff")]).unwrap_err();
        assert_eq!(mistake.why, "invalid value for -apikey: not UTF-8");
    }

    #[test]
    fn tells_commands_apart() {
        assert!(matches!(asked(&[]), Ok(Command::Run(_))));
        assert!(matches!(asked(&["-v"]), Ok(Command::Run(_))));
        assert!(
            matches!(asked(&["once", "-v"]), Ok(Command::Once(flags)) if flags.verbose == Some(true))
        );
        assert_eq!(asked(&["version", "-h", "--bad"]), Ok(Command::Version));
        for line in [&["-h"][..], &["-help"], &["--help"], &["-v", "-h=x"]] {
            assert_eq!(asked(line), Ok(Command::Help(&COMMANDS[0])), "{line:?}");
        }
        assert_eq!(asked(&["once", "-h"]), Ok(Command::Help(&COMMANDS[1])));
        assert_eq!(asked(&["supervise", "-h"]), Ok(Command::Help(&COMMANDS[2])));
        // A command that is not there is not in the help either.
        for word in [
            "help",
            "init",
            "configtest",
            "retire",
            "check",
            "plugin",
            "",
        ] {
            let mistake = asked(&[word, "-v"]).unwrap_err();
            assert_eq!(mistake.usage, None, "{word}");
            let text = mistake.text();
            assert!(text.contains(
                "Usage: mackerel-agent <command> [<args>]\n\nCommands:\n\n    <no command>    "
            ));
            let listed = text
                .lines()
                .filter(|line| line.trim().starts_with(word))
                .count();
            assert!(word.is_empty() || listed == 0, "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong_in_the_words_of_go() {
        let table: [(&[&str], &str); 7] = [
            (&["-x"], "flag provided but not defined: -x"),
            (
                &["once", "--silent=1"],
                "flag provided but not defined: -silent",
            ),
            (&["-conf"], "flag needs an argument: -conf"),
            (
                &["-v=maybe"],
                "invalid boolean value \"maybe\" for -v: parse error",
            ),
            (&["-v="], "invalid boolean value \"\" for -v: parse error"),
            (&["---v"], "bad flag syntax: ---v"),
            (&["-=v"], "bad flag syntax: -=v"),
        ];
        for (line, expected) in table {
            let mistake = asked(line).unwrap_err();
            assert_eq!(mistake.why, expected);
            assert!(
                mistake
                    .text()
                    .starts_with(&format!("{expected}\nUsage: mackerel-agent"))
            );
        }
    }

    #[test]
    fn the_version_is_one_line_in_the_form_that_scripts_know() {
        let line = version();
        let start = format!("mackerel-agent version {} (rev ", env!("CARGO_PKG_VERSION"));
        assert!(line.starts_with(&start) && line.ends_with("] \n"), "{line}");
        assert!(line.contains(") [linux "), "{line}");
    }

    #[test]
    fn never_panics() {
        let pieces: [&[u8]; 12] = [
            b"", b"-", b"--", b"=", b"v", b"conf", b"role", b"once", b"\xff", b"h", b",", b"x",
        ];
        let words: Vec<OsString> = pieces
            .iter()
            .flat_map(|a| pieces.map(|b| OsStr::from_bytes(&[a, b].concat()).to_owned()))
            .collect();
        for first in &words {
            for second in &words {
                match parse(&[first.clone(), second.clone()]) {
                    Ok(Command::Help(usage)) => drop(usage.text()),
                    Ok(_) => {}
                    Err(mistake) => drop(mistake.text()),
                }
            }
        }
    }
}
