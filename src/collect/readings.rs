//! The readings of a round: counters and gauges as the kernel reports them, under the kernel's
//! names. Rates, metric names and units are added by `render`.

pub(crate) mod extra;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Moment;
use crate::parse::meminfo::Meminfo;
use crate::parse::process::ProcessStatus;
use crate::parse::stat::Stat;
use crate::sys::fsstat::Usage;
use extra::Extra;

/// The readings of one round. `None`: the group was not requested or could not be read.
#[derive(Default)]
pub(crate) struct Readings {
    /// Mean number of runnable tasks over the last 1, 5 and 15 minutes.
    pub(crate) load: [Option<f64>; 3],
    pub(crate) cpu: Option<Timed<Stat>>,
    pub(crate) memory: Option<Meminfo>,
    pub(crate) interfaces: Option<Timed<Devices<InterfaceCounters>>>,
    pub(crate) disks: Option<Timed<Devices<DiskCounters>>>,
    pub(crate) filesystems: Option<FilesystemReadings>,
    /// Memory and threads of this process.
    pub(crate) agent: Option<ProcessStatus>,
    /// CPU time used by this process, in seconds.
    pub(crate) agent_cpu: Option<Timed<f64>>,
    pub(crate) containers: Option<Timed<ContainerReadings>>,
    /// `None` if no OTLP destination is configured.
    pub(crate) extra: Option<Box<Extra>>,
}

impl Readings {
    /// Stores `now` as the readings with which the next round is compared. A group of counters that
    /// `now` lacks keeps its older reading, so that the next rate covers both rounds.
    pub(crate) fn keep_counters(&mut self, mut now: Readings) {
        now.filesystems = None;
        now.extra = None;
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

/// A reading and the time at which it was taken.
#[derive(Clone, Copy)]
pub(crate) struct Timed<T> {
    pub(crate) moment: Moment,
    pub(crate) reading: T,
}

impl<T> Timed<T> {
    /// The time since the reading `before`.
    pub(crate) fn since(&self, before: &Timed<T>) -> Duration {
        self.moment.since(before.moment)
    }
}

/// The counters of several devices.
pub(crate) struct Devices<T> {
    /// The kernel's device names, without duplicates. Two rounds with the same names share the
    /// list.
    pub(crate) names: Arc<[Box<str>]>,
    /// One element for each name.
    pub(crate) counters: Vec<T>,
}

/// Counters of an interface; [`crate::base::counter::UNKNOWN`] if the kernel shows no number.
pub(crate) struct InterfaceCounters {
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
}

/// Completed requests of a disk and their data; [`crate::base::counter::UNKNOWN`] if the kernel shows no number.
pub(crate) struct DiskCounters {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// Of [`crate::parse::diskstats::SECTOR`] bytes.
    pub(crate) sectors_read: u64,
    pub(crate) sectors_written: u64,
}

/// The filesystems on devices of this host.
pub(crate) struct FilesystemReadings {
    /// The mounts in the order of `df`. Rounds share the list until something is mounted or
    /// unmounted.
    pub(crate) mounts: Arc<[Mounted]>,
    /// One element for each mount that is not ignored. `None` if statvfs(3) did not return in time,
    /// or if `df` would not show the filesystem.
    pub(crate) usage: Vec<Option<Usage>>,
}

/// A mounted filesystem.
pub(crate) struct Mounted {
    /// The path of the device, with `/dev/`.
    pub(crate) device: Box<str>,
    /// The mount point as a path on the host.
    pub(crate) point: PathBuf,
    /// Whether the settings exclude it; then it has no usage.
    pub(crate) is_ignored: bool,
    /// The filesystem's type, e.g. `ext4`; empty if no OTLP destination is configured.
    pub(crate) kind: Box<str>,
    pub(crate) is_read_only: bool,
}

/// The control groups of containers, and the host's totals that limit them.
pub(crate) struct ContainerReadings {
    /// Number of cores online; `None` if unknown.
    pub(crate) host_cores: Option<usize>,
    /// `None` if unknown.
    pub(crate) host_memory_bytes: Option<u64>,
    pub(crate) groups: Vec<ControlGroup>,
}

/// The control group of one container.
pub(crate) struct ControlGroup {
    /// Relative to the top of the hierarchy.
    pub(crate) path: String,
    /// The name of the container, or the beginning of its id. Names are unique, also as metric
    /// segments.
    pub(crate) name: String,
    /// `None` if the controller is missing, as for [`ControlGroup::memory`].
    pub(crate) cpu: Option<GroupCpu>,
    pub(crate) memory: Option<GroupMemory>,
    /// Each is `None` unless `container.details` is set.
    pub(crate) details: GroupDetails,
}

/// CPU time of a control group.
pub(crate) struct GroupCpu {
    pub(crate) used_ns: Option<u64>,
    /// The lowest limit of the group and its ancestors, in percent of one core; `None` without a
    /// limit.
    pub(crate) limit_percent: Option<f64>,
}

/// Memory of a control group.
pub(crate) struct GroupMemory {
    /// Without reclaimable page cache.
    pub(crate) used_bytes: Option<u64>,
    /// The lowest limit of the group and its ancestors; `None` without a limit.
    pub(crate) limit_bytes: Option<f64>,
}

/// Counters of a control group; `None` if the kernel has none.
#[derive(Default)]
pub(crate) struct GroupDetails {
    /// Length of the path of the group whose periods these are: the one that limits CPU time.
    pub(crate) limiting: usize,
    pub(crate) periods: Option<u64>,
    pub(crate) throttled: Option<u64>,
    pub(crate) oom_kills: Option<u64>,
    /// For each of [`RESOURCES`]: stall time of some and of all tasks, in microseconds.
    pub(crate) stalled_us: [[Option<u64>; 2]; RESOURCES.len()],
}

/// The resources for which the kernel reports pressure.
pub(crate) const RESOURCES: [&str; 3] = ["cpu", "memory", "io"];
