//! The state of the agent, for `mackerel-agent status`: the running agent's report as a JSON
//! document ([`json`]), and that document as text for people ([`text`]). `problems` finds what is
//! wrong in it. docs/status.md describes the document.

mod json;
mod page;
mod problems;
mod template;
mod text;

pub(crate) use json::{json, json_of_absent};
pub(crate) use problems::{Problem, problems};
pub(crate) use text::{page_of_absent, text};

/// The version of the document. It changes when a member is removed or gets another meaning.
const VERSION: u64 = 1;

/// What the running agent says of itself. Ages are in seconds.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct StatusReport {
    /// Unix time of the report, by the host's clock.
    pub(crate) time: u64,
    pub(crate) host_name: String,
    /// `None` before the registration.
    pub(crate) host_id: Option<String>,
    /// Address of Mackerel's API, without user and password; `None` if it is not used.
    pub(crate) server: Option<String>,
    pub(crate) version: &'static str,
    pub(crate) revision: &'static str,
    pub(crate) pid: u32,
    pub(crate) uptime: u64,
    pub(crate) measured_ago: Option<u64>,
    pub(crate) destinations: Vec<DestinationStatus>,
    pub(crate) plugins: Vec<PluginStatus>,
    pub(crate) clock: ClockStatus,
    /// Where the listener is, if one is configured.
    pub(crate) listener: Option<String>,
    /// Mount points that do not answer.
    pub(crate) hanging: Vec<String>,
    pub(crate) resources: Resources,
}

/// The state of one destination.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct DestinationStatus {
    pub(crate) name: String,
    /// `mackerel` or `otlp`.
    pub(crate) kind: &'static str,
    /// Without user and password.
    pub(crate) server: String,
    pub(crate) host_id: Option<String>,
    /// `ok`, `failing`, `late`, `ended` or `starting`.
    pub(crate) state: &'static str,
    pub(crate) posted_ago: Option<u64>,
    pub(crate) failure: Option<FailureStatus>,
    pub(crate) queued: QueuedStatus,
}

/// Why requests to a destination fail.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct FailureStatus {
    /// Unix time of the first failure; `None` if nothing has been tried yet.
    pub(crate) since: Option<u64>,
    pub(crate) step: &'static str,
    pub(crate) reason: String,
    pub(crate) remedy: &'static str,
}

/// What waits for a destination.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct QueuedStatus {
    pub(crate) values: u64,
    pub(crate) rounds: u64,
    pub(crate) reports: u64,
    pub(crate) disk_bytes: u64,
    /// Unix time of the oldest entry, by the host's clock.
    pub(crate) oldest: Option<u64>,
    /// Why it cannot be saved to disk.
    pub(crate) save_error: Option<String>,
}

/// A plugin and its last run.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct PluginStatus {
    /// `metrics`, `checks` or `metadata`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) last_run_ago: Option<u64>,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) exit_code: Option<i64>,
    /// `OK`, `WARNING`, `CRITICAL` or `UNKNOWN` of a check; `ok` or `failing` of others.
    pub(crate) status: Option<&'static str>,
    /// The message of a check; otherwise empty.
    pub(crate) message: String,
    /// Why the last run has no result, or an incomplete one.
    pub(crate) error: Option<String>,
    pub(crate) next_run: Option<u64>,
    pub(crate) is_running: bool,
}

/// The state of the host's clock.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct ClockStatus {
    /// `confirmed`, `wrong` or `unconfirmed`.
    pub(crate) state: &'static str,
    /// What confirms or contradicts it: `ntp` or `server`.
    pub(crate) source: Option<&'static str>,
    /// Seconds by which the clock is ahead of the server's; negative if it is behind.
    pub(crate) ahead: i64,
}

/// What the agent's process uses.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Resources {
    pub(crate) resident_bytes: Option<u64>,
    /// Processor time since the start, in hundredths of a second.
    pub(crate) cpu_ticks: Option<u64>,
    pub(crate) threads: Option<u64>,
    pub(crate) descriptors: Option<u64>,
}

#[cfg(test)]
mod tests;
