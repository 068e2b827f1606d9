//! The format of keys and texts in messages.

/// A dotted key. Parts that TOML requires to be quoted are quoted: `plugin.checks."foo bar".memo`.
pub(crate) fn dotted(path: &[String]) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut out = String::new();
    for (at, part) in path.iter().enumerate() {
        if at > 0 {
            out.push('.');
        }
        if !part.is_empty() && part.chars().all(bare) {
            out.push_str(part);
        } else {
            out.push_str(&quoted(part));
        }
    }
    out
}

/// `text` in double quotes, with quotes, backslashes and control characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_is_no_bare_key() {
        let table: [(&[&str], &str); 4] = [
            (&["a", "b_-9"], "a.b_-9"),
            (&["plugin", "foo bar", "x"], r#"plugin."foo bar".x"#),
            (&["", "あ"], r#"""."あ""#),
            (&["a\"b\\\n\x01"], r#""a\"b\\\n\u0001""#),
        ];
        for (path, expected) in table {
            let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
            assert_eq!(dotted(&path), expected);
        }
    }
}
