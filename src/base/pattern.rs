//! Regular expressions. Only this module uses the regex crate.
//!
//! The configuration contains expressions in RE2 syntax. There are two differences: Unicode classes
//! (`\p{L}`) are rejected, and `(?i)` ignores the case of ASCII letters only.

mod re2;

use std::error::Error;
use std::fmt;

use regex_lite::{Regex, RegexBuilder};

/// Maximum size of a compiled expression in bytes.
const SIZE: usize = 1 << 20;

/// A regular expression from the configuration. It matches anywhere in a text unless it is
/// anchored.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// Compiles `text`.
    ///
    /// Fails if it is not a regular expression, or uses unsupported syntax.
    pub(crate) fn new(text: &str) -> Result<Pattern, PatternError> {
        let error = |why| PatternError {
            why,
            pattern: text.to_owned(),
        };
        let rewritten = re2::rewrite(text).map_err(error)?;
        let compiled = RegexBuilder::new(&rewritten).size_limit(SIZE).build();
        compiled
            .map(Pattern)
            .map_err(|refused| error(refused.to_string()))
    }

    /// Whether the expression matches anywhere in `text`.
    ///
    /// An expression that is plain text is searched for as such: the expression takes 90 ns for each
    /// byte of `text`.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let own = self.0.as_str();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/ ".contains(&byte);
        if own.bytes().all(is_plain) {
            return text.contains(own);
        }
        self.0.is_match(text)
    }

    /// The text of the first group where the expression matches; empty if the group is not part of
    /// that match. `None` if the expression has no group, or does not match.
    pub(crate) fn first_group<'t>(&self, text: &'t str) -> Option<&'t str> {
        if self.0.captures_len() < 2 {
            return None;
        }
        let group = self.0.captures(text)?.get(1);
        Some(group.map_or("", |group| group.as_str()))
    }
}

impl PartialEq for Pattern {
    /// Whether both have the same text.
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// The text is not a regular expression, or not one that is supported.
#[derive(Debug)]
pub(crate) struct PatternError {
    why: String,
    pattern: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error parsing regexp: {}: `{}`", self.why, self.pattern)
    }
}

impl Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_what_re2_means() {
        // (expression, what it matches, what it does not match)
        let table = [
            ("sd", "/dev/sda1", "xvda"),
            ("a-b_1/c d", "xa-b_1/c d", "a-b_1/c"),
            ("^sd[a-c]$", "sdb", "sdb1"),
            (r"\Asd\z", "sd", "sd\n"),
            (r"\Q.*\E+$", "a.**", "abc"),
            (r"\Qa|b", "xa|b", "a"),
            (r"^[\s]$", "\t", "\x0B"),
            (r"^[\S]$", "\x0B", " "),
            (r"^\s$|^\S\S$", "ab", "\x0B"),
            (r"^\d\w\W\D$", "1_-x", "٣_-x"),
            (r"\bfoo\b", "a foo b", "afoo"),
            (r"^\<a\>\_\ $", "<a>_ ", "a"),
            (r"^\x41\x{42}\103\0$", "ABC\0", "abc"),
            (r"^\a\f\n\r\t\v$", "\x07\x0C\n\r\t\x0B", ""),
            ("^a{2,3}$", "aaa", "a"),
            ("^a{,3}b{c}d{01}$", "a{,3}b{c}d{01}", "aab"),
            (r"^\b{start}$|^x{$", "x{", "x"),
            ("^}]$", "}]", ""),
            ("(?i)SDA", "sda", "sdb"),
            ("(?i)ä", "ä", "Ä"),
            ("^(?i)[\\x41-b]$", "B", "c"),
            ("(?s)a.b", "a\nb", "ab"),
            ("(?P<disk>sd)(?<1>a)", "sda", "sdb"),
            ("^(?:a|b)(?i:C)$", "bc", "cc"),
            ("^[]a]$", "]", "b"),
            ("^[^]a]$", "b", "]"),
            ("^[a[]$", "[", "b"),
            ("^[a&&b]$", "&", "c"),
            ("^[+--]$", ",", "."),
            ("^[a-]$", "-", "b"),
            (r"^[\d-z]$", "-", "a"),
            ("^[~~<>]$", "<", "-"),
            ("^[[:alpha:][:^space:]]$", "1", " "),
            ("^あ.$", "あい", "あ"),
        ];
        for (text, yes, no) in table {
            let pattern = Pattern::new(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(pattern.matches(yes), "{text} does not match {yes}");
            assert!(!pattern.matches(no), "{text} matches {no}");
        }
    }

    #[test]
    fn first_group_is_that_of_re2() {
        // (expression, text, first group)
        let table = [
            (r"took (\d+) s", "took 30 s", Some("30")),
            (r"took (?P<sec>\d+) s", "took 30 s", Some("30")),
            (r"took (?<sec>\d+) s", "took 30 s", Some("30")),
            (r"(?:took) (\d+)|s", "took 30 s", Some("30")),
            (r"(?:took) (\d+)|s", "s", Some("")),
            (r"(?:took) \d+", "took 30 s", None),
            (r"took (\d+)", "took", None),
        ];
        for (text, line, expected) in table {
            let pattern = Pattern::new(text).unwrap();
            assert_eq!(pattern.first_group(line), expected, "{text}");
        }
    }

    #[test]
    fn says_what_is_refused() {
        let table = [
            ("[a", "missing closing ]: `[a`"),
            ("[b-a]", "invalid character class range: `b-a`: `[b-a]`"),
            (
                "[[:foo:]]",
                "invalid character class range: `[:foo:]`: `[[:foo:]]`",
            ),
            ("a\\", "trailing backslash at end of expression: `a\\`"),
            (r"\h", r"invalid escape sequence: `\h`: `\h`"),
            (r"(a)\1", r"invalid escape sequence: `\1`: `(a)\1`"),
            (r"\x4", r"invalid escape sequence: `\x`: `\x4`"),
            ("a{1001}", "invalid repeat count: `{1001}`: `a{1001}`"),
            ("(?=a)", "look-around is not supported: `(?=a)`"),
            (
                "(?x)a",
                "invalid or unsupported Perl syntax: `(?x)a`: `(?x)a`",
            ),
            ("(?P<a-b>c)", "invalid named capture: `(?P<a-b>c)`"),
            (
                r"\p{L}",
                r"Unicode classes such as \p{L} are not supported, list the characters instead: `\p{L}`",
            ),
            ("(a", "found open group without closing ')': `(a`"),
            (
                "*",
                "uncounted repetition operator must be applied to a sub-expression: `*`",
            ),
        ];
        for (text, why) in table {
            let error = Pattern::new(text).map(drop).unwrap_err();
            assert_eq!(error.to_string(), format!("error parsing regexp: {why}"));
        }
    }

    #[test]
    fn a_compiled_expression_is_bounded() {
        assert!(Pattern::new("(((a{1000}){1000}){1000}){1000}").is_err());
    }

    #[test]
    fn never_panics() {
        let good = r"^(?i:[[:alpha:]\d-z]+)\Qa.b\E{2,3}(?P<n>\x41|\101|\p)[^]a-b]?\b$";
        for end in 0..=good.len() {
            drop(Pattern::new(&good[..end]));
            for bad in ["\\", "[", "]", "-", "{", "あ", "\0", "(", "?"] {
                drop(Pattern::new(&format!(
                    "{}{bad}{}",
                    &good[..end],
                    &good[end..]
                )));
            }
        }
    }
}
