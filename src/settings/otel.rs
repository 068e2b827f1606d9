//! The variables of OpenTelemetry. They describe one OTLP destination, and are read only where
//! there is no configuration file.

use super::environment::{OTEL, Variables};
use super::outputs::{PATH, check_endpoint};
use super::pairs::{add_attribute, add_header};
use super::table::outputs::protocol;
use crate::base::url::percent_decoded;
use crate::config::{Otlp, OtlpProtocol};

/// The variables that are read, in this order, since the form of an endpoint depends on the
/// protocol. `*` stands for `EXPORTER_OTLP_METRICS` or, if that variable is not set, for
/// `EXPORTER_OTLP`.
const READ: [&str; 4] = ["RESOURCE_ATTRIBUTES", "*_PROTOCOL", "*_HEADERS", ENDPOINT];
const ENDPOINT: &str = "*_ENDPOINT";
const METRICS: &str = "EXPORTER_OTLP_METRICS";

/// The destination that `variables` describe; `None` if no variable has an endpoint. Fails with the
/// problem of the first variable that cannot be used.
pub(super) fn otlp(variables: &Variables) -> Result<Option<Otlp>, String> {
    let mut otlp = Otlp {
        // The default of the specification.
        protocol: OtlpProtocol::Http,
        ..Otlp::default()
    };
    let mut has_endpoint = false;
    for form in READ {
        for star in [METRICS, "EXPORTER_OTLP"] {
            let name = [OTEL, &form.replace('*', star)].concat();
            let Some(value) = variables.get(&name) else {
                continue;
            };
            let read = value.to_str().ok_or("not UTF-8".to_owned());
            read.and_then(|value| read_into(&mut otlp, form, star == METRICS, value))
                .map_err(|why| format!("the variable {name}: {why}"))?;
            has_endpoint = form == ENDPOINT;
            otlp.place.by = name.into();
            break;
        }
    }
    Ok(Some(otlp).filter(|_| has_endpoint))
}

/// Stores the value of the variable of this form, or fails with the reason why it cannot be used.
fn read_into(otlp: &mut Otlp, form: &str, is_of_metrics: bool, value: &str) -> Result<(), String> {
    match form {
        "*_PROTOCOL" => otlp.protocol = protocol(value)?,
        ENDPOINT => {
            value.trim().clone_into(&mut otlp.endpoint);
            if otlp.protocol == OtlpProtocol::Http && !is_of_metrics {
                otlp.endpoint
                    .truncate(otlp.endpoint.trim_end_matches('/').len());
                otlp.endpoint.push_str(PATH);
            }
            check_endpoint(otlp, false)?;
        }
        _ => {
            let texts = value.split(',').filter(|text| !text.trim().is_empty());
            for text in texts {
                let (key, value) = pair(text)
                    .ok_or("no list; write NAME=VALUE,NAME=VALUE, and %25 for a percent sign")?;
                if form == "*_HEADERS" {
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
    let decoded = |text: &str| percent_decoded(text.trim());
    Some((decoded(key)?, decoded(value)?))
}

#[cfg(test)]
mod tests;
