//! The agent's document as text for people: what is wrong first, then everything else.

use super::page::{Colour, Page};
use super::problems::{Problem, ahead, list, number, span, text as of};
use crate::base::json::Json;

/// Column of the values of a section without names.
const VALUES: usize = 12;
/// Column of the values after the name of a destination or a plugin.
const NAMED: usize = 26;
/// Column of further lines about a name.
const FURTHER: usize = 6;

/// The page about the agent that `status` describes, with these problems.
pub(crate) fn text(status: &Json, problems: &[Problem], is_coloured: bool) -> String {
    let mut page = Page::new(is_coloured);
    let count = problems.len().to_string();
    match problems.len() {
        0 => page.line(
            Colour::Green,
            "OK: the agent measures, and everything is delivered",
            0,
            "",
        ),
        1 => page.line(Colour::Red, "1 problem", 0, ""),
        _ => page.line(Colour::Red, &[&count, " problems"].concat(), 0, ""),
    }
    for problem in problems {
        page.gap();
        problem.show(&mut page);
    }
    page.gap();
    agent(status, &mut page);
    let destinations = list(status, "destinations");
    section("Destinations", destinations, &mut page, |one, page| {
        destination(one, number(status, "time"), page);
    });
    section("Plugins", list(status, "plugins"), &mut page, plugin);
    page.into_text()
}

impl Problem {
    /// Adds the problem to a page.
    pub(crate) fn show(&self, page: &mut Page) {
        page.line(Colour::Red, &["! ", &self.what].concat(), 0, "");
        page.line(Colour::Plain, "", 4, &self.why);
        if !self.remedy.is_empty() {
            page.line(Colour::Bold, "    Remedy:", VALUES, &self.remedy);
        }
    }
}

/// Adds what is known of the process and its host.
fn agent(status: &Json, page: &mut Page) {
    let none = Json::Null;
    let member = |name| status.member(name).unwrap_or(&none);
    let mut row = |name: &str, value: &[&str]| {
        page.line(Colour::Bold, name, VALUES, &value.concat());
    };
    let count =
        |object: &Json, name| number(object, name).map_or_else(String::new, |n| n.to_string());
    let host = member("host");
    let id = match of(host, "id") {
        "" => "not registered yet",
        id => id,
    };
    row("Host", &[of(host, "name"), " (", id, ")"]);
    if !of(status, "server").is_empty() {
        row("Server", &[of(status, "server")]);
    }
    let uptime = number(status, "uptime_seconds").unwrap_or_default();
    row(
        "Agent",
        &[
            of(status, "version"),
            " (revision ",
            of(status, "revision"),
            "), process ",
            &count(status, "pid"),
            ", running for ",
            &span(uptime),
        ],
    );
    let measured = number(status, "measured_seconds_ago");
    let measured = measured.map_or("nothing yet".to_owned(), |age| span(age) + " ago");
    row("Measured", &[&measured]);
    let clock = member("clock");
    let (state, source) = (of(clock, "state"), of(clock, "source"));
    match (state, source) {
        ("confirmed", "ntp") => row("Clock", &["set by NTP"]),
        ("confirmed", _) => row("Clock", &["agrees with the server's"]),
        ("wrong", _) => row("Clock", &[&ahead(clock), " of the server's"]),
        _ => row("Clock", &["not confirmed yet by NTP or a server"]),
    }
    let listener = match of(status, "listener") {
        "" => "off",
        address => address,
    };
    row("Listener", &[listener]);
    let resources = member("resources");
    let memory = number(resources, "resident_bytes").map_or_else(String::new, size);
    let cpu = resources.member("cpu_seconds").map(Json::to_string);
    row(
        "Resources",
        &[
            &memory,
            " of memory, ",
            &cpu.unwrap_or_default(),
            " s of CPU, ",
            &count(resources, "threads"),
            " threads, ",
            &count(resources, "descriptors"),
            " descriptors",
        ],
    );
}

/// Adds a section, unless there are no entries.
fn section(name: &str, entries: &[Json], page: &mut Page, mut show: impl FnMut(&Json, &mut Page)) {
    if entries.is_empty() {
        return;
    }
    page.gap();
    page.line(Colour::Bold, name, 0, "");
    for entry in entries {
        show(entry, page);
    }
}

