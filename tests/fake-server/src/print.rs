//! Received requests in readable form: `--print`.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::h2::Call;
use super::http::{Answer, Request, decode, reason};
use super::model::Model;
use super::otlp;
use super::table::{Table, Unit, clip, utc};
use super::values;

/// Largest number of characters of a printed text.
pub(super) const CLIP: usize = 100;

/// Prints each request when it has been answered.
pub struct Printer {
    out: Mutex<Box<dyn Write + Send>>,
    colour: bool,
}

impl Printer {
    /// `colour` is whether `out` is a terminal that supports escape sequences.
    pub fn new(out: Box<dyn Write + Send>, colour: bool) -> Printer {
        Printer {
            out: Mutex::new(out),
            colour,
        }
    }

    /// Prints a request, its answer (if any), and its content.
    pub(super) fn show(&self, request: &Request, answer: Option<&Answer>, model: &Model) {
        let head = &request.head;
        let (_, time) = utc(request.time);
        let line = format!("{time} UTC  {} {}", head.method, clip(&head.path, CLIP));
        let (colour, reply) = match answer {
            Some(answer) => (
                if answer.status < 400 { 32 } else { 31 },
                reply(answer, request),
            ),
            None => (31, "no answer".to_owned()),
        };
        let first = format!("{}  {}\n", self.paint(1, &line), self.paint(colour, &reply));
        self.print(first, describe(request, model));
    }

    /// Prints a call of OTLP over gRPC, and its content.
    pub fn show_call(&self, call: &Call) {
        let (line, lines) = otlp::call(call);
        self.print(format!("{}\n", self.paint(1, &line)), lines);
    }

