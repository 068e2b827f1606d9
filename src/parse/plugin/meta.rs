//! Graph definitions of a plugin: a line `# mackerel-agent-plugin`, then a JSON document.

use std::error::Error;
use std::fmt;

use crate::base::json::{Json, JsonError};

/// The first line, after `#` and blanks.
const HEADER: &str = "mackerel-agent-plugin";
/// The only supported version of the document.
const VERSION: &str = "1";
/// Prefix of the names of graphs and metrics.
const PREFIX: &str = "custom.";
/// The unit of a graph without one.
const UNIT: &str = "float";
/// Maximum size of the graph definitions of one plugin, in bytes. It covers names, labels and
/// units, and [`PART`] more per graph and metric. A graph's name counts once per metric, because
/// the metrics' names contain it.
const LIMIT: usize = 256 << 10;
/// Approximate size of a graph or metric without its texts, in bytes.
const PART: usize = 64;

/// A graph as described by the plugin. Its names and unit are not checked against the API's rules.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Graph {
    /// Begins with `custom.`.
    pub(crate) name: String,
    /// Empty if missing.
    pub(crate) label: String,
    pub(crate) unit: String,
    /// In the plugin's order; may be empty.
    pub(crate) metrics: Vec<Metric>,
}

impl Graph {
    /// Approximate size in memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let texts = self.name.len() + self.label.len() + self.unit.len();
        let bytes = |metric: &Metric| metric.name.len() + metric.label.len() + PART;
        PART + texts + self.metrics.iter().map(bytes).sum::<usize>()
    }
}

/// A metric of a graph.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Metric {
    /// Begins with the graph's name and a dot.
    pub(crate) name: String,
    /// Empty if missing.
    pub(crate) label: String,
    pub(crate) is_stacked: bool,
}

/// Parses the graph definitions that a plugin prints, sorted by name.
///
/// Keys are case-insensitive. Unknown keys and text after the document are ignored. Fails if there
/// is no header or its version is not supported, if the document has another structure, or if it
/// exceeds [`LIMIT`].
pub(crate) fn graphs(text: &str) -> Result<Vec<Graph>, MetaError> {
    let (header, document) = text.split_once('\n').ok_or(MetaError::NoHeader)?;
    let version = version(header).ok_or(MetaError::NoHeader)?;
    if version != VERSION {
        return Err(MetaError::Version(version.to_owned()));
    }
    let document = Json::parse_first(document).map_err(MetaError::Json)?;
    let found = object(&document, "document")?;
    let Some(graphs) = found.member("graphs") else {
        return Ok(Vec::new());
    };
    let Json::Object(graphs) = object(graphs, "graphs")? else {
        return Ok(Vec::new());
    };
    let mut room = LIMIT;
    let mut all = Vec::new();
    for (name, described) in graphs {
        all.push(graph(name, described, &mut room)?);
    }
    Ok(all)
}

/// The version in the header line, [`VERSION`] if it has none. `None` if the line is not a header.
fn version(line: &str) -> Option<&str> {
    let blanks = ['\t', '\n', '\x0c', '\r', ' '];
    let rest = line
        .strip_prefix('#')?
        .trim_start_matches(blanks)
        .strip_prefix(HEADER)?;
    if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    let settings = rest.split_whitespace().map(|setting| {
        let mut halves = setting.split('=');
        (halves.next(), halves.next().unwrap_or_default())
    });
    let mut versions = settings.filter(|(key, _)| *key == Some("version"));
    Some(versions.next_back().map_or(VERSION, |(_, version)| version))
}

/// Subtracts a graph or a metric with `bytes` of text from `room`; fails if it does not fit.
fn take(room: &mut usize, bytes: usize) -> Result<(), MetaError> {
    *room = room.checked_sub(bytes + PART).ok_or(MetaError::TooLarge)?;
    Ok(())
}

