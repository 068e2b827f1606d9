//! What stands in the files of control groups, of version 2 or 1.

use std::path::{Path, PathBuf};

use super::{Counters, Limits, RESOURCES};
use crate::collect::{CollectError, Values};
use crate::parse::{cgroup, container};
use crate::sys::file;
use crate::sys::root::{FileError, Root, absent_is_none};

/// Directories looked through for containers, and how deep they are nested.
const DIRECTORIES: usize = 5000;
const DEEPEST: usize = 12;

/// The files of control groups.
pub(super) struct Groups {
    base: PathBuf,
    pub(super) is_v2: bool,
}

impl Groups {
    pub(super) fn at_base(base: PathBuf) -> Groups {
        let is_v2 = base.join("cgroup.controllers").exists();
        Groups { base, is_v2 }
    }

    /// A file of the group at `path`. In version 1, `file` begins with the controller.
    pub(super) fn at(&self, path: &str, file: &str) -> PathBuf {
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
    pub(super) fn containers(&self) -> Vec<String> {
        let top = match self.is_v2 {
            true => self.base.clone(),
            false => {
                let memory = self.base.join("memory");
                // The Raspberry Pi's firmware takes that controller away, unless it is asked not to.
                match memory.exists() {
                    true => memory,
                    false => self.base.join("cpuacct"),
                }
            }
        };
        let mut found: Vec<String> = Vec::new();
        let mut ahead = vec![(String::new(), 0)];
        let mut seen = 0;
        while let Some((path, depth)) = ahead.pop() {
            seen += 1;
            let names = Root::directories(&top.join(&path));
            for name in names.unwrap_or_default() {
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

    /// Puts what holds now into `out`, and returns what grows.
    pub(super) fn measure(
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
        let mut limiting = path;
        if counters.cpu_ns.is_some() {
            let own = self.narrowest(path, |path| self.cpu_limit(path));
            let limit = own.map_or(host.cpu, |(_, own)| own.min(host.cpu));
            out.put(["container.cpu.", name, ".limit"].concat(), limit);
            limiting = own.map_or(path, |(group, _)| group);
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
            put(".limit", own.map_or(all, |(_, own)| own.min(all)), out);
        }
        if with_details {
            self.details(path, limiting, &mut counters);
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

    /// The narrowest limit of a group and those around it, and which of them has it; `None` if there is none.
    fn narrowest<'p>(
        &self,
        path: &'p str,
        limit: impl Fn(&str) -> Option<f64>,
    ) -> Option<(&'p str, f64)> {
        let groups = Path::new(path).ancestors().take(DEEPEST);
        let limits = groups.filter_map(|group| {
            let group = group.to_str()?;
            Some((group, limit(group)?))
        });
        limits.reduce(|least, one| if one.1 < least.1 { one } else { least })
    }

    /// What is told where it is asked for. The kernel counts throttling in the group that is `limiting`:
    /// of a container in a pod or a task that has limits, the one around it.
    fn details(&self, path: &str, limiting: &str, counters: &mut Counters) {
        let (cpu, memory) = match self.is_v2 {
            true => ("cpu.stat", "memory.events"),
            false => ("cpu/cpu.stat", "memory/memory.oom_control"),
        };
        counters.limiting = limiting.len();
        counters.periods = self.field(limiting, cpu, "nr_periods");
        counters.throttled = self.field(limiting, cpu, "nr_throttled");
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
