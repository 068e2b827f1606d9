//! Lists of a second: devices, filesystems, containers, and the agent's part.

use super::View;
use super::text::{self, amount, decimal, pad, right};
use crate::base::json::Json;

/// Columns of a value.
const VALUE: usize = 10;
/// Columns from which a list has all its values.
const WIDE: usize = 60;
/// Least and most columns of a name.
const NAME: (usize, usize) = (8, 50);

/// How a value of a list is written.
#[derive(Clone, Copy)]
enum Write {
    /// With so many decimals.
    Number(usize),
    Bytes,
    /// In percent of the value before it.
    Share,
    /// As it is in JSON.
    Any,
}

/// A column: its title, the position of its value in an element, and how the value is written.
type Column = (&'static str, usize, Write);

const NETWORK: [Column; 2] = [("in/s", 1, Write::Bytes), ("out/s", 2, Write::Bytes)];
/// Those behind the first two are shown on a narrow terminal, too.
const DISKS: [Column; 4] = [
    ("reads/s", 1, Write::Number(0)),
    ("writes/s", 2, Write::Number(0)),
    ("read/s", 3, Write::Bytes),
    ("written/s", 4, Write::Bytes),
];
const FILESYSTEMS: [Column; 3] = [
    ("used", 2, Write::Bytes),
    ("size", 1, Write::Bytes),
    ("used %", 2, Write::Share),
];
const CONTAINERS: [Column; 2] = [("cpu %", 1, Write::Number(1)), ("memory", 2, Write::Bytes)];
const PLUGINS: [Column; 1] = [("", 1, Write::Any)];

/// A title, then one line for each element. Lists without elements are left out.
pub(super) fn lists(view: &View<'_>, columns: usize) -> Vec<Vec<String>> {
    let disks = if columns >= WIDE { 0 } else { 2 };
    let disks = DISKS.get(disks..).unwrap_or_default();
    let mut lists = vec![
        table("Network", view.event, &NETWORK, columns),
        table("Disks", view.event, disks, columns),
        table("Filesystems", view.full, &FILESYSTEMS, columns),
        table("Containers", view.event, &CONTAINERS, columns),
    ];
    match view.agent {
        Some(Ok(agent)) => {
            lists.push(states("Destinations", agent));
            lists.push(states("Checks", agent));
            lists.push(table("Plugins", agent, &PLUGINS, columns));
        }
        Some(Err(why)) => {
            let why = ["Agent: no checks, plugins, destinations: ", why].concat();
            lists.push(vec![why]);
        }
        None => {}
    }
    lists.retain(|list| !list.is_empty());
    lists
}

/// Number of lines of each list if there are `room` lines: none has fewer than another one, unless
/// it is shorter.
pub(super) fn shares(lists: &[Vec<String>], room: usize) -> Vec<usize> {
    let mut shares = vec![0; lists.len()];
    let mut left = room;
    loop {
        let before = left;
        for (share, list) in shares.iter_mut().zip(lists) {
            // A title is of use with a line below it.
            let step = if *share == 0 { list.len().min(2) } else { 1 };
            if *share + step <= list.len() && step <= left {
                *share += step;
                left -= step;
            }
        }
        if left == before {
            return shares;
        }
    }
}

/// The elements of the list whose name is `title` in lower case; none if there is no such list.
fn elements<'a>(of: &'a Json, title: &str) -> &'a [Json] {
    match of.member(&title.to_ascii_lowercase()) {
        Some(Json::List(list)) => list,
        _ => &[],
    }
}

/// The value at the position `at` of an element.
fn value(element: &Json, at: usize) -> &Json {
    match element {
        Json::List(values) => values.get(at).unwrap_or(&Json::Null),
        _ => &Json::Null,
    }
}

/// The text at the position `at` of an element.
fn text_at(element: &Json, at: usize) -> &str {
    match value(element, at) {
        Json::Text(text) => text,
        _ => "",
    }
}

/// A value as it is shown; `None` if there is none.
fn shown(element: &Json, at: usize, write: Write) -> Option<String> {
    let is = value(element, at);
    if let Write::Any = write {
        return Some(is.to_string());
    }
    let number = text::number(Some(is))?;
    Some(match write {
        Write::Number(decimals) => decimal(number, decimals),
        Write::Share => {
            let whole = text::number(Some(value(element, at - 1)))?;
            decimal(number / whole.max(1.0) * 100.0, 1)
        }
        _ => amount(number),
    })
}

/// A list of names with values.
fn table(title: &str, of: &Json, values: &[Column], columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let width = columns.saturating_sub(values.len() * VALUE);
    let width = width.clamp(NAME.0, NAME.1);
    for element in elements(of, title) {
        if lines.is_empty() {
            let mut line = pad(title, width);
            for (title, _, _) in values {
                line.push_str(&right(title, VALUE));
            }
            lines.push(line.trim_ascii_end().to_owned());
        }
        let mut line = pad(text_at(element, 0), width);
        for (_, at, write) in values {
            let value = shown(element, *at, *write);
            line.push_str(&right(value.as_deref().unwrap_or("-"), VALUE));
        }
        lines.push(line);
    }
    lines
}

/// Name, state and message of each check or destination: those that are not well come first.
fn states(title: &str, of: &Json) -> Vec<String> {
    let mut lines = Vec::new();
    for is_well in [false, true] {
        for element in elements(of, title) {
            if lines.is_empty() {
                lines.push(title.to_owned());
            }
            let state = match value(element, 1) {
                Json::Bool(true) => "OK",
                Json::Bool(false) => "FAILING",
                _ => text_at(element, 1),
            };
            if (state == "OK") == is_well {
                let (name, message) = (text_at(element, 0), text_at(element, 2));
                lines.push([&pad(state, VALUE), name, "  ", message].concat());
            }
        }
    }
    lines
}