fn graph(name: &str, described: &Json, room: &mut usize) -> Result<Graph, MetaError> {
    let described = object(described, "graph")?;
    let name = [PREFIX, name].concat();
    let label = text(described, "label")?;
    let mut unit = text(described, "unit")?;
    if unit.is_empty() {
        UNIT.clone_into(&mut unit);
    }
    take(room, name.len() + label.len() + unit.len())?;
    let mut metrics = Vec::new();
    match described.member("metrics") {
        Some(Json::List(list)) => {
            for described in list {
                metrics.push(metric(&name, described, room)?);
            }
        }
        Some(_) => return Err(MetaError::Type("metrics", "a list")),
        None => {}
    }
    Ok(Graph {
        label,
        unit,
        metrics,
        name,
    })
}

fn metric(graph: &str, described: &Json, room: &mut usize) -> Result<Metric, MetaError> {
    let described = object(described, "metric")?;
    let (name, label) = (text(described, "name")?, text(described, "label")?);
    take(room, graph.len() + name.len() + label.len())?;
    Ok(Metric {
        name: [graph, ".", &name].concat(),
        label,
        is_stacked: match described.member("stacked") {
            Some(Json::Bool(is_stacked)) => *is_stacked,
            Some(_) => return Err(MetaError::Type("stacked", "true or false")),
            None => false,
        },
    })
}

/// Returns `value` if it is an object or null, which counts as an empty object.
fn object<'a>(value: &'a Json, what: &'static str) -> Result<&'a Json, MetaError> {
    match value {
        Json::Object(_) | Json::Null => Ok(value),
        _ => Err(MetaError::Type(what, "an object")),
    }
}

/// The text member `name`; empty if missing.
fn text(of: &Json, name: &'static str) -> Result<String, MetaError> {
    match of.member(name) {
        Some(Json::Text(text)) => Ok(text.clone()),
        Some(_) => Err(MetaError::Type(name, "a text")),
        None => Ok(String::new()),
    }
}

/// Reasons why a plugin's output has no usable graph definitions.
#[derive(Debug)]
pub(crate) enum MetaError {
    /// The header is missing. Many plugins print no header.
    NoHeader,
    /// The header has this unsupported version.
    Version(String),
    /// No valid JSON follows the header.
    Json(JsonError),
    /// A value in the document has the wrong type: what, and the expected type.
    Type(&'static str, &'static str),
    /// The definitions exceed [`LIMIT`].
    TooLarge,
}

impl MetaError {
    /// Whether the plugin has no graph definitions for this agent, in contrast to broken ones.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, MetaError::NoHeader | MetaError::Version(_))
    }
}

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetaError::NoHeader => write!(f, "graph definitions: no line \"# {HEADER}\""),
            MetaError::Version(version) => write!(
                f,
                "graph definitions: version \"{version}\" is not supported"
            ),
            MetaError::Json(_) => f.write_str("graph definitions: no JSON"),
            MetaError::Type(what, wanted) => {
                write!(f, "graph definitions: {what} is not {wanted}")
            }
            MetaError::TooLarge => f.write_str(
                "graph definitions: more than 256 KiB; shorten names, or define fewer metrics",
            ),
        }
    }
}

