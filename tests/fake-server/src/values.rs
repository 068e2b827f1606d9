//! Posted values as tables: `--print`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::model::Model;
use super::print::{CLIP, Line, labelled, name, texts};
use super::table::{Table, Unit, clip, utc};

/// Pairs of name and value on one line.
const PAIRS: usize = 4;

/// Values by host and minute, each group of metrics in the layout that suits it.
pub(super) fn lines(document: &Value, model: &Model) -> Vec<Line> {
    let mut rounds: BTreeMap<(u64, &str), BTreeMap<&str, f64>> = BTreeMap::new();
    for value in document.as_array().into_iter().flatten() {
        let of = |key: &str| value[key].as_str().unwrap_or("?");
        let time = value["time"].as_u64().unwrap_or(0);
        let round = rounds.entry((time, of("hostId"))).or_default();
        round.insert(of("name"), value["value"].as_f64().unwrap_or(f64::NAN));
    }
    let mut lines = Vec::new();
    for ((time, host), round) in &rounds {
        let (date, clock) = utc(*time);
        let host = name(model, host);
        let count = round.len();
        lines.push(Line::Heading(format!(
            "{date} {clock} UTC  {count} values of {host}"
        )));
        lines.extend(groups(round, model));
    }
    lines
}

fn groups(round: &BTreeMap<&str, f64>, model: &Model) -> Vec<Line> {
    let cells = |prefix: &str, suffix: &str, unit: Unit| -> Vec<(String, String)> {
        let named = round.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
            Some((name.to_owned(), unit.show(*value)))
        });
        named.collect()
    };
    let mut load = cells("loadavg", "", Unit::Number);
    load.sort_by_key(|(minutes, _)| minutes.parse().unwrap_or(0_u32));
    for (minutes, _) in &mut load {
        minutes.push_str(" min");
    }
    let mut lines = Vec::new();
    for (title, cells) in [
        ("load average", load),
        ("cpu", cells("cpu.", ".percentage", Unit::Percent)),
        ("memory", cells("memory.", "", Unit::Bytes)),
    ] {
        lines.extend(grid(title, &cells));
    }
    let rate = Unit::BytesPerSecond;
    let count = Unit::OperationsPerSecond;
    lines.extend(pivot(round, "filesystem", ["used", "size"], Unit::Bytes));
    let disk = ["reads.delta", "writes.delta"];
    lines.extend(pivot(round, "disk", disk, count));
    let interface = ["rxBytes.delta", "txBytes.delta"];
    lines.extend(pivot(round, "interface", interface, rate));

    let built_in = |name: &str| {
        let groups = ["cpu", "memory", "filesystem", "disk", "interface"];
        name.starts_with("loadavg") || groups.contains(&name.split('.').next().unwrap_or(""))
    };
    let mut others = Table::new([1]);
    others.row(["other", "value"]);
    let mut rest = round.iter().filter(|(name, _)| !built_in(name)).peekable();
    if rest.peek().is_some() {
        for (name, value) in rest {
            let unit = model.unit(name).map_or(Unit::Number, Unit::named);
            others.row([clip(name, CLIP), unit.show(*value)]);
        }
        lines.extend(labelled(&others));
    }
    lines
}

/// `group.ROW.COLUMN`, a row for each thing measured. Filesystems also get their share in use.
fn pivot(round: &BTreeMap<&str, f64>, group: &str, columns: [&str; 2], unit: Unit) -> Vec<Line> {
    let rows: BTreeSet<&str> = round
        .keys()
        .filter_map(|name| {
            let rest = name.strip_prefix(group)?.strip_prefix('.')?;
            Some(rest.split_once('.')?.0)
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new([1, 2, 3]);
    let labels = columns.map(|column| column.trim_end_matches(".delta"));
    let share = (group == "filesystem").then_some("use");
    table.row([group].into_iter().chain(labels).chain(share));
    for row in rows {
        let found = columns.map(|column| round.get(format!("{group}.{row}.{column}").as_str()));
        let mut cells = vec![clip(row, CLIP)];
        cells.extend(found.map(|value| value.map_or("-".to_owned(), |value| unit.show(*value))));
        if let (Some(_), [Some(used), Some(size)]) = (share, found) {
            cells.push(Unit::Percent.show(used * 100.0 / size));
        }
        table.row(cells);
    }
    labelled(&table)
}

/// Names and values side by side, below a title. Empty if there are none.
fn grid(title: &str, cells: &[(String, String)]) -> Vec<Line> {
    if cells.is_empty() {
        return Vec::new();
    }
    let right: Vec<usize> = (0..PAIRS).map(|pair| 2 * pair + 1).collect();
    let mut table = Table::new(right);
    for line in cells.chunks(PAIRS) {
        let cells = line.iter();
        table.row(cells.flat_map(|(name, value)| [format!("  {name}"), value.clone()]));
    }
    let start = [Line::Text(String::new()), Line::Labels(title.to_owned())];
    start.into_iter().chain(texts(table.lines())).collect()
}
