//! `container.cpu.NAME.usage|limit`, in percent of one core, and `container.memory.NAME.usage|limit`,
//! in bytes: what containers use and may use, from the files of control groups. Where it is asked for,
//! `custom.container.*`: throttling, kills for want of memory, pressure.

mod groups;
mod names;

use std::path::PathBuf;
use std::time::Duration;

use super::{CollectError, Collector, Span, Values, View, ended, within};
use crate::base::counter::growth;
use crate::base::text::metric_segment;
use crate::config::{self, Config, Scope};
use crate::parse::plugin::meta::{Graph, Metric};
use crate::parse::{cgroup, container, meminfo, stat};
use crate::sys::root::Root;
use groups::Groups;

/// Where control groups are.
const CGROUPS: &str = "/sys/fs/cgroup";
/// Containers measured in a round; further ones are left out.
const MOST: usize = 500;
/// Characters of an id that stand for a name where there is none.
const SHORT: usize = 12;
/// Percent of one core.
const PERCENT: f64 = 100.0;
/// Pressure is told of these.
const RESOURCES: [&str; 3] = ["cpu", "memory", "io"];

/// Compares each reading with the one before.
pub(super) struct Container {
    config: config::Container,
    span: Span,
    before: Vec<(PathBuf, Counters)>,
    /// Names by id, as far as they have been told.
    names: Vec<(String, String)>,
    /// The path of the own group, once it has been found.
    own: Option<String>,
}

/// What only grows. `None`: the kernel does not tell.
#[derive(Clone, Copy, Default)]
struct Counters {
    cpu_ns: Option<u64>,
    /// The length of the path of the group whose periods these are.
    limiting: usize,
    periods: Option<u64>,
    throttled: Option<u64>,
    oom_kills: Option<u64>,
    /// Of each resource: some and all tasks waiting, in microseconds.
    stalled_us: [[Option<u64>; 2]; 3],
}

/// What a group may use; `None` if that is unknown.
struct Limits {
    /// Percent of one core.
    cpu: Option<f64>,
    memory_bytes: Option<u64>,
}

/// A container's group, below the base of its hierarchy.
struct Group {
    path: String,
    name: String,
}

impl Container {
    /// Measures the containers that `config` asks for.
    pub(super) fn new(config: config::Container) -> Container {
        Container {
            config,
            span: Span::default(),
            before: Vec::new(),
            names: Vec::new(),
            own: None,
        }
    }

    /// The groups to be measured, of those of the host. `None`: the own one.
    fn groups(
        &mut self,
        view: &mut View<'_>,
        groups: &Groups,
    ) -> Result<Option<Vec<Group>>, CollectError> {
        let scope = match self.config.metrics {
            // The host's groups have been put somewhere for this.
            Scope::Auto if self.config.cgroup.is_some() => Scope::Pod,
            Scope::Auto => Scope::Own,
            scope => scope,
        };
        let pod = match (scope, &self.config.pod_uid) {
            (Scope::Pod, None) => self.own_pod(view)?,
            (Scope::Pod, uid) => uid.clone(),
            _ => None,
        };
        let task = self.config.task.as_deref();
        let is_unknown = pod.is_none() && task.is_none();
        if scope == Scope::Own || (scope == Scope::Pod && is_unknown) {
            return Ok(None);
        }
        let mut found = groups.containers();
        if scope == Scope::Pod {
            found.retain(|path| match &pod {
                Some(pod) => container::pod_of_group(path).as_ref() == Some(pod),
                None => container::task_of_group(path) == task,
            });
            if found.is_empty() {
                return Err(CollectError::Unseen);
            }
        }
        found.truncate(MOST);
        self.name(view.root, &found, scope == Scope::All);
        let mut all: Vec<Group> = Vec::with_capacity(found.len());
        let has_pods = self.names.iter().any(|(_, name)| !name.is_empty());
        for path in found {
            let id = id(&path).to_owned();
            let known = self.names.iter().find(|(known, _)| *known == id);
            let known = known.map(|(_, name)| metric_segment(name));
            let is_in_pod = container::pod_of_group(&path).is_some();
            let name = match known {
                // Two may have one name: the ids are different.
                Some(name) if all.iter().all(|other| other.name != name) => name,
                // It holds the pod's network, and has no log.
                None if is_in_pod && has_pods => continue,
                _ => id.chars().take(SHORT).collect(),
            };
            all.push(Group { path, name });
        }
        Ok(Some(all))
    }

