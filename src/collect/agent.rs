//! `custom.agent.*`: what the agent itself costs, where `diagnostic` asks for it. Names are the Go
//! agent's where they have a meaning here.

use super::{CollectError, Collector, Values, View, ended};
use crate::base::clock::Moment;
use crate::config::Config;
use crate::parse::plugin::meta::{Graph, Metric};
use crate::parse::process;

/// Seconds of CPU time to the percentage of one CPU.
const PERCENT: f64 = 100.0;

/// Reads `/proc/self/status` and `/proc/self/stat`.
#[derive(Default)]
pub(super) struct Agent {
    is_wanted: bool,
    /// When it was read last, and the seconds of CPU time until then.
    before: Option<(Moment, f64)>,
}

impl Agent {
    pub(super) fn new(is_wanted: bool) -> Agent {
        Agent {
            is_wanted,
            before: None,
        }
    }
}

impl Collector for Agent {
    fn name(&self) -> &'static str {
        "agent"
    }

    fn collect(&mut self, view: &mut View<'_>, out: &mut Values) -> Result<(), CollectError> {
        if !self.is_wanted {
            return Ok(());
        }
        let status = process::status(&view.root.text("/proc/self/status", view.buffer)?);
        let all = status.resident.unwrap_or(u64::MAX);
        let values = [
            ("memory.alloc", status.anonymous.map(|bytes| bytes.min(all))),
            ("memory.sys", status.resident),
            ("runtime.thread_num", status.threads),
        ];
        for (name, value) in values {
            if let Some(value) = value {
                out.put(["custom.agent.", name].concat(), value as f64);
            }
        }
        let used = process::cpu_seconds(&view.root.text("/proc/self/stat", view.buffer)?)?;
        if let Some((then, before)) = self.before.replace((view.now, used)) {
            let share = (used - before) / view.now.since(then).as_secs_f64();
            out.put("custom.agent.cpu.percentage", share * PERCENT);
        }
        ended(status.damage)
    }

    fn forget(&mut self) {
        self.before = None;
    }

    fn configure(&mut self, config: &Config) {
        self.is_wanted = config.diagnostic;
        if !self.is_wanted {
            self.before = None;
        }
    }
}

/// How these metrics are shown.
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
    use super::super::testing::round;
    use super::*;

    const TREE: &str = "two-core/t0";

    #[test]
    fn memory_at_once_and_cpu_from_the_second_reading_on() {
        let mut agent = Agent::new(true);
        let expected = [
            ("custom.agent.memory.alloc", 253_952.0),
            ("custom.agent.memory.sys", 1_601_536.0),
            ("custom.agent.runtime.thread_num", 5.0),
        ];
        assert_eq!(round(&mut agent, TREE, 0), expected);
        let again = round(&mut agent, TREE, 60);
        assert_eq!(again[..3], expected);
        assert_eq!(again[3], ("custom.agent.cpu.percentage", 0.0));
        agent.forget();
        assert_eq!(round(&mut agent, TREE, 120).len(), 3);
    }

    #[test]
    fn nothing_unless_it_is_wanted() {
        let mut agent = Agent::new(false);
        assert_eq!(round(&mut agent, TREE, 0), []);
        let config = Config {
            diagnostic: true,
            ..Config::default()
        };
        agent.configure(&config);
        assert_eq!(round(&mut agent, TREE, 60).len(), 3);
    }

    #[test]
    fn every_metric_has_a_graph() {
        let graphs = graphs();
        let metrics = graphs.iter().flat_map(|graph| &graph.metrics);
        let names: Vec<&str> = metrics.map(|metric| metric.name.as_str()).collect();
        let mut agent = Agent::new(true);
        round(&mut agent, TREE, 0);
        for (name, _) in round(&mut agent, TREE, 60) {
            assert!(names.contains(&name), "{name}");
        }
    }
}
