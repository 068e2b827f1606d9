//! What containers use and may use, from the files of control groups. Where it is asked for, also
//! throttling, kills for want of memory, and pressure.

mod groups;
mod names;

use std::path::PathBuf;

use super::readings::{ContainerReadings, Readings, Timed};
use super::{CollectContext, CollectError, Collector, ended};
use crate::base::text::metric_segment;
use crate::config::{self, Config, Scope};
use crate::parse::{cgroup, container, meminfo, stat};
use crate::sys::root::Root;
use groups::Groups;

/// Where control groups are.
const CGROUPS: &str = "/sys/fs/cgroup";
/// Containers measured in a round; further ones are left out.
const MOST: usize = 500;
/// Characters of an id that stand for a name where there is none.
const SHORT: usize = 12;

/// Reads the control groups that the settings ask for.
pub(super) struct Container {
    config: config::Container,
    /// Names by id, as far as they have been told.
    names: Vec<(String, String)>,
    /// The path of the own group, once it has been found.
    own: Option<String>,
}

/// A container's group, below the base of its hierarchy.
struct ContainerGroup {
    path: String,
    name: String,
}

impl Container {
    /// Measures the containers that `config` asks for.
    pub(super) fn new(config: config::Container) -> Container {
        Container {
            config,
            names: Vec::new(),
            own: None,
        }
    }

    /// The groups to be measured, of those of the host. `None`: the own one.
    fn groups(
        &mut self,
        context: &mut CollectContext<'_>,
        groups: &Groups,
    ) -> Result<Option<Vec<ContainerGroup>>, CollectError> {
        let scope = match self.config.metrics {
            // The host's groups have been put somewhere for this.
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
        // Of names that metrics take for the same, one is enough.
        let mut segments: Vec<String> = Vec::with_capacity(found.len());
        let has_pods = self.names.iter().any(|(_, name)| !name.is_empty());
        for path in found {
            let id = id(&path).to_owned();
            let known = self.names.iter().find(|(known, _)| *known == id);
            let known = known.map(|(_, name)| (name, metric_segment(name)));
            let is_in_pod = container::pod_of_group(&path).is_some();
            let (name, segment) = match known {
                // Two may have one name: the ids are different.
                Some((name, segment)) if !segments.contains(&segment) => (name.clone(), segment),
                // It holds the pod's network, and has no log.
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

    /// The group of the container that this process is in; where it is in none, its own.
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

/// The path of the group of the container that this process is in.
///
/// What is mounted is either the container's groups alone, in a namespace of its own or by
/// themselves: then their root is the container's, and the group of this process may be one that a
/// supervisor in the container has made. Or it is all groups of the host: then one of those around
/// this process is named as a container's is, or else this process is in none.
fn own_path(context: &mut CollectContext<'_>, groups: &Groups) -> Result<String, CollectError> {
    if !groups.are_all() {
        return Ok("/".to_owned());
    }
    let text = context.root.text("/proc/self/cgroup", context.buffer)?;
    let path = cgroup::path(&text, groups.controller()).unwrap_or("/");
    let path = container::group_of_container(path)
        .unwrap_or(path)
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

/// The id of the container that has this group.
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
            // A path of this process, wherever the host's files are.
            Some(path) => Groups::at(Root::own(), path.clone()),
            None => Groups::at(root.clone(), PathBuf::from(CGROUPS)),
        };
        let all = match self.groups(context, &groups)? {
            Some(all) => all,
            None => {
                // In the host's tree, the root that a process sees would be the whole host.
                groups = Groups::at(root.clone(), PathBuf::from(CGROUPS));
                vec![self.own(context, &groups)?]
            }
        };
        // Where other collectors run, they have read what the host has.
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
        // Which containers there are is settled at the start, as are the other collectors.
        let metrics = self.config.metrics;
        self.config.clone_from(&config.container);
        self.config.metrics = metrics;
    }
}

/// Reads what the whole host has.
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
