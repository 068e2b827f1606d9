//! `container.cpu.NAME.usage|limit`, in percent of one core, and
//! `container.memory.NAME.usage|limit`, in bytes. If details were read, also `custom.container.*`:
//! throttling, OOM kills and pressure.

use std::time::Duration;

use super::within;
use crate::base::counter::growth;
use crate::base::text::metric_segment;
use crate::base::values::{IMPOSSIBLE, Values};
use crate::collect::readings::{ContainerReadings, ControlGroup, RESOURCES, Timed};
use crate::parse::plugin::meta::{Graph, Metric};

/// Percent of one core.
const PERCENT: f64 = 100.0;

/// Adds the gauges of `now`, and the rates since `before`.
pub(super) fn put(
    out: &mut Values,
    before: Option<&Timed<ContainerReadings>>,
    now: &Timed<ContainerReadings>,
) {
    let host = Limits {
        cpu_percent: now.reading.host_cores.map(|cores| cores as f64 * PERCENT),
        memory_bytes: now.reading.host_memory_bytes,
    };
    for group in &now.reading.groups {
        let name = metric_segment(&group.name);
        put_gauges(out, group, &name, &host);
        if let Some(before) = before
            && let mut earlier = before.reading.groups.iter()
            && let Some(earlier) = earlier.find(|known| known.path == group.path)
        {
            put_growth(out, earlier, group, &name, &host, now.since(before));
        }
    }
}

/// The host's totals; `None` if unknown.
struct Limits {
    /// Percent of one core.
    cpu_percent: Option<f64>,
    memory_bytes: Option<u64>,
}

/// Adds the gauges of a group. Memory in use is capped at the limit.
fn put_gauges(out: &mut Values, group: &ControlGroup, name: &str, host: &Limits) {
    let mut put = |before: &str, after: &str, value: Option<f64>| {
        if let Some(value) = value {
            out.put([before, name, after].concat(), value);
        }
    };
    let least = |own: Option<f64>, host: Option<f64>| match (own, host) {
        (Some(own), Some(host)) => Some(own.min(host)),
        (own, host) => own.or(host),
    };
    if let Some(cpu) = &group.cpu {
        let limit = least(cpu.limit_percent, host.cpu_percent);
        put("container.cpu.", ".limit", limit);
    }
    if let Some(memory) = &group.memory {
        let number = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
        let limit = least(memory.limit_bytes, number(host.memory_bytes));
        let used = number(memory.used_bytes)
            .filter(|used| *used < IMPOSSIBLE)
            .map(|used| used.min(limit.unwrap_or(used)));
        put("container.memory.", ".usage", used);
        put("container.memory.", ".limit", limit);
    }
}

/// Adds the rates and counts over `span`.
fn put_growth(
    out: &mut Values,
    before: &ControlGroup,
    now: &ControlGroup,
    name: &str,
    host: &Limits,
    span: Duration,
) {
    let seconds = span.as_secs_f64();
    let grown = |get: fn(&ControlGroup) -> Option<u64>| {
        growth(get(before)?, get(now)?).map(|grown| grown as f64)
    };
    let mut put = |parts: [&str; 4], value: Option<f64>| {
        if let Some(value) = value {
            out.put(parts.concat(), value);
        }
    };
    let used_ns = grown(|group| group.cpu.as_ref()?.used_ns);
    let usage = used_ns.map(|ns| ns / 1e9 / seconds * PERCENT);
    let usage = match host.cpu_percent {
        Some(cpu) => usage.and_then(|usage| within(usage, cpu)),
        None => usage,
    };
    put(["container.cpu.", name, ".usage", ""], usage);
    let is_same = before.details.limiting == now.details.limiting;
    let throttled = grown(|group| group.details.throttled).filter(|_| is_same);
    let share = throttled
        .zip(grown(|group| group.details.periods))
        .map(|(throttled, periods)| throttled / periods.max(1.0) * PERCENT)
        .and_then(|share| within(share, PERCENT));
    put(
        ["custom.container.throttled.", name, ".percentage", ""],
        share,
    );
    let kills = grown(|group| group.details.oom_kills);
    put(["custom.container.oom_kills.", name, ".count", ""], kills);
    let resources = before.details.stalled_us.iter();
    let resources = resources.zip(&now.details.stalled_us);
    for (resource, (before, after)) in RESOURCES.iter().zip(resources) {
        let graph = ["custom.container.pressure_", resource, "."].concat();
        for (kind, (before, after)) in [".some", ".full"].iter().zip(before.iter().zip(after)) {
            let share = before
                .zip(*after)
                .and_then(|(before, after)| growth(before, after))
                .map(|us| us as f64 / 1e6 / seconds * PERCENT)
                .and_then(|share| within(share, PERCENT));
            put([&graph, name, kind, ""], share);
        }
    }
}

/// Graph definitions of `custom.container.*`.
pub(crate) fn graphs() -> Vec<Graph> {
    let graph = |name: &str, label: &str, unit: &str, metrics: &[(&str, &str)]| {
        let name = ["custom.container.", name, ".#"].concat();
        let metric = |(metric, label): &(&str, &str)| Metric {
            name: [&name, ".", metric].concat(),
            label: (*label).to_owned(),
            is_stacked: false,
        };
        Graph {
            metrics: metrics.iter().map(metric).collect(),
            name,
            label: label.to_owned(),
            unit: unit.to_owned(),
        }
    };
    let waiting = [("some", "some"), ("full", "all")];
    vec![
        graph(
            "throttled",
            "Container CPU throttled",
            "percentage",
            &[("percentage", "periods")],
        ),
        graph(
            "oom_kills",
            "Container OOM kills",
            "integer",
            &[("count", "kills")],
        ),
        graph(
            "pressure_cpu",
            "Container CPU pressure",
            "percentage",
            &waiting,
        ),
        graph(
            "pressure_memory",
            "Container memory pressure",
            "percentage",
            &waiting,
        ),
        graph(
            "pressure_io",
            "Container I/O pressure",
            "percentage",
            &waiting,
        ),
    ]
}

#[cfg(test)]
mod tests;
