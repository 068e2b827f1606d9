//! The arguments of an applet, in the notation of its official plugin.
//!
//! The help is the table of flags, so that a flag is written down once. A line of the help that
//! begins a flag is two to six blanks, the flag's names, `=VALUE` if it has a value, and, after two
//! blanks or on the next line, what it means, with `(default: VALUE)` at its end if it has one:
//!
//! ```text
//!   -w, --warning=N           seconds until WARNING (default: 240)
//!       --ignore-missing      a missing file is OK
//! ```
//!
//! A flag is asked for by its last name, without dashes. This costs 1 kB for all applets; a struct
//! derived by argh, as the commands have, costs 1.5 kB for each of them, and has neither joined
//! short flags nor repeated ones that Go's plugins accept.

use std::ffi::OsString;
use std::slice::Iter;

use super::finding::Failure;
use crate::parse::plugin::float;

/// The notation of a command line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Notation {
    /// Of go-flags: `-w 1`, `-w1`, `-w=1`, `-iw1`, `--warning 1`, `--warning=1`; switches have no
    /// value.
    Options,
    /// Of Go's `flag`: one or two dashes, `-name value` or `-name=value`, also `-switch=false`.
    Flags,
}

/// Why there are no arguments.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// The help is asked for.
    Help,
    /// The command line is wrong.
    Usage(String),
}

/// The given flags of an applet.
#[derive(Debug)]
pub(super) struct Arguments {
    help: &'static str,
    /// The last name of each given flag and its value, in the order of the command line. A switch
    /// has the value `true` or `false`.
    given: Vec<(&'static str, String)>,
    /// All words of the command line, with a blank between two. Official plugins make the names of
    /// their state files of it.
    pub(super) line: String,
    /// The words that are neither flags nor their values.
    pub(super) operands: Vec<String>,
}

/// The words that are left.
type Words<'w> = Iter<'w, OsString>;

/// A flag in the help.
#[derive(Clone, Copy)]
struct Flag {
    /// Its last name, without dashes.
    name: &'static str,
    has_value: bool,
    /// The help from this flag's names on.
    text: &'static str,
}

impl Arguments {
    /// Reads `words` by the flags of `help`.
    pub(super) fn read(
        help: &'static str,
        notation: Notation,
        words: &[OsString],
    ) -> Result<Arguments, Stop> {
        let mut read = Arguments {
            help,
            given: Vec::new(),
            line: String::new(),
            operands: Vec::new(),
        };
        for (at, word) in words.iter().enumerate() {
            read.line.push_str(if at > 0 { " " } else { "" });
            read.line.push_str(text(word)?);
        }
        let mut words = words.iter();
        let mut are_flags = true;
        while let Some(word) = words.next() {
            let word = text(word)?;
            let name = word.trim_start_matches('-');
            let dashes = word.len() - name.len();
            match dashes {
                _ if !are_flags => read.operands.push(word.to_owned()),
                2 if name.is_empty() => are_flags = false,
                0 => {
                    read.operands.push(word.to_owned());
                    are_flags &= notation == Notation::Options;
                }
                1 if name.is_empty() => read.operands.push(word.to_owned()),
                _ if name == "help" || name == "h" && !has(help, "h") => return Err(Stop::Help),
                1 if notation == Notation::Options => read.short(name, &mut words)?,
                1 | 2 => read.long(name, notation, &mut words)?,
                _ => return Err(unknown(word)),
            }
        }
        Ok(read)
    }

