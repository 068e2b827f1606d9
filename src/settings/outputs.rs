//! Reads `[[otlp]]` and `[[organization]]`, and what is written like them in variables and files.

use toml::de::DeTable;

use super::row::read_table;
use super::table::outputs::{ORGANIZATION, ORGANIZATION_KEYS, OTLP, OTLP_KEYS};
use crate::base::url::{Url, host_and_port};
use crate::config::item::Item;
use crate::config::key::quoted;
use crate::config::walk::Walk;
use crate::config::{Config, Organization, Otlp, OtlpProtocol, Secret};

/// The most destinations, and the most organisations. Each has a thread of its own.
const MOST: usize = 8;
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
    walk.each_table(item, |walk, item| {
        let mut otlp = Otlp::default();
        otlp.place.line = item.line;
        read_table(walk, &mut otlp, OTLP_KEYS, item, OTLP);
        let line = otlp.place.line;
        let fits = fits(config.otlp.len(), OTLP);
        match fits.and_then(|()| check_endpoint(&mut otlp, true)) {
            Ok(()) => config.otlp.push(otlp),
            Err(why) => walk.wrong(line, &why),
        }
    });
}

/// Reads the array `organization`. Its organisations are added to those of earlier files.
pub(super) fn read_organizations(walk: &mut Walk<'_>, config: &mut Config, item: Item<'_>) {
    walk.each_table(item, |walk, item| {
        let mut organization = Organization::default();
        organization.place.line = item.line;
        read_table(
            walk,
            &mut organization,
            ORGANIZATION_KEYS,
            item,
            ORGANIZATION,
        );
        let known = &mut config.organizations;
        let fits = fits(known.len(), ORGANIZATION);
        match fits.and_then(|()| check_name(&organization.name, known)) {
            Ok(()) => known.push(organization),
            Err(why) => walk.wrong(item.line, &why),
        }
    });
}

/// Fails if there are already as many tables `[[name]]` as there may be.
fn fits(count: usize, name: &str) -> Result<(), String> {
    if count < MOST {
        Ok(())
    } else {
        Err(format!("more than {MOST} tables [[{name}]]; remove some"))
    }
}

fn check_name(name: &str, known: &[Organization]) -> Result<(), String> {
    let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    // spool.new is a file of the spool.
    if name.is_empty() || name.len() > NAME || !name.chars().all(is_good) || name == "new" {
        let name = quoted(name);
        let rule = "1 to 32 characters of a-z, 0-9, - and _, and not \"new\"";
        return Err(format!("name: {name}; write name = \"...\" with {rule}"));
    }
    if known.iter().any(|other| other.name == name) {
        let name = quoted(name);
        return Err(format!(
            "name: {name} is the name of another [[organization]]; write another one"
        ));
    }
    Ok(())
}

/// Checks the endpoint, and gives it the form of [`Otlp::endpoint`]. With `appends`, the path is
/// appended to a URL without one. The messages do not contain the endpoint, which may hold a
/// password.
pub(super) fn check_endpoint(otlp: &mut Otlp, appends: bool) -> Result<(), String> {
    let text = otlp.endpoint.trim();
    let plain = text.strip_prefix("http://");
    let secure = text.strip_prefix("https://");
    if otlp.insecure && secure.is_some() {
        return Err("insecure contradicts https:// in endpoint; remove one of the two".to_owned());
    }
    otlp.insecure |= plain.is_some();
    let endpoint = match otlp.protocol {
        OtlpProtocol::Grpc => {
            let place = plain.or(secure).unwrap_or(text).trim_end_matches('/');
            let parts = host_and_port(place);
            let has_port = parts.is_some_and(|(_, port)| port.is_some_and(|port| port > 0));
            Some(place.to_owned()).filter(|_| has_port).ok_or(
                "endpoint is no host with a port; write endpoint = \"host:4317\", or protocol = \
                 \"http/protobuf\" for a URL with a path",
            )?
        }
        OtlpProtocol::Http => {
            let url = Url::parse(text).ok();
            let url = url
                .filter(|url| matches!(url.scheme(), "http" | "https"))
                .ok_or(
                    "endpoint is no URL; write endpoint = \"https://host:4318\", or protocol = \
                 \"grpc\" for a host and a port",
                )?;
            if url.login().is_some() {
                let remedy = "write headers = { authorization = \"Basic ...\" } instead";
                return Err(format!("endpoint has a user name; {remedy}"));
            }
            let path = url.path();
            let path = if appends && path == "/" { PATH } else { &path };
            [&url.base(), path].concat()
        }
    };
    if otlp.insecure && endpoint == MACKEREL {
        return Err(format!(
            "{MACKEREL} speaks TLS only; remove insecure or http://"
        ));
    }
    otlp.endpoint = endpoint;
    Ok(())
}

/// Reads the table `headers`.
pub(super) fn headers(walk: &mut Walk<'_>, otlp: &mut Otlp, item: Item<'_>) {
    let Some(table) = walk.expect_table(item, "headers") else {
        return;
    };
    walk.each(table, |walk, item| {
        let added = item.string().and_then(|value| {
            let name = walk.last();
            add_header(&mut otlp.headers, name, value)
        });
        if let Err(why) = added {
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
    } else if !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        "the value of a header is not printable ASCII; write it in ASCII, on one line"
    } else if headers.iter().any(|(known, _)| *known == name) {
        "this header is given twice; remove one of the two"
    } else {
        headers.push((name, Secret::new(value)));
        return Ok(());
    };
    Err(why.to_owned())
}

/// Reads the table `resource`.
pub(super) fn resource(walk: &mut Walk<'_>, otlp: &mut Otlp, item: Item<'_>) {
    if let Some(table) = walk.expect_table(item, "resource") {
        attributes(walk, &mut otlp.resource, "", table);
    }
}

/// Reads attributes. A key without quotes, such as `service.name`, is a table in a table for TOML.
fn attributes(
    walk: &mut Walk<'_>,
    into: &mut Vec<(String, String)>,
    prefix: &str,
    table: &DeTable<'_>,
) {
    walk.each(table, |walk, item| {
        let key = [prefix, walk.last()].concat();
        if let Some(table) = item.table() {
            return attributes(walk, into, &[&key, "."].concat(), table);
        }
        let added = item
            .text()
            .and_then(|value| add_attribute(into, &key, &value));
        if let Err(why) = added {
            walk.wrong(item.line, &why);
        }
    });
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
        return Err(format!("{key} is given twice; remove one of the two"));
    }
    into.push((key.to_owned(), value.to_owned()));
    Ok(())
}

#[cfg(test)]
mod tests;
