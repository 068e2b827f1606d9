//! Amazon EC2: the instance metadata service, version 2 with a token, or version 1 if there is no
//! token.

use super::{Reply, Service, TRIES, place};
use crate::describe::Place;
use crate::sys::http::{Fetch, Method};

const TOKEN: &str = "/latest/api/token";
const HEADER: &str = "x-aws-ec2-metadata-token";
/// In seconds: the maximum, and much longer than a description takes.
const TOKEN_LIFE: (&str, &str) = ("x-aws-ec2-metadata-token-ttl-seconds", "21600");
/// The partition: `aws`, `aws-cn` and so on. Services that only imitate EC2 do not return it.
const PARTITION: &str = "/latest/meta-data/services/partition";
const DOMAIN: &str = "ec2.amazonaws.com";
const ID: &str = "instance-id";
/// The other fields, with the same names in the service and in the description.
const KEYS: [&str; 10] = [
    "instance-type",
    "placement/availability-zone",
    "security-groups",
    "ami-id",
    "hostname",
    "local-hostname",
    "public-hostname",
    "local-ipv4",
    "public-ipv4",
    "reservation-id",
];

/// Fields for which the service has no text are empty. If a request fails, there is no description;
/// the identifier is kept if known.
pub(super) fn look(service: &mut Service<'_>, is_to_prove: bool) -> Option<Place> {
    service.header = token(service.net);
    if is_to_prove && !first(service, PARTITION, false)?.starts_with("aws") {
        return Some(Place::default());
    }
    let id = first(service, &path(ID), true)?;
    let mut fields = vec![(ID, id.clone())];
    for key in KEYS {
        match service.get(&path(key)) {
            Reply::Text(text) => fields.push((key, text)),
            Reply::Nothing | Reply::Busy => fields.push((key, String::new())),
            Reply::Silence => return Some(place("ec2", None, &id, DOMAIN)),
        }
    }
    Some(place("ec2", Some(fields), &id, DOMAIN))
}

/// A text that is needed. If the service refuses it, a token that could not be had is requested
/// again: the service may require one.
fn first(service: &mut Service<'_>, path: &str, is_needed: bool) -> Option<String> {
    let text = service.insist(path, TRIES, is_needed);
    if text.is_some() || service.header.is_some() || service.is_silent {
        return text;
    }
    service.header = token(service.net);
    service.header.as_ref()?;
    service.insist(path, TRIES, is_needed)
}

fn path(key: &str) -> String {
    format!("/latest/meta-data/{key}")
}

/// The header with the token for version 2. `None` if there is no token. This also happens in a
/// container if the hop limit of the response is too low; version 1 may still answer then.
fn token(net: &mut dyn Fetch) -> Option<(&'static str, String)> {
    let answer = net.fetch(Method::Put, TOKEN, Some(TOKEN_LIFE)).ok()?;
    let token = answer.body.trim();
    let is_token = answer.status == 200 && token.bytes().all(|byte| byte.is_ascii_graphic());
    (is_token && !token.is_empty()).then(|| (HEADER, token.to_owned()))
}
