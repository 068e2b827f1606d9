//! The variables of OpenTelemetry. They describe one OTLP destination, and are read only where
//! there is no configuration file.

use super::environment::{OTEL, Variables};
use super::outputs::{PATH, check_endpoint};
use super::pairs::{add_attribute, add_header};
use super::table::outputs::protocol;
use crate::base::url::percent_decoded;
use crate::config::{Otlp, OtlpProtocol};

/// What a variable describes.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Part {
    Resource,
    Protocol,
    Headers,
    Endpoint,
}

/// The variable to whose URL the path is appended.
const BASE: &str = "EXPORTER_OTLP_ENDPOINT";

/// The variables without their prefix. They are read in this order, since the form of an endpoint
/// depends on the protocol. Of two for the same part, the second one is read only if the first one
/// is not set.
static READ: [(Part, &str); 7] = [
    (Part::Resource, "RESOURCE_ATTRIBUTES"),
    (Part::Protocol, "EXPORTER_OTLP_METRICS_PROTOCOL"),
    (Part::Protocol, "EXPORTER_OTLP_PROTOCOL"),
    (Part::Headers, "EXPORTER_OTLP_METRICS_HEADERS"),
    (Part::Headers, "EXPORTER_OTLP_HEADERS"),
    (Part::Endpoint, "EXPORTER_OTLP_METRICS_ENDPOINT"),
    (Part::Endpoint, BASE),
];

/// The destination that `variables` describe; `None` if no variable has an endpoint. Fails with the
/// problem of the first variable that cannot be used.
pub(super) fn otlp(variables: &Variables) -> Result<Option<Otlp>, String> {
    let mut otlp = Otlp {
        // The default of the specification.
        protocol: OtlpProtocol::Http,
        ..Otlp::default()
    };
    let mut read = None;
    for (part, short) in READ {
        if read == Some(part) {
            continue;
        }
        let name = [OTEL, short].concat();
        let Some(value) = variables.get(&name) else {
            continue;
        };
        let stored = match value.to_str() {
            Some(value) => read_into(&mut otlp, part, short == BASE, value),
            None => Err("not UTF-8".to_owned()),
        };
        if let Err(why) = stored {
            return Err(format!("the variable {name}: {why}"));
        }
        read = Some(part);
        otlp.place.by = name.into();
    }
    Ok(Some(otlp).filter(|_| read == Some(Part::Endpoint)))
}

/// Stores the value of a variable, or fails with the reason why it cannot be used. With `is_base`,
/// the path is appended to a URL.
fn read_into(otlp: &mut Otlp, part: Part, is_base: bool, value: &str) -> Result<(), String> {
    match part {
        Part::Protocol => otlp.protocol = protocol(value)?,
        Part::Endpoint => {
            let text = value.trim();
            otlp.endpoint = if is_base && otlp.protocol == OtlpProtocol::Http {
                [text.trim_end_matches('/'), PATH].concat()
            } else {
                text.to_owned()
            };
            check_endpoint(otlp, false)?;
        }
        Part::Headers | Part::Resource => {
            for text in value.split(',') {
                if text.trim().is_empty() {
                    continue;
                }
                let (key, value) = pair(text)
                    .ok_or("no list; write NAME=VALUE,NAME=VALUE, and %25 for a percent sign")?;
                if part == Part::Headers {
                    add_header(&mut otlp.headers, &key, &value)?;
                } else {
                    add_attribute(&mut otlp.resource, &key, &value)?;
                }
            }
        }
    }
    Ok(())
}

/// Key and value of `KEY=VALUE`, percent-decoded.
fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    Some((percent_decoded(key.trim())?, percent_decoded(value.trim())?))
}

#[cfg(test)]
mod tests;
