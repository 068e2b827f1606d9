//! Two agents side by side, field by field.

use serde_json::Value;

/// Fields in which they have to differ.
const OWN: [&str; 4] = [
    ".host.meta.agent-name",
    ".host.meta.agent-version",
    ".host.meta.agent-revision",
    ".metrics.Created",
];
/// Differences between two numbers that move, as a share of the larger. Totals and sizes do not.
const MOVES: f64 = 0.3;

/// Prints in which fields the Go agent says something else, and returns whether there are any. Rates
/// cover different seconds: they only have to be there.
pub(crate) fn compare(ours: &Value, go: &Value) -> bool {
    let mut fields = 0;
    let mut differences = Vec::new();
    walk("", ours, go, &mut fields, &mut differences);
    println!(
        "{:<40} {:>5} equal",
        "fields, of the Go agent's once",
        fields - differences.len()
    );
    for difference in &differences {
        println!("{difference}");
    }
    !differences.is_empty()
}

fn walk(path: &str, ours: &Value, go: &Value, fields: &mut usize, differences: &mut Vec<String>) {
    match (ours, go) {
        (Value::Object(ours), Value::Object(go)) => {
            let mut keys: Vec<_> = ours.keys().chain(go.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or_default()
                };
                walk(
                    &format!("{path}.{key}"),
                    &of(ours),
                    &of(go),
                    fields,
                    differences,
                );
            }
        }
        (Value::Array(ours), Value::Array(go)) => {
            // The Go agent's interfaces come in no order.
            let sorted = |all: &[Value]| {
                let mut all = all.to_vec();
                all.sort_by_key(|value| value["name"].to_string());
                all
            };
            let (ours, go) = (sorted(ours), sorted(go));
            for at in 0..ours.len().max(go.len()) {
                let of = |all: &[Value]| all.get(at).cloned().unwrap_or_default();
                walk(
                    &format!("{path}[{at}]"),
                    &of(&ours),
                    &of(&go),
                    fields,
                    differences,
                );
            }
        }
        _ => {
            *fields += 1;
            if !OWN.contains(&path) && !is_same(path, ours, go) {
                differences.push(format!("{path}: this agent says {ours}, the Go agent {go}"));
            }
        }
    }
}

fn is_same(path: &str, ours: &Value, go: &Value) -> bool {
    let is_rate = path.contains(".delta") || path.contains(".percentage");
    match (number(ours), number(go)) {
        (Some(_), Some(_)) if is_rate => true,
        (Some(ours), Some(go)) if path.contains("total") || path.contains("size") => ours == go,
        (Some(ours), Some(go)) => (ours - go).abs() <= MOVES * ours.abs().max(go.abs()),
        _ => ours == go,
    }
}

/// A number, or a text that begins with one, as those of `/proc/meminfo` do.
fn number(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text,
        _ => return None,
    };
    let digits = text.trim_end_matches("kB").trim_end_matches('%');
    digits.parse().ok()
}
