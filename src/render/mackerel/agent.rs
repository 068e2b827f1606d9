//! `custom.agent.*`: memory, threads and CPU time of the agent itself, if `diagnostic` is set.
//! Metrics that have a counterpart in the Go agent use its names.

use crate::base::values::Values;
use crate::collect::readings::Readings;
use crate::parse::plugin::meta::{Graph, Metric};

/// Factor from a fraction of one CPU to percent.
const PERCENT: f64 = 100.0;

/// Adds the agent's memory and threads, and its CPU share since `before`.
pub(super) fn put(out: &mut Values, before: &Readings, now: &Readings) {
    if let Some(status) = &now.agent {
        let mut put = |name: &str, value: Option<u64>| {
            if let Some(value) = value {
                out.put(name, value as f64);
            }
        };
        let all = status.resident.unwrap_or(u64::MAX);
        let anonymous = status.anonymous.map(|bytes| bytes.min(all));
        put("custom.agent.memory.alloc", anonymous);
        put("custom.agent.memory.sys", status.resident);
        put("custom.agent.runtime.thread_num", status.threads);
    }
    if let (Some(before), Some(now)) = (&before.agent_cpu, &now.agent_cpu) {
        let share = (now.reading - before.reading) / now.since(before).as_secs_f64();
        out.put("custom.agent.cpu.percentage", share * PERCENT);
    }
}

/// Graph definitions of these metrics.
pub(crate) fn graphs() -> Vec<Graph> {
    let metric = |name: &str, label: &str| Metric {
        name: name.to_owned(),
        label: label.to_owned(),
        is_stacked: false,
    };
    let graph = |name: &str, label: &str, unit: &str, metrics| Graph {
        name: name.to_owned(),
        label: label.to_owned(),
        unit: unit.to_owned(),
        metrics,
    };
    let memory = vec![
        metric("custom.agent.memory.alloc", "Alloc"),
        metric("custom.agent.memory.sys", "Sys"),
    ];
    let threads = vec![metric("custom.agent.runtime.thread_num", "Thread Num")];
    let cpu = vec![metric("custom.agent.cpu.percentage", "CPU")];
    vec![
        graph("custom.agent.memory", "Agent Memory", "bytes", memory),
        graph("custom.agent.runtime", "Agent Runtime", "integer", threads),
        graph("custom.agent.cpu", "Agent CPU", "percentage", cpu),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rig;
    use super::*;

    const TREE: &str = "two-core/t0";

    #[test]
    fn agent_memory_is_reported_at_once_and_cpu_from_the_second_reading() {
        let mut agent = Rig::with("agent", "diagnostic = true");
        let expected = [
            ("custom.agent.memory.alloc", 253_952.0),
            ("custom.agent.memory.sys", 1_601_536.0),
            ("custom.agent.runtime.thread_num", 5.0),
        ];
        assert_eq!(agent.round(TREE, 0), expected);
        let again = agent.round(TREE, 60);
        assert_eq!(again[..3], expected);
        assert_eq!(again[3], ("custom.agent.cpu.percentage", 0.0));
        agent.forget();
        assert_eq!(agent.round(TREE, 120).len(), 3);
    }

    #[test]
    fn agent_metrics_need_diagnostic() {
        let mut agent = Rig::of("agent");
        assert_eq!(agent.round(TREE, 0), []);
        agent.configure("diagnostic = true");
        assert_eq!(agent.round(TREE, 60).len(), 3);
    }

    #[test]
    fn every_metric_has_a_graph() {
        let graphs = graphs();
        let metrics = graphs.iter().flat_map(|graph| &graph.metrics);
        let names: Vec<&str> = metrics.map(|metric| metric.name.as_str()).collect();
        let mut agent = Rig::with("agent", "diagnostic = true");
        agent.round(TREE, 0);
        for (name, _) in agent.round(TREE, 60) {
            assert!(names.contains(&name), "{name}");
        }
    }
}
