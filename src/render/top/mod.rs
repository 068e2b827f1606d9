//! The readings of one second as lines of text, for a terminal. They are read from the data of the
//! events of the live page, so that both show the same.

mod lists;
mod text;

use crate::base::json::Json;
use crate::collect::readings::RESOURCES;
use text::{LABEL, amount, bar, decimal, fit, number, span, wrap};

/// CPU states of a bar: their letters, and their names in an event.
const STATES: [&str; 8] = [
    "u user",
    "n nice",
    "s system",
    "h irq",
    "o softirq",
    "t steal",
    "g guest",
    "w iowait",
];
/// Parts of memory in an event.
const MEMORY: [&str; 6] = ["total", "used", "available", "buffers", "cached", "free"];
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
    for line in &mut lines {
        *line = fit(line, columns);
    }
    lines
}

/// What every host has: name, load, CPU, memory, swap, pressure.
fn head(view: &View<'_>, columns: usize) -> Vec<String> {
    let mut lines = vec![title(view)];
    let width = columns.saturating_sub(LABEL + 10).clamp(8, BAR);
    let object = |name| view.event.member(name).unwrap_or(&Json::Null);
    let cpu = object("cpu");
    let states = words(cpu, &STATES, |share| decimal(share, 1));
    if !states.is_empty() {
        let shares = STATES.map(|label| (named(cpu, label), label.chars().next().unwrap_or(' ')));
        let used = shares.iter().filter_map(|(share, _)| *share).sum();
        lines.push(gauge("CPU", &shares, used, width));
    }
    wrap("", &states, columns, &mut lines);
    let memory = object("memory");
    let bytes = |name| named(memory, name);
    let total = bytes("total").unwrap_or_default();
    if let Some(used) = bytes("used").filter(|_| total > 0.0) {
        let share = used / total * 100.0;
        lines.push(gauge("Memory", &[(Some(share), '#')], share, width));
    }
    wrap("", &words(memory, &MEMORY, amount), columns, &mut lines);
    let total = bytes("swap_total").unwrap_or_default();
    if let Some(free) = bytes("swap_free").filter(|_| total > 0.0) {
        let used = amount((total - free).max(0.0));
        let swap = [
            ["total ", &amount(total)].concat(),
            ["used ", &used].concat(),
        ];
        wrap("Swap", &swap, columns, &mut lines);
    }
    let shares = words(object("pressure"), &RESOURCES, |share| {
        decimal(share, 2) + "%"
    });
    wrap("Pressure", &shares, columns, &mut lines);
    lines
}

/// The number of the object `of` whose name is the last word of `label`.
fn named(of: &Json, label: &str) -> Option<f64> {
    number(of.member(label.rsplit(' ').next().unwrap_or(label)))
}

/// The numbers of the object `of` that are there, each behind its label.
fn words(of: &Json, labels: &[&str], write: fn(f64) -> String) -> Vec<String> {
    let mut words = Vec::new();
    for label in labels {
        if let Some(number) = named(of, label) {
            words.push([label, " ", &write(number)].concat());
        }
    }
    words
}

/// Name of the host, time since its start, cores and load.
fn title(view: &View<'_>) -> String {
    let mut title = match view.host.member("name") {
        Some(Json::Text(name)) => name.clone(),
        _ => String::new(),
    };
    let mut add = |name: &str, value: &str| {
        title.push_str(name);
        title.push_str(value);
    };
    let milliseconds = number(view.event.member("time")).unwrap_or_default();
    if let Some(boot) = number(view.host.member("boot")) {
        add("  up ", &span((milliseconds / 1000.0 - boot).max(0.0)));
    }
    if let Some(cores) = number(view.host.member("cores")) {
        add("  cores ", &decimal(cores, 0));
    }
    if let Some(Json::List(load)) = view.event.member("load") {
        add("  load", "");
        for mean in load {
            let mean = number(Some(mean)).map(|mean| decimal(mean, 2));
            add(" ", mean.as_deref().unwrap_or("-"));
        }
    }
    title
}

/// A label, a bar of `width` for `shares`, and a share in percent.
fn gauge(label: &str, shares: &[(Option<f64>, char)], share: f64, width: usize) -> String {
    let (label, bar, share) = (
        text::pad(label, LABEL),
        bar(shares, width),
        decimal(share, 1),
    );
    [&label, "[", &bar, "] ", &share, "%"].concat()
}

#[cfg(test)]
mod tests;
