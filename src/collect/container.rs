//! `container.cpu.NAME.usage|limit`, in percent of one core, and `container.memory.NAME.usage|limit`,
//! in bytes: what containers use and may use, from the files of control groups. Where it is asked for,
//! `custom.container.*`: throttling, kills for want of memory, pressure.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{CollectError, Collector, Span, Values, View};
use crate::base::counter::growth;
use crate::base::json::Json;
use crate::base::text::metric_segment;
use crate::config::{self, Config, Scope};
use crate::parse::plugin::meta::{Graph, Metric};
use crate::parse::{cgroup, container, meminfo, stat};
use crate::sys::file;
use crate::sys::root::{FileError, Root, absent_is_none};

/// Where control groups are.
const CGROUPS: &str = "/sys/fs/cgroup";
/// Containers measured in a round; further ones are left out.
const MOST: usize = 500;
/// Directories looked through for containers, and how deep they are nested.
const DIRECTORIES: usize = 5000;
const DEEPEST: usize = 12;
/// Characters of an id that stand for a name where there is none.
const SHORT: usize = 12;
/// Percent of one core.
const PERCENT: f64 = 100.0;
/// Where names of containers are told, if those directories are mounted.
const LOGS: &str = "/var/log/containers";
const DOCKER: &str = "/var/lib/docker/containers";
const PODMAN: &str = "/var/lib/containers/storage/overlay-containers/containers.json";
/// Pressure is told of these.
const RESOURCES: [&str; 3] = ["cpu", "memory", "io"];

/// Compares each reading with the one before.
pub(super) struct Container {
    config: config::Container,
    span: Span,
    before: Vec<(PathBuf, Counters)>,
    /// Names by id, as far as they have been told.
    names: Vec<(String, String)>,
}

/// What only grows. `None`: the kernel does not tell.
#[derive(Clone, Copy, Default)]
struct Counters {
    cpu_ns: Option<u64>,
    periods: Option<u64>,
    throttled: Option<u64>,
    oom_kills: Option<u64>,
    /// Of each resource: some and all tasks waiting, in microseconds.
    stalled_us: [[Option<u64>; 2]; 3],
}

/// What a group may use.
struct Limits {
    /// Percent of one core.
    cpu: f64,
    memory_bytes: u64,
}

