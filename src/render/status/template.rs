//! Texts with members of the agent's document in them.

use std::time::Duration;

use crate::base::json::Json;
use crate::sys::localtime;

/// The text of `template`, in which `{a.b}` is the member `b` of the member `a` of `object`, and
/// `{}` is `object` itself. `{a:KIND}` shows a member in one of the ways of [`shown`].
///
/// The template consists of parts that are separated by `, `, each of alternatives that are
/// separated by `|`. Of a part, the first alternative is shown whose members all exist; without one,
/// the part is left out. `now` is the document's Unix time.
pub(super) fn fill(template: &str, object: &Json, now: u64) -> String {
    let mut text = String::new();
    let mut separator = "";
    for part in template.split(", ") {
        for alternative in part.split('|') {
            let end = text.len();
            text.push_str(separator);
            if add(alternative, object, now, &mut text).is_some() {
                separator = ", ";
                break;
            }
            text.truncate(end);
        }
    }
    text
}

/// Adds an alternative to `text`; `None` if a member does not exist.
fn add(mut template: &str, object: &Json, now: u64, text: &mut String) -> Option<()> {
    while let Some((words, rest)) = template.split_once('{') {
        let (field, rest) = rest.split_once('}')?;
        let shown = shown(field, object, now)?;
        text.extend([words, &shown]);
        template = rest;
    }
    text.push_str(template);
    Some(())
}

/// The member in words; `None` if it does not exist, is false or an empty text, if `KIND` needs a
/// number and it is none, or if nothing is counted.
fn shown(field: &str, object: &Json, now: u64) -> Option<String> {
    let (path, kind) = field.split_once(':').unwrap_or((field, ""));
    let mut value = object;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        value = value.member(name)?;
    }
    let plain = match value {
        Json::Text(text) if !text.is_empty() => text.to_owned(),
        Json::Number(_) => value.to_string(),
        Json::Bool(true) => String::new(),
        _ => return None,
    };
    if kind.is_empty() {
        return Some(plain);
    }
    let digits = plain.trim_start_matches('-');
    let number = digits.parse().ok()?;
    Some(match kind {
        "count" | "size" if number == 0 => return None,
        // `3 values`, after the member's name
        "count" => {
            let name = if number == 1 {
                path.trim_end_matches('s')
            } else {
                path
            };
            [digits, " ", name].concat()
        }
        "size" => size(number),
        "span" => span(number),
        // the time span since that time, and the time itself
        "since" => span(now.saturating_sub(number)),
        "at" => localtime::rfc3339(Duration::from_secs(number)),
        // ahead, or behind if it is negative
        _ => {
            let word = if plain == digits { " ahead" } else { " behind" };
            span(number) + word
        }
    })
}

/// A time span for people, in its two largest units.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => units(seconds, " s", 1, ""),
        120..7_200 => units(seconds, " min", 60, ""),
        7_200..172_800 => units(seconds / 60, " h ", 60, " min"),
        _ => units(seconds / 3_600, " d ", 24, " h"),
    }
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => units(bytes, " B", 1, ""),
        10_000..10_000_000 => units(bytes, " kB", 1_000, ""),
        _ => units(bytes, " MB", 1_000_000, ""),
    }
}

/// `number` in a unit of which it takes `each`; the rest follows if it has a unit, too.
fn units(number: u64, unit: &str, each: u64, rest_unit: &str) -> String {
    let mut text = (number / each).to_string() + unit;
    if !rest_unit.is_empty() {
        text += &(number % each).to_string();
        text += rest_unit;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_shows_members_that_exist() {
        let text = r#"{"a":"A","none":null,"empty":"","yes":true,"no":false,"o":{"n":7},"list":[],
                       "ahead":-7260,"one":1,"values":3,"zero":0,"decimal":12.05,"bytes":10000}"#;
        let object = Json::parse(text).unwrap();
        // (template, text)
        let table = [
            ("", ""),
            ("plain, text", "plain, text"),
            ("{a} and {o.n}", "A and 7"),
            ("{a}, {none}, {o.n}", "A, 7"),
            ("{none}, x{empty}x, {missing.n}, {list}, {o}, {a.b}", ""),
            ("x{none}|y, {a}{none}|{a}|z", "y, A"),
            ("now{yes}|later, now{no}|later", "now, later"),
            (
                "{one:count}, {values:count}, {zero:count}",
                "1 one, 3 values",
            ),
            ("{decimal}, {decimal:span}", "12.05"),
            ("{bytes:size}, {o.n:size}, {zero:size}", "10 kB, 7 B"),
            (", {zero:size}, {a}", ", A"),
            ("{o.n:span}, {bytes:span}", "7 s, 2 h 46 min"),
            ("{o.n:since}, {a:since}", "93 s"),
            ("{ahead:ahead}, {o.n:ahead}", "2 h 1 min behind, 7 s ahead"),
            ("{unclosed", ""),
        ];
        for (template, text) in table {
            assert_eq!(fill(template, &object, 100), text, "{template}");
        }
        assert_eq!(
            fill("<{}>", &Json::Text("a, b|c".to_owned()), 0),
            "<a, b|c>"
        );
    }
}
