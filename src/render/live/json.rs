//! Text of a JSON value, written from left to right, without a tree.

/// Writes one value. Commas come by themselves.
#[derive(Default)]
pub(crate) struct JsonText(String);

impl JsonText {
    /// The text so far, in one line.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Begins an object or a list: `{` or `[`.
    pub(crate) fn begin(&mut self, bracket: char) {
        self.separate();
        self.0.push(bracket);
    }

    /// Ends an object or a list: `}` or `]`.
    pub(crate) fn end(&mut self, bracket: char) {
        self.0.push(bracket);
    }

    /// Adds the name of a member, which needs no escapes. Its value follows.
    pub(crate) fn name(&mut self, name: &str) {
        self.separate();
        self.0.extend(["\"", name, "\":"]);
    }

    /// Adds a string.
    pub(crate) fn text(&mut self, text: &str) {
        self.separate();
        self.0.push('"');
        for character in text.chars() {
            match character {
                '"' | '\\' => self.0.extend(['\\', character]),
                '\0'..' ' => {
                    let digit = |value: u32| char::from_digit(value % 16, 16).unwrap_or('0');
                    let code = u32::from(character);
                    self.0.push_str("\\u00");
                    self.0.extend([digit(code / 16), digit(code)]);
                }
                _ => self.0.push(character),
            }
        }
        self.0.push('"');
    }

    /// Adds members or values that are JSON already.
    pub(crate) fn raw(&mut self, text: &str) {
        self.separate();
        self.0.push_str(text);
    }

    /// Adds a number; null for `None`.
    pub(crate) fn number(&mut self, value: Option<u64>) {
        self.fixed(value, 0);
    }

    /// Adds a number of `units` of 10 to the power of minus `decimals`, 0 to 9; null for `None`.
    pub(crate) fn fixed(&mut self, units: Option<u64>, decimals: usize) {
        let Some(units) = units else {
            return self.raw("null");
        };
        let digits = units.to_string();
        let zeros = (decimals + 1).saturating_sub(digits.len());
        let digits = [&"000000000"[..zeros], &digits].concat();
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        self.raw(whole);
        let fraction = fraction.trim_end_matches('0');
        if !fraction.is_empty() {
            self.0.extend([".", fraction]);
        }
    }

    /// Adds a comma, unless this is the first in its object or list, or a member's value.
    fn separate(&mut self) {
        if !matches!(self.0.as_bytes(), [] | [.., b'{' | b'[' | b':']) {
            self.0.push(',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_text_has_commas_between_values() {
        let mut out = JsonText::default();
        out.begin('{');
        out.name("a");
        out.begin('[');
        out.number(Some(1));
        out.text("x:");
        out.text("");
        out.begin('[');
        out.end(']');
        out.number(None);
        out.end(']');
        out.raw("\"b\":2");
        out.name("c");
        out.text("d");
        out.end('}');
        assert_eq!(
            out.into_text(),
            r#"{"a":[1,"x:","",[],null],"b":2,"c":"d"}"#
        );
    }

    #[test]
    fn json_text_of_any_string_is_read_back() {
        let all: String = ('\0'..='\u{2030}').chain(['\u{fffd}', '😀']).collect();
        let mut out = JsonText::default();
        out.text(&all);
        let text = out.into_text();
        assert!(!text.contains(['\n', '\r']));
        let read: String = serde_json::from_str(&text).unwrap();
        assert_eq!(read, all);
    }

    #[test]
    fn json_text_of_a_fraction_is_short() {
        // (units, decimals, text)
        let table = [
            (0, 0, "0"),
            (0, 1, "0"),
            (5, 1, "0.5"),
            (10, 1, "1"),
            (1000, 1, "100"),
            (253, 2, "2.53"),
            (250, 2, "2.5"),
            (7, 3, "0.007"),
            (u64::MAX, 0, "18446744073709551615"),
        ];
        for (units, decimals, text) in table {
            let mut out = JsonText::default();
            out.fixed(Some(units), decimals);
            assert_eq!(out.into_text(), text, "{units} {decimals}");
        }
    }
}
