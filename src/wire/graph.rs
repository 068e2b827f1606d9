//! `POST /api/v0/graph-defs/create`: an array of [`GraphDef`]. The definitions describe how custom
//! metrics are displayed. A definition replaces the one with the same name.

use serde::Serialize;

/// One graph.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GraphDef<'a> {
    /// `custom.` and segments of `[-a-zA-Z0-9_]+`, `*` or `#`, e.g. `custom.query.#`.
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) display_name: &'a str,
    /// `float`, `integer`, `percentage`, `seconds`, `milliseconds`, `bytes`, `bytes/sec`,
    /// `bits/sec` or `iops`
    pub(crate) unit: &'a str,
    /// `None`, which is sent as `null`, if there are no metrics.
    pub(crate) metrics: Option<Vec<GraphMetric<'a>>>,
}

/// One line of a graph.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GraphMetric<'a> {
    /// The graph's name and one more segment.
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) display_name: &'a str,
    pub(crate) is_stacked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_like_the_documented_request() {
        let metric = |name, display_name, is_stacked| GraphMetric {
            name,
            display_name,
            is_stacked,
        };
        let body = [
            GraphDef {
                name: "custom.cpu.foo",
                display_name: "CPU",
                unit: "percentage",
                metrics: Some(vec![
                    metric("custom.cpu.foo.user", "CPU user", true),
                    metric("custom.cpu.foo.idle", "", false),
                ]),
            },
            GraphDef {
                name: "custom.wild.#",
                display_name: "",
                unit: "float",
                metrics: None,
            },
        ];
        let golden = include_str!("../../tests/golden/graph-defs.json");
        assert_eq!(
            serde_json::to_string_pretty(&body).unwrap(),
            golden.trim_end()
        );
    }
}
