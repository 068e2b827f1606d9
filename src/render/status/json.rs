//! The report as a JSON document. Its members always have the same order; what is not known is null.

use super::{
    DestinationStatus, FailureStatus, PluginStatus, Problem, QueuedStatus, StatusReport, VERSION,
};
use crate::base::json::Json;

/// A document that grows member by member.
#[derive(Default)]
struct Writer(String);

impl Writer {
    /// Begins a value: a comma after another one, then the name of a member, if it has one.
    fn begin(&mut self, name: &str) {
        if !self.0.is_empty() && !self.0.ends_with(['{', '[']) {
            self.0.push(',');
        }
        if !name.is_empty() {
            self.0.extend(["\"", name, "\":"]);
        }
    }

    /// Adds a value that is JSON already.
    fn raw(&mut self, name: &str, value: &str) {
        self.begin(name);
        self.0.push_str(value);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.raw(name, &Json::Text(value.to_owned()).to_string());
    }

    fn maybe_text(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.raw(name, "null"),
        }
    }

    fn signed(&mut self, name: &str, value: Option<i64>) {
        match value {
            Some(value) => self.raw(name, &value.to_string()),
            None => self.raw(name, "null"),
        }
    }

    /// Adds a number; counts and times are far below the largest `i64`.
    fn number(&mut self, name: &str, value: Option<u64>) {
        self.signed(name, value.map(u64::cast_signed));
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    /// Opens an object or a list.
    fn open(&mut self, name: &str, bracket: char) {
        self.begin(name);
        self.0.push(bracket);
    }

    fn close(&mut self, bracket: char) {
        self.0.push(bracket);
    }

    fn texts(&mut self, name: &str, values: &[String]) {
        self.open(name, '[');
        for value in values {
            self.text("", value);
        }
        self.close(']');
    }
}

/// The document, in one line.
pub(crate) fn json(report: &StatusReport) -> String {
    let mut to = Writer::default();
    to.open("", '{');
    to.number("status_version", Some(VERSION));
    to.flag("running", true);
    to.number("time", Some(report.time));
    to.open("host", '{');
    to.text("name", &report.host_name);
    to.maybe_text("id", report.host_id.as_deref());
    to.close('}');
    to.maybe_text("server", report.server.as_deref());
    to.text("version", report.version);
    to.text("revision", report.revision);
    to.number("pid", Some(u64::from(report.pid)));
    to.number("uptime_seconds", Some(report.uptime));
    to.number("measured_seconds_ago", report.measured_ago);
    to.open("destinations", '[');
    for one in &report.destinations {
        destination(one, &mut to);
    }
    to.close(']');
    to.open("plugins", '[');
    for one in &report.plugins {
        plugin(one, &mut to);
    }
    to.close(']');
    let clock = &report.clock;
    to.open("clock", '{');
    to.text("state", clock.state);
    to.maybe_text("source", clock.source);
    to.signed("ahead_seconds", Some(clock.ahead));
    to.close('}');
    to.maybe_text("listener", report.listener.as_deref());
    to.texts("hanging_mounts", &report.hanging);
    let resources = &report.resources;
    to.open("resources", '{');
    to.number("resident_bytes", resources.resident_bytes);
    let cpu = resources.cpu_ticks.map(hundredths);
    to.raw("cpu_seconds", cpu.as_deref().unwrap_or("null"));
    to.number("threads", resources.threads);
    to.number("descriptors", resources.descriptors);
    to.close('}');
    to.close('}');
    to.0
}

fn destination(one: &DestinationStatus, to: &mut Writer) {
    let none = FailureStatus::default();
    let failure = one.failure.as_ref().unwrap_or(&none);
    let of_failure = |text| one.failure.as_ref().and(Some(text));
    to.open("", '{');
    to.text("name", &one.name);
    to.text("kind", one.kind);
    to.text("server", &one.server);
    to.maybe_text("host_id", one.host_id.as_deref());
    to.text("state", one.state);
    to.number("posted_seconds_ago", one.posted_ago);
    to.number("failing_since", failure.since);
    to.maybe_text("failing_step", of_failure(failure.step));
    to.maybe_text("reason", of_failure(&failure.reason));
    to.maybe_text("remedy", of_failure(failure.remedy));
    queued(&one.queued, to);
    to.close('}');
}

fn queued(one: &QueuedStatus, to: &mut Writer) {
    to.open("queued", '{');
    to.number("values", Some(one.values));
    to.number("rounds", Some(one.rounds));
    to.number("reports", Some(one.reports));
    to.number("disk_bytes", Some(one.disk_bytes));
    to.number("oldest", one.oldest);
    to.maybe_text("save_error", one.save_error.as_deref());
    to.close('}');
}

fn plugin(one: &PluginStatus, to: &mut Writer) {
    to.open("", '{');
    to.text("kind", one.kind);
    to.text("name", &one.name);
    to.number("last_run_seconds_ago", one.last_run_ago);
    to.number("duration_ms", one.duration_ms);
    to.signed("exit_code", one.exit_code);
    to.maybe_text("status", one.status);
    to.text("message", &one.message);
    to.maybe_text("error", one.error.as_deref());
    to.number("next_run_seconds", one.next_run);
    to.flag("running", one.is_running);
    to.close('}');
}

/// The document about an agent that does not run: what is wrong, and the service manager's name and
/// word for the state, with the last lines of the log.
pub(crate) fn json_of_absent(
    problems: &[Problem],
    service: Option<(&str, &str)>,
    log: &[String],
) -> String {
    let mut to = Writer::default();
    to.open("", '{');
    to.number("status_version", Some(VERSION));
    to.flag("running", false);
    to.open("problems", '[');
    for problem in problems {
        to.open("", '{');
        to.text("what", &problem.what);
        to.text("reason", &problem.why);
        to.text("remedy", &problem.remedy);
        to.close('}');
    }
    to.close(']');
    match service {
        Some((manager, state)) => {
            to.open("service", '{');
            to.text("manager", manager);
            to.text("state", state);
            to.texts("log", log);
            to.close('}');
        }
        None => to.raw("service", "null"),
    }
    to.close('}');
    to.0
}

/// A number of hundredths as a decimal fraction.
fn hundredths(ticks: u64) -> String {
    let rest = ticks % 100;
    let zero = if rest < 10 { "0" } else { "" };
    [&(ticks / 100).to_string(), ".", zero, &rest.to_string()].concat()
}
