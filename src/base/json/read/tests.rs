//! What is JSON, what it means, and what is none.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::*;

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Json, D::Error> {
        from.deserialize_any(Any)
    }
}

/// Takes whatever comes.
struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = from.next_entry()? {
            object.insert(name, value);
        }
        Ok(Json::Object(object))
    }
}

#[test]
fn says_what_is_wrong_and_where() {
    // (text, what is said)
    let table = [
        ("", "the text ends too early at line 1 column 0"),
        ("foobar", "expected ident at line 1 column 2"),
        ("<html>", "expected value at line 1 column 1"),
        ("{\n \"a\": 01}", "invalid number at line 2 column 8"),
        ("{\"a\" 1}", "expected `:` at line 1 column 6"),
        ("{a:1}", "key must be a string at line 1 column 2"),
        (
            "[1 2]",
            "expected `,` or the end of the list or object at line 1 column 4",
        ),
        ("[1,]", "expected value at line 1 column 4"),
        ("1e400", "number out of range at line 1 column 1"),
        (
            "\"a\nb\"",
            "control character inside a string at line 1 column 3",
        ),
        ("\"\\x\"", "invalid escape at line 1 column 3"),
        ("\"\\ud800\"", "half of a surrogate pair at line 1 column 8"),
        (
            "\"\\ud800\\ue000\"",
            "half of a surrogate pair at line 1 column 14",
        ),
        ("\"\\udc00\"", "half of a surrogate pair at line 1 column 8"),
        ("[true", "the text ends too early at line 1 column 5"),
        ("{} {}", "trailing characters at line 1 column 4"),
    ];
    for (text, said) in table {
        assert_eq!(read(text, true).unwrap_err().to_string(), said, "{text}");
    }
}

#[test]
fn agrees_with_serde_json() {
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
    // All texts of up to three of the parts, and of four that begin with a bracket.
    let mut texts = vec![String::new()];
    let mut last = texts.clone();
    for length in 1..=4 {
        last.retain(|text| length < 4 || text.starts_with(['[', '{']));
        let longer = |text: String| parts.map(|part| format!("{text}{part}"));
        last = last.into_iter().flat_map(longer).collect();
        texts.extend_from_slice(&last);
    }
    for text in &texts {
        let theirs = serde_json::from_str::<Json>(text).ok();
        let ours = read(text, true).ok();
        // Theirs is not always the nearest number where there is an exponent.
        match text.contains(['e', 'E']) && text.contains(|c: char| c.is_ascii_digit()) {
            true => assert_eq!(ours.is_some(), theirs.is_some(), "{text}"),
            false => assert_eq!(ours, theirs, "{text}"),
        }
    }
    assert!(texts.len() > 30_000);
}
