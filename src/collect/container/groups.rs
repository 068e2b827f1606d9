//! Reads the files of control groups, version 1 or 2.

use std::path::{Path, PathBuf};

use crate::base::values::IMPOSSIBLE;
use crate::collect::CollectError;
use crate::collect::readings::{ControlGroup, GroupCpu, GroupDetails, GroupMemory, RESOURCES};
use crate::parse::{cgroup, container};
use crate::sys::root::{FileError, Root};

/// Limits of the search for containers: number of directories read, and depth of nesting.
const DIRECTORIES: usize = 5000;
const DEEPEST: usize = 12;

/// The controllers of version 1 that are read, named as in `/proc/self/cgroup`.
const CONTROLLERS: [&str; 3] = ["cpu", "cpuacct", "memory"];
const CPUACCT: usize = 1;
const MEMORY: usize = 2;

/// The control groups below a mount point.
pub(crate) struct Groups {
    root: Root,
    /// The mount point, as a path below `root`.
    base: PathBuf,
    pub(crate) is_v2: bool,
    /// Version 1: the directory of each of [`CONTROLLERS`]; `None` if it is not mounted.
    directories: [Option<String>; 3],
}

impl Groups {
    /// The groups whose mount point is `base`.
    pub(crate) fn at(root: Root, base: PathBuf) -> Groups {
        let is_v2 = root.exists(base.join("cgroup.controllers"));
        let mut directories = [const { None }; 3];
        if !is_v2 {
            // Some systems lack the links from a single controller to a combined hierarchy.
            let listed = root.names(&base).ok().flatten().unwrap_or_default();
            let names: Vec<_> = listed.iter().filter_map(|name| name.to_str()).collect();
            for (directory, controller) in directories.iter_mut().zip(CONTROLLERS) {
                let has = |name: &&&str| name.split(',').any(|one| one == controller);
                let plain = names.iter().find(|name| **name == controller);
                let found = plain.or_else(|| names.iter().find(has));
                *directory = found.map(|name| (*name).to_owned());
            }
        }
        Groups {
            root,
            base,
            is_v2,
            directories,
        }
    }

    /// The path of `file` in the group `path`. In version 1, `file` begins with the controller.
    fn place(&self, path: &str, file: &str) -> PathBuf {
        let path = path.trim_start_matches('/');
        match file.split_once('/') {
            Some((controller, file)) if !self.is_v2 => {
                let at = CONTROLLERS.iter().position(|one| *one == controller);
                let mounted = at.and_then(|at| self.directories.get(at)?.as_deref());
                let directory = mounted.unwrap_or(controller);
                self.base.join(directory).join(path).join(file)
            }
            _ => self.base.join(path).join(file),
        }
    }

    /// Whether the group `path` has `file`.
    fn exists(&self, path: &str, file: &str) -> bool {
        self.root.exists(self.place(path, file))
    }

