//! Error messages for a text that is no valid TOML.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, Error};

use super::characters::{lookalike_of_syntax, named};
use super::key::quoted;

/// The largest size, in bytes, of a text in which all errors are searched for. Each error may take
/// hundreds of bytes, and a file that is no configuration at all has one at every second byte.
const RECOVERABLE: usize = 64 << 10;
/// The number of errors above which a file is considered no configuration at all.
const MOST: usize = 1000;
/// The first bytes of a line in which its key is searched for.
const KEY: usize = 200;
/// The beginnings of messages of the parser, each with a remedy that the message lacks.
const REMEDIES: &[(&str, &str)] = &[
    (
        "string values must be quoted",
        "; write a text in quotes, and true, false and numbers without",
    ),
    (
        "key with no value",
        "; write key = value, and begin a remark with #",
    ),
    (
        "missing escaped value",
        "; write \\\\ for a backslash, or the whole text in single quotes",
    ),
    (
        "invalid basic string",
        "; end the text with a quote on the same line",
    ),
    (
        "invalid literal string",
        "; end the text with a quote on the same line",
    ),
    ("unexpected key or value", "; write one setting on a line"),
    ("invalid boolean", "; write true or false, in small letters"),
    ("duplicate key", "; join the two, or remove one"),
];

/// The beginnings of messages about a value without an end. Such a value extends over the lines
/// below it.
const ENDLESS: &[&str] = &[
    "unclosed array,",
    "unclosed inline table",
    "invalid multi-line",
];