    fn print(&self, first: String, lines: Vec<Line>) {
        let mut text = first;
        for line in lines {
            text.push_str(&match line {
                Line::Heading(line) => format!("  {}\n", self.paint(1, &line)),
                Line::Labels(line) => format!("    {}\n", self.paint(2, &line)),
                Line::Text(line) if line.is_empty() => "\n".to_owned(),
                Line::Text(line) => format!("    {line}\n"),
            });
        }
        text.push('\n');
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // The reader may be gone. The server goes on all the same.
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    fn paint(&self, code: u8, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A printed line by its kind.
pub(super) enum Line {
    Heading(String),
    /// Names of columns.
    Labels(String),
    Text(String),
}

/// An empty line, then a table's lines. The first line of the table names the columns.
pub(super) fn labelled(table: &Table) -> Vec<Line> {
    let mut lines = table.lines().into_iter();
    let labels = lines.next().map(Line::Labels);
    let blank = Line::Text(String::new());
    let start = std::iter::once(blank).chain(labels);
    start.chain(lines.map(Line::Text)).collect()
}

/// Lines as they are.
pub(super) fn texts(lines: Vec<String>) -> impl Iterator<Item = Line> {
    lines.into_iter().map(Line::Text)
}

fn reply(answer: &Answer, request: &Request) -> String {
    let mut text = format!("{} {}", answer.status, reason(answer.status));
    let document = serde_json::from_slice::<Value>(&answer.body).unwrap_or(Value::Null);
    if let Some(message) = document["error"]["message"].as_str() {
        text.push_str(&format!(": {}", clip(message, CLIP)));
    }
    if request.is("POST", "/api/v0/hosts")
        && let Some(id) = document["id"].as_str()
    {
        text.push_str(&format!(": registered as {id}"));
    }
    text
}

fn describe(request: &Request, model: &Model) -> Vec<Line> {
    let head = &request.head;
    let document = request.json();
    let path = decode(head.path.trim_start_matches("/api/v0/"), false);
    let segments: Vec<&str> = path.split('/').collect();
    match (head.method.as_str(), segments.as_slice()) {
        ("POST", ["hosts"]) => host(&document, ""),
        ("PUT", ["hosts", id]) => host(&document, id),
        ("POST", ["hosts", id, "status"]) => {
            let status = clip(document["status"].as_str().unwrap_or("?"), CLIP);
            vec![Line::Heading(format!("{} is {status}", name(model, id)))]
        }
        ("POST", ["hosts", id, "retire"]) => {
            vec![Line::Heading(format!("{} is retired", name(model, id)))]
        }
        ("PUT", ["hosts", id, "metadata", space]) => vec![
            Line::Heading(format!("{}: metadata {space}", name(model, id))),
            Line::Text(clip(&document.to_string(), CLIP)),
        ],
        ("POST", ["tsdb"]) => values::lines(&document, model),
        ("POST", ["graph-defs", "create"]) => graphs(&document),
        ("POST", ["monitoring", "checks", "report"]) => reports(&document, model),
        ("POST", ["", "v1", "metrics"]) => otlp::lines(&request.body),
        _ => Vec::new(),
    }
}

/// The name of a host, with its id.
pub(super) fn name(model: &Model, id: &str) -> String {
    let host = model.hosts.get(id);
    clip(
        &format!("{} ({id})", host.map_or("?", |host| host.name())),
        CLIP,
    )
}

fn words<'a>(document: &'a Value, key: &str) -> Vec<&'a str> {
    let array = document[key].as_array().into_iter().flatten();
    array.filter_map(Value::as_str).collect()
}

fn host(document: &Value, id: &str) -> Vec<Line> {
    let text = |value: &Value| clip(value.as_str().unwrap_or_default(), CLIP);
    let meta = &document["meta"];
    let kernel = &meta["kernel"];
    let kib = |key: &str| {
        let digits = meta["memory"][key].as_str().unwrap_or("0");
        let kib = digits.trim_end_matches("kB").parse::<f64>().unwrap_or(0.0);
        Unit::Bytes.show(kib * 1024.0)
    };
    let mut facts = Table::default();
    let mut fact = |label: &str, value: String| {
        if !value.trim().is_empty() {
            facts.row([label.to_owned(), value]);
        }
    };
    fact("id", id.to_owned());
    fact("display name", text(&document["displayName"]));
    fact("identifier", text(&document["customIdentifier"]));
    fact("agent", text(&meta["agent-name"]));
    let joined = |keys: [&str; 2]| keys.map(|key| text(&kernel[key])).join(" ");
    fact("platform", joined(["platform_name", "platform_version"]));
    let system = joined(["name", "release"]);
    fact("kernel", format!("{system} {}", text(&kernel["machine"])));
    for (model, count) in processors(&meta["cpu"]) {
        fact("cpu", format!("{count} x {model}"));
    }
    if meta["memory"].is_object() {
        let (total, swap) = (kib("total"), kib("swap_total"));
        fact("memory", format!("{total}, swap {swap}"));
    }
    fact("cloud", text(&meta["cloud"]["provider"]));
    fact("roles", words(document, "roleFullnames").join(", "));
    let checks: Vec<&str> = document["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|check| check["name"].as_str())
        .collect();
    fact("checks", checks.join(", "));

    let mut lines = vec![Line::Heading(text(&document["name"]))];
    lines.extend(texts(facts.lines()));
    lines.extend(filesystems(&meta["filesystem"]));
    lines.extend(interfaces(&document["interfaces"]));
    lines
}

/// Processor models, with the number of each.
fn processors(cpus: &Value) -> BTreeMap<String, usize> {
    let mut models = BTreeMap::new();
    for cpu in cpus.as_array().into_iter().flatten() {
        let of = |key: &str| cpu[key].as_str().unwrap_or_default();
        let mut model = clip(of("model_name"), CLIP);
        if model.is_empty() {
            model = clip(of("vendor_id"), CLIP);
        }
        if let Ok(mhz) = of("mhz").parse::<f64>() {
            model.push_str(&format!(", {mhz:.0} MHz"));
        }
        *models.entry(model).or_insert(0) += 1;
    }
    models
}

fn filesystems(filesystems: &Value) -> Vec<Line> {
    let mut table = Table::new([1, 2, 3, 4]);
    table.row(["filesystem", "size", "used", "available", "use", "mount"]);
    let Some(filesystems) = filesystems.as_object().filter(|all| !all.is_empty()) else {
        return Vec::new();
    };
    for (device, facts) in filesystems {
        let kib = |key: &str| Unit::Bytes.show(facts[key].as_f64().unwrap_or(0.0) * 1024.0);
        let text = |key: &str| clip(facts[key].as_str().unwrap_or_default(), CLIP);
        let sizes = ["kb_size", "kb_used", "kb_available"].map(kib);
        let rest = ["percent_used", "mount"].map(text);
        table.row([clip(device, CLIP)].into_iter().chain(sizes).chain(rest));
    }
    labelled(&table)
}

fn interfaces(interfaces: &Value) -> Vec<Line> {
    let mut table = Table::default();
    table.row(["interface", "mac address", "addresses"]);
    let Some(interfaces) = interfaces.as_array().filter(|all| !all.is_empty()) else {
        return Vec::new();
    };
    for interface in interfaces {
        let text = |key: &str| clip(interface[key].as_str().unwrap_or("-"), CLIP);
        let mut addresses = words(interface, "ipv4Addresses");
        addresses.extend(words(interface, "ipv6Addresses"));
        table.row([text("name"), text("macAddress"), addresses.join(", ")]);
    }
    labelled(&table)
}

fn reports(document: &Value, model: &Model) -> Vec<Line> {
    let mut table = Table::default();
    table.row(["time (UTC)", "status", "check", "host", "message"]);
    for report in document["reports"].as_array().into_iter().flatten() {
        let of = |value: &Value| clip(value.as_str().unwrap_or("?"), CLIP);
        let (_, time) = utc(report["occurredAt"].as_u64().unwrap_or(0));
        let host = report["source"]["hostId"].as_str().unwrap_or("?");
        let (status, check) = (of(&report["status"]), of(&report["name"]));
        let message = of(&report["message"]);
        table.row([time, status, check, name(model, host), message]);
    }
    labelled(&table)
}

fn graphs(document: &Value) -> Vec<Line> {
    let mut table = Table::default();
    table.row(["graph", "label", "unit", "metrics"]);
    for graph in document.as_array().into_iter().flatten() {
        let of = |value: &Value| clip(value.as_str().unwrap_or(""), CLIP);
        let metrics: Vec<&str> = graph["metrics"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|metric| {
                let name = metric["name"].as_str().unwrap_or("?");
                name.rsplit('.').next().unwrap_or(name)
            })
            .collect();
        let (name, label) = (of(&graph["name"]), of(&graph["displayName"]));
        table.row([name, label, of(&graph["unit"]), metrics.join(", ")]);
    }
    labelled(&table)
}
