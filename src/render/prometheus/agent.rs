//! What the agent says of itself, and the values of its plugins.

use super::exposition::{Exposition, Fixed, Kind};
use crate::base::program;

/// State of the agent at the time of an exposition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AgentState {
    /// Ticks of 1/100 s.
    pub(crate) cpu_ticks: u64,
    pub(crate) resident_bytes: u64,
    /// Seconds since the last round; `None` before the first.
    pub(crate) measured_ago: Option<u64>,
    /// Name of each destination, and seconds since it has accepted something; `None` before that.
    pub(crate) posted_ago: Vec<(String, Option<u64>)>,
    /// The last values of metric plugins, without `custom.`.
    pub(crate) custom: Vec<(String, f64)>,
}

/// Appends the agent's own families.
pub(crate) fn agent(state: &AgentState, out: &mut Exposition) {
    let help = ["Version of the agent"];
    out.family(&["mackerel_agent_build_info"], Kind::Gauge, &help);
    out.sample(&[("version", program::VERSION)], 1);
    let cpu = Fixed {
        units: state.cpu_ticks,
        decimals: 2,
    };
    let help = ["CPU time that the agent has used"];
    out.single(
        &["mackerel_agent_cpu_seconds_total"],
        Kind::Counter,
        &help,
        cpu,
    );
    let help = ["Memory of the agent that is resident"];
    let name = ["mackerel_agent_resident_memory_bytes"];
    out.single(&name, Kind::Gauge, &help, state.resident_bytes);
    if let Some(ago) = state.measured_ago {
        let help = ["Time since the last round of measurements"];
        let name = ["mackerel_agent_measured_ago_seconds"];
        out.single(&name, Kind::Gauge, &help, ago);
    }
    let mut posted = state
        .posted_ago
        .iter()
        .filter_map(|(name, ago)| Some((name, (*ago)?)));
    if let Some(first) = posted.next() {
        let help = ["Time since a destination has accepted something"];
        out.family(&["mackerel_agent_posted_ago_seconds"], Kind::Gauge, &help);
        for (name, ago) in std::iter::once(first).chain(posted) {
            out.sample(&[("destination", name)], ago);
        }
    }
}

/// Appends the last values of metric plugins.
pub(crate) fn custom(values: &[(String, f64)], out: &mut Exposition) {
    if values.is_empty() {
        return;
    }
    let help = ["Last value of a metric plugin"];
    out.family(&["mackerel_custom"], Kind::Gauge, &help);
    for (name, value) in values {
        out.sample_as_written(&[("name", name)], &number(*value));
    }
}

/// A number as the format writes it.
fn number(value: f64) -> String {
    // JSON writes numbers as this format does, but NaN and infinity, which no plugin's value is.
    serde_json::to_string(&value).unwrap_or_default()
}
