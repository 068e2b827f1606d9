//! Parsers for files of the kernel and the system. They work on text or bytes; no file is
//! opened here.

pub(crate) mod certificate;
pub(crate) mod cgroup;
pub(crate) mod container;
pub(crate) mod cpuinfo;
pub(crate) mod diskstats;
pub(crate) mod dns;
pub(crate) mod elf;
pub(crate) mod fib_trie;
pub(crate) mod gitconfig;
pub(crate) mod if_inet6;
pub(crate) mod loadavg;
pub(crate) mod locks;
pub(crate) mod manifest;
pub(crate) mod meminfo;
pub(crate) mod mountinfo;
pub(crate) mod netdev;
pub(crate) mod ntp;
pub(crate) mod pem;
pub(crate) mod plugin;
pub(crate) mod plugin_lock;
pub(crate) mod plugin_target;
pub(crate) mod pressure;
pub(crate) mod process;
pub(crate) mod release;
pub(crate) mod route;
pub(crate) mod sockets;
pub(crate) mod stat;
pub(crate) mod swaps;
pub(crate) mod utmp;
pub(crate) mod vmstat;

use std::error::Error;
use std::fmt;
use std::io::BufRead;
use std::iter;

/// Maximum number of characters of the offending line in an error.
const SHOWN: usize = 80;

/// Like [`str::lines`], in a third of the time. Its pattern search costs more than a line of these
/// files, and they have thousands of lines.
fn lines(mut text: &str) -> impl Iterator<Item = &str> {
    iter::from_fn(move || {
        let length = text.as_bytes().skip_until(b'\n').ok()?;
        let (line, rest) = text.split_at_checked(length)?;
        text = rest;
        let end = match line.as_bytes() {
            [] => return None,
            [.., b'\r', b'\n'] => 2,
            [.., b'\n'] => 1,
            _ => 0,
        };
        line.get(..length - end)
    })
}

/// A file does not have the documented format.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct ParseError {
    /// The file whose format was expected, e.g. `/proc/stat`.
    pub(crate) format: &'static str,
    /// What was expected and not found.
    pub(crate) wanted: &'static str,
    /// The offending line, truncated to [`SHOWN`] characters; empty if the line is missing.
    pub(crate) line: String,
}

impl ParseError {
    fn new(format: &'static str, wanted: &'static str, line: &str) -> ParseError {
        ParseError {
            format,
            wanted,
            line: line.chars().take(SHOWN).collect(),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not `{:?}`: the shipped binary is built without Debug formatting.
        write!(
            f,
            "{}: no {} in \"{}\"",
            self.format, self.wanted, self.line
        )
    }
}

impl Error for ParseError {}

/// Calls `parse` with every truncation of `good` and with a set of one-byte corruptions.
///
/// The parser passes if it returns, with `Ok` or `Err`; it must not panic.
#[cfg(test)]
pub(crate) fn survives_damage(good: &str, parse: impl Fn(&str)) {
    for end in (0..=good.len()).filter(|&end| good.is_char_boundary(end)) {
        parse(&good[..end]);
    }
    for at in 0..good.len() {
        for bad in [0_u8, b' ', b'\n', b'-', b'9', 0xff] {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] = bad;
            parse(&String::from_utf8_lossy(&bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn lines_are_those_of_str() {
        for text in [
            "",
            "\n",
            "a",
            "a\n",
            "a\n\nb",
            "a\r\nb\r\n\r",
            "\r\n",
            "\u{e9}\n\u{3042}",
        ] {
            assert!(lines(text).eq(text.lines()), "{text:?}");
        }
    }
}
