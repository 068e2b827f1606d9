//! Serialises a JSON value.

use std::fmt::{self, Write};

use super::Json;

/// One line without blanks, as Go's encoder writes it, with keys in the stored order. Characters
/// with a meaning in HTML are escaped. Only very large and very small numbers have an exponent.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(true) => f.write_str("true"),
            Json::Bool(false) => f.write_str("false"),
            Json::Number(value) => f.write_str(&number(*value)),
            Json::Text(text) => write_text(text, f),
            Json::List(list) => {
                let mut before = '[';
                for value in list {
                    f.write_char(before)?;
                    value.fmt(f)?;
                    before = ',';
                }
                f.write_str(if list.is_empty() { "[]" } else { "]" })
            }
            Json::Object(members) => {
                let mut before = '{';
                for (name, value) in members {
                    f.write_char(before)?;
                    write_text(name, f)?;
                    f.write_char(':')?;
                    value.fmt(f)?;
                    before = ',';
                }
                f.write_str(if members.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                f.write_char('\\')?;
                f.write_char(c)?;
            }
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                write!(f, "\\u{:04x}", u32::from(c))?;
            }
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// The shortest text that parses as the finite number `value`.
fn number(value: f64) -> String {
    // Serialising a finite number cannot fail.
    let mut short = serde_json::to_string(&value).unwrap_or_default();
    if short.ends_with(".0") {
        short.truncate(short.len() - 2);
    }
    let Some((digits, exponent)) = short.split_once('e') else {
        return short;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-6..21).contains(&exponent) {
        return match exponent {
            0.. => format!("{digits}e+{exponent}"),
            _ => short,
        };
    }
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let digits = digits.replace('.', "");
    let width = exponent.unsigned_abs() as usize;
    match exponent {
        0.. => format!("{sign}{digits:0<0$}", width + 1),
        _ => format!("{sign}0.{:0<1$}{digits}", "", width - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_go_writes_it() {
        // (why this row exists, input, output)
        let table = [
            ("null", "null", "null"),
            ("blanks", " [ true , false ] \n", "[true,false]"),
            ("empty", "[[],{}]", "[[],{}]"),
            (
                "keys in order",
                r#"{"b":1,"a":{"d":[1,2],"c":null}}"#,
                r#"{"a":{"c":null,"d":[1,2]},"b":1}"#,
            ),
            (
                "the later of two",
                r#"{"a":1,"b":2,"a":3}"#,
                r#"{"a":3,"b":2}"#,
            ),
            ("HTML", r#""<a>&amp;""#, r#""\u003ca\u003e\u0026amp;""#),
            (
                "escapes",
                r#""\"\\\/\b\f\n\r\t\u001f""#,
                r#""\"\\/\b\f\n\r\t\u001f""#,
            ),
            (
                "lines of JavaScript",
                "\"\u{2028}\u{2029}\"",
                r#""\u2028\u2029""#,
            ),
            (
                "the rest as it is",
                "\"é\u{7f}\u{1f600}\"",
                "\"é\u{7f}\u{1f600}\"",
            ),
            ("escaped key", r#"{"<":1}"#, r#"{"\u003c":1}"#),
            ("whole", "262144", "262144"),
            ("negative", "-3", "-3"),
            ("an exponent that is not needed", "1e3", "1000"),
            ("a fraction that is none", "2.0", "2"),
            ("a fraction", "0.1", "0.1"),
            (
                "beyond what is exact",
                "12345678901234567890",
                "12345678901234567000",
            ),
            ("a power of two", "9007199254740992", "9007199254740992"),
            ("beyond i64", "-1e20", "-100000000000000000000"),
            (
                "the largest without an exponent",
                "9.99e20",
                "999000000000000000000",
            ),
            ("the smallest with one", "1e21", "1e+21"),
            ("digits and an exponent", "-1.5e300", "-1.5e+300"),
            ("small", "0.00001", "0.00001"),
            ("small, with digits", "-0.00000123", "-0.00000123"),
            ("smaller", "1.5e-7", "1.5e-7"),
            ("as small as it goes", "5e-324", "5e-324"),
        ];
        for (why, read, written) in table {
            assert_eq!(Json::parse(read).unwrap().to_string(), written, "{why}");
        }
    }
}
