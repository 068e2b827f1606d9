//! What is wrong, according to the agent's document, and what to do about it.

use super::template::fill;
use crate::base::json::Json;

/// Seconds after which a measurement is missing: two rounds and the time that they may take.
const MEASURED: u64 = 150;

/// Something that is wrong.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Problem {
    /// What it is about.
    pub(crate) what: String,
    pub(crate) why: String,
    /// What to do; empty if the reason says it.
    pub(crate) remedy: String,
}

/// The text of a member; empty if there is none.
pub(super) fn text<'j>(object: &'j Json, name: &str) -> &'j str {
    match object.member(name) {
        Some(Json::Text(text)) => text,
        _ => "",
    }
}

/// The number of a member that is a whole number; `None` if there is none.
pub(super) fn number(object: &Json, name: &str) -> Option<u64> {
    let value = object.member(name)?;
    let Json::Number(_) = value else { return None };
    value.to_string().parse().ok()
}

/// The entries of a member; none if it is no list.
pub(super) fn list<'j>(object: &'j Json, name: &str) -> &'j [Json] {
    match object.member(name) {
        Some(Json::List(list)) => list,
        _ => &[],
    }
}

/// The problems of the agent that this document describes, the gravest first.
///
/// What a check has found is none: that is of the host, not of the agent.
pub(crate) fn problems(status: &Json) -> Vec<Problem> {
    let now = number(status, "time").unwrap_or_default();
    let mut all = Vec::new();
    // The texts are templates about `object`. What has no reason is no problem.
    let mut add = |object: &Json, what: &str, why: &str, remedy: &str| {
        let why = fill(why, object, now);
        if !why.is_empty() {
            all.push(Problem {
                what: fill(what, object, now),
                why,
                remedy: fill(remedy, object, now),
            });
        }
    };
    let measured = number(status, "measured_seconds_ago");
    if measured.or(number(status, "uptime_seconds")) > Some(MEASURED) {
        add(
            status,
            "measuring",
            "nothing was measured for {measured_seconds_ago:span}|nothing was measured for \
             {uptime_seconds:span}",
            "see the log of the agent, and restart it",
        );
    }
    for destination in list(status, "destinations") {
        let (why, remedy) = of_state(destination);
        add(destination, "{name}", why, remedy);
        add(
            destination,
            "{name}",
            "what waits is in memory alone: {queued.save_error}",
            "free space on the file system of root, and let the agent's user write there",
        );
    }
    for plugin in list(status, "plugins") {
        let remedy = match text(plugin, "kind") {
            "metrics" => "try it with: mackerel-agent plugin {name}",
            "checks" => "try it with: mackerel-agent check {name}",
            _ => "run its command by hand, as the agent's user",
        };
        add(plugin, "plugin.{kind}.{name}", "{error}", remedy);
    }
    if text(status.member("clock").unwrap_or(&Json::Null), "state") == "wrong" {
        add(
            status,
            "clock",
            "it differs from the server's, which is used: {clock.ahead_seconds:ahead}",
            "set the clock, or have it set by NTP",
        );
    }
    for mount in list(status, "hanging_mounts") {
        add(
            mount,
            "file system {}",
            "it does not answer: its values are missing",
            "check its disk or its server; umount -l removes it",
        );
    }
    // Many errors name the remedy as well.
    for problem in &mut all {
        if !problem.remedy.is_empty() {
            let remedy = &problem.remedy;
            let words = remedy.strip_suffix(RESTART).unwrap_or(remedy);
            problem.why = problem.why.replace(&["; ", words].concat(), "");
        }
    }
    all
}

/// What is done after the remedy, where nothing is sent any more.
const RESTART: &str = "; then restart the agent";

/// The reason and the remedy of a destination in this state, as templates; empty ones if it is no
/// problem.
fn of_state(destination: &Json) -> (&'static str, &'static str) {
    match text(destination, "state") {
        "failing" => (
            "delivery fails at the step {failing_step} since {failing_since:at} \
             ({failing_since:since}): {reason}",
            "{remedy}",
        ),
        "ended" => (
            "nothing is sent there any more since {failing_since:at} ({failing_since:since}): \
             {reason}|nothing is sent there any more",
            "{remedy}; then restart the agent|restart the agent",
        ),
        "late" => (
            "nothing was accepted for {posted_seconds_ago:span}",
            "mackerel-agent diagnose tries each step of a post",
        ),
        "starting" if !text(destination, "failing_step").is_empty() => (
            "not registered yet, waits for the step {failing_step}: {reason}",
            "{remedy}",
        ),
        _ => ("", ""),
    }
}
