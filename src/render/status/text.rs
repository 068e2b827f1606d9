//! The agent's document as text for people: what is wrong first, then everything else.

use super::page::{Colour, Page};
use super::problems::{Problem, list, number, text as of};
use super::template::fill;
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
    let now = number(status, "time").unwrap_or_default();
    let (colour, title) = match problems.len() {
        0 => (
            Colour::Green,
            "OK: the agent measures, and everything is delivered",
        ),
        1 => (Colour::Red, "1 problem"),
        count => (Colour::Red, &*(count.to_string() + " problems")),
    };
    page.line(colour, title, 0, "");
    for problem in problems {
        problem.show(&mut page);
    }
    page.gap();
    agent(status, now, &mut page);
    section(&mut page, "Destinations", list(status, "destinations"));
    for one in list(status, "destinations") {
        destination(one, now, &mut page);
    }
    section(&mut page, "Plugins", list(status, "plugins"));
    for one in list(status, "plugins") {
        plugin(one, now, &mut page);
    }
    page.into_text()
}

impl Problem {
    /// Adds an empty line and the problem to a page.
    fn show(&self, page: &mut Page) {
        page.gap();
        page.line(Colour::Red, &["! ", &self.what].concat(), 0, "");
        page.line(Colour::Plain, "", 4, &self.why);
        if !self.remedy.is_empty() {
            page.line(Colour::Bold, "    Remedy:", VALUES, &self.remedy);
        }
    }
}

/// Adds what is known of the process and its host.
fn agent(status: &Json, now: u64, page: &mut Page) {
    let clock = status.member("clock").unwrap_or(&Json::Null);
    let clock = match (of(clock, "state"), of(clock, "source")) {
        ("confirmed", "ntp") => "set by NTP",
        ("confirmed", _) => "agrees with the server's",
        ("wrong", _) => "differs from the server's: {clock.ahead_seconds:ahead}",
        _ => "not confirmed yet by NTP or a server",
    };
    // (name, template of the value; the row is left out if it is empty)
    let rows = [
        (
            "Host",
            "{host.name} ({host.id})|{host.name} (not registered yet)",
        ),
        ("Server", "{server}"),
        (
            "Agent",
            "{version} (revision {revision}), process {pid}, running for {uptime_seconds:span}",
        ),
        ("Measured", "{measured_seconds_ago:span} ago|nothing yet"),
        ("Clock", clock),
        ("Listener", "{listener}|off"),
        (
            "Resources",
            "{resources.resident_bytes:size} of memory, {resources.cpu_seconds} s of CPU, \
             {resources.threads} threads, {resources.descriptors} descriptors",
        ),
    ];
    for (name, template) in rows {
        let value = fill(template, status, now);
        if !value.is_empty() {
            page.line(Colour::Bold, name, VALUES, &value);
        }
    }
}

/// Adds the heading of a section, unless it has no entries.
fn section(page: &mut Page, name: &str, entries: &[Json]) {
    if !entries.is_empty() {
        page.gap();
        page.line(Colour::Bold, name, 0, "");
    }
}

/// Adds a destination.
fn destination(one: &Json, now: u64, page: &mut Page) {
    let colour = match of(one, "state") {
        "ok" => Colour::Green,
        "starting" => Colour::Yellow,
        _ => Colour::Red,
    };
    let state = "{state}, last accepted {posted_seconds_ago:span} ago|nothing accepted yet";
    page.line(
        colour,
        &fill("  {name}", one, now),
        NAMED,
        &fill(state, one, now),
    );
    if of(one, "name") != of(one, "server") {
        page.line(Colour::Plain, "", NAMED, of(one, "server"));
    }
    let queued = one.member("queued").unwrap_or(&Json::Null);
    let waits = fill(
        "{values:count}, {rounds:count}, {reports:count}",
        queued,
        now,
    );
    if waits.is_empty() {
        page.line(Colour::Plain, "", NAMED, "nothing waits");
        return;
    }
    let saved = ", {disk_bytes:size} of it on disk, the oldest {oldest:since} old";
    let all = ["waiting: ", &waits, &fill(saved, queued, now)].concat();
    page.line(Colour::Plain, "", NAMED, &all);
}

/// Adds a plugin.
fn plugin(one: &Json, now: u64, page: &mut Page) {
    let colour = match of(one, "status") {
        "" => Colour::Plain,
        "OK" | "ok" => Colour::Green,
        "WARNING" => Colour::Yellow,
        _ => Colour::Red,
    };
    let state = "{status}|has not run yet, ran {last_run_seconds_ago:span} ago, took {duration_ms} \
                 ms, exit code {exit_code}, runs now{running}|next in {next_run_seconds:span}";
    page.line(
        colour,
        &fill("  {kind} {name}", one, now),
        NAMED,
        &fill(state, one, now),
    );
    let message = of(one, "message");
    if !message.is_empty() {
        page.line(Colour::Plain, "", FURTHER, message);
    }
}

/// The page about an agent that does not run: what is known of that, and the last lines of its log.
pub(crate) fn page_of_absent(problems: &[Problem], log: &[String], is_coloured: bool) -> String {
    let mut page = Page::new(is_coloured);
    page.line(Colour::Red, "No agent runs", 0, "");
    for problem in problems {
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
