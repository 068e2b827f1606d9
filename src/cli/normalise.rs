//! Translates the notation of Go's `flag` package into that of argh: `-conf=F` becomes `--conf F`,
//! and `-v` becomes `--verbose true`. Of a repeated flag only the last one is kept.
//!
//! The flags and the kinds of their values come from the tables that argh derives from the structs
//! of the commands. The kind of a value is the `arg_name` of its field.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use argh::{FlagInfo, FlagInfoKind, Optionality};

use super::any_bytes;

/// The `arg_name` of a switch. It accepts Go's booleans after `=`; without a value it is true.
///
/// argh handles such a field as an option, because `=false` cannot turn off argh's own switches.
pub(super) const BOOL: &str = "bool";
/// The `arg_name` of a value that may contain any bytes. All others are UTF-8.
pub(super) const PATH: &str = "path";

/// The `arg_name` of operands that are the command line of another program.
pub(super) const COMMAND_LINE: &str = "COMMAND";

/// The flags of one struct, including argh's `--help`.
pub(super) type FlagTable = &'static [FlagInfo<'static>];

/// A flag of the command line, with its value.
pub(super) struct GivenFlag<'w> {
    pub(super) flag: &'static FlagInfo<'static>,
    value: Cow<'w, str>,
    /// The flag as written: one or two words.
    pub(super) words: &'w [OsString],
}

/// The words of a command line after the name of the command, split into flags and operands.
#[derive(Default)]
pub(super) struct Normalised<'w> {
    /// In the given order, including those that a later one replaces.
    pub(super) flags: Vec<GivenFlag<'w>>,
    operands: Vec<Cow<'w, str>>,
}

/// The reason why [`Normalised::read`] stops early.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Stop<'w> {
    /// `-help` or `-h`.
    Help,
    /// `-version`.
    Version,
    /// A word that is neither a flag nor an operand that the command accepts.
    Unexpected(&'w OsStr),
    /// An invalid flag, with the reason.
    Invalid(String),
}

impl<'w> Normalised<'w> {
    /// Reads `words` with the flags of `tables` and at most `limit` operands. Empty words are
    /// skipped, because scripts pass them if a variable is not set. If `is_line`, the operands are a
    /// command line: the first one and all words after it, as they are.
    pub(super) fn read(
        &mut self,
        words: &'w [OsString],
        tables: [FlagTable; 2],
        limit: usize,
        is_line: bool,
    ) -> Result<(), Stop<'w>> {
        let mut rest = words;
        let mut has_ended = false;
        while let [word, after @ ..] = rest {
            let start = rest;
            rest = after;
            let flag = if has_ended { None } else { split(word)? };
            let Some((name, given)) = flag else {
                if word == "--" && !has_ended {
                    has_ended = true;
                } else if !word.is_empty() || (has_ended && is_line) {
                    has_ended |= is_line;
                    if self.operands.len() >= limit {
                        return Err(Stop::Unexpected(word));
                    }
                    self.operands.push(any_bytes::encode(word));
                }
                continue;
            };
            match name.as_bytes() {
                b"h" | b"help" => return Err(Stop::Help),
                b"version" => return Err(Stop::Version),
                _ => {}
            }
            let flag = tables.iter().find_map(|table| find(table, name));
            let Some(flag) = flag else {
                let name = name.display();
                return Err(invalid(format!("flag provided but not defined: -{name}")));
            };
            let value = if kind(flag) == BOOL {
                boolean(name, given)?
            } else {
                let given = given.or_else(|| rest.split_off_first().map(OsString::as_os_str));
                text(name, given, kind(flag))?
            };
            self.flags.push(GivenFlag {
                flag,
                value,
                words: &start[..start.len() - rest.len()],
            });
        }
        Ok(())
    }

    /// The flags that are in `table`, as arguments for argh. The last one of a repeated flag wins,
    /// unless its values are collected.
    pub(super) fn flags_of(&self, table: FlagTable) -> Vec<&str> {
        let mut arguments = Vec::new();
        let mut rest = self.flags.as_slice();
        while let [given, later @ ..] = rest {
            rest = later;
            let long = given.flag.long;
            let is_replaced = given.flag.optionality != Optionality::Repeating
                && later.iter().any(|other| other.flag.long == long);
            if !is_replaced && table.iter().any(|flag| flag.long == long) {
                arguments.extend_from_slice(&[long, &*given.value]);
            }
        }
        arguments
    }

    /// The operands, as arguments for argh. They follow `--`, so that argh takes no operand for a
    /// flag.
    pub(super) fn operands(&self) -> impl Iterator<Item = &str> {
        let operands = self.operands.iter().map(|operand| &**operand);
        ["--"].into_iter().chain(operands)
    }
}

