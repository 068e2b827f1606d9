//! Checks posted documents by Mackerel's documentation.
//!
//! Stricter than the real API where that shows a mistake of the agent: meta is checked too.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value};

/// Largest number of check reports in one request.
const REPORTS: usize = 100;
/// Largest number of characters of a check report's message. The page says "under"; the Go agent
/// sends as many.
const MESSAGE: usize = 1024;
/// Largest number of characters of a check's memo.
const MEMO: usize = 250;
/// Number of characters of each half of a role's full name.
const ROLE: std::ops::RangeInclusive<usize> = 2..=63;

const UNITS: &[&str] = &[
    "float",
    "integer",
    "percentage",
    "seconds",
    "milliseconds",
    "bytes",
    "bytes/sec",
    "bits/sec",
    "iops",
];

/// `Err` is what is wrong with the document, for its sender.
type Checked<T> = Result<T, String>;

/// One value of `POST tsdb`.
pub(super) struct MetricValue {
    pub(super) host: String,
    pub(super) name: String,
    /// Seconds since the epoch.
    pub(super) time: u64,
    pub(super) value: f64,
}

/// Checks the document of `POST hosts` and `PUT hosts/<id>`.
pub(super) fn host(document: Value) -> Checked<Map<String, Value>> {
    let Value::Object(document) = document else {
        return Err("a host is an object".to_owned());
    };
    let name = document.get("name").and_then(Value::as_str);
    if name.is_none_or(|name| name.trim().is_empty() || name.chars().any(char::is_control)) {
        return Err("name is missing".to_owned());
    }
    for key in ["displayName", "memo", "customIdentifier"] {
        if !matches!(
            document.get(key),
            None | Some(Value::Null | Value::String(_))
        ) {
            return Err(format!("{key} is not a string"));
        }
    }
    let Some(Value::Object(meta)) = document.get("meta") else {
        return Err("meta is missing".to_owned());
    };
    for (key, value) in meta {
        part_of_meta(key, value).map_err(|wrong| format!("meta.{key}: {wrong}"))?;
    }
    each(document.get("interfaces"), interface).map_err(|wrong| format!("interfaces: {wrong}"))?;
    each(document.get("roleFullnames"), role)?;
    each(document.get("checks"), check)?;
    Ok(document)
}

/// Applies `rule` to each element. Absent and null count as empty.
fn each(array: Option<&Value>, rule: impl Fn(&Value) -> Checked<()>) -> Checked<()> {
    match array {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(array)) => array.iter().try_for_each(rule),
        Some(_) => Err("not an array".to_owned()),
    }
}

fn part_of_meta(key: &str, value: &Value) -> Checked<()> {
    let strings = |value: &Value| match value {
        Value::Object(object) if object.values().all(Value::is_string) => Ok(()),
        _ => Err("not an object of strings".to_owned()),
    };
    let objects = |rule: &dyn Fn(&Value) -> Checked<()>| match value {
        Value::Object(object) => object.values().try_for_each(rule),
        _ => Err("not an object of objects".to_owned()),
    };
    match key {
        "agent-name" | "agent-version" | "agent-revision" if value.is_string() => Ok(()),
        "agent-name" | "agent-version" | "agent-revision" => Err("not a string".to_owned()),
        "kernel" | "memory" => strings(value),
        "cpu" => each(Some(value), strings),
        "block_device" => objects(&strings),
        "filesystem" => objects(&filesystem),
        "cloud" if value["provider"].is_string() => strings(&value["metadata"]),
        "cloud" => Err("no provider".to_owned()),
        _ => Ok(()),
    }
}

fn filesystem(value: &Value) -> Checked<()> {
    let numbers = ["kb_size", "kb_used", "kb_available"];
    let strings = ["percent_used", "mount"];
    if numbers.iter().all(|key| value[key].is_u64())
        && strings.iter().all(|key| value[key].is_string())
    {
        return Ok(());
    }
    let wanted = [numbers.as_slice(), &strings].concat().join(", ");
    Err(format!("want {wanted} in {value}"))
}

fn interface(value: &Value) -> Checked<()> {
    if !value["name"].is_string() {
        return Err(format!("no name in {value}"));
    }
    each(value.get("ipv4Addresses"), parses::<Ipv4Addr>)?;
    each(value.get("ipv6Addresses"), parses::<Ipv6Addr>)?;
    match value.get("macAddress").map(Value::as_str) {
        None => Ok(()),
        Some(Some(mac))
            if mac
                .split(':')
                .all(|two| u8::from_str_radix(two, 16).is_ok()) =>
        {
            Ok(())
        }
        Some(_) => Err(format!("no macAddress in {value}")),
    }
}

fn parses<T: std::str::FromStr>(value: &Value) -> Checked<()> {
    let text = value.as_str().unwrap_or_default();
    let parsed = text.parse::<T>().map(drop);
    parsed.map_err(|_| format!("{value} is no address"))
}

