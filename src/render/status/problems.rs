//! What is wrong, according to the agent's document, and what to do about it.

use std::time::Duration;

use crate::base::json::Json;
use crate::sys::localtime;

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

/// A time span for people, in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    let (large, small, unit, small_unit) = match seconds {
        0..120 => return [&seconds.to_string(), " s"].concat(),
        120..7_200 => return [&(seconds / 60).to_string(), " min"].concat(),
        7_200..172_800 => (seconds / 3_600, seconds % 3_600 / 60, " h ", " min"),
        _ => (seconds / 86_400, seconds % 86_400 / 3_600, " d ", " h"),
    };
    [&large.to_string(), unit, &small.to_string(), small_unit].concat()
}

/// The problems of the agent that this document describes, the gravest first.
///
/// What a check has found is none: that is of the host, not of the agent.
pub(crate) fn problems(status: &Json) -> Vec<Problem> {
    let mut all = Vec::new();
    let uptime = number(status, "uptime_seconds").unwrap_or_default();
    let measured = number(status, "measured_seconds_ago").unwrap_or(uptime);
    if measured > MEASURED {
        all.push(problem(
            "measuring",
            &["nothing was measured for ", &span(measured)],
            "see the log of the agent, and restart it",
        ));
    }
    for destination in list(status, "destinations") {
        all.extend(delivery(destination, status));
        let save_error = text(
            destination.member("queued").unwrap_or(&Json::Null),
            "save_error",
        );
        if !save_error.is_empty() {
            all.push(problem(
                text(destination, "name"),
                &["what waits is in memory alone: ", save_error],
                "free space on the file system of root, and let the agent's user write there",
            ));
        }
    }
    for plugin in list(status, "plugins") {
        let (kind, name) = (text(plugin, "kind"), text(plugin, "name"));
        let error = text(plugin, "error");
        if !error.is_empty() {
            let remedy = match kind {
                "metrics" => ["try it with: mackerel-agent plugin ", name].concat(),
                "checks" => ["try it with: mackerel-agent check ", name].concat(),
                _ => "run its command by hand, as the agent's user".to_owned(),
            };
            let what = ["plugin.", kind, ".", name].concat();
            all.push(problem(&what, &[error], &remedy));
        }
    }
    let clock = status.member("clock").unwrap_or(&Json::Null);
    if text(clock, "state") == "wrong" {
        all.push(problem(
            "clock",
            &[
                "it differs from the server's, which is used: ",
                &ahead(clock),
            ],
            "set the clock, or have it set by NTP",
        ));
    }
    for mount in list(status, "hanging_mounts") {
        if let Json::Text(path) = mount {
            all.push(problem(
                &["file system ", path].concat(),
                &["it does not answer: its values are missing"],
                "check its disk or its server; umount -l removes it",
            ));
        }
    }
    all
}

/// By how much the clock differs.
pub(super) fn ahead(clock: &Json) -> String {
    let ahead = clock.member("ahead_seconds").map(Json::to_string);
    let ahead = ahead.unwrap_or_default();
    let (seconds, word) = match ahead.strip_prefix('-') {
        Some(seconds) => (seconds, " behind"),
        None => (ahead.as_str(), " ahead"),
    };
    [&span(seconds.parse().unwrap_or_default()), word].concat()
}

/// What is wrong with the delivery to a destination.
fn delivery(destination: &Json, status: &Json) -> Option<Problem> {
    let (reason, step) = (
        text(destination, "reason"),
        text(destination, "failing_step"),
    );
    let (name, remedy) = (text(destination, "name"), text(destination, "remedy"));
    let since = number(destination, "failing_since").map(|since| {
        let now = number(status, "time").unwrap_or_default();
        let at = localtime::rfc3339(Duration::from_secs(since));
        [" since ", &at, " (", &span(now.saturating_sub(since)), ")"].concat()
    });
    let since = since.unwrap_or_default();
    // Many errors name the remedy as well.
    let reason = match remedy {
        "" => reason.to_owned(),
        remedy => reason.replace(&["; ", remedy].concat(), ""),
    };
    match text(destination, "state") {
        "failing" => Some(problem(
            name,
            &["delivery fails at the step ", step, &since, ": ", &reason],
            remedy,
        )),
        "ended" => Some(problem(
            name,
            &["nothing is sent there any more", &since, ": ", &reason],
            &[remedy, "; then restart the agent"].concat(),
        )),
        "late" => {
            let posted = number(destination, "posted_seconds_ago").unwrap_or_default();
            Some(problem(
                name,
                &["nothing was accepted for ", &span(posted)],
                "mackerel-agent diagnose tries each step of a post",
            ))
        }
        "starting" if !step.is_empty() => Some(problem(
            name,
            &[
                "not registered yet, waits for the step ",
                step,
                ": ",
                &reason,
            ],
            remedy,
        )),
        _ => None,
    }
}

fn problem(what: &str, why: &[&str], remedy: &str) -> Problem {
    Problem {
        what: what.to_owned(),
        why: why.concat(),
        remedy: remedy.to_owned(),
    }
}
