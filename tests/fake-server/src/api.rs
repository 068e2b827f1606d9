//! Mackerel's API v0 as far as an agent uses it, and reading of values: routes, permissions, status
//! codes.

use serde_json::{Value, json};

use super::document;
use super::http::{Answer, Request, decode};
use super::model::{Host, Model};
use super::shared::now;

/// Largest number of bytes of one metadata document.
const METADATA: usize = 100 << 10;
/// Largest number of metadata namespaces of one host.
const NAMESPACES: usize = 50;
/// Largest number of metric names of one host. The real API has its own limit; this one limits the
/// memory of the fake server.
const SERIES: usize = 10_000;
/// Largest number of graph definitions of the organisation, for the same reason.
const GRAPHS: usize = 10_000;

/// The name of the key's organisation.
const ORGANIZATION: &str = "fake-organization";

const STATUSES: &[&str] = &["working", "standby", "maintenance", "poweroff"];

/// The right answer to a request. Applies the request to `model`.
///
/// `key` is the only accepted key. With `None`, any key is accepted.
pub(super) fn answer(model: &mut Model, key: Option<&str>, request: &Request) -> Answer {
    let (head, body) = (&request.head, &request.body);
    // OTLP over HTTP: everything is accepted.
    if request.is("POST", "/v1/metrics") {
        return Answer::success();
    }
    let Some(path) = head.path.strip_prefix("/api/v0/") else {
        return not_found("no such page");
    };
    match (head.header("X-Api-Key"), key) {
        (Some(given), Some(key)) if given == key => {}
        (Some(given), None) if !given.is_empty() => {}
        _ => return Answer::error(401, "Authentication failed. Please try with valid Api Key."),
    }
    if model.read_only && head.method != "GET" {
        return Answer::error(403, "API key doesn't have write permission");
    }
    let segments: Vec<String> = path.split('/').map(|part| decode(part, false)).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let document = || {
        let document = serde_json::from_slice::<Value>(body);
        document.map_err(|error| bad(&format!("not JSON: {error}")))
    };
    let result = match (head.method.as_str(), segments.as_slice()) {
        ("GET", ["org"]) => Ok(Answer::json(&json!({"name": ORGANIZATION}))),
        ("GET", ["hosts"]) => Ok(find(model, &head.query)),
        ("GET", ["hosts", id]) => known(model, id).map(|host| {
            let host = host.describe();
            Answer::json(&json!({"host": host}))
        }),
        ("GET", ["hosts", id, "metric-names"]) => known(model, id).map(|host| {
            let names: Vec<&String> = host.series.keys().collect();
            Answer::json(&json!({"names": names}))
        }),
        ("GET", ["hosts", id, "metrics"]) => {
            known(model, id).and_then(|host| points(host, &head.query))
        }
        ("POST", ["hosts"]) => document().and_then(|document| register(model, document)),
        ("PUT", ["hosts", id]) => document().and_then(|document| update(model, id, document)),
        ("POST", ["hosts", id, "status"]) => {
            document().and_then(|document| set_status(model, id, &document))
        }
        ("POST", ["hosts", id, "retire"]) => known(model, id).map(|host| {
            host.is_retired = true;
            Answer::success()
        }),
        ("PUT", ["hosts", id, "metadata", namespace]) => {
            document().and_then(|document| metadata(model, id, namespace, document, body.len()))
        }
        ("POST", ["tsdb"]) => document().and_then(|document| values(model, &document)),
        ("POST", ["graph-defs", "create"]) => {
            document().and_then(|document| graphs(model, &document))
        }
        ("POST", ["monitoring", "checks", "report"]) => {
            document().and_then(|document| reports(model, &document))
        }
        _ => Err(not_found("no such resource")),
    };
    result.unwrap_or_else(|answer| answer)
}

/// `Err` is an error answer.
type Handled = Result<Answer, Answer>;

fn bad(message: &str) -> Answer {
    Answer::error(400, message)
}

fn not_found(message: &str) -> Answer {
    Answer::error(404, message)
}

fn known<'a>(model: &'a mut Model, id: &str) -> Result<&'a mut Host, Answer> {
    let host = model.hosts.get_mut(id);
    host.ok_or_else(|| not_found("Host Not Found."))
}

fn find(model: &Model, query: &str) -> Answer {
    let (mut wanted, mut name) = (None, None);
    let mut statuses = Vec::new();
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            "customIdentifier" => wanted = Some(decode(value, true)),
            "name" => name = Some(decode(value, true)),
            "status" => statuses.push(decode(value, true)),
            _ => {}
        }
    }
    let found = model.hosts.values().filter(|host| {
        !host.is_retired
            && wanted
                .as_ref()
                .is_none_or(|id| host.custom_identifier() == id)
            && name.as_ref().is_none_or(|name| host.name() == name)
            && (statuses.is_empty() || statuses.contains(&host.status))
    });
    let hosts: Vec<Value> = found.map(Host::describe).collect();
    Answer::json(&json!({"hosts": hosts}))
}