fn role(value: &Value) -> Checked<()> {
    let halves = value.as_str().and_then(|full| full.split_once(':'));
    let good = |half: &str| {
        half.starts_with(|first: char| first.is_ascii_alphanumeric())
            && is_word(half)
            && ROLE.contains(&half.len())
    };
    match halves {
        Some((service, role)) if good(service) && good(role.trim_start()) => Ok(()),
        _ => Err(format!("{value} is no full name of a role")),
    }
}

fn check(value: &Value) -> Checked<()> {
    let memo = value.get("memo").map_or(Some(""), Value::as_str);
    if value["name"].as_str().is_some_and(is_word)
        && memo.is_some_and(|memo| memo.chars().count() <= MEMO)
    {
        return Ok(());
    }
    Err(format!("{value} is no check"))
}

/// `[-a-zA-Z0-9_]+`
fn is_word(text: &str) -> bool {
    let mut chars = text.chars();
    !text.is_empty() && chars.all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// `[a-zA-Z0-9._-]+`
fn is_metric_name(text: &str) -> bool {
    let mut chars = text.chars();
    !text.is_empty() && chars.all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// `custom(\.([-a-zA-Z0-9_]+|[*#]))+`, with at most one `#`
fn is_graph_name(text: &str) -> bool {
    let segments = text.strip_prefix("custom.").map(|rest| rest.split('.'));
    text.matches('#').count() <= 1
        && segments.is_some_and(|mut segments| segments.all(|s| s == "*" || s == "#" || is_word(s)))
}

/// Checks the document of `POST tsdb`. All values are valid, or none is accepted.
pub(super) fn values(document: &Value) -> Checked<Vec<MetricValue>> {
    let elements = document.as_array().ok_or("metric values are an array")?;
    elements.iter().map(metric_value).collect()
}

fn metric_value(element: &Value) -> Checked<MetricValue> {
    let wrong = |what: &str| format!("{what} in {element}");
    let host = element["hostId"].as_str().ok_or(wrong("no hostId"))?;
    let name = element["name"].as_str().filter(|name| is_metric_name(name));
    Ok(MetricValue {
        host: host.to_owned(),
        name: name.ok_or(wrong("no name"))?.to_owned(),
        time: element["time"].as_u64().ok_or(wrong("no time"))?,
        value: element["value"].as_f64().ok_or(wrong("no value"))?,
    })
}

/// Checks the reports of `POST monitoring/checks/report`.
pub(super) fn reports(document: &Value) -> Checked<Vec<Value>> {
    let reports = document["reports"].as_array().ok_or("no reports")?;
    if reports.len() > REPORTS {
        return Err(format!("more than {REPORTS} reports"));
    }
    for report in reports {
        let wrong = |what: &str| Err(format!("{what} in {report}"));
        if report["source"]["type"] != "host" || !report["source"]["hostId"].is_string() {
            return wrong("no source");
        }
        if !report["name"].as_str().is_some_and(is_word) {
            return wrong("no name");
        }
        let status = report["status"].as_str().unwrap_or_default();
        if !["OK", "WARNING", "CRITICAL", "UNKNOWN"].contains(&status) {
            return wrong("no status");
        }
        let message = report["message"].as_str();
        if message.is_none_or(|message| message.chars().count() > MESSAGE) {
            return wrong("no message, or one too long");
        }
        if !report["occurredAt"].is_u64() {
            return wrong("no occurredAt");
        }
        let interval = report.get("notificationInterval");
        if interval.is_some_and(|interval| !interval.is_u64()) {
            return wrong("bad notificationInterval");
        }
        let attempts = report.get("maxCheckAttempts").map(Value::as_u64);
        if attempts.is_some_and(|attempts| !matches!(attempts, Some(1..=10))) {
            return wrong("bad maxCheckAttempts");
        }
    }
    Ok(reports.clone())
}

/// Checks the definitions of `POST graph-defs/create`. Returns them with their names.
pub(super) fn graphs(document: &Value) -> Checked<Vec<(String, Value)>> {
    let graphs = document.as_array().ok_or("definitions are an array")?;
    let checked = graphs.iter().map(|graph| {
        let name = graph["name"].as_str().filter(|name| is_graph_name(name));
        let name = name.ok_or(format!("no name in {graph}"))?;
        let unit = graph["unit"].as_str().unwrap_or_default();
        if !UNITS.contains(&unit) {
            return Err(format!("no unit in {graph}"));
        }
        each(graph.get("metrics"), |metric| {
            let below = metric["name"]
                .as_str()
                .unwrap_or_default()
                .strip_prefix(name)
                .and_then(|r| r.strip_prefix('.'));
            if below.is_none() || !metric["name"].as_str().is_some_and(is_graph_name) {
                return Err(format!("no name below {name} in {metric}"));
            }
            Ok(())
        })?;
        Ok((name.to_owned(), graph.clone()))
    });
    checked.collect()
}

/// Whether the text is a valid namespace of host metadata.
pub(super) fn is_namespace(text: &str) -> bool {
    is_word(text) && !text.starts_with("mackerel")
}
