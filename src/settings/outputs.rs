//! Reads `[[otlp]]` and `[[organization]]`, and what is written like them in variables and files.

use super::draft::Draft;
use super::row::{Row, read_table};
use super::table::outputs::OTLP;
use crate::base::url::{Url, host_and_port};
use crate::config::item::Item;
use crate::config::walk::Walk;
use crate::config::{Config, Organization, Otlp, OtlpProtocol};

/// The most destinations, and the most organisations. Each has a thread of its own.
const MOST: usize = 8;
const TOO_MANY: &str = "more than 8 of these tables; remove some";
/// The most characters of an organisation's name.
const NAME: usize = 32;
/// Mackerel's own endpoint of OTLP.
pub(super) const MACKEREL: &str = "otlp.mackerelio.com:4317";
/// The path that is appended to an endpoint for HTTP.
pub(super) const PATH: &str = "/v1/metrics";

/// Reads the array `name` with the keys `rows`. What it describes is added to that of earlier files.
pub(super) fn read_array(
    walk: &mut Walk<'_>,
    config: &mut Config,
    item: Item<'_>,
    (name, rows): (&str, &[Row<Draft>]),
) {
    let is_otlp = name == OTLP;
    for item in walk.tables(item) {
        let mut draft = Draft::default();
        draft.otlp.place.line = item.line;
        draft.organization.place.line = item.line;
        read_table(walk, &mut draft, rows, item, name);
        // That of the key `endpoint`, if there is one.
        let line = draft.otlp.place.line;
        let added = if is_otlp {
            add_otlp(&mut config.otlp, draft.otlp)
        } else {
            add_organization(&mut config.organizations, draft.organization)
        };
        if let Err(why) = added {
            walk.wrong(line, why);
        }
    }
}

fn add_otlp(all: &mut Vec<Otlp>, mut otlp: Otlp) -> Result<(), &'static str> {
    check_endpoint(&mut otlp, true)?;
    if all.len() == MOST {
        return Err(TOO_MANY);
    }
    all.push(otlp);
    Ok(())
}

fn add_organization(
    all: &mut Vec<Organization>,
    organization: Organization,
) -> Result<(), &'static str> {
    let name = organization.name.as_str();
    let is_good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
    // spool.new and spool.set-aside are files of the spool.
    let is_name = (1..=NAME).contains(&name.len()) && !matches!(name, "new" | "set-aside");
    if !is_name || !name.bytes().all(is_good) {
        return Err(
            "write name = \"...\" with 1 to 32 characters of a-z, 0-9, - and _, and not \"new\" \
             or \"set-aside\"",
        );
    }
    if all.iter().any(|other| other.name == name) {
        return Err("another [[organization]] has this name; write another one");
    }
    if all.len() == MOST {
        return Err(TOO_MANY);
    }
    all.push(organization);
    Ok(())
}

/// Checks the endpoint, and gives it the form of [`Otlp::endpoint`]. With `appends`, the path is
/// appended to a URL without one. The messages do not contain the endpoint, which may hold a
/// password.
pub(super) fn check_endpoint(otlp: &mut Otlp, appends: bool) -> Result<(), &'static str> {
    let text = otlp.endpoint.trim();
    let plain = text.strip_prefix("http://");
    let secure = text.strip_prefix("https://");
    let is_contradictory = otlp.insecure && secure.is_some();
    otlp.insecure |= plain.is_some();
    let rest = plain.or(secure);
    let endpoint = if otlp.protocol == OtlpProtocol::Grpc {
        let place = rest.unwrap_or(text).trim_end_matches('/');
        let Some((_, Some(_))) = host_and_port(place) else {
            return Err(
                "endpoint: no host with a port; write \"host:4317\", or protocol = \
                 \"http/protobuf\" for a URL with a path",
            );
        };
        place.to_owned()
    } else if let Ok(url) = Url::parse(text)
        && rest.is_some()
        && url.login().is_none()
    {
        let (mut endpoint, path) = (url.base(), url.path());
        endpoint.push_str(if appends && path == "/" { PATH } else { &path });
        endpoint
    } else {
        return Err(
            "endpoint: no URL, or one with a password; write \"https://host:4318\", a password \
             into headers, or protocol = \"grpc\" for a host with a port",
        );
    };
    if is_contradictory {
        return Err("insecure contradicts https:// in endpoint; remove one of the two");
    }
    if otlp.insecure && endpoint == MACKEREL {
        return Err("endpoint: Mackerel's needs TLS; remove insecure or http://");
    }
    otlp.endpoint = endpoint;
    Ok(())
}

#[cfg(test)]
mod tests;
