//! Characters that look like others or are invisible, and get into a configuration by mistake.

/// The length from which on a text is accepted as an API key. The keys of Mackerel have 44
/// characters.
const KEY: usize = 20;
/// Printable ASCII characters that occur in no API key, but in quotes and placeholders.
const NOT_IN_KEYS: &str = "\"'`<>()[]{}$%\\";

/// The name of a character that is easily mistaken for another one, and the remedy; `None` for any
/// other character.
pub(super) fn lookalike(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{FEFF}' => "a byte order mark; remove it",
        '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' => {
            "a no-break or other special space; write a plain space"
        }
        '\u{3000}' => "a full-width space; write a plain space",
        '\u{2018}'..='\u{201F}' => "a curly quote; write a plain \" or '",
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "a special dash; write a plain -",
        '\u{85}' | '\u{2028}' | '\u{2029}' => "a special line separator; remove it",
        '\u{AD}'
        | '\u{34F}'
        | '\u{61C}'
        | '\u{180E}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' => "an invisible character; remove it",
        _ => return None,
    })
}

/// Like [`lookalike`], for characters outside of strings, where full-width characters have no
/// meaning either.
pub(super) fn lookalike_of_syntax(c: char) -> Option<&'static str> {
    match c {
        '\u{FF01}'..='\u{FF5E}' => Some("a full-width character; write the plain one"),
        c => lookalike(c),
    }
}

/// Like [`lookalike`], for texts that people read. Special quotes, dashes and spaces are written
/// there on purpose.
pub(super) fn lookalike_of_prose(c: char) -> Option<&'static str> {
    lookalike(c).filter(|_| matches!(c, '\u{FEFF}' | '\u{200B}' | '\u{2060}'))
}

/// The code point of a character and its description, for messages.
pub(super) fn named(c: char, what: &str) -> String {
    format!("U+{:04X}, {what}", u32::from(c))
}

/// The reason why a text is probably no API key.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct KeyDoubt {
    /// The reason. It contains at most one character of the text, one that no API key has.
    pub(crate) why: String,
    /// Whether no server can have issued such a key.
    pub(crate) is_certain: bool,
}