impl Error for MetaError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            MetaError::Json(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;

    const MYSQL: &str = r#"# mackerel-agent-plugin version=1
{
  "graphs": {
    "query": {
      "label": "MySQL query",
      "unit": "integer",
      "metrics": [
        { "name": "foo1", "label": "Foo-1" },
        { "name": "foo2", "label": "Foo-2", "stacked": true }
      ]
    },
    "memory": {
      "label": "MySQL memory",
      "unit": "float",
      "metrics": [ { "name": "bar1", "label": "Bar-1" }, { "name": "bar2", "label": "Bar-2" } ]
    }
  }
}
"#;

    /// One graph per line.
    fn shown(text: &str) -> Vec<String> {
        let metric = |metric: &Metric| {
            let stacked = if metric.is_stacked { "+" } else { "" };
            format!(" {}:{}{stacked}", metric.name, metric.label)
        };
        let graph = |graph: Graph| {
            let metrics: String = graph.metrics.iter().map(metric).collect();
            format!("{}:{}:{}{metrics}", graph.name, graph.label, graph.unit)
        };
        graphs(text).unwrap().into_iter().map(graph).collect()
    }

    fn error(text: &str) -> String {
        base::report(&graphs(text).unwrap_err())
    }

    #[test]
    fn reads_the_definitions_of_a_plugin() {
        let expected = [
            "custom.memory:MySQL memory:float custom.memory.bar1:Bar-1 custom.memory.bar2:Bar-2",
            "custom.query:MySQL query:integer custom.query.foo1:Foo-1 custom.query.foo2:Foo-2+",
        ];
        assert_eq!(shown(MYSQL), expected);
    }

    #[test]
    fn missing_members_have_defaults_and_unknown_ones_are_ignored() {
        // (why this row exists, document, graphs)
        let table: [(_, _, &[&str]); 9] = [
            ("nothing", "{}", &[]),
            ("null", "null", &[]),
            ("no graphs", r#"{"graphs":null}"#, &[]),
            (
                "a graph of nothing",
                r#"{"graphs":{"two":null}}"#,
                &["custom.two::float"],
            ),
            (
                "no unit",
                r#"{"graphs":{"two":{"label":"L","metrics":[{"name":"a"}]}}}"#,
                &["custom.two:L:float custom.two.a:"],
            ),
            (
                "wildcards",
                r##"{"graphs":{"a.#":{"unit":"","metrics":[{"name":"*","stacked":true}]}}}"##,
                &["custom.a.#::float custom.a.#.*:+"],
            ),
            (
                "other letters",
                r#"{"Graphs":{"A":{"LABEL":"L","Unit":"bytes","METRICS":[{"NAME":"b","Stacked":false}]}}}"#,
                &["custom.A:L:bytes custom.A.b:"],
            ),
            (
                "more than is known",
                r#"{"graphs":{"a":{"metrics":[{"name":"b","diff":1,"type":[]}],"x":{}}},"y":0}"#,
                &["custom.a::float custom.a.b:"],
            ),
            (
                "something after it",
                "{\"graphs\":{\"a\":{}}}\ngarbage",
                &["custom.a::float"],
            ),
        ];
        for (why, document, expected) in table {
            assert_eq!(
                shown(&format!("# mackerel-agent-plugin\n{document}")),
                expected,
                "{why}"
            );
        }
    }

    #[test]
    fn header_is_required() {
        let headers = [
            "# mackerel-agent-plugin",
            "#mackerel-agent-plugin",
            "#\t mackerel-agent-plugin\r",
            "# mackerel-agent-plugin version=1 other=2",
            "# mackerel-agent-plugin version=1=2 ",
            "# mackerel-agent-plugin version=2 version=1",
            "# mackerel-agent-plugin-of-mine",
            "# mackerel-agent-plugin: version=1",
        ];
        for header in headers {
            assert!(graphs(&format!("{header}\n{{}}")).is_ok(), "{header}");
        }
        let others = [
            "",
            "mackerel-agent-plugin",
            " # mackerel-agent-plugin",
            "## mackerel-agent-plugin",
            "# mackerel-agent-plugins",
            "# mackerel-agent-plugin_x",
            "# Mackerel-agent-plugin",
            "#!/bin/sh",
        ];
        for header in others {
            let error = graphs(&format!("{header}\n{{}}")).unwrap_err();
            assert!(error.is_absence(), "{header}");
            assert_eq!(
                error.to_string(),
                "graph definitions: no line \"# mackerel-agent-plugin\""
            );
        }
        // A header without a line feed is not a line.
        assert!(graphs("# mackerel-agent-plugin").unwrap_err().is_absence());
        assert!(
            graphs("foo.bar 1 1\nfoo.baz 2 1\n")
                .unwrap_err()
                .is_absence()
        );
    }

    #[test]
    fn header_with_another_version_is_rejected() {
        for version in ["666", "", "1.0", "01"] {
            let text = format!("# mackerel-agent-plugin version={version}\n{{}}");
            let error = graphs(&text).unwrap_err();
            assert!(error.is_absence());
            let expected = format!("graph definitions: version \"{version}\" is not supported");
            assert_eq!(error.to_string(), expected);
        }
        assert!(graphs("# mackerel-agent-plugin version\n{}").is_err());
    }

    #[test]
    fn broken_document_is_not_reported_as_missing() {
        let table = [
            ("", "no JSON: EOF while parsing a value at line 1 column 0"),
            ("graphs", "no JSON: expected value at line 1 column 1"),
            ("[]", "document is not an object"),
            (r#"{"graphs":[]}"#, "graphs is not an object"),
            (r#"{"graphs":{"a":1}}"#, "graph is not an object"),
            (r#"{"graphs":{"a":{"label":1}}}"#, "label is not a text"),
            (r#"{"graphs":{"a":{"unit":[]}}}"#, "unit is not a text"),
            (
                r#"{"graphs":{"a":{"metrics":{}}}}"#,
                "metrics is not a list",
            ),
            (
                r#"{"graphs":{"a":{"metrics":["b"]}}}"#,
                "metric is not an object",
            ),
            (
                r#"{"graphs":{"a":{"metrics":[{"name":1}]}}}"#,
                "name is not a text",
            ),
            (
                r#"{"graphs":{"a":{"metrics":[{"stacked":"yes"}]}}}"#,
                "stacked is not true or false",
            ),
        ];
        for (document, expected) in table {
            let text = format!("# mackerel-agent-plugin\n{document}");
            assert!(!graphs(&text).unwrap_err().is_absence(), "{document}");
            assert_eq!(error(&text), format!("graph definitions: {expected}"));
        }
    }

    #[test]
    fn graph_definitions_are_limited_in_bytes() {
        let define = |graphs: &str| graphs_of(&format!("{{\"graphs\":{{{graphs}}}}}"));
        let long = "x".repeat(LIMIT / 8);
        // (why this row exists, graphs, whether they are accepted)
        let table = [
            (
                "large, as hosts with many devices have it",
                metrics("g", 2_000, ""),
                true,
            ),
            (
                "many metrics without a name",
                metrics("g", 10_000, ""),
                false,
            ),
            (
                "a long label",
                format!("\"g\":{{\"label\":\"{}\"}}", "x".repeat(LIMIT)),
                false,
            ),
            (
                "a long unit",
                format!("\"g\":{{\"unit\":\"{}\"}}", "x".repeat(LIMIT)),
                false,
            ),
            (
                "a long name of a graph",
                format!("\"{}\":{{}}", "x".repeat(LIMIT)),
                false,
            ),
            ("a long name, a few times", metrics(&long, 4, ""), true),
            (
                "a long name that each metric repeats",
                metrics(&long, 10, ""),
                false,
            ),
            ("long labels of metrics", metrics("g", 10, &long), false),
            (
                "many graphs",
                (0..10_000)
                    .map(|g| format!("\"{g}\":{{}}"))
                    .collect::<Vec<_>>()
                    .join(","),
                false,
            ),
        ];
        for (why, graphs, is_taken) in table {
            match define(&graphs) {
                Ok(_) => assert!(is_taken, "{why}"),
                Err(error) => {
                    assert!(
                        !is_taken && error.to_string().contains("256 KiB"),
                        "{why}: {error}"
                    );
                }
            }
        }
    }

    fn graphs_of(document: &str) -> Result<Vec<Graph>, MetaError> {
        graphs(&format!("# mackerel-agent-plugin\n{document}"))
    }

    /// A graph with `count` metrics of this label.
    fn metrics(graph: &str, count: usize, label: &str) -> String {
        let metrics: Vec<String> = (0..count)
            .map(|_| format!("{{\"name\":\"m\",\"label\":\"{label}\"}}"))
            .collect();
        format!("\"{graph}\":{{\"metrics\":[{}]}}", metrics.join(","))
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(MYSQL, |text| drop(graphs(text)));
    }
}