    /// The group of the container that this process is in; where it is in none, its own.
    fn own(&mut self, view: &mut View<'_>, groups: &Groups) -> Result<Group, CollectError> {
        let known = self.own.take().filter(|path| groups.has(path));
        let path = match known {
            Some(path) => path,
            None => own_path(view, groups)?,
        };
        self.own = Some(path.clone());
        let name = match &self.config.name {
            Some(name) => metric_segment(name),
            None => {
                let name = view.root.text("/proc/sys/kernel/hostname", view.buffer)?;
                metric_segment(name.trim_end())
            }
        };
        Ok(Group { path, name })
    }

    fn own_pod(&self, view: &mut View<'_>) -> Result<Option<String>, CollectError> {
        let (text, _) = view.root.table("/proc/self/mountinfo", view.buffer)?;
        Ok(container::pod_of_mounts(&text).map(str::to_owned))
    }
}

/// The path of the group of the container that this process is in.
///
/// What is mounted is either the container's groups alone, in a namespace of its own or by themselves:
/// then their root is the container's, and the group of this process may be one that a supervisor in
/// the container has made. Or it is all groups of the host: then one of those around this process is
/// named as a container's is, or else this process is in none.
fn own_path(view: &mut View<'_>, groups: &Groups) -> Result<String, CollectError> {
    if !groups.are_all() {
        return Ok("/".to_owned());
    }
    let text = view.root.text("/proc/self/cgroup", view.buffer)?;
    let path = cgroup::path(&text, groups.controller()).unwrap_or("/");
    let path = container::group_of_container(path)
        .unwrap_or(path)
        .to_owned();
    let (mounts, _) = view.root.table("/proc/self/mountinfo", view.buffer)?;
    let is_known = !path.contains("..") && !cgroup::begins_above(&mounts);
    if is_known && groups.has(&path) {
        return Ok(groups.common(&path).to_owned());
    }
    let own = container::id_of_mounts(&mounts).ok_or(CollectError::OwnUnseen)?;
    let mut all = groups.containers().into_iter();
    let found = all.find(|path| id(path) == own);
    found
        .map(|path| ["/", &path].concat())
        .ok_or(CollectError::OwnUnseen)
}

/// The id of the container that has this group.
fn id(path: &str) -> &str {
    container::id_of_group(path).unwrap_or_default()
}

impl Collector for Container {
    fn name(&self) -> &'static str {
        "container"
    }

    fn collect(&mut self, view: &mut View<'_>, out: &mut Values) -> Result<(), CollectError> {
        if self.config.metrics == Scope::None {
            return Ok(());
        }
        let root = view.root;
        let mut groups = match &self.config.cgroup {
            // A path of this process, wherever the host's files are.
            Some(path) => Groups::at(Root::own(), path.clone()),
            None => Groups::at(root.clone(), PathBuf::from(CGROUPS)),
        };
        let all = match self.groups(view, &groups)? {
            Some(all) => all,
            None => {
                // In the host's tree, the root that a process sees would be the whole host.
                groups = Groups::at(root.clone(), PathBuf::from(CGROUPS));
                vec![self.own(view, &groups)?]
            }
        };
        let (host, mut failure) = Limits::of_host(view);
        let span = self.span.until(view.now);
        let mut after = Vec::with_capacity(all.len());
        let (mut has_cpu, mut has_memory) = (all.is_empty(), all.is_empty());
        for Group { path, name } in all {
            if self
                .config
                .ignore
                .as_ref()
                .is_some_and(|ignore| ignore.matches(&name))
            {
                (has_cpu, has_memory) = (true, true);
                continue;
            }
            let before = self
                .before
                .iter()
                .find(|(known, _)| known.as_os_str() == &*path);
            let before = before.map(|(_, counters)| *counters);
            let reading = groups.measure(&path, &name, &host, self.config.details, out);
            if let Some(before) = before {
                reading.counters.put(&before, &name, &host, span, out);
            }
            has_cpu |= reading.has_cpu;
            has_memory |= reading.has_memory;
            failure = failure.or(reading.failure);
            after.push((PathBuf::from(path), reading.counters));
        }
        self.before = after;
        ended(failure.or(match (has_cpu, has_memory) {
            (true, true) => None,
            (true, false) => Some(CollectError::Controllers("memory")),
            (false, true) => Some(CollectError::Controllers("cpuacct")),
            (false, false) => Some(CollectError::Controllers("cpuacct and memory")),
        }))
    }

    fn forget(&mut self) {
        self.before.clear();
    }

    fn configure(&mut self, config: &Config) {
        // Which containers there are is settled at the start, as are the other collectors.
        let metrics = self.config.metrics;
        self.config.clone_from(&config.container);
        self.config.metrics = metrics;
    }
}