/// The table that could be parsed, and all syntax errors, possibly several on a line. `None` and
/// only the first error if the lines below an error cannot be parsed reliably.
pub(crate) fn parse(text: &str) -> (Option<Spanned<DeTable<'_>>>, Vec<Error>) {
    let first = match DeTable::parse(text) {
        Ok(table) => return (Some(table), Vec::new()),
        Err(first) => first,
    };
    if text.len() > RECOVERABLE {
        return (None, vec![first]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    let is_endless = |error: &Error| {
        let message = error.message();
        ENDLESS.iter().any(|endless| message.starts_with(endless))
    };
    if errors.len() > MOST || errors.iter().any(is_endless) {
        (None, vec![first])
    } else {
        (Some(table), errors)
    }
}

/// The error on the line that begins at `start`, and the remedy, for a message in which it follows
/// the line number. It contains nothing of a value, because that may be the API key. `is_key`
/// returns whether a word is a key of some table.
pub(super) fn reason(text: &[u8], start: usize, error: &Error, is_key: fn(&str) -> bool) -> String {
    let bytes = |range: Range<usize>| String::from_utf8_lossy(text.get(range).unwrap_or_default());
    let message = error.message();
    let mut reason = match (message, error.span()) {
        ("duplicate key", Some(key)) => format!(": {message} {}", bytes(key)),
        _ => {
            let end = text.len().min(start + KEY);
            format!("{}: {message}", key(&bytes(start..end), is_key))
        }
    };
    let mut remedies = REMEDIES.iter();
    if let Some((_, remedy)) = remedies.find(|(begin, _)| message.starts_with(begin)) {
        reason.push_str(remedy);
    }
    reason
}

/// The first character that looks like another one, on the line that begins at `start` and before
/// `end`, the end of the error. Returns its offset, and its name with the remedy.
pub(super) fn lookalike(text: &str, start: usize, end: usize) -> Option<(usize, String)> {
    let line = text.get(start..)?.split('\n').next()?;
    let mut characters = line.char_indices().map(|(offset, c)| (start + offset, c));
    characters.find_map(|(offset, c)| {
        let what = lookalike_of_syntax(c).filter(|_| offset < end)?;
        Some((offset, named(c, what)))
    })
}

/// The key with which `text` begins, in the format of messages. Empty if it is not a known key,
/// because it may then be part of a value.
fn key(text: &str, is_key: fn(&str) -> bool) -> String {
    let text = text.trim_start_matches(['[', ' ', '\t']);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let (key, _) = text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()));
    let key = key.trim_end_matches('.');
    let first = key.split('.').next().unwrap_or_default();
    if is_key(first) {
        format!(" (last key {})", quoted(key))
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn mistakes(text: &str) -> Vec<String> {
        let error = Config::default().read(text.as_bytes()).unwrap_err();
        error.problems.into_iter().map(|told| told.text).collect()
    }

    #[test]
    fn syntax_error_has_a_remedy() {
        let quoted = "string values must be quoted, expected literal string; \
                      write a text in quotes, and true, false and numbers without";
        let value = "key with no value, expected `=`; write key = value, and begin a remark with #";
        // (text, expected message)
        let table = [
            ("\nverbose = \n", format!("line 2, column 11 (last key \"verbose\"): {quoted}")),
            ("apikey = SECRET", format!("line 1, column 10 (last key \"apikey\"): {quoted}")),
            ("SECRET =", format!("line 1, column 9: {quoted}")),
            ("apikey 'SECRET'", format!("line 1, column 8 (last key \"apikey\"): {value}")),
            ("// remark", format!("line 1, column 4: {value}")),
            (
                "[disks]\nignore = \"^sd\\d\"",
                "line 2, column 15 (last key \"ignore\"): missing escaped value, expected `b`, `e`, \
                 `f`, `n`, `r`, `\\`, `\"`, `x`, `u`, `U`; write \\\\ for a backslash, or the whole \
                 text in single quotes"
                    .to_owned(),
            ),
            (
                "apikey = \"SECRET\n",
                "line 1, column 17 (last key \"apikey\"): invalid basic string, expected `\"`; end \
                 the text with a quote on the same line"
                    .to_owned(),
            ),
            (
                "verbose = True",
                "line 1, column 11 (last key \"verbose\"): invalid boolean, expected `true`; write \
                 true or false, in small letters"
                    .to_owned(),
            ),
            (
                "[plugin.checks.a\n",
                "line 1, column 17 (last key \"plugin.checks.a\"): unclosed table, expected `]`"
                    .to_owned(),
            ),
            (
                "[plugin.checks.\"a]\n",
                "line 1, column 19 (last key \"plugin.checks\"): unclosed table, expected `]`"
                    .to_owned(),
            ),
            (
                "verbose = true silent = true",
                "line 1, column 23 (last key \"verbose\"): unexpected key or value, expected \
                 newline, `#`; write one setting on a line"
                    .to_owned(),
            ),
            (
                "root = '/'\nroot = '/x'",
                "line 2, column 1: duplicate key root; join the two, or remove one"
                    .to_owned(),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(mistakes(text), [format!("toml: {expected}")], "{text}");
        }
    }

    #[test]
    fn syntax_errors_are_reported_once_for_each_line() {
        let text = "apikey = SECRET\nverbose = 'yes'\nroot = /x y\n[disks]\nignore = '('\nx:y\n";
        let lines = mistakes(text);
        let numbers = lines
            .iter()
            .map(|line| line.as_bytes()["toml: line ".len()] - b'0');
        assert!(numbers.eq([1, 2, 3, 5, 6]), "{lines:#?}");
        // Messages about the lines below would be useless.
        for text in [
            "roles = ['a:b',\nverbose = 1\n[disks]\nignore = 1\n",
            "disks = { ignore = 'a'\nverbose = 1\n",
            "apikey = '''SECRET\nverbose = 1\n",
        ] {
            let lines = mistakes(text);
            assert_eq!(lines.len(), 1, "{lines:#?}");
        }
        // A file that is no configuration gets one error only.
        for count in [MOST + 1, RECOVERABLE / 2 + 1] {
            assert_eq!(mistakes(&"=\n".repeat(count)).len(), 1);
        }
        assert_eq!(mistakes(&"=\n".repeat(40)).len(), 21);
    }
}