    /// The controller of version 1 in whose hierarchy groups are looked up; `None` in version 2.
    pub(super) fn controller(&self) -> Option<&'static str> {
        // The Raspberry Pi's firmware disables the memory controller by default.
        let at = if self.directories[MEMORY].is_some() {
            MEMORY
        } else {
            CPUACCT
        };
        (!self.is_v2).then_some(CONTROLLERS[at])
    }

    /// Whether the group `path` exists.
    pub(super) fn has(&self, path: &str) -> bool {
        self.has_of(path, self.controller())
    }

    /// The group `path`, or its nearest ancestor that exists in every hierarchy of version 1. A
    /// process may be in a different group in each hierarchy.
    pub(super) fn common<'p>(&self, path: &'p str) -> &'p str {
        let is_mounted = |at: usize| self.directories.get(at).is_some_and(Option::is_some);
        let mounted = [CPUACCT, MEMORY].into_iter().filter(|at| is_mounted(*at));
        let controllers: Vec<_> = mounted.map(|at| CONTROLLERS[at]).collect();
        let mut around = Path::new(path).ancestors().filter_map(Path::to_str);
        let is_common = |path: &&str| controllers.iter().all(|one| self.has_of(path, Some(one)));
        around.find(is_common).unwrap_or("/")
    }

    fn has_of(&self, path: &str, controller: Option<&str>) -> bool {
        match controller {
            None => self.exists(path, "cgroup.procs"),
            Some(controller) => self.exists(path, &[controller, "/cgroup.procs"].concat()),
        }
    }

    /// Whether the mount shows all groups of the host and not only those of a container. Some files
    /// exist only in the root of all groups, others in every group except that root.
    pub(super) fn are_all(&self) -> bool {
        match self.controller() {
            None => !self.exists("", "memory.current") && !self.exists("", "cgroup.events"),
            Some(controller) => self.exists("", &[controller, "/release_agent"].concat()),
        }
    }

    /// The text of `file`; `None` if the file is missing, also if the group has been removed.
    pub(crate) fn text(&self, path: &str, file: &str) -> Result<Option<String>, FileError> {
        match self.root.text_if_present(self.place(path, file)) {
            Err(error) if error.is_gone() => Ok(None),
            read => read,
        }
    }

    /// The number after `name` in a file of lines `name number`; `None` if there is none.
    fn field(&self, path: &str, file: &str, name: &str) -> Option<u64> {
        cgroup::field(&self.text(path, file).ok()??, name)
    }

    /// The sorted paths of all groups that belong to containers.
    pub(crate) fn containers(&self) -> Vec<String> {
        let controller = self.controller();
        let directory = controller.map(|controller| [controller, "/"].concat());
        let top = self.place("", directory.as_deref().unwrap_or_default());
        let mut found: Vec<String> = Vec::new();
        let mut ahead = vec![(String::new(), 0)];
        let mut seen = 0;
        while let Some((path, depth)) = ahead.pop() {
            seen += 1;
            for name in self.root.directories(top.join(&path)) {
                let Ok(name) = name.into_string() else {
                    continue;
                };
                let below = match path.as_str() {
                    "" => name,
                    path => [path, "/", &name].concat(),
                };
                if container::id_of_group(&below).is_some() {
                    let at = found.partition_point(|known| *known < below);
                    found.insert(at, below);
                } else if depth < DEEPEST && seen + ahead.len() < DIRECTORIES {
                    ahead.push((below, depth + 1));
                }
            }
        }
        found
    }

    /// Reads the group `path` of the container `name` and adds the reading to `out`. Returns the
    /// first error, if a value is missing.
    pub(super) fn read(
        &self,
        path: String,
        name: String,
        with_details: bool,
        out: &mut Vec<ControlGroup>,
    ) -> Option<CollectError> {
        let mut stat = None;
        let used_ns = self.cpu_ns(&path, &mut stat);
        let used_bytes = self.memory_bytes(&path);
        // A file that cannot be parsed still shows that the controller exists.
        let has = |read: &Result<Option<u64>, CollectError>| !matches!(read, Ok(None));
        let (has_cpu, has_memory) = (has(&used_ns), has(&used_bytes));
        let mut failure = None;
        let mut known = |read: Result<Option<u64>, CollectError>| {
            read.unwrap_or_else(|error| {
                failure.get_or_insert(error);
                None
            })
        };
        let (used_ns, used_bytes) = (known(used_ns), known(used_bytes));
        let mut limiting = &*path;
        let mut cpu = None;
        if has_cpu {
            let limit = Groups::narrowest(&path, &|path| self.cpu_limit(path));
            limiting = limit.map_or(&*path, |(group, _)| group);
            cpu = Some(GroupCpu {
                used_ns,
                limit_percent: limit.map(|(_, percent)| percent),
            });
        }
        let memory = has_memory.then(|| {
            let limit = |path: &str| self.memory_limit(path).map(|bytes| bytes as f64);
            let limit = Groups::narrowest(&path, &limit);
            GroupMemory {
                used_bytes,
                limit_bytes: limit.map(|(_, bytes)| bytes),
            }
        });
        let details = if with_details {
            self.details(&path, limiting, stat)
        } else {
            GroupDetails::default()
        };
        out.push(ControlGroup {
            path,
            name,
            cpu,
            memory,
            details,
        });
        failure
    }

    /// CPU time used, in nanoseconds; `None` without the controller. In version 2 it comes from
    /// `cpu.stat`, whose text is stored in `stat`.
    fn cpu_ns(&self, path: &str, stat: &mut Option<String>) -> Result<Option<u64>, CollectError> {
        if !self.is_v2 {
            let text = self.text(path, "cpuacct/cpuacct.usage")?;
            return Ok(text
                .map(|text| cgroup::number("cpuacct.usage", &text))
                .transpose()?);
        }
        *stat = self.text(path, "cpu.stat")?;
        let used = stat.as_deref().map(cgroup::usage_us).transpose()?;
        Ok(used.map(|microseconds| microseconds.saturating_mul(1000)))
    }

    /// Memory in use without inactive page cache, in bytes: the kubelet's working set.
    fn memory_bytes(&self, path: &str) -> Result<Option<u64>, CollectError> {
        let (file, name, inactive) = if self.is_v2 {
            ("memory.current", "memory.stat", "inactive_file")
        } else {
            (
                "memory/memory.usage_in_bytes",
                "memory/memory.stat",
                "total_inactive_file",
            )
        };
        let Some(text) = self.text(path, file)? else {
            return Ok(None);
        };
        let used = cgroup::number("memory.current", &text)?;
        let inactive = self.field(path, name, inactive).unwrap_or_default();
        // An impossible number is returned unchanged.
        let is_possible = (used as f64) < IMPOSSIBLE;
        Ok(Some(if is_possible {
            used.saturating_sub(inactive)
        } else {
            used
        }))
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

    /// The lowest limit of a group and its ancestors, with the group that sets it; `None` without a
    /// limit.
    fn narrowest<'p>(path: &'p str, limit: &dyn Fn(&str) -> Option<f64>) -> Option<(&'p str, f64)> {
        let groups = Path::new(path).ancestors().take(DEEPEST);
        let limits = groups.filter_map(|group| {
            let group = group.to_str()?;
            Some((group, limit(group)?))
        });
        limits.reduce(|least, one| if one.1 < least.1 { one } else { least })
    }

    /// The values for `container.details`. The kernel counts throttling in the group `limiting`. If
    /// the limit is set on a pod or a task, that is the group around the container's. `stat` is the
    /// text of the container's own `cpu.stat`, if it has been read.
    fn details(&self, path: &str, limiting: &str, stat: Option<String>) -> GroupDetails {
        let (cpu, memory) = if self.is_v2 {
            ("cpu.stat", "memory.events")
        } else {
            ("cpu/cpu.stat", "memory/memory.oom_control")
        };
        let stat = stat.filter(|_| limiting == path);
        let stat = stat.or_else(|| self.text(limiting, cpu).ok()?);
        let field = |name| cgroup::field(stat.as_deref()?, name);
        let mut details = GroupDetails {
            limiting: limiting.len(),
            periods: field("nr_periods"),
            throttled: field("nr_throttled"),
            oom_kills: self.field(path, memory, "oom_kill"),
            ..GroupDetails::default()
        };
        // Version 1 has no pressure files, nor has a kernel without PSI.
        for (resource, stalled) in RESOURCES.iter().zip(&mut details.stalled_us) {
            if self.is_v2
                && let Ok(Some(text)) = self.text(path, &[resource, ".pressure"].concat())
            {
                *stalled = cgroup::pressure(&text);
            }
        }
        details
    }
}
