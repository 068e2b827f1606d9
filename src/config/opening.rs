//! The lines with which `init` begins a configuration file.

/// TOML lines for `apikey` and, unless it is empty, `apibase`. Texts are quoted like Go's `%q`,
/// except for `\a` and `\v`, which TOML lacks.
pub(crate) fn opening(apikey: &str, apibase: &str) -> String {
    let mut lines = String::from("apikey = ");
    quote(apikey, &mut lines);
    lines.push('\n');
    if !apibase.is_empty() {
        lines.push_str("apibase = ");
        quote(apibase, &mut lines);
        lines.push('\n');
    }
    lines
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\x08' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\x0C' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..=' ' | '\x7F' if c != ' ' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            '\u{80}'..='\u{9F}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn quotes_as_go_does() {
        // (key, as it is quoted)
        let table = [
            ("zzz", r#""zzz""#),
            (r#"a"b"#, r#""a\"b""#),
            (r"a\b", r#""a\\b""#),
            ("a b'c", r#""a b'c""#),
            ("あé", "\"あé\""),
            ("\n\r\t\x08\x0C", r#""\n\r\t\b\f""#),
            ("\x01\x7F\u{85}", r#""\x01\x7f\u0085""#),
            // Go writes "\a\v" and cannot read it back.
            ("\x07\x0B", r#""\x07\x0b""#),
        ];
        for (key, quoted) in table {
            let lines = opening(key, "");
            assert_eq!(lines, format!("apikey = {quoted}\n"));
            let mut config = Config::default();
            config.read(lines.as_bytes()).unwrap();
            assert_eq!(&*config.apikey, key);
        }
        assert_eq!(
            opening("zzz", "http://q"),
            "apikey = \"zzz\"\napibase = \"http://q\"\n"
        );
    }
}
