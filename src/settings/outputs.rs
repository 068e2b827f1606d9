//! Reads `[[otlp]]` and `[[organization]]`, and what is written like them in variables and files.

use super::row::read_table;
use super::table::outputs::{ORGANIZATION, ORGANIZATION_KEYS, OTLP, OTLP_KEYS};
use crate::base::url::{Url, host_and_port};
use crate::config::item::Item;
use crate::config::walk::Walk;
use crate::config::{Config, Organization, Otlp, OtlpProtocol, Secret};

/// The most destinations, and the most organisations. Each has a thread of its own.
const MOST: usize = 8;
const TOO_MANY: &str = "more than 8 of these tables; remove some";
/// The most characters of an organisation's name.
const NAME: usize = 32;
/// Mackerel's own endpoint of OTLP.
pub(super) const MACKEREL: &str = "otlp.mackerelio.com:4317";
/// The path that is appended to an endpoint for HTTP.
pub(super) const PATH: &str = "/v1/metrics";
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

/// Reads the array `otlp`. Its destinations are added to those of earlier files.
pub(super) fn read_otlp(walk: &mut Walk<'_>, config: &mut Config, item: Item<'_>) {
    for item in walk.tables(item) {
        let mut otlp = Otlp::default();
        otlp.place.line = item.line;
        read_table(walk, &mut otlp, OTLP_KEYS, item, OTLP);
        let line = otlp.place.line;
        match check_endpoint(&mut otlp, true) {
            Err(why) => walk.wrong(line, &why),
            Ok(()) if config.otlp.len() == MOST => walk.wrong(line, TOO_MANY),
            Ok(()) => config.otlp.push(otlp),
        }
    }
}

/// Reads the array `organization`. Its organisations are added to those of earlier files.
pub(super) fn read_organizations(walk: &mut Walk<'_>, config: &mut Config, item: Item<'_>) {
    for item in walk.tables(item) {
        let mut organization = Organization::default();
        organization.place.line = item.line;
        read_table(
            walk,
            &mut organization,
            ORGANIZATION_KEYS,
            item,
            ORGANIZATION,
        );
        let name = organization.name.as_str();
        let known = &mut config.organizations;
        let is_good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        // spool.new is a file of the spool.
        let is_name = (1..=NAME).contains(&name.len()) && name != "new";
        let why = if !is_name || !name.bytes().all(is_good) {
            "write name = \"...\" with 1 to 32 characters of a-z, 0-9, - and _, and not \"new\""
        } else if known.iter().any(|other| other.name == name) {
            "another [[organization]] has this name; write another one"
        } else if known.len() == MOST {
            TOO_MANY
        } else {
            known.push(organization);
            continue;
        };
        walk.wrong(item.line, why);
    }
}

/// Checks the endpoint, and gives it the form of [`Otlp::endpoint`]. With `appends`, the path is
/// appended to a URL without one. The messages do not contain the endpoint, which may hold a
/// password.
pub(super) fn check_endpoint(otlp: &mut Otlp, appends: bool) -> Result<(), String> {
    let text = otlp.endpoint.trim();
    let plain = text.strip_prefix("http://");
    let secure = text.strip_prefix("https://");
    let is_contradictory = otlp.insecure && secure.is_some();
    otlp.insecure |= plain.is_some();
    let endpoint = match (otlp.protocol, plain.or(secure)) {
        (OtlpProtocol::Grpc, rest) => {
            let place = rest.unwrap_or(text).trim_end_matches('/');
            let has_port = host_and_port(place).is_some_and(|(_, port)| port.is_some());
            has_port.then(|| place.to_owned())
        }
        (OtlpProtocol::Http, None) => None,
        (OtlpProtocol::Http, Some(_)) => {
            let url = Url::parse(text).ok();
            url.filter(|url| url.login().is_none()).map(|url| {
                let path = url.path();
                let path = if appends && path == "/" { PATH } else { &path };
                [&url.base(), path].concat()
            })
        }
    };
    let why = match endpoint {
        None if otlp.protocol == OtlpProtocol::Grpc => {
            "endpoint: no host with a port; write \"host:4317\", or protocol = \"http/protobuf\" for \
             a URL with a path"
        }
        None => {
            "endpoint: no URL, or one with a password; write \"https://host:4318\", a password into \
             headers, or protocol = \"grpc\" for a host with a port"
        }
        Some(_) if is_contradictory => {
            "insecure contradicts https:// in endpoint; remove one of the two"
        }
        Some(endpoint) if endpoint == MACKEREL && otlp.insecure => {
            "endpoint: Mackerel's needs TLS; remove insecure or http://"
        }
        Some(endpoint) => {
            otlp.endpoint = endpoint;
            return Ok(());
        }
    };
    Err(why.to_owned())
}

/// Reads the table `headers`.
pub(super) fn headers(walk: &mut Walk<'_>, otlp: &mut Otlp, item: Item<'_>) {
    let headers = &mut otlp.headers;
    texts(walk, item, "", &mut |name, value| {
        add_header(headers, name, value)
    });
}

/// Reads the table `resource`.
pub(super) fn resource(walk: &mut Walk<'_>, otlp: &mut Otlp, item: Item<'_>) {
    let resource = &mut otlp.resource;
    texts(walk, item, "", &mut |key, value| {
        add_attribute(resource, key, value)
    });
}

/// Stores a key and its value, or fails with the reason why they cannot be used.
type Add<'a> = &'a mut dyn FnMut(&str, &str) -> Result<(), String>;

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
        if let Err(why) = item.text().and_then(|value| add(&key, &value)) {
            walk.wrong(item.line, &why);
        }
    });
}

/// Adds a header. Fails if it cannot be sent, in words that do not contain it.
pub(super) fn add_header(
    headers: &mut Vec<(String, Secret)>,
    name: &str,
    value: &str,
) -> Result<(), String> {
    let name = name.trim().to_ascii_lowercase();
    let value = value.trim();
    let is_good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let why = if name.is_empty() || !name.bytes().all(is_good) {
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
    };
    Err(why.to_owned())
}

/// Adds a resource attribute. Fails if its key is empty, or if there is one with this key.
pub(super) fn add_attribute(
    into: &mut Vec<(String, String)>,
    key: &str,
    value: &str,
) -> Result<(), String> {
    if key.is_empty() {
        return Err("an attribute without a key; write key = \"value\"".to_owned());
    }
    if into.iter().any(|(known, _)| known == key) {
        return Err("this attribute is given twice; remove one of the two".to_owned());
    }
    into.push((key.to_owned(), value.to_owned()));
    Ok(())
}

#[cfg(test)]
mod tests;