impl Limits {
    /// What the whole host has, and why a part of that is unknown, if one is.
    fn of_host(view: &mut View<'_>) -> (Limits, Option<CollectError>) {
        let mut limits = Limits {
            cpu: None,
            memory_bytes: None,
        };
        let failure = limits.read(view).err();
        (limits, failure)
    }

    fn read(&mut self, view: &mut View<'_>) -> Result<(), CollectError> {
        let memory = view.root.text("/proc/meminfo", view.buffer);
        let memory = memory.map(|text| meminfo::parse(&text));
        let (stat, _) = view.root.table("/proc/stat", view.buffer)?;
        let cores = stat::cores(&stat);
        self.cpu = cores.map(|cores| cores as f64 * PERCENT);
        let memory = memory??;
        self.memory_bytes = memory.total_bytes;
        if cores.is_none() {
            stat::parse(&stat)?;
        }
        match self.memory_bytes {
            None => ended(memory.damage),
            Some(_) => Ok(()),
        }
    }
}

impl Counters {
    /// Puts what grew since `before` into `out`.
    fn put(&self, before: &Counters, name: &str, host: &Limits, span: Duration, out: &mut Values) {
        let seconds = span.as_secs_f64();
        let grown = |get: fn(&Counters) -> Option<u64>| {
            growth(get(before)?, get(self)?).map(|grown| grown as f64)
        };
        let mut put = |parts: [&str; 4], value: Option<f64>| {
            if let Some(value) = value {
                out.put(parts.concat(), value);
            }
        };
        let share = grown(|counters| counters.cpu_ns).map(|ns| ns / 1e9 / seconds * PERCENT);
        let share = match host.cpu {
            Some(cpu) => share.and_then(|share| within(share, cpu)),
            None => share,
        };
        put(["container.cpu.", name, ".usage", ""], share);
        let is_same = before.limiting == self.limiting;
        let throttled = grown(|counters| counters.throttled).filter(|_| is_same);
        let share = throttled.zip(grown(|counters| counters.periods));
        let share = share.map(|(throttled, periods)| throttled / periods.max(1.0) * PERCENT);
        let share = share.and_then(|share| within(share, PERCENT));
        put(
            ["custom.container.throttled.", name, ".percentage", ""],
            share,
        );
        let kills = grown(|counters| counters.oom_kills);
        put(["custom.container.oom_kills.", name, ".count", ""], kills);
        let stalled = before.stalled_us.iter().zip(&self.stalled_us);
        for (resource, (before, after)) in RESOURCES.iter().zip(stalled) {
            let graph = ["custom.container.pressure_", resource, "."].concat();
            for (kind, (before, after)) in [".some", ".full"].iter().zip(before.iter().zip(after)) {
                let stalled = before.zip(*after);
                let stalled = stalled.and_then(|(before, after)| growth(before, after));
                let share = stalled.map(|us| us as f64 / 1e6 / seconds * PERCENT);
                let share = share.and_then(|share| within(share, PERCENT));
                put([&graph, name, kind, ""], share);
            }
        }
    }
}

/// How `custom.container.*` is shown.
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
