//! The report as a JSON document. Its members always have the same order; what is not known is null.

use super::{DestinationStatus, FailureStatus, PluginStatus, QueuedStatus, StatusReport, VERSION};
use crate::base::json::Json;

/// The value of a member.
enum Value<'a> {
    Text(&'a str),
    Texts(&'a [String]),
    Number(u64),
    Signed(i64),
    Flag(bool),
    Null,
    /// JSON that is written already.
    Written(String),
}

impl<'a> Value<'a> {
    fn text(text: Option<&'a str>) -> Value<'a> {
        text.map_or(Value::Null, Value::Text)
    }

    fn number(number: Option<u64>) -> Value<'a> {
        number.map_or(Value::Null, Value::Number)
    }
}

/// The document, in one line.
pub(crate) fn json(report: &StatusReport) -> String {
    let destinations = report.destinations.iter().map(destination);
    let plugins = report.plugins.iter().map(plugin);
    let resources = &report.resources;
    let clock = &report.clock;
    object(&[
        ("status_version", Value::Number(VERSION)),
        ("running", Value::Flag(true)),
        ("time", Value::Number(report.time)),
        (
            "host",
            Value::Written(object(&[
                ("name", Value::Text(&report.host_name)),
                ("id", Value::text(report.host_id.as_deref())),
            ])),
        ),
        ("server", Value::text(report.server.as_deref())),
        ("version", Value::Text(report.version)),
        ("revision", Value::Text(report.revision)),
        ("pid", Value::Number(u64::from(report.pid))),
        ("uptime_seconds", Value::Number(report.uptime)),
        ("measured_seconds_ago", Value::number(report.measured_ago)),
        ("destinations", Value::Written(list(destinations))),
        ("plugins", Value::Written(list(plugins))),
        (
            "clock",
            Value::Written(object(&[
                ("state", Value::Text(clock.state)),
                ("source", Value::text(clock.source)),
                ("ahead_seconds", Value::Signed(clock.ahead)),
            ])),
        ),
        ("listener", Value::text(report.listener.as_deref())),
        ("hanging_mounts", Value::Texts(&report.hanging)),
        (
            "resources",
            Value::Written(object(&[
                ("resident_bytes", Value::number(resources.resident_bytes)),
                (
                    "cpu_seconds",
                    resources
                        .cpu_ticks
                        .map_or(Value::Null, |ticks| Value::Written(hundredths(ticks))),
                ),
                ("threads", Value::number(resources.threads)),
                ("descriptors", Value::number(resources.descriptors)),
            ])),
        ),
    ])
}

fn destination(one: &DestinationStatus) -> String {
    let none = FailureStatus::default();
    let is_failing = one.failure.is_some();
    let failure = one.failure.as_ref().unwrap_or(&none);
    let of_failure = |text| Value::text(is_failing.then_some(text));
    object(&[
        ("name", Value::Text(&one.name)),
        ("kind", Value::Text(one.kind)),
        ("server", Value::Text(&one.server)),
        ("host_id", Value::text(one.host_id.as_deref())),
        ("state", Value::Text(one.state)),
        ("posted_seconds_ago", Value::number(one.posted_ago)),
        ("failing_since", Value::number(failure.since)),
        ("failing_step", of_failure(failure.step)),
        ("reason", of_failure(&failure.reason)),
        ("remedy", of_failure(failure.remedy)),
        ("queued", Value::Written(queued(&one.queued))),
    ])
}

fn queued(one: &QueuedStatus) -> String {
    object(&[
        ("values", Value::Number(one.values)),
        ("rounds", Value::Number(one.rounds)),
        ("reports", Value::Number(one.reports)),
        ("disk_bytes", Value::Number(one.disk_bytes)),
        ("oldest", Value::number(one.oldest)),
        ("save_error", Value::text(one.save_error.as_deref())),
    ])
}

fn plugin(one: &PluginStatus) -> String {
    object(&[
        ("kind", Value::Text(one.kind)),
        ("name", Value::Text(&one.name)),
        ("last_run_seconds_ago", Value::number(one.last_run_ago)),
        ("duration_ms", Value::number(one.duration_ms)),
        (
            "exit_code",
            one.exit_code.map_or(Value::Null, Value::Signed),
        ),
        ("status", Value::text(one.status)),
        ("message", Value::Text(&one.message)),
        ("error", Value::text(one.error.as_deref())),
        ("next_run_seconds", Value::number(one.next_run)),
        ("running", Value::Flag(one.is_running)),
    ])
}

/// A number of hundredths as a decimal fraction.
fn hundredths(ticks: u64) -> String {
    let rest = ticks % 100;
    let zero = if rest < 10 { "0" } else { "" };
    [&(ticks / 100).to_string(), ".", zero, &rest.to_string()].concat()
}

fn quoted(text: &str) -> String {
    Json::Text(text.to_owned()).to_string()
}

fn list(entries: impl Iterator<Item = String>) -> String {
    let entries: Vec<String> = entries.collect();
    ["[", &entries.join(","), "]"].concat()
}

fn object(members: &[(&str, Value<'_>)]) -> String {
    let mut text = String::new();
    for (name, value) in members {
        let written = match value {
            Value::Text(text) => quoted(text),
            Value::Texts(texts) => list(texts.iter().map(|text| quoted(text))),
            Value::Number(number) => number.to_string(),
            Value::Signed(number) => number.to_string(),
            Value::Flag(true) => "true".to_owned(),
            Value::Flag(false) => "false".to_owned(),
            Value::Null => "null".to_owned(),
            Value::Written(written) => written.clone(),
        };
        let before = if text.is_empty() { "{\"" } else { ",\"" };
        text.extend([before, name, "\":", &written]);
    }
    text.push('}');
    text
}
