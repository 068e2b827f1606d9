//! The variables of OpenTelemetry. They describe one OTLP destination, and are read only where
//! there is no configuration file.

use std::time::Duration;

use super::environment::Variables;
use super::outputs::{PATH, add_attribute, add_header, check_endpoint};
use super::table::outputs::protocol;
use crate::base::url::percent_decoded;
use crate::config::{Otlp, OtlpProtocol};

/// The prefixes of the variables about OTLP. The first one that is set wins.
const PREFIXES: [&str; 2] = ["OTEL_EXPORTER_OTLP_METRICS_", "OTEL_EXPORTER_OTLP_"];
const ENDPOINT: &str = "ENDPOINT";
/// The variable of resource attributes.
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
/// Bounds of the time limit, in milliseconds.
const TIMEOUT: (u64, u64) = (1_000, 60_000);

/// Whether the variable is read here.
pub(super) fn is_meant(name: &str) -> bool {
    let mut prefixes = PREFIXES.iter();
    let rest = prefixes.find_map(|prefix| name.strip_prefix(prefix));
    let is_option = |rest: &str| matches!(rest, ENDPOINT | "HEADERS" | "PROTOCOL" | "TIMEOUT");
    name == RESOURCE || rest.is_some_and(is_option)
}

/// The destination that `variables` describe; `None` if no variable has an endpoint. Fails with the
/// problem of the first variable that cannot be used.
pub(super) fn otlp(variables: &Variables) -> Result<Option<Otlp>, String> {
    let find = |option: &str| {
        let mut names = PREFIXES.map(|prefix| [prefix, option].concat()).into_iter();
        names.find(|name| variables.get(name).is_some())
    };
    let Some(endpoint) = find(ENDPOINT) else {
        return Ok(None);
    };
    let mut otlp = Otlp {
        // The default of the specification.
        protocol: OtlpProtocol::Http,
        ..Otlp::default()
    };
    let is_of_metrics = endpoint.starts_with(PREFIXES[0]);
    otlp.place.by = endpoint.clone().into();
    let mut read = |name: String, act: Read| {
        let value = variables.get(&name).and_then(|value| value.to_str());
        let read = value.ok_or("not UTF-8".to_owned());
        read.and_then(|value| act(&mut otlp, value))
            .map_err(|why| format!("the variable {name}: {why}"))
    };
    let options: [(&str, Read); 3] = [
        ("PROTOCOL", |otlp, value| {
            otlp.protocol = protocol(value)?;
            Ok(())
        }),
        ("HEADERS", |otlp, value| {
            pairs(value, |name, value| {
                add_header(&mut otlp.headers, name, value)
            })
        }),
        ("TIMEOUT", timeout),
    ];
    for (option, act) in options {
        if let Some(name) = find(option) {
            read(name, act)?;
        }
    }
    if variables.get(RESOURCE).is_some() {
        read(RESOURCE.to_owned(), |otlp, value| {
            pairs(value, |key, value| {
                add_attribute(&mut otlp.resource, key, value)
            })
        })?;
    }
    read(
        endpoint,
        if is_of_metrics {
            |otlp, value| {
                value.clone_into(&mut otlp.endpoint);
                check_endpoint(otlp, false)
            }
        } else {
            |otlp, value| {
                value.clone_into(&mut otlp.endpoint);
                if otlp.protocol == OtlpProtocol::Http {
                    otlp.endpoint = [value.trim().trim_end_matches('/'), PATH].concat();
                }
                check_endpoint(otlp, false)
            }
        },
    )?;
    Ok(Some(otlp))
}

/// Stores the value of a variable, or fails with the reason why it cannot be used.
type Read = fn(&mut Otlp, &str) -> Result<(), String>;

/// Calls `add` for each `KEY=VALUE` of a list with commas, percent-decoded. Fails if it is no such
/// list, in words that do not contain it.
fn pairs(text: &str, mut add: impl FnMut(&str, &str) -> Result<(), String>) -> Result<(), String> {
    let texts = text.split(',').map(str::trim);
    for pair in texts.filter(|pair| !pair.is_empty()) {
        let split = pair.split_once('=').and_then(|(key, value)| {
            Some((percent_decoded(key.trim())?, percent_decoded(value.trim())?))
        });
        let (key, value) =
            split.ok_or("no list; write NAME=VALUE,NAME=VALUE, and %25 for a percent sign")?;
        add(&key, &value)?;
    }
    Ok(())
}

fn timeout(otlp: &mut Otlp, value: &str) -> Result<(), String> {
    let (least, most) = TIMEOUT;
    let milliseconds = value.trim().parse().ok();
    let milliseconds = milliseconds.filter(|it| (least..=most).contains(it));
    otlp.timeout = milliseconds
        .map(Duration::from_millis)
        .ok_or_else(|| format!("not a number of milliseconds from {least} to {most}"))?;
    Ok(())
}

#[cfg(test)]
mod tests;