/// The flags of `table`, without argh's `--help`.
pub(super) fn flags(table: FlagTable) -> impl Iterator<Item = &'static FlagInfo<'static>> {
    table.iter().filter(|flag| flag.long != "--help")
}

/// The name of `flag` without dashes.
pub(super) fn name(flag: &FlagInfo<'static>) -> &'static str {
    flag.long.trim_start_matches('-')
}

/// The `arg_name` of `flag`.
pub(super) fn kind(flag: &FlagInfo<'static>) -> &'static str {
    match flag.kind {
        FlagInfoKind::Option { arg_name } => arg_name,
        FlagInfoKind::Switch => BOOL,
    }
}

/// The flag of `table` whose long or short name is `word`.
pub(super) fn find(table: FlagTable, word: &OsStr) -> Option<&'static FlagInfo<'static>> {
    let is_short = |c: char| word == c.encode_utf8(&mut [0; 4]) as &str;
    table
        .iter()
        .find(|flag| word == name(flag) || flag.short.is_some_and(is_short))
}

fn invalid<'w>(reason: String) -> Stop<'w> {
    Stop::Invalid(reason)
}

/// A value of Go's `strconv.ParseBool`, in the notation of Rust's `bool`.
fn boolean<'w>(name: &OsStr, given: Option<&OsStr>) -> Result<Cow<'w, str>, Stop<'w>> {
    match given.map_or(b"true".as_slice(), OsStr::as_bytes) {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Ok("true".into()),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Ok("false".into()),
        other => Err(invalid(format!(
            "invalid boolean value \"{}\" for -{}: parse error",
            OsStr::from_bytes(other).display(),
            name.display()
        ))),
    }
}

/// A value of any other kind. Errors do not contain the value, because it may be an API key.
fn text<'w>(name: &OsStr, given: Option<&'w OsStr>, kind: &str) -> Result<Cow<'w, str>, Stop<'w>> {
    let name = name.display();
    match given {
        None => Err(invalid(format!("flag needs an argument: -{name}"))),
        Some(value) if kind != PATH && value.to_str().is_none() => {
            Err(invalid(format!("invalid value for -{name}: not UTF-8")))
        }
        Some(value) => Ok(any_bytes::encode(value)),
    }
}

