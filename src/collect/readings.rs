//! What a round reads of the host: counters and gauges as the kernel reports them, under the
//! kernel's names. What becomes of them (rates, names of metrics, units) is up to `render`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Moment;
use crate::parse::meminfo::Meminfo;
use crate::parse::process::ProcessStatus;
use crate::parse::stat::Stat;
use crate::sys::fsstat::Usage;

/// What one round has read. `None`: a group that was not asked for, or could not be read.
#[derive(Default)]
pub(crate) struct Readings {
    /// Mean number of runnable tasks over the last 1, 5 and 15 minutes.
    pub(crate) load: [Option<f64>; 3],
    pub(crate) cpu: Option<Timed<Stat>>,
    pub(crate) memory: Option<Meminfo>,
    pub(crate) interfaces: Option<Timed<Devices<InterfaceCounters>>>,
    pub(crate) disks: Option<Timed<Devices<DiskCounters>>>,
    pub(crate) filesystems: Option<FilesystemReadings>,
    /// What this process holds.
    pub(crate) agent: Option<ProcessStatus>,
    /// Seconds of CPU time that this process has used.
    pub(crate) agent_cpu: Option<Timed<f64>>,
    pub(crate) containers: Option<Timed<ContainerReadings>>,
}

impl Readings {
    /// Makes these the readings with which the next round is compared. A counter that `now` lacks
    /// keeps its older reading, so that the next rate covers both rounds.
    pub(crate) fn keep_counters(&mut self, mut now: Readings) {
        now.filesystems = None;
        if now.cpu.is_none() {
            std::mem::swap(&mut now.cpu, &mut self.cpu);
        }
        if now.interfaces.is_none() {
            std::mem::swap(&mut now.interfaces, &mut self.interfaces);
        }
        if now.disks.is_none() {
            std::mem::swap(&mut now.disks, &mut self.disks);
        }
        if now.agent_cpu.is_none() {
            now.agent_cpu = self.agent_cpu;
        }
        if now.containers.is_none() {
            std::mem::swap(&mut now.containers, &mut self.containers);
        }
        *self = now;
    }
}

/// A reading, and when it was taken.
#[derive(Clone, Copy)]
pub(crate) struct Timed<T> {
    pub(crate) moment: Moment,
    pub(crate) reading: T,
}

impl<T> Timed<T> {
    /// The time since an earlier reading.
    pub(crate) fn since(&self, before: &Timed<T>) -> Duration {
        self.moment.since(before.moment)
    }
}

/// The counters of several devices.
pub(crate) struct Devices<T> {
    /// What the kernel calls them; no name is there twice. Two rounds share the list if it is the
    /// same in both.
    pub(crate) names: Arc<[Box<str>]>,
    /// One for each name.
    pub(crate) counters: Vec<T>,
}

/// What an interface has carried; [`crate::base::counter::UNKNOWN`] where the kernel shows no
/// number.
pub(crate) struct InterfaceCounters {
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
}

/// What a disk has done; [`crate::base::counter::UNKNOWN`] where the kernel shows no number.
pub(crate) struct DiskCounters {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
}

/// Filesystems on devices of this host.
pub(crate) struct FilesystemReadings {
    /// In the order of `df`. Two rounds share the list as long as nothing is mounted or unmounted.
    pub(crate) mounts: Arc<[Mounted]>,
    /// One for each mount that is not ignored; `None` if it did not answer, or `df` would not show
    /// it.
    pub(crate) usage: Vec<Option<Usage>>,
}

/// One filesystem, and where it is mounted.
pub(crate) struct Mounted {
    /// With `/dev/` before it.
    pub(crate) device: Box<str>,
    /// As the host knows it.
    pub(crate) point: PathBuf,
    /// Whether the settings leave it out: then it has no usage.
    pub(crate) is_ignored: bool,
}

/// The control groups of containers, and what the host has that they share.
pub(crate) struct ContainerReadings {
    /// Cores online; `None` if that is unknown.
    pub(crate) host_cores: Option<usize>,
    /// `None` if that is unknown.
    pub(crate) host_memory_bytes: Option<u64>,
    pub(crate) groups: Vec<ControlGroup>,
}

/// The control group of one container.
pub(crate) struct ControlGroup {
    /// Below the top of its hierarchy.
    pub(crate) path: String,
    /// What the container is called, or how its id begins. Two names differ as metric segments,
    /// too.
    pub(crate) name: String,
    /// `None` without the controller, as with [`ControlGroup::memory`].
    pub(crate) cpu: Option<GroupCpu>,
    pub(crate) memory: Option<GroupMemory>,
    /// All unknown unless they are asked for.
    pub(crate) details: GroupDetails,
}

/// CPU time of a control group.
pub(crate) struct GroupCpu {
    pub(crate) used_ns: Option<u64>,
    /// The narrowest limit of the group and those around it, in percent of one core; `None` without
    /// one.
    pub(crate) limit_percent: Option<f64>,
}

/// Memory of a control group.
pub(crate) struct GroupMemory {
    /// Without what can simply be dropped.
    pub(crate) used_bytes: Option<u64>,
    /// The narrowest limit of the group and those around it; `None` without one.
    pub(crate) limit_bytes: Option<f64>,
}

/// Counters of a control group; `None` where the kernel has none.
#[derive(Default)]
pub(crate) struct GroupDetails {
    /// The length of the path of the group that limits CPU time: the one whose periods these are.
    pub(crate) limiting: usize,
    pub(crate) periods: Option<u64>,
    pub(crate) throttled: Option<u64>,
    pub(crate) oom_kills: Option<u64>,
    /// For each of [`RESOURCES`]: how long some and all tasks have waited, in microseconds.
    pub(crate) stalled_us: [[Option<u64>; 2]; RESOURCES.len()],
}

/// The resources for which the kernel counts pressure.
pub(crate) const RESOURCES: [&str; 3] = ["cpu", "memory", "io"];