/// The files of control groups.
struct Groups {
    base: PathBuf,
    is_v2: bool,
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
        }
    }

    /// The groups to be measured.
    fn groups(&mut self, view: &mut View<'_>, groups: &Groups) -> Result<Vec<Group>, CollectError> {
        let scope = match self.config.metrics {
            Scope::None => return Ok(Vec::new()),
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
        if scope == Scope::Own || (scope == Scope::Pod && pod.is_none()) {
            return Ok(vec![self.own(view, groups)?]);
        }
        let mut found = groups.containers();
        if let Some(pod) = &pod {
            found.retain(|path| container::pod_of_group(path).as_ref() == Some(pod));
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
        Ok(all)
    }

    /// The group of this process, which in a namespace of its own is the root of all that it sees.
    fn own(&self, view: &mut View<'_>, groups: &Groups) -> Result<Group, CollectError> {
        let text = view.root.text("/proc/self/cgroup", view.buffer)?;
        let controller = if groups.is_v2 { None } else { Some("memory") };
        let path = cgroup::path(&text, controller).unwrap_or("/").to_owned();
        let files: &[&str] = match groups.is_v2 {
            true => &["cgroup.procs"],
            false => &["memory/cgroup.procs", "cpuacct/cgroup.procs"],
        };
        let is_there = |file: &&str| groups.at(&path, file).exists();
        let is_seen = !path.contains("..") && files.iter().all(is_there);
        let name = match &self.config.name {
            Some(name) => metric_segment(name),
            None => {
                let name = view.root.text("/proc/sys/kernel/hostname", view.buffer)?;
                metric_segment(name.trim_end())
            }
        };
        Ok(Group {
            path: if is_seen { path } else { "/".to_owned() },
            name,
        })
    }

    fn own_pod(&self, view: &mut View<'_>) -> Result<Option<String>, CollectError> {
        let text = view.root.text("/proc/self/mountinfo", view.buffer)?;
        Ok(container::pod_of_mounts(&text).map(str::to_owned))
    }

    /// Sees to it that the names of the containers of `paths` are known, as far as they are told.
    fn name(&mut self, root: &Root, paths: &[String], with_pod: bool) {
        let is_known = |path: &String| self.names.iter().any(|(known, _)| known == id(path));
        if paths.iter().all(is_known) {
            return;
        }
        self.names
            .retain(|(known, _)| paths.iter().any(|path| id(path) == known));
        for name in root.names(LOGS).ok().flatten().unwrap_or_default() {
            let name = name.to_string_lossy();
            if let Some((pod, container, id)) = container::log_file(&name) {
                let name = match with_pod {
                    true => [pod, "_", container].concat(),
                    false => container.to_owned(),
                };
                self.learn(id, name);
            }
        }
        for id in paths.iter().map(|path| id(path)) {
            let text = root.text_if_present(format!("{DOCKER}/{id}/config.v2.json"));
            let config = text.ok().flatten().and_then(|text| Json::parse(&text).ok());
            if let Some(Json::Text(name)) = config.as_ref().and_then(|config| config.member("Name"))
            {
                self.learn(id, name.trim_start_matches('/').to_owned());
            }
        }
        let text = root.text_if_present(PODMAN).ok().flatten();
        if let Some(Json::List(all)) = text.and_then(|text| Json::parse(&text).ok()) {
            for one in all {
                if let (Some(Json::Text(id)), Some(Json::List(names))) =
                    (one.member("id"), one.member("names"))
                    && let Some(Json::Text(name)) = names.first()
                {
                    self.learn(id, name.clone());
                }
            }
        }
    }

    fn learn(&mut self, id: &str, name: String) {
        if !self.names.iter().any(|(known, _)| known == id) {
            self.names.push((id.to_owned(), name));
        }
    }
}

/// The id of the container that has this group.
fn id(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    container::id_of_group(name).unwrap_or_default()
}

impl Collector for Container {
    fn name(&self) -> &'static str {
        "container"
    }

    fn collect(&mut self, view: &mut View<'_>, out: &mut Values) -> Result<(), CollectError> {
        if self.config.metrics == Scope::None {
            return Ok(());
        }
        let groups = Groups::at_base(match &self.config.cgroup {
            Some(path) => path.clone(),
            None => view.root.path(CGROUPS),
        });
        let all = self.groups(view, &groups)?;
        let host = Limits::of_host(view)?;
        let span = self.span.until(view.now);
        let mut after = Vec::with_capacity(all.len());
        let mut failure = None;
        for Group { path, name } in all {
            if self
                .config
                .ignore
                .as_ref()
                .is_some_and(|ignore| ignore.matches(&name))
            {
                continue;
            }
            let before = self
                .before
                .iter()
                .find(|(known, _)| known.as_os_str() == &*path);
            let before = before.map(|(_, counters)| *counters);
            match groups.measure(&path, &name, &host, self.config.details, out) {
                Ok(counters) => {
                    if let Some(before) = before {
                        counters.put(&before, &name, span, out);
                    }
                    after.push((PathBuf::from(path), counters));
                }
                Err(error) => failure = Some(error),
            }
        }
        self.before = after;
        failure.map_or(Ok(()), Err)
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
    /// What the whole host has.
    fn of_host(view: &mut View<'_>) -> Result<Limits, CollectError> {
        let cores = stat::parse(&view.root.text("/proc/stat", view.buffer)?)?.cores;
        let memory = meminfo::parse(&view.root.text("/proc/meminfo", view.buffer)?)?;
        Ok(Limits {
            cpu: cores as f64 * PERCENT,
            memory_bytes: memory.total_bytes,
        })
    }
}

impl Groups {
    fn at_base(base: PathBuf) -> Groups {
        let is_v2 = base.join("cgroup.controllers").exists();
        Groups { base, is_v2 }
    }

    /// A file of the group at `path`. In version 1, `file` begins with the controller.
    fn at(&self, path: &str, file: &str) -> PathBuf {
        let path = path.trim_start_matches('/');
        match file.split_once('/') {
            Some((controller, file)) if !self.is_v2 => {
                self.base.join(controller).join(path).join(file)
            }
            _ => self.base.join(path).join(file),
        }
    }

    /// The text of such a file; `None` if there is none, which may be so because the group has gone.
    fn text(&self, path: &str, file: &str) -> Result<Option<String>, FileError> {
        let read = match file::read(&self.at(path, file)) {
            Err(error) if error.is_gone() => return Ok(None),
            read => absent_is_none(read)?,
        };
        Ok(read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A number in a file of lines with a name and a number; `None` if there is none.
    fn field(&self, path: &str, file: &str, name: &str) -> Option<u64> {
        cgroup::field(&self.text(path, file).ok()??, name)
    }

    /// The paths of all groups that are containers, sorted.
    fn containers(&self) -> Vec<String> {
        let top = match self.is_v2 {
            true => self.base.clone(),
            false => self.base.join("memory"),
        };
        let mut found = Vec::new();
        let mut ahead = vec![(String::new(), 0)];
        let mut seen = 0;
        while let Some((path, depth)) = ahead.pop() {
            seen += 1;
            let names = Root::directories(&top.join(&path));
            for name in names.unwrap_or_default() {
                let Ok(name) = name.into_string() else {
                    continue;
                };
                let is_container = container::id_of_group(&name).is_some();
                let below = match path.as_str() {
                    "" => name,
                    path => [path, "/", &name].concat(),
                };
                if is_container {
                    found.push(below);
                } else if depth < DEEPEST && seen + ahead.len() < DIRECTORIES {
                    ahead.push((below, depth + 1));
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// Puts what holds now into `out`, and returns what grows.
    fn measure(
        &self,
        path: &str,
        name: &str,
        host: &Limits,
        with_details: bool,
        out: &mut Values,
    ) -> Result<Counters, CollectError> {
        let mut counters = Counters {
            cpu_ns: self.cpu_ns(path)?,
            ..Counters::default()
        };
        if counters.cpu_ns.is_some() {
            let own = self.narrowest(path, |path| self.cpu_limit(path));
            let limit = own.map_or(host.cpu, |own| own.min(host.cpu));
            out.put(["container.cpu.", name, ".limit"].concat(), limit);
        }
        if let Some(used) = self.memory_bytes(path)? {
            let own = self.narrowest(path, |path| {
                self.memory_limit(path).map(|bytes| bytes as f64)
            });
            let all = host.memory_bytes as f64;
            let put = |what, value, out: &mut Values| {
                out.put(["container.memory.", name, what].concat(), value);
            };
            put(".usage", used as f64, out);
            put(".limit", own.map_or(all, |own| own.min(all)), out);
        }
        if with_details {
            self.details(path, &mut counters);
        }
        Ok(counters)
    }

    fn cpu_ns(&self, path: &str) -> Result<Option<u64>, CollectError> {
        if !self.is_v2 {
            let text = self.text(path, "cpuacct/cpuacct.usage")?;
            return Ok(text
                .map(|text| cgroup::number("cpuacct.usage", &text))
                .transpose()?);
        }
        let text = self.text(path, "cpu.stat")?;
        let used = text.map(|text| cgroup::usage_us(&text)).transpose()?;
        Ok(used.map(|microseconds| microseconds.saturating_mul(1000)))
    }

    /// What is in use and cannot simply be dropped: the kubelet's working set.
    fn memory_bytes(&self, path: &str) -> Result<Option<u64>, CollectError> {
        let (file, name, inactive) = match self.is_v2 {
            true => ("memory.current", "memory.stat", "inactive_file"),
            false => (
                "memory/memory.usage_in_bytes",
                "memory/memory.stat",
                "total_inactive_file",
            ),
        };
        let Some(text) = self.text(path, file)? else {
            return Ok(None);
        };
        let used = cgroup::number("memory.current", &text)?;
        let inactive = self.field(path, name, inactive).unwrap_or_default();
        Ok(Some(used.saturating_sub(inactive)))
    }

    fn cpu_limit(&self, path: &str) -> Option<f64> {
        if self.is_v2 {
            return cgroup::cpu_max(&self.text(path, "cpu.max").ok()??);
        }
        let quota = self.text(path, "cpu/cpu.cfs_quota_us").ok()??;
        cgroup::cfs(&quota, &self.text(path, "cpu/cpu.cfs_period_us").ok()??)
    }

    fn memory_limit(&self, path: &str) -> Option<u64> {
        let file = if self.is_v2 {
            "memory.max"
        } else {
            "memory/memory.limit_in_bytes"
        };
        cgroup::limit(&self.text(path, file).ok()??)
    }

    /// The narrowest limit of a group and those around it; `None` if there is none.
    fn narrowest(&self, path: &str, limit: impl Fn(&str) -> Option<f64>) -> Option<f64> {
        let groups = Path::new(path).ancestors().take(DEEPEST);
        let limits = groups.filter_map(|group| limit(group.to_str()?));
        limits.reduce(f64::min)
    }

    fn details(&self, path: &str, counters: &mut Counters) {
        let (cpu, memory) = match self.is_v2 {
            true => ("cpu.stat", "memory.events"),
            false => ("cpu/cpu.stat", "memory/memory.oom_control"),
        };
        counters.periods = self.field(path, cpu, "nr_periods");
        counters.throttled = self.field(path, cpu, "nr_throttled");
        counters.oom_kills = self.field(path, memory, "oom_kill");
        // Version 1 does not tell; neither does a kernel without pressure.
        for (resource, stalled) in RESOURCES.iter().zip(&mut counters.stalled_us) {
            if self.is_v2
                && let Ok(Some(text)) = self.text(path, &[resource, ".pressure"].concat())
            {
                *stalled = cgroup::pressure(&text);
            }
        }
    }
}

impl Counters {
    /// Puts what grew since `before` into `out`.
    fn put(&self, before: &Counters, name: &str, span: Duration, out: &mut Values) {
        let seconds = span.as_secs_f64();
        let grown =
            |get: fn(&Counters) -> Option<u64>| Some(growth(get(before)?, get(self)?) as f64);
        let mut put = |parts: [&str; 4], value: Option<f64>| {
            if let Some(value) = value {
                out.put(parts.concat(), value);
            }
        };
        let share = grown(|counters| counters.cpu_ns).map(|ns| ns / 1e9 / seconds * PERCENT);
        put(["container.cpu.", name, ".usage", ""], share);
        let throttled = grown(|counters| counters.throttled);
        let share = throttled.zip(grown(|counters| counters.periods));
        let share = share.map(|(throttled, periods)| throttled / periods.max(1.0) * PERCENT);
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
                let share = before.zip(*after);
                let share = share
                    .map(|(before, after)| growth(before, after) as f64 / 1e6 / seconds * PERCENT);
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