/// The name of a flag and, if there is a `=`, its value; `None` for `--` and for words that are not
/// flags. Fails if a flag has a name that is invalid.
pub(super) fn split(word: &OsStr) -> Result<Option<(&OsStr, Option<&OsStr>)>, Stop<'static>> {
    let flag = match word.as_bytes() {
        b"--" => return Ok(None),
        [b'-', b'-', flag @ ..] | [b'-', flag @ ..] if !flag.is_empty() => flag,
        _ => return Ok(None),
    };
    if let [b'-' | b'=', ..] = flag {
        return Err(invalid(format!("bad flag syntax: {}", word.display())));
    }
    let mut parts = flag.splitn(2, |byte| *byte == b'=').map(OsStr::from_bytes);
    let name = parts.next().unwrap_or_default();
    Ok(Some((name, parts.next())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn flag(long: &'static str, arg_name: &'static str) -> FlagInfo<'static> {
        FlagInfo {
            kind: FlagInfoKind::Option { arg_name },
            optionality: Optionality::Optional,
            long,
            short: None,
            description: "",
            hidden: false,
        }
    }

    const OWN: FlagTable = &[flag("--force", BOOL)];
    const SHARED: FlagTable = &[
        flag("--conf", PATH),
        FlagInfo {
            optionality: Optionality::Repeating,
            ..flag("--role", "string")
        },
        FlagInfo {
            short: Some('v'),
            ..flag("--verbose", BOOL)
        },
    ];

    fn words(line: &[&[u8]]) -> Vec<OsString> {
        let word = |bytes: &&[u8]| OsStr::from_bytes(bytes).to_owned();
        line.iter().map(word).collect()
    }

    #[test]
    fn normalise_translates_the_notation_of_go() {
        // (why this row exists, words, argh's arguments of OWN, of SHARED, operands)
        let table: [(_, &[&[u8]], &str, &str, &str); 17] = [
            ("no words", &[], "", "", "--"),
            ("one dash", &[b"-conf", b"F"], "", "--conf F", "--"),
            ("two dashes", &[b"--conf", b"F"], "", "--conf F", "--"),
            ("glued by =", &[b"-conf=F"], "", "--conf F", "--"),
            ("two, glued", &[b"--conf=F=G"], "", "--conf F=G", "--"),
            (
                "a value like a flag",
                &[b"-conf", b"-v"],
                "",
                "--conf -v",
                "--",
            ),
            (
                "a value like the end",
                &[b"-conf", b"--"],
                "",
                "--conf --",
                "--",
            ),
            ("a bare switch", &[b"-force"], "--force true", "", "--"),
            (
                "a switch with a value",
                &[b"-force=F"],
                "--force false",
                "",
                "--",
            ),
            ("a short name", &[b"-v=1"], "", "--verbose true", "--"),
            (
                "the last one wins",
                &[b"-conf=a", b"-force", b"--conf", b"b"],
                "--force true",
                "--conf b",
                "--",
            ),
            (
                "short and long names are one flag",
                &[b"-verbose", b"-v=false"],
                "",
                "--verbose false",
                "--",
            ),
            (
                "repeated values are kept in order",
                &[b"-role=a:b", b"-v", b"-role", b"c:d"],
                "",
                "--role a:b --verbose true --role c:d",
                "--",
            ),
            (
                "an operand",
                &[b"NAME", b"-v"],
                "",
                "--verbose true",
                "-- NAME",
            ),
            (
                "the end",
                &[b"-v", b"--", b"-x"],
                "",
                "--verbose true",
                "-- -x",
            ),
            ("a dash is an operand", &[b"-", b""], "", "", "-- -"),
            ("any bytes", &[b"-conf=\xff"], "", "--conf \0\u{ff}", "--"),
        ];
        for (why, line, own, shared, operands) in table {
            let line = words(line);
            let mut normalised = Normalised::default();
            assert_eq!(
                normalised.read(&line, [OWN, SHARED], 1, false),
                Ok(()),
                "{why}"
            );
            assert_eq!(normalised.flags_of(OWN).join(" "), own, "{why}");
            assert_eq!(normalised.flags_of(SHARED).join(" "), shared, "{why}");
            let found: Vec<_> = normalised.operands().collect();
            assert_eq!(found.join(" "), operands, "{why}");
        }
    }

    #[test]
    fn normalise_takes_every_boolean_of_go() {
        let table = [
            ("true", "1 t T true TRUE True"),
            ("false", "0 f F false FALSE False"),
        ];
        for (expected, spellings) in table {
            for given in spellings.split(' ') {
                let line = words(&[format!("-v={given}").as_bytes()]);
                let mut normalised = Normalised::default();
                assert_eq!(normalised.read(&line, [OWN, SHARED], 0, false), Ok(()));
                assert_eq!(normalised.flags_of(SHARED), ["--verbose", expected]);
            }
        }
    }

    #[test]
    fn normalise_stops_where_no_more_is_to_be_read() {
        let invalid = |reason: &str| Stop::Invalid(reason.to_owned());
        // (words, why it stops)
        let table: [(&[&[u8]], _); 12] = [
            (&[b"-v", b"-h", b"-x"], Stop::Help),
            (&[b"--help=x"], Stop::Help),
            (&[b"--version"], Stop::Version),
            (&[b"a", b"b"], Stop::Unexpected(OsStr::new("b"))),
            (&[b"a", b"--", b"--"], Stop::Unexpected(OsStr::new("--"))),
            (
                &[b"-x", b"-h"],
                invalid("flag provided but not defined: -x"),
            ),
            (&[b"-c"], invalid("flag provided but not defined: -c")),
            (&[b"-conf"], invalid("flag needs an argument: -conf")),
            (
                &[b"-v=yes"],
                invalid("invalid boolean value \"yes\" for -v: parse error"),
            ),
            (
                &[b"-role=\xff"],
                invalid("invalid value for -role: not UTF-8"),
            ),
            (&[b"---v"], invalid("bad flag syntax: ---v")),
            (&[b"-=v"], invalid("bad flag syntax: -=v")),
        ];
        for (line, expected) in table {
            let line = words(line);
            let stopped = Normalised::default().read(&line, [OWN, SHARED], 1, false);
            assert_eq!(stopped, Err(expected), "{line:?}");
        }
    }
}