    /// Reads `name` or `name=value`.
    fn long<'w>(
        &mut self,
        word: &str,
        notation: Notation,
        rest: &mut Words<'w>,
    ) -> Result<(), Stop> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let is_short = name.len() == 1 && notation == Notation::Options;
        let flag = find(self.help, name).filter(|_| !is_short);
        let flag = flag.ok_or_else(|| unknown(name))?;
        let value = match (value, flag.has_value) {
            (Some(_), false) if notation == Notation::Options => {
                return Err(Stop::Usage([name, ": has no value"].concat()));
            }
            (Some(value), false) if !is_bool(value) => {
                return Err(Stop::Usage(
                    [name, ": ", value, "; write true or false"].concat(),
                ));
            }
            (Some(value), _) => value,
            (None, true) => next(name, rest)?,
            (None, false) => "true",
        };
        self.given.push((flag.name, value.to_owned()));
        Ok(())
    }

    /// Reads joined short flags, of which the last may have a value.
    fn short<'w>(&mut self, word: &str, rest: &mut Words<'w>) -> Result<(), Stop> {
        let mut ahead = word;
        while let Some(first) = ahead.chars().next() {
            let (name, after) = ahead.split_at(first.len_utf8());
            let flag = find(self.help, name).ok_or_else(|| unknown(name))?;
            ahead = after;
            let mut value = "true";
            if flag.has_value {
                value = match after {
                    "" => next(name, rest)?,
                    after => after.strip_prefix('=').unwrap_or(after),
                };
                ahead = "";
            }
            self.given.push((flag.name, value.to_owned()));
        }
        Ok(())
    }

    /// The values of a flag that may be repeated, in their order.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        debug_assert!(has(self.help, name), "{name} is not in the help");
        let given = self.given.iter();
        given.filter_map(move |(flag, value)| (*flag == name).then_some(&**value))
    }

    /// The value of a flag: the last one given, or else its default, or else an empty text.
    pub(super) fn text<'a>(&'a self, name: &'a str) -> &'a str {
        let given = self.given.iter().rev().find(|(flag, _)| *flag == name);
        given.map_or_else(|| default(self.help, name), |(_, value)| value)
    }

    /// Whether the flag is given, with any value.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The default of a flag; empty if it has none.
    pub(super) fn default(&self, name: &str) -> &'static str {
        default(self.help, name)
    }

    /// Whether a switch is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        ON.contains(&self.text(name))
    }

    /// The value of a flag that must be given.
    pub(super) fn required<'a>(&'a self, name: &'a str) -> Result<&'a str, Failure> {
        if self.is_given(name) {
            return Ok(self.text(name));
        }
        Err(Failure::usage(["--", name, " must be given"].concat()))
    }

    /// The value of a flag as a number; `None` if it is not given and has no default.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Failure> {
        match self.text(name) {
            "" if !self.is_given(name) => Ok(None),
            text => match float::parse(text) {
                Some(number) => Ok(Some(number)),
                None => Err(wrong(name, text, "a number")),
            },
        }
    }

    /// The value of a flag as a whole number; `None` if it is not given and has no default.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        match self.text(name) {
            "" if !self.is_given(name) => Ok(None),
            text => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(wrong(name, text, "a whole number")),
            },
        }
    }

    /// The value of a flag as a number; 0 if it is not given and has no default.
    pub(super) fn amount(&self, name: &str) -> Result<f64, Failure> {
        Ok(self.number(name)?.unwrap_or(0.0))
    }

    /// The value of a flag as a whole number; 0 if it is not given and has no default.
    pub(super) fn count(&self, name: &str) -> Result<i64, Failure> {
        Ok(self.integer(name)?.unwrap_or(0))
    }
}

/// The values of a switch that is on, and off, as Go's `strconv.ParseBool` reads them.
const ON: [&str; 6] = ["true", "TRUE", "True", "t", "T", "1"];
const OFF: [&str; 6] = ["false", "FALSE", "False", "f", "F", "0"];

fn is_bool(text: &str) -> bool {
    ON.contains(&text) || OFF.contains(&text)
}

/// The error of a flag's value that is not `what`.
pub(super) fn wrong(name: &str, value: &str, what: &str) -> Failure {
    Failure::usage(["--", name, ": ", value, "; write ", what].concat())
}

fn unknown(name: &str) -> Stop {
    Stop::Usage(["unknown flag: ", name].concat())
}

fn text(word: &OsString) -> Result<&str, Stop> {
    let error = || Stop::Usage(format!("{}: not UTF-8", word.display()));
    word.to_str().ok_or_else(error)
}

fn next<'w>(name: &str, rest: &mut Words<'w>) -> Result<&'w str, Stop> {
    match rest.next() {
        Some(word) => text(word),
        None => Err(Stop::Usage([name, ": needs a value"].concat())),
    }
}

fn has(help: &'static str, name: &str) -> bool {
    find(help, name).is_some()
}

/// The flag with this name in the help.
fn find(help: &'static str, name: &str) -> Option<Flag> {
    let mut ahead = help;
    while !ahead.is_empty() {
        let (line, rest) = ahead.split_once('\n').unwrap_or((ahead, ""));
        if let Some(head) = head(line) {
            let (names, has_value) = match head.split_once('=') {
                Some((names, _)) => (names, true),
                None => (head, false),
            };
            let (mut last, mut is_found) = ("", false);
            for flag in names.split(", ") {
                last = flag.trim_start_matches('-');
                is_found |= last == name;
            }
            if is_found {
                return Some(Flag {
                    name: last,
                    has_value,
                    text: ahead,
                });
            }
        }
        ahead = rest;
    }
    None
}

