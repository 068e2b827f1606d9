//! Collector for the CPU time, memory and limits of containers, from the files of control groups.
//! With `container.details` it also reads throttling, OOM kills and pressure.

pub(crate) mod groups;
mod names;

use std::path::PathBuf;

use super::readings::{ContainerReadings, Readings, Timed};
use super::{CollectContext, CollectError, Collector, ended};
use crate::base::text::metric_segment;
use crate::config::{self, Config, Scope};
use crate::parse::{cgroup, container, meminfo, stat};
use crate::sys::root::Root;
use groups::Groups;

/// Mount point of the control groups.
pub(crate) const CGROUPS: &str = "/sys/fs/cgroup";
/// Maximum number of containers measured in a round; the rest are left out.
const MOST: usize = 500;
/// Number of characters of an id that serve as the name of a container without one.
const SHORT: usize = 12;

/// Collector for the control groups selected by the settings.
pub(super) struct Container {
    config: config::Container,
    /// Container ids with their names, as far as names were found.
    names: Vec<(String, String)>,
    /// Path of this process's own group, once it has been found.
    own: Option<String>,
}

/// A container's group. The path is relative to the top of its hierarchy.
struct ContainerGroup {
    path: String,
    name: String,
}

impl Container {
    /// A collector for the containers selected by `config`.
    pub(super) fn new(config: config::Container) -> Container {
        Container {
            config,
            names: Vec::new(),
            own: None,
        }
    }