/// Adds a destination.
fn destination(one: &Json, now: Option<u64>, page: &mut Page) {
    let state = of(one, "state");
    let colour = match state {
        "ok" => Colour::Green,
        "starting" => Colour::Yellow,
        _ => Colour::Red,
    };
    let posted = number(one, "posted_seconds_ago");
    let posted = posted.map_or("nothing accepted yet".to_owned(), |age| {
        ["last accepted ", &span(age), " ago"].concat()
    });
    let name = ["  ", of(one, "name")].concat();
    page.line(colour, &name, NAMED, &[state, ", ", &posted].concat());
    if of(one, "name") != of(one, "server") {
        page.line(Colour::Plain, "", NAMED, of(one, "server"));
    }
    let queued = one.member("queued").unwrap_or(&Json::Null);
    let mut parts = Vec::new();
    for (member, word) in [
        ("values", " values"),
        ("rounds", " rounds"),
        ("reports", " reports"),
    ] {
        let count = number(queued, member).unwrap_or_default();
        let word = if count == 1 {
            word.trim_end_matches('s')
        } else {
            word
        };
        if count > 0 {
            parts.push([&count.to_string(), word].concat());
        }
    }
    if parts.is_empty() {
        page.line(Colour::Plain, "", NAMED, "nothing waits");
        return;
    }
    let saved = number(queued, "disk_bytes").unwrap_or_default();
    if saved > 0 {
        parts.push(size(saved) + " of it on disk");
    }
    if let (Some(oldest), Some(now)) = (number(queued, "oldest"), now) {
        parts.push(["the oldest ", &span(now.saturating_sub(oldest)), " old"].concat());
    }
    page.line(
        Colour::Plain,
        "",
        NAMED,
        &["waiting: ", &parts.join(", ")].concat(),
    );
}

/// Adds a plugin.
fn plugin(one: &Json, page: &mut Page) {
    let status = of(one, "status");
    let colour = match status {
        "" => Colour::Plain,
        "OK" | "ok" => Colour::Green,
        "WARNING" => Colour::Yellow,
        _ => Colour::Red,
    };
    let mut parts = vec![match status {
        "" => "has not run yet".to_owned(),
        status => status.to_owned(),
    }];
    if let Some(age) = number(one, "last_run_seconds_ago") {
        parts.push(["ran ", &span(age), " ago"].concat());
    }
    if let Some(took) = number(one, "duration_ms") {
        parts.push(["took ", &took.to_string(), " ms"].concat());
    }
    if let Some(code) = one.member("exit_code") {
        parts.push(["exit code ", &code.to_string()].concat());
    }
    match (one.member("running"), number(one, "next_run_seconds")) {
        (Some(Json::Bool(true)), _) => parts.push("runs now".to_owned()),
        (_, Some(next)) => parts.push(["next in ", &span(next)].concat()),
        _ => {}
    }
    let name = ["  ", of(one, "kind"), " ", of(one, "name")].concat();
    page.line(colour, &name, NAMED, &parts.join(", "));
    let message = of(one, "message");
    if !message.is_empty() {
        page.line(Colour::Plain, "", FURTHER, message);
    }
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => [&bytes.to_string(), " B"].concat(),
        10_000..10_000_000 => [&(bytes / 1_000).to_string(), " kB"].concat(),
        _ => [&(bytes / 1_000_000).to_string(), " MB"].concat(),
    }
}

/// The page about an agent that does not run: what is known of that, and the last lines of its log.
pub(crate) fn page_of_absent(problems: &[Problem], log: &[String], is_coloured: bool) -> String {
    let mut page = Page::new(is_coloured);
    page.line(Colour::Red, "No agent runs", 0, "");
    for problem in problems {
        page.gap();
        problem.show(&mut page);
    }
    if !log.is_empty() {
        page.gap();
        page.line(Colour::Bold, "The last lines of its log", 0, "");
        for line in log {
            page.line(Colour::Plain, "", 4, line);
        }
    }
    page.into_text()
}