/// The names and the value's name of a flag, if the line begins one.
fn head(line: &'static str) -> Option<&'static str> {
    let text = line.trim_start_matches(' ');
    let indent = line.len() - text.len();
    if !text.starts_with('-') || !(2..=6).contains(&indent) {
        return None;
    }
    text.split("  ").next()
}

/// The default of the flag with this name; empty if it has none.
fn default(help: &'static str, name: &str) -> &'static str {
    let Some(flag) = find(help, name) else {
        debug_assert!(false, "{name} is not in the help");
        return "";
    };
    let mut lines = flag.text.split('\n');
    // The end of the flag's text: the next flag's first line.
    let mut length = lines.next().unwrap_or_default().len();
    for line in lines {
        if head(line).is_some() {
            break;
        }
        length += 1 + line.len();
    }
    let own = flag.text.get(..length).unwrap_or_default();
    let Some((_, default)) = own.split_once("(default: ") else {
        return "";
    };
    default.split(')').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applets::list::APPLETS;

    const HELP: &str = "does something\n  \
        -w, --warning=N           seconds until\n                            WARNING (default: 240)\n  \
        -v, --verbose             be verbose\n      \
        --ignore-missing      a missing file is OK\n      \
        --name=TEXT           repeatable\n  \
        -t                        not the long one\n  \
        -warn=true|false          (default: true)\n";

    fn read(notation: Notation, words: &str) -> Result<Arguments, Stop> {
        let words: Vec<OsString> = words
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(OsString::from)
            .collect();
        Arguments::read(HELP, notation, &words)
    }

    #[test]
    fn arguments_of_go_flags_are_read() {
        let usage = |why: &str| Err(Stop::Usage(why.to_owned()));
        // (words, flags and operands as given, or the error)
        let table = [
            ("", Ok("")),
            ("-w 1", Ok("warning=1")),
            ("-w1", Ok("warning=1")),
            ("-w=1", Ok("warning=1")),
            ("-vw 1 -v", Ok("verbose=true warning=1 verbose=true")),
            ("-vvw1", Ok("verbose=true verbose=true warning=1")),
            ("--warning 1 --warning=2", Ok("warning=1 warning=2")),
            ("--warning=a=b", Ok("warning=a=b")),
            ("-w -1", Ok("warning=-1")),
            ("a -v b", Ok("verbose=true a b")),
            ("-v -- -w", Ok("verbose=true -w")),
            ("- -t", Ok("t=true -")),
            ("-w", usage("w: needs a value")),
            ("--warning", usage("warning: needs a value")),
            ("-x", usage("unknown flag: x")),
            ("-vx", usage("unknown flag: x")),
            ("--w 1", usage("unknown flag: w")),
            ("--verbose=true", usage("verbose: has no value")),
            ("--what", usage("unknown flag: what")),
            ("---v", usage("unknown flag: ---v")),
            ("--help", Err(Stop::Help)),
            ("-help", Err(Stop::Help)),
            ("-v -h", Err(Stop::Help)),
        ];
        for (words, expected) in table {
            let found = read(Notation::Options, words).map(shown);
            assert_eq!(found, expected.map(str::to_owned), "{words}");
        }
    }

    #[test]
    fn arguments_of_go_flag_are_read() {
        let usage = |why: &str| Err(Stop::Usage(why.to_owned()));
        // (words, flags and operands as given, or the error)
        let table = [
            ("-warning 1 --warning=2", Ok("warning=1 warning=2")),
            ("-warn=false -verbose", Ok("warn=false verbose=true")),
            ("-v", Ok("verbose=true")),
            ("-v a -v", Ok("verbose=true a -v")),
            ("-w1", usage("unknown flag: w1")),
            ("-warning", usage("warning: needs a value")),
            ("-v=maybe", usage("v: maybe; write true or false")),
            ("-h", Err(Stop::Help)),
        ];
        for (words, expected) in table {
            let found = read(Notation::Flags, words).map(shown);
            assert_eq!(found, expected.map(str::to_owned), "{words}");
        }
    }

    fn shown(read: Arguments) -> String {
        let flags = read
            .given
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        flags.chain(read.operands).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn values_are_the_last_ones_or_the_defaults() {
        let read = read(Notation::Options, "-w 1 -w 2 --name a --name b").unwrap();
        assert_eq!(read.number("warning"), Ok(Some(2.0)));
        assert_eq!(read.all("name").collect::<Vec<_>>(), ["a", "b"]);
        let none = self::read(Notation::Options, "").unwrap();
        assert_eq!(none.integer("warning"), Ok(Some(240)));
        assert_eq!(none.number("name"), Ok(None));
        assert!(none.is_on("warn") && !none.is_on("verbose") && !none.is_given("warn"));
        let why = "--name must be given".to_owned();
        assert_eq!(none.required("name"), Err(Failure::usage(why)));
        let wrong = self::read(Notation::Options, "-w x").unwrap();
        let why = "--warning: x; write a number".to_owned();
        assert_eq!(wrong.number("warning"), Err(Failure::usage(why)));
    }

    #[test]
    fn help_of_each_applet_is_a_table_of_flags() {
        for applet in APPLETS {
            let (about, flags) = applet.help().split_once('\n').unwrap();
            assert!(about.len() <= 70, "{}: {about}", applet.name);
            let mut count = 0;
            for line in flags.lines() {
                assert!(line.len() <= 80, "{}: {line}", applet.name);
                if line.trim_start().starts_with('-') {
                    assert!(head(line).is_some(), "{}: {line}", applet.name);
                    count += 1;
                }
            }
            let heads = flags.matches("  -").count();
            assert_eq!(heads, count, "{}: a flag within a line", applet.name);
            assert!(flags.ends_with('\n'), "{}", applet.name);
        }
    }

    #[test]
    fn applets_are_sorted_and_listed_for_packages() {
        assert!(APPLETS.is_sorted_by_key(|applet| applet.name));
        let packaged = include_str!("../../packaging/applets");
        let names: Vec<_> = APPLETS.iter().map(|applet| applet.name).collect();
        assert_eq!(packaged.lines().collect::<Vec<_>>(), names);
    }
}