    /// The groups to measure. `None` means the group of this process.
    fn groups(
        &mut self,
        context: &mut CollectContext<'_>,
        groups: &Groups,
    ) -> Result<Option<Vec<ContainerGroup>>, CollectError> {
        let scope = match self.config.metrics {
            // `container.cgroup` is only set if the host's groups are mounted there.
            Scope::Auto if self.config.cgroup.is_some() => Scope::Pod,
            Scope::Auto => Scope::Own,
            scope => scope,
        };
        let pod = match (scope, &self.config.pod_uid) {
            (Scope::Pod, None) => self.own_pod(context)?,
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
        self.name(context.root, &found, scope == Scope::All);
        let mut all: Vec<ContainerGroup> = Vec::with_capacity(found.len());
        // If two names give the same metric segment, only one container keeps its name.
        let mut segments: Vec<String> = Vec::with_capacity(found.len());
        let has_pods = self.names.iter().any(|(_, name)| !name.is_empty());
        for path in found {
            let id = id(&path).to_owned();
            let known = self.names.iter().find(|(known, _)| *known == id);
            let is_in_pod = container::pod_of_group(&path).is_some();
            let (name, segment) = match known.map(|(_, name)| (name, metric_segment(name))) {
                // Two containers may have the same name; their ids differ.
                Some((name, segment)) if !segments.contains(&segment) => (name.clone(), segment),
                // The pod's sandbox container: it holds the network namespace and writes no log.
                None if is_in_pod && has_pods => continue,
                _ => {
                    let name: String = id.chars().take(SHORT).collect();
                    (name.clone(), name)
                }
            };
            segments.push(segment);
            all.push(ContainerGroup { path, name });
        }
        Ok(Some(all))
    }

    /// The group of the container in which this process runs. Outside a container, this is the
    /// process's own group.
    fn own(
        &mut self,
        context: &mut CollectContext<'_>,
        groups: &Groups,
    ) -> Result<ContainerGroup, CollectError> {
        let known = self.own.take().filter(|path| groups.has(path));
        let path = match known {
            Some(path) => path,
            None => own_path(context, groups)?,
        };
        self.own = Some(path.clone());
        let name = match &self.config.name {
            Some(name) => name.clone(),
            None => {
                let name = context
                    .root
                    .text("/proc/sys/kernel/hostname", context.buffer)?;
                name.trim_end().to_owned()
            }
        };
        Ok(ContainerGroup { path, name })
    }

    fn own_pod(&self, context: &mut CollectContext<'_>) -> Result<Option<String>, CollectError> {
        let (text, _) = context.root.table("/proc/self/mountinfo", context.buffer)?;
        Ok(container::pod_of_mounts(&text).map(str::to_owned))
    }
}

/// The path of the group of the container in which this process runs.
///
/// Two cases are distinguished:
///
/// - Only the container's groups are mounted, by a cgroup namespace or a mount of that part alone.
///   The path is `/`. The group of this process may be a child of it, made by a supervisor inside
///   the container.
/// - All groups of the host are mounted. The path is that of the process's group, or of the nearest
///   ancestor whose name contains a container id. Without such a name, the process runs outside any
///   container. If that group is not below the mount, the container id in the mounts of this
///   process selects the group; without one, the error is [`CollectError::OwnUnseen`].
fn own_path(context: &mut CollectContext<'_>, groups: &Groups) -> Result<String, CollectError> {
    if !groups.are_all() {
        return Ok("/".to_owned());
    }
    let text = context.root.text("/proc/self/cgroup", context.buffer)?;
    let process = cgroup::path(&text, groups.controller()).unwrap_or("/");
    let path = container::group_of_container(process)
        .unwrap_or(process)
        .to_owned();
    let (mounts, _) = context.root.table("/proc/self/mountinfo", context.buffer)?;
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

/// The id of the container that has the group `path`; empty if there is none.
fn id(path: &str) -> &str {
    container::id_of_group(path).unwrap_or_default()
}

impl Collector for Container {
    fn name(&self) -> &'static str {
        "container"
    }

    fn collect(
        &mut self,
        context: &mut CollectContext<'_>,
        out: &mut Readings,
    ) -> Result<(), CollectError> {
        if self.config.metrics == Scope::None {
            return Ok(());
        }
        let root = context.root;
        let mut groups = match &self.config.cgroup {
            // A path in this process's own tree, not below the host's root.
            Some(path) => Groups::at(Root::own(), path.clone()),
            None => Groups::at(root.clone(), PathBuf::from(CGROUPS)),
        };
        let all = match self.groups(context, &groups)? {
            Some(all) => all,
            None => {
                // Uses the container's own mount: below the host's tree, `/` would be the whole
                // host.
                groups = Groups::at(root.clone(), PathBuf::from(CGROUPS));
                vec![self.own(context, &groups)?]
            }
        };
        // The other collectors, if enabled, have already read the host's totals.
        let mut containers = ContainerReadings {
            host_cores: out.cpu.as_ref().map(|cpu| cpu.reading.cores),
            host_memory_bytes: out.memory.as_ref().and_then(|memory| memory.total_bytes),
            groups: Vec::new(),
        };
        let is_known = containers.host_cores.is_some() && containers.host_memory_bytes.is_some();
        let mut failure = None;
        if !is_known {
            failure = read_host(context, &mut containers).err();
        }
        // Groups that are not read may have every controller.
        let mut has_unread = all.is_empty();
        let ignore = self.config.ignore.as_ref();
        for ContainerGroup { path, name } in all {
            if ignore.is_some_and(|ignore| ignore.matches(&metric_segment(&name))) {
                has_unread = true;
                continue;
            }
            let found = &mut containers.groups;
            let missing = groups.read(path, name, self.config.details, found);
            failure = failure.or(missing);
        }
        let mut found = containers.groups.iter();
        let has_cpu = has_unread || found.clone().any(|group| group.cpu.is_some());
        let has_memory = has_unread || found.any(|group| group.memory.is_some());
        out.containers = Some(Timed {
            moment: context.now,
            reading: containers,
        });
        ended(failure.or(match (has_cpu, has_memory) {
            (true, true) => None,
            (true, false) => Some(CollectError::Controllers("memory")),
            (false, true) => Some(CollectError::Controllers("cpuacct")),
            (false, false) => Some(CollectError::Controllers("cpuacct and memory")),
        }))
    }

    fn configure(&mut self, config: &Config) {
        // `container.metrics` and the list of collectors are fixed at the start.
        let metrics = self.config.metrics;
        self.config.clone_from(&config.container);
        self.config.metrics = metrics;
    }
}

/// Reads the number of cores and the memory of the whole host.
fn read_host(
    context: &mut CollectContext<'_>,
    host: &mut ContainerReadings,
) -> Result<(), CollectError> {
    let memory = context.root.text("/proc/meminfo", context.buffer);
    let memory = memory.map(|text| meminfo::parse(&text));
    let (stat, _) = context.root.table("/proc/stat", context.buffer)?;
    host.host_cores = stat::cores(&stat);
    let memory = memory??;
    host.host_memory_bytes = memory.total_bytes;
    if host.host_cores.is_none() {
        stat::parse(&stat)?;
    }
    match host.host_memory_bytes {
        None => ended(memory.damage),
        Some(_) => Ok(()),
    }
}
