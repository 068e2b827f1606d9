//! The readings of one second as lines of text, for a terminal. They are read from the data of the
//! events of the live page, so that both show the same.

mod lists;
mod text;

use crate::base::json::Json;
use text::{LABEL, amount, bar, decimal, fit, number, wrapped};

/// CPU states of a bar: their names in an event, and their letters.
const STATES: [(&str, char); 8] = [
    ("user", 'u'),
    ("nice", 'n'),
    ("system", 's'),
    ("irq", 'h'),
    ("softirq", 'o'),
    ("steal", 't'),
    ("guest", 'g'),
    ("iowait", 'w'),
];
/// Most characters of a bar.
const BAR: usize = 60;

/// What is shown.
pub(crate) struct View<'a> {
    /// Data of the event `host`.
    pub(crate) host: &'a Json,
    /// The last event.
    pub(crate) event: &'a Json,
    /// The last event that has filesystems.
    pub(crate) full: &'a Json,
    /// The agent's part, or why it is missing. `None` if it was not asked for yet.
    pub(crate) agent: Option<Result<&'a Json, &'a str>>,
}

/// The lines, each with up to `columns` columns, without control characters. If there are more than
/// `rows`, lists are shortened, each by as much as leaves room for the others.
pub(crate) fn lines(view: &View<'_>, columns: usize, rows: usize) -> Vec<String> {
    let mut lines = head(view, columns);
    let lists = lists::lists(view, columns);
    let room = rows.saturating_sub(lines.len());
    let shares = lists::shares(&lists, room);
    for (list, share) in lists.into_iter().zip(shares) {
        lines.extend(list.into_iter().take(share));
    }
    lines.truncate(rows);
    lines.iter().map(|line| fit(line, columns)).collect()
}

/// What every host has: name, load, CPU, memory, swap, pressure.
fn head(view: &View<'_>, columns: usize) -> Vec<String> {
    let event = view.event;
    let mut lines = vec![title(view)];
    let width = columns.saturating_sub(LABEL + 10).clamp(8, BAR);
    if let Some(cpu) = event.member("cpu") {
        let shares = STATES.map(|(name, letter)| (number(cpu.member(name)), letter));
        let used: f64 = shares.iter().filter_map(|(share, _)| *share).sum();
        lines.push(gauge("CPU", &bar(&shares, width), used));
        let mut words = STATES.iter().filter_map(|(name, letter)| {
            let share = decimal(number(cpu.member(name))?, 1);
            let letter = letter.to_string();
            Some([&letter, " ", name, " ", &share].concat())
        });
        lines.extend(wrapped("", &mut words, columns));
    }
    if let Some(memory) = event.member("memory") {
        let bytes = |name| number(memory.member(name));
        let total = bytes("total").unwrap_or_default();
        if let Some(used) = bytes("used").filter(|_| total > 0.0) {
            let share = used / total * 100.0;
            lines.push(gauge("Memory", &bar(&[(Some(share), '#')], width), share));
        }
        let names = ["total", "used", "available", "buffers", "cached", "free"];
        let mut words = names
            .iter()
            .filter_map(|name| Some([name, " ", &amount(bytes(name)?)].concat()));
        lines.extend(wrapped("", &mut words, columns));
        let swap = bytes("swap_total").filter(|total| *total > 0.0);
        if let Some((total, free)) = swap.zip(bytes("swap_free")) {
            let used = amount((total - free).max(0.0));
            let words = [
                ["total ", &amount(total)].concat(),
                ["used ", &used].concat(),
            ];
            lines.extend(wrapped("Swap", &mut words.into_iter(), columns));
        }
    }
    if let Some(pressure) = event.member("pressure") {
        let mut words = ["cpu", "memory", "io"].iter().filter_map(|name| {
            let share = decimal(number(pressure.member(name))?, 2);
            Some([name, " ", &share, "%"].concat())
        });
        lines.extend(wrapped("Pressure", &mut words, columns));
    }
    lines
}

/// Name of the host, time since its start, cores and load.
fn title(view: &View<'_>) -> String {
    let mut title = match view.host.member("name") {
        Some(Json::Text(name)) => name.clone(),
        _ => String::new(),
    };
    let milliseconds = number(view.event.member("time")).unwrap_or_default();
    if let Some(boot) = number(view.host.member("boot")) {
        title.extend([
            "  up ",
            &text::span((milliseconds / 1000.0 - boot).max(0.0)),
        ]);
    }
    if let Some(cores) = number(view.host.member("cores")) {
        title.extend(["  cores ", &decimal(cores, 0)]);
    }
    if let Some(Json::List(load)) = view.event.member("load") {
        title.push_str("  load");
        for mean in load {
            title.extend([
                " ",
                &number(Some(mean)).map_or("-".to_owned(), |mean| decimal(mean, 2)),
            ]);
        }
    }
    title
}

/// A label, a bar and a share in percent.
fn gauge(label: &str, bar: &str, share: f64) -> String {
    [
        &text::pad(label, LABEL),
        "[",
        bar,
        "] ",
        &decimal(share, 1),
        "%",
    ]
    .concat()
}

#[cfg(test)]
mod tests;
