//! Lists of a second: devices, filesystems, containers, and the agent's part.

use super::View;
use super::text::{amount, decimal, number, pad, right};
use crate::base::json::Json;

/// Columns of a value.
const VALUE: usize = 10;
/// Columns from which a list has all its values.
const WIDE: usize = 60;
/// Least and most columns of a name.
const NAME: (usize, usize) = (8, 50);

/// How a value of a list is written.
type Write = fn(f64) -> String;

/// A title, then one line for each element. Lists without elements are left out.
pub(super) fn lists(view: &View<'_>, columns: usize) -> Vec<Vec<String>> {
    let is_wide = columns >= WIDE;
    let rate: Write = |number| decimal(number, 0);
    let percent: Write = |number| decimal(number, 1);
    let devices: &[(&str, usize, Write)] = if is_wide {
        &[
            ("reads/s", 1, rate),
            ("writes/s", 2, rate),
            ("read/s", 3, amount),
            ("written/s", 4, amount),
        ]
    } else {
        &[("read/s", 3, amount), ("written/s", 4, amount)]
    };
    let network: &[(&str, usize, Write)] = &[("in/s", 1, amount), ("out/s", 2, amount)];
    let groups: &[(&str, usize, Write)] = &[("cpu %", 1, percent), ("memory", 2, amount)];
    let mut lists = vec![
        table("Network", view.event, "network", network, columns),
        table("Disks", view.event, "disks", devices, columns),
        filesystems(view.full, columns),
        table("Containers", view.event, "containers", groups, columns),
    ];
    match view.agent {
        Some(Ok(agent)) => {
            lists.push(states("Destinations", agent, "destinations"));
            lists.push(states("Checks", agent, "checks"));
            lists.push(plugins(agent, columns));
        }
        Some(Err(why)) => {
            lists.push(vec![
                ["Agent: no checks, plugins, destinations: ", why].concat(),
            ]);
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

/// The elements of the list `name`; none if there is no such list.
fn elements<'a>(of: &'a Json, name: &str) -> &'a [Json] {
    match of.member(name) {
        Some(Json::List(list)) => list,
        _ => &[],
    }
}

/// The text at the position `at` of an element.
fn text_at(element: &Json, at: usize) -> &str {
    match at_position(element, at) {
        Some(Json::Text(text)) => text,
        _ => "",
    }
}

fn at_position(element: &Json, at: usize) -> Option<&Json> {
    match element {
        Json::List(values) => values.get(at),
        _ => None,
    }
}

/// Columns of a name beside so many values.
fn name_width(columns: usize, values: usize) -> usize {
    columns.saturating_sub(values * VALUE).clamp(NAME.0, NAME.1)
}

/// A list of names with numbers: for each column its title, its position and how it is written.
fn table(
    title: &str,
    of: &Json,
    name: &str,
    values: &[(&str, usize, Write)],
    columns: usize,
) -> Vec<String> {
    let width = name_width(columns, values.len());
    let elements = elements(of, name);
    if elements.is_empty() {
        return Vec::new();
    }
    let mut first = pad(title, width);
    for (title, _, _) in values {
        first.push_str(&right(title, VALUE));
    }
    let mut lines = vec![first];
    for element in elements {
        let mut line = pad(text_at(element, 0), width);
        for (_, at, write) in values {
            let value = number(at_position(element, *at));
            line.push_str(&right(&value.map_or("-".to_owned(), write), VALUE));
        }
        lines.push(line);
    }
    lines
}

/// Use, size and share of each filesystem.
fn filesystems(of: &Json, columns: usize) -> Vec<String> {
    let elements = elements(of, "filesystems");
    if elements.is_empty() {
        return Vec::new();
    }
    let width = name_width(columns, 3);
    let line = |name: &str, values: [&str; 3]| {
        let values = values.map(|value| right(value, VALUE)).concat();
        [pad(name, width), values].concat()
    };
    let mut lines = vec![line("Filesystems", ["used", "size", "used %"])];
    for element in elements {
        let size = number(at_position(element, 1)).unwrap_or_default();
        let used = number(at_position(element, 2)).unwrap_or_default();
        let share = used / size.max(1.0) * 100.0;
        let values = [amount(used), amount(size), decimal(share, 1)];
        lines.push(line(
            text_at(element, 0),
            values.each_ref().map(String::as_str),
        ));
    }
    lines
}

/// Name, state and message of each check or destination: those that are not well come first.
fn states(title: &str, of: &Json, name: &str) -> Vec<String> {
    let elements = elements(of, name);
    if elements.is_empty() {
        return Vec::new();
    }
    let state = |element: &Json| match at_position(element, 1) {
        Some(Json::Bool(true)) => "OK".to_owned(),
        Some(Json::Bool(false)) => "FAILING".to_owned(),
        _ => text_at(element, 1).to_owned(),
    };
    let mut lines = vec![title.to_owned()];
    for is_well in [false, true] {
        for element in elements {
            let state = state(element);
            if (state == "OK") == is_well {
                let (name, message) = (text_at(element, 0), text_at(element, 2));
                lines.push([&pad(&state, VALUE), name, "  ", message].concat());
            }
        }
    }
    lines
}

/// The values of plugins.
fn plugins(of: &Json, columns: usize) -> Vec<String> {
    let elements = elements(of, "plugins");
    if elements.is_empty() {
        return Vec::new();
    }
    let width = name_width(columns, 1);
    let mut lines = vec!["Plugins".to_owned()];
    lines.extend(elements.iter().map(|element| {
        let value = at_position(element, 1).map_or("-".to_owned(), Json::to_string);
        [pad(text_at(element, 0), width), right(&value, VALUE)].concat()
    }));
    lines
}
