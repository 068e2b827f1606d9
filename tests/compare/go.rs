//! Compares the output of two agents, field by field.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Fields that must differ.
const OWN: [&str; 4] = [
    ".host.meta.agent-name",
    ".host.meta.agent-version",
    ".host.meta.agent-revision",
    ".metrics.Created",
];
/// Tolerance between two numbers that change, as a share of the larger one. Totals and sizes must
/// be equal.
const MOVES: f64 = 0.3;
/// Parts of the paths of numbers that may differ by any amount: rates over different seconds,
/// frequencies of processors, pages that wait to be written.
const ANY: [&str; 6] = [
    ".delta",
    ".percentage",
    ".mhz",
    ".dirty",
    ".writeback",
    ".loadavg",
];

/// The result of a comparison: the number of fields, and the paths of those that differ.
pub(crate) struct Outcome {
    pub(crate) fields: usize,
    pub(crate) differences: BTreeMap<String, String>,
}

/// Compares the output of the Go agent with this agent's, field by field.
pub(crate) fn compare(ours: &Value, go: &Value) -> Outcome {
    let mut outcome = Outcome {
        fields: 0,
        differences: BTreeMap::new(),
    };
    walk("", ours, go, &mut outcome);
    outcome
}

impl Outcome {
    /// Keeps only differences that another comparison has too.
    pub(crate) fn keep(&mut self, other: &Outcome) {
        self.differences
            .retain(|path, _| other.differences.contains_key(path));
    }
}

fn walk(path: &str, ours: &Value, go: &Value, outcome: &mut Outcome) {
    match (ours, go) {
        (Value::Object(ours), Value::Object(go)) => {
            let mut keys: Vec<_> = ours.keys().chain(go.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                walk(&format!("{path}.{key}"), &of(ours), &of(go), outcome);
            }
        }
        (Value::Array(ours), Value::Array(go)) => {
            let (ours, go) = (sorted(ours), sorted(go));
            for at in 0..ours.len().max(go.len()) {
                let of = |all: &[Value]| all.get(at).cloned().unwrap_or_default();
                walk(&format!("{path}[{at}]"), &of(&ours), &of(&go), outcome);
            }
        }
        _ => {
            outcome.fields += 1;
            if !OWN.contains(&path) && !is_same(path, ours, go) {
                let text = format!("{path}: this agent says {ours}, the Go agent {go}");
                outcome.differences.insert(path.to_owned(), text);
            }
        }
    }
}

/// Sorts interfaces and addresses, which the Go agent prints in no order. Processors have no name,
/// and keep their order.
fn sorted(all: &[Value]) -> Vec<Value> {
    let mut all = all.to_vec();
    all.sort_by_key(|value| match value {
        Value::String(text) => text.clone(),
        _ => value["name"].to_string(),
    });
    all
}

fn is_same(path: &str, ours: &Value, go: &Value) -> bool {
    let is_any = ANY.iter().any(|part| path.contains(part));
    match (number(ours), number(go)) {
        (Some(_), Some(_)) if is_any => true,
        (Some(ours), Some(go)) if path.contains("total") || path.contains("size") => ours == go,
        (Some(ours), Some(go)) => (ours - go).abs() <= MOVES * ours.abs().max(go.abs()),
        _ => ours == go,
    }
}

/// A number, or a text that begins with one, as in `/proc/meminfo`.
fn number(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text,
        _ => return None,
    };
    let digits = text.trim_end_matches("kB").trim_end_matches('%');
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn compare_tells_what_moves_from_what_differs() {
        // (why, this agent, the Go agent, the paths that differ)
        let table: [(&str, Value, Value, &[&str]); 9] = [
            (
                "an agent's own words differ",
                json!({"host": {"meta": {"agent-name": "a", "agent-version": "1"}}}),
                json!({"host": {"meta": {"agent-name": "b", "agent-version": "2"}}}),
                &[],
            ),
            (
                "the frequency of a processor changes at any time",
                json!({"cpu": [{"mhz": "800.000"}]}),
                json!({"cpu": [{"mhz": "3500.123"}]}),
                &[],
            ),
            (
                "pages are written meanwhile",
                json!({"memory": {"dirty": "8kB", "writeback": "0kB"}}),
                json!({"memory": {"dirty": "9000kB", "writeback": "12kB"}}),
                &[],
            ),
            (
                "the load of an idle machine grows by the comparison itself",
                json!({"Values": {"loadavg1": {"Value": 0.01}}}),
                json!({"Values": {"loadavg1": {"Value": 0.3}}}),
                &[],
            ),
            (
                "a rate has to be there",
                json!({"cpu.user.percentage": 3}),
                json!({}),
                &[".cpu.user.percentage"],
            ),
            (
                "a size does not move",
                json!({"memory": {"total": "100kB"}}),
                json!({"memory": {"total": "101kB"}}),
                &[".memory.total"],
            ),
            (
                "used memory moves a little, and not by half",
                json!({"used": 100, "free": 100}),
                json!({"used": 120, "free": 200}),
                &[".free"],
            ),
            (
                "interfaces and their addresses have no order",
                json!([{"name": "b", "ips": ["1", "2"]}, {"name": "a", "ips": []}]),
                json!([{"name": "a", "ips": []}, {"name": "b", "ips": ["2", "1"]}]),
                &[],
            ),
            (
                "one has an identifier of a cloud",
                json!({"host": {"customIdentifier": null}}),
                json!({"host": {"customIdentifier": "i-1.ec2.amazonaws.com"}}),
                &[".host.customIdentifier"],
            ),
        ];
        for (why, ours, go, expected) in table {
            let outcome = compare(&ours, &go);
            let found: Vec<_> = outcome.differences.keys().collect();
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn compare_keeps_what_differs_each_time() {
        let (ours, go) = (json!({"a": 1, "b": "x"}), json!({"a": 2, "b": "y"}));
        let mut outcome = compare(&ours, &go);
        outcome.keep(&compare(&json!({"a": 2, "b": "x"}), &go));
        assert_eq!(outcome.differences.keys().collect::<Vec<_>>(), [".b"]);
    }
}