/// The reason why a non-empty text is probably no API key; `None` if it looks like one.
pub(crate) fn doubt_key(key: &str) -> Option<KeyDoubt> {
    let remedy = "copy the key again from the page \"API Keys\" of the organization";
    let is_odd = |c: &char| !c.is_ascii_graphic() || NOT_IN_KEYS.contains(*c);
    if let Some((at, odd)) = key.chars().enumerate().find(|(_, c)| is_odd(c)) {
        let what = match odd {
            ' ' => "a space",
            '\n' | '\r' => "a line break",
            '\t' => "a tab",
            '"' | '\'' | '`' => "a quote",
            '<' | '>' => "a bracket, as placeholders have it",
            odd => match lookalike_of_syntax(odd) {
                Some(what) => what.split(';').next().unwrap_or_default(),
                None => "a character",
            },
        };
        let character = named(odd, what);
        return Some(KeyDoubt {
            why: format!(
                "character {} is {character}, which no API key has; {remedy}",
                at + 1
            ),
            is_certain: true,
        });
    }
    (key.len() < KEY).then(|| KeyDoubt {
        why: format!(
            "only {} characters, API keys have more; {remedy}",
            key.len()
        ),
        is_certain: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_key_is_doubted_by_what_no_key_has() {
        let good = "2w9Xk3bTqLr7VnYp4sDfGhJkZ8cMxE6uAeRiOo5tUyQ1";
        // (why this row exists, key, how the reason begins, whether it is certain)
        let table = [
            ("a key", good, "", false),
            ("base64", "abcdefghijklmnopqrs+/=-_.~", "", false),
            (
                "the README's placeholder",
                "<your API key>",
                "character 1 is U+003C, a bracket",
                true,
            ),
            (
                "a placeholder of letters",
                "YOUR_API_KEY",
                "only 12 characters",
                false,
            ),
            (
                "a variable that nothing expands",
                "${MACKEREL_APIKEY}",
                "character 1 is U+0024, a ",
                true,
            ),
            (
                "a template that nothing fills in",
                "{{ mackerel_apikey }}",
                "character 1 is U+007B, a ",
                true,
            ),
            (
                "a file of Notepad",
                &format!("\u{FEFF}{good}"),
                "character 1 is U+FEFF, a byte order mark, which",
                true,
            ),
            (
                "pasted with a blank",
                &format!("{good} "),
                "character 45 is U+0020, a space, which",
                true,
            ),
            (
                "quoted twice",
                &format!("\"{good}\""),
                "character 1 is U+0022, a quote",
                true,
            ),
            (
                "from a word processor",
                "\u{201C}k\u{201D}",
                "character 1 is U+201C, a curly",
                true,
            ),
            (
                "a multi-line string",
                &format!("{good}\n"),
                "character 45 is U+000A, a line break",
                true,
            ),
            (
                "a Japanese keyboard",
                &format!("{good}\u{3000}"),
                "character 45 is U+3000, a full-width space",
                true,
            ),
            (
                "zero width",
                &format!("{good}\u{200B}"),
                "character 45 is U+200B, an invisible",
                true,
            ),
            (
                "letters of another script",
                "ключ",
                "character 1 is U+043A, a character",
                true,
            ),
            ("cut off", "2w9Xk3b", "only 7 characters", false),
        ];
        for (why, key, beginning, is_certain) in table {
            let doubt = doubt_key(key);
            assert_eq!(doubt.is_none(), beginning.is_empty(), "{why}: {doubt:?}");
            if let Some(doubt) = doubt {
                assert!(doubt.why.starts_with(beginning), "{why}: {}", doubt.why);
                assert_eq!(doubt.is_certain, is_certain, "{why}");
                assert!(!doubt.why.contains(key), "{why}");
            }
        }
    }

    #[test]
    fn lookalikes_in_keys_and_values_are_named_with_line_and_column() {
        // (why this row exists, text, the warning; empty: none)
        let table = [
            (
                "no-break space",
                "\nroles = ['a:b', 'c:\u{A0}d']",
                "2: roles: column 20 has U+00A0, a no-break or other special space; write a plain space",
            ),
            (
                "full-width space in a command",
                "[plugin.checks.a]\ncommand = 'check\u{3000}-H x'",
                "2: plugin.checks.a.command: column 17 has U+3000, a full-width space; write a plain space",
            ),
            (
                "curly quote in a command",
                "[plugin.checks.a]\ncommand = [\"x\",\n  \"\u{201C}y\"]",
                "3: plugin.checks.a.command: column 4 has U+201C, a curly quote; write a plain \" or '",
            ),
            (
                "dash of a web page",
                "[plugin.metrics.a]\ncommand = 'plugin \u{2013}x'",
                "2: plugin.metrics.a.command: column 19 has U+2013, a special dash; write a plain -",
            ),
            (
                "zero width in a value",
                "root = '/x\u{200B}'",
                "1: root: column 11 has U+200B, an invisible character; remove it",
            ),
            (
                "byte order mark in a key's value",
                "apikey = '\u{FEFF}SECRET'",
                "1: apikey: column 11 has U+FEFF, a byte order mark; remove it",
            ),
            (
                "in an action's environment",
                "[plugin.checks.a]\ncommand='x'\naction={command='x',env={A='\u{A0}'}}",
                "3: plugin.checks.a.action.env.A: column 29 has U+00A0, a no-break or other special \
                 space; write a plain space",
            ),
            (
                "in the name of a plugin",
                "[plugin.metrics.\"a\u{200B}\"]\ncommand = 'x'",
                "1: plugin.metrics.\"a\u{200B}\": column 19 has U+200B, an invisible character; remove it",
            ),
            (
                "a mark of prose that nobody means",
                "display_name = 'web\u{FEFF}'",
                "1: display_name: column 20 has U+FEFF, a byte order mark; remove it",
            ),
            (
                "prose",
                "memo = '“お知らせ”\u{3000}a\u{A0}— b'\ndisplay_name = '👨\u{200D}👩'",
                "",
            ),
            ("remarks", "# “a”\u{3000}\nroles = [ # \u{A0}\n 'a:b']", ""),
            ("written out", "root = \"/x\\u200b\"", ""),
            ("other scripts", "root = '/ディスク－１'", ""),
            ("the mark of the file", "\u{FEFF}root = '/x'", ""),
        ];
        for (why, text, expected) in table {
            let found = Config::default().read(text.as_bytes()).unwrap();
            let warnings = found.warnings.into_iter();
            let told: Vec<_> = warnings
                .map(|warning| format!("{}: {}", warning.line.unwrap(), warning.text))
                .collect();
            assert_eq!(told.join("\n"), expected, "{why}");
        }
    }

    #[test]
    fn lookalikes_in_what_is_no_toml_are_named_with_line_and_column() {
        // (why this row exists, text, parts of the message)
        let table = [
            (
                "curly quotes for plain ones",
                "apikey = \u{201C}SECRET\u{201D}",
                ["line 1, column 10", "column 10 has U+201C"],
            ),
            (
                "one curly quote",
                "root = \"/x\u{201D}\n",
                ["line 1, column", "column 11 has U+201D"],
            ),
            (
                "full-width space before the sign",
                "\nroot\u{3000}= '/x'",
                ["line 2, column", "column 5 has U+3000"],
            ),
            (
                "no-break space before the key",
                "\u{A0}root = '/x'",
                ["line 1, column 1", "column 1 has U+00A0"],
            ),
            (
                "no-break space after the value",
                "verbose = true\u{A0}",
                ["line 1, column", "column 15 has U+00A0"],
            ),
            (
                "zero width before the value",
                "verbose = \u{200B}true",
                ["line 1, column", "column 11 has U+200B"],
            ),
            (
                "a mark where files were joined",
                "verbose = true\n\u{FEFF}root = '/x'",
                ["line 2, column 1", "column 1 has U+FEFF"],
            ),
            (
                "full-width sign",
                "root＝'/x'",
                ["line 1, column", "column 5 has U+FF1D"],
            ),
            (
                "full-width brackets",
                "［disks］\nignore = 'x'",
                ["line 1, column", "column 1 has U+FF3B"],
            ),
            (
                "in the name of a table",
                "[disks\u{200B}]\nignore = 'x'",
                ["line 1, column", "column 7 has U+200B"],
            ),
        ];
        for (why, text, words) in table {
            let error = Config::default().read(text.as_bytes()).unwrap_err();
            let told = &error.problems[0].text;
            for word in words {
                assert!(told.contains(word), "{why}: {word}: {told}");
            }
            assert!(!told.contains("SECRET"), "{told}");
        }
    }
}