/// A metric's values between `from` and `to`, in seconds since the epoch and inclusive. The query
/// has these and `name`.
fn points(host: &Host, query: &str) -> Handled {
    let of = |wanted: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(key, _)| *key == wanted);
        found.map(|(_, value)| decode(value, true))
    };
    let second = |key: &str| {
        let second = of(key).and_then(|text| text.parse::<u64>().ok());
        second.ok_or_else(|| bad(&format!("{key} is missing")))
    };
    let (from, to) = (second("from")?, second("to")?);
    let series = of("name")
        .and_then(|name| host.series.get(&name))
        .ok_or_else(|| not_found("metric not found"))?;
    let points = series
        .iter()
        .filter(|(time, _)| (from..=to).contains(time))
        .map(|(time, value)| json!({"time": time, "value": value}));
    Ok(Answer::json(
        &json!({"metrics": points.collect::<Vec<_>>()}),
    ))
}

fn register(model: &mut Model, document: Value) -> Handled {
    let document = document::host(document).map_err(|wrong| bad(&wrong))?;
    unclaimed(
        model,
        &document["name"],
        document.get("customIdentifier"),
        "",
    )?;
    let id = model
        .register(document, now())
        .ok_or_else(|| bad("too many hosts"))?;
    Ok(Answer::json(&json!({"id": id})))
}

fn update(model: &mut Model, id: &str, document: Value) -> Handled {
    known(model, id)?;
    let document = document::host(document).map_err(|wrong| bad(&wrong))?;
    unclaimed(
        model,
        &document["name"],
        document.get("customIdentifier"),
        id,
    )?;
    model.update(id, document);
    Ok(Answer::json(&json!({"id": id})))
}

/// Fails if another host has this custom identifier: they are unique in an organisation.
fn unclaimed(model: &Model, name: &Value, wanted: Option<&Value>, own: &str) -> Result<(), Answer> {
    let wanted = wanted.and_then(Value::as_str).unwrap_or_default();
    let mut hosts = model.hosts.values();
    let claimed =
        hosts.any(|host| host.id != own && !host.is_retired && host.custom_identifier() == wanted);
    if claimed && !wanted.is_empty() {
        Err(bad(&format!("customIdentifier of {name} is in use")))
    } else {
        Ok(())
    }
}

fn set_status(model: &mut Model, id: &str, document: &Value) -> Handled {
    let host = known(model, id)?;
    let status = document["status"].as_str().unwrap_or_default();
    if !STATUSES.contains(&status) {
        return Err(bad(&format!("no such status: {}", document["status"])));
    }
    status.clone_into(&mut host.status);
    Ok(Answer::success())
}

fn metadata(model: &mut Model, id: &str, name: &str, document: Value, bytes: usize) -> Handled {
    let host = known(model, id)?;
    if host.is_retired {
        return Err(bad("the host is retired"));
    }
    if !document::is_namespace(name) {
        return Err(bad(&format!("no namespace: {name}")));
    }
    if bytes > METADATA {
        return Err(bad("metadata too large"));
    }
    if host.metadata.len() >= NAMESPACES && !host.metadata.contains_key(name) {
        return Err(bad("too many namespaces"));
    }
    host.metadata.insert(name.to_owned(), document);
    Ok(Answer::success())
}

fn values(model: &mut Model, document: &Value) -> Handled {
    let values = document::values(document).map_err(|wrong| bad(&wrong))?;
    for value in &values {
        let host = known(model, &value.host)?;
        if host.series.len() >= SERIES && !host.series.contains_key(&value.name) {
            return Err(bad("too many metrics"));
        }
    }
    let now = now();
    for value in values {
        model.put_value(&value.host, &value.name, value.time, value.value, now);
    }
    Ok(Answer::success())
}

fn graphs(model: &mut Model, document: &Value) -> Handled {
    let graphs = document::graphs(document).map_err(|wrong| bad(&wrong))?;
    if model.graphs.len() + graphs.len() > GRAPHS {
        return Err(bad("too many graphs"));
    }
    model.graphs.extend(graphs);
    Ok(Answer::success())
}

fn reports(model: &mut Model, document: &Value) -> Handled {
    let reports = document::reports(document).map_err(|wrong| bad(&wrong))?;
    for report in &reports {
        known(
            model,
            report["source"]["hostId"].as_str().unwrap_or_default(),
        )?;
    }
    let now = now();
    for report in reports {
        model.put_report(report, now);
    }
    Ok(Answer::success())
}
