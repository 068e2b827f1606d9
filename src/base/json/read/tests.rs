//! Valid and invalid JSON, and JSON beyond the limits.

use super::*;

#[test]
fn json_error_says_what_is_wrong_and_where() {
    // (why this row exists, text, error)
    let table = [
        (
            "nothing",
            "",
            "EOF while parsing a value at line 1 column 0",
        ),
        ("a word", "foobar", "expected ident at line 1 column 2"),
        ("a page", "<html>", "expected value at line 1 column 1"),
        (
            "a later line",
            "{\n \"a\": 01}",
            "invalid number at line 2 column 8",
        ),
        ("no colon", "{\"a\" 1}", "expected `:` at line 1 column 6"),
        (
            "no quotes",
            "{a:1}",
            "key must be a string at line 1 column 2",
        ),
        (
            "no comma",
            "[1 2]",
            "expected `,` or `]` at line 1 column 4",
        ),
        (
            "a comma too many",
            "[1,]",
            "trailing comma at line 1 column 4",
        ),
        (
            "beyond f64",
            "[1e400]",
            "number out of range at line 1 column 6",
        ),
        (
            "a line end in a text",
            "\"a\nb\"",
            "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
        ),
        (
            "no such escape",
            "\"\\x\"",
            "invalid escape at line 1 column 3",
        ),
        (
            "half of a surrogate pair",
            "\"\\ud800\"",
            "unexpected end of hex escape at line 1 column 8",
        ),
        (
            "the other half",
            "\"\\udc00\"",
            "lone leading surrogate in hex escape at line 1 column 7",
        ),
        (
            "cut",
            "[true",
            "EOF while parsing a list at line 1 column 5",
        ),
        (
            "two values",
            "{} {}",
            "trailing characters at line 1 column 4",
        ),
        (
            "a number's member with no digits",
            "{\"$serde_json::private::Number\":\"x\"}",
            "number out of range at line 1 column 36",
        ),
    ];
    for (why, text, said) in table {
        assert_eq!(read(text, true).unwrap_err().to_string(), said, "{why}");
    }
}

#[test]
fn json_numbers_are_those_of_std() {
    // (why this row exists, digits)
    let table = [
        ("zero", "0"),
        ("its other sign", "-0.0"),
        ("a tenth", "0.1"),
        ("just not exact", "9007199254740993"),
        (
            "a fraction that decides",
            "9007199254740993.0000000000000000001",
        ),
        ("the largest", "1.7976931348623158e308"),
        ("the smallest", "5e-324"),
        ("nothing left", "1e-400"),
        (
            "a known wrong one of readers that multiply",
            "1.0715086071862673e-301",
        ),
        ("in two steps", "8.5e22"),
        ("beyond u64", "123456789012345678901234567890"),
        ("capital exponent", "-1.5E+2"),
    ];
    for (why, digits) in table {
        let number = match read(digits, true).unwrap() {
            Json::Number(number) => number,
            other => panic!("{why}: {other}"),
        };
        let expected: f64 = digits.parse().unwrap();
        assert_eq!(number.to_bits(), expected.to_bits(), "{why}");
    }
}

#[test]
fn json_is_limited_in_depth_and_in_values() {
    let many = |count: usize, one: &str| format!("[{}]", vec![one; count].join(","));
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|at| format!("\"{at}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
    let (large, too_many) = (VALUES - 1, "more than 51200 values");
    // (why this row exists, text, error)
    let table = [
        ("as many as there may be", many(large, "0"), None),
        ("one more", many(large + 1, "0"), Some(too_many)),
        ("in lists", many(large / 2 + 1, "[0]"), Some(too_many)),
        (
            "in objects",
            many(large / 2 + 1, "{\"\":0}"),
            Some(too_many),
        ),
        ("in one object", members(large), None),
        ("one more in it", members(large + 1), Some(too_many)),
        (
            "under one name",
            many(1, &format!("{{{}}}", vec!["\"a\":0"; VALUES].join(","))),
            Some(too_many),
        ),
        ("texts", many(large + 1, "\"\""), Some(too_many)),
        ("of no use", many(1 << 19, "0"), Some(too_many)),
        ("as deep as it may be", deep(127), None),
        ("one deeper", deep(128), Some("recursion limit exceeded")),
        (
            "much deeper",
            deep(500_000),
            Some("recursion limit exceeded"),
        ),
    ];
    for (why, text, said) in table {
        let found = read(&text, true).err().map(|error| error.to_string());
        match said {
            None => assert_eq!(found, None, "{why}"),
            Some(said) => assert!(
                found.as_ref().is_some_and(|found| found.starts_with(said)),
                "{why}: {found:?}"
            ),
        }
    }
}

/// The value of serde_json's own reader as a [`Json`].
fn of(value: &serde_json::Value) -> Option<Json> {
    Some(match value {
        serde_json::Value::Null => Json::Null,
        serde_json::Value::Bool(value) => Json::Bool(*value),
        serde_json::Value::Number(value) => {
            Json::Number(value.as_f64().filter(|value| value.is_finite())?)
        }
        serde_json::Value::String(text) => Json::Text(text.clone()),
        serde_json::Value::Array(list) => Json::List(list.iter().map(of).collect::<Option<_>>()?),
        serde_json::Value::Object(members) => Json::object(
            members
                .iter()
                .map(|(name, value)| Some((name.clone(), of(value)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

#[test]
fn json_agrees_with_serde_json() {
    let parts = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "1",
        "-0.5",
        "0",
        ".",
        "-",
        "e",
        "null",
        "true",
        "false",
        " ",
        "\n",
        "\"",
        "\\",
        "é",
        "\u{1}",
        "1E+2",
    ];
    // All texts of up to three of the parts, and those of four that begin with a bracket.
    let mut texts = vec![String::new()];
    let mut last = texts.clone();
    for length in 1..=4 {
        last.retain(|text| length < 4 || text.starts_with(['[', '{']));
        let longer = |text: String| parts.map(|part| format!("{text}{part}"));
        last = last.into_iter().flat_map(longer).collect();
        texts.extend_from_slice(&last);
    }
    for text in &texts {
        let theirs = serde_json::from_str(text).ok().and_then(|value| of(&value));
        assert_eq!(read(text, true).ok(), theirs, "{text}");
    }
    assert!(texts.len() > 30_000);
}
