//! Reads the headers and the resource attributes of an OTLP destination.

use super::draft::Draft;
use crate::config::Secret;
use crate::config::item::Item;
use crate::config::walk::Walk;

/// Headers that the transports set themselves.
const RESERVED: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
    "user-agent",
];

/// Reads the table `headers`.
pub(super) fn headers(walk: &mut Walk<'_>, draft: &mut Draft, item: Item<'_>) {
    let headers = &mut draft.otlp.headers;
    texts(walk, item, "", &mut |name, value| {
        add_header(headers, name, value)
    });
}

/// Reads the table `resource`.
pub(super) fn resource(walk: &mut Walk<'_>, draft: &mut Draft, item: Item<'_>) {
    let resource = &mut draft.otlp.resource;
    texts(walk, item, "", &mut |key, value| {
        add_attribute(resource, key, value)
    });
}

/// Stores a key and its value, or fails with the reason why they cannot be used.
type Add<'a> = &'a mut dyn FnMut(&str, &str) -> Result<(), &'static str>;

/// Calls `add` for each text of a table. A key without quotes, such as `service.name`, is a table in
/// a table for TOML; `prefix` is the part of the key before this table.
fn texts(walk: &mut Walk<'_>, item: Item<'_>, prefix: &str, add: Add<'_>) {
    let Some(table) = walk.expect_table(item, "table") else {
        return;
    };
    walk.each(table, |walk, item| {
        let key = [prefix, walk.last()].concat();
        if item.table().is_some() {
            return texts(walk, item, &[&key, "."].concat(), add);
        }
        match item.text() {
            Ok(value) => {
                if let Err(why) = add(&key, &value) {
                    walk.wrong(item.line, why);
                }
            }
            Err(why) => walk.wrong(item.line, &why),
        }
    });
}

/// Adds a header. Fails if it cannot be sent, in words that do not contain it.
pub(super) fn add_header(
    headers: &mut Vec<(String, Secret)>,
    name: &str,
    value: &str,
) -> Result<(), &'static str> {
    let name = name.trim().to_ascii_lowercase();
    let value = value.trim();
    let is_good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    Err(if name.is_empty() || !name.bytes().all(is_good) {
        "not the name of a header; write letters, digits, - and _"
    } else if RESERVED.contains(&name.as_str()) || name.starts_with("grpc-") {
        "the agent sets this header itself; remove it"
    } else if value.is_empty() || !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        "the value of a header is missing or not printable ASCII; write it in ASCII, on one line"
    } else if headers.iter().any(|(known, _)| *known == name) {
        "this header is given twice; remove one of the two"
    } else {
        headers.push((name, Secret::new(value)));
        return Ok(());
    })
}

/// Adds a resource attribute. Fails if its key is empty, or if there is one with this key.
pub(super) fn add_attribute(
    into: &mut Vec<(String, String)>,
    key: &str,
    value: &str,
) -> Result<(), &'static str> {
    if key.is_empty() {
        return Err("an attribute without a key; write key = \"value\"");
    }
    if into.iter().any(|(known, _)| known == key) {
        return Err("this attribute is given twice; remove one of the two");
    }
    into.push((key.to_owned(), value.to_owned()));
    Ok(())
}
