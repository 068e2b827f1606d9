//! Points of a host's readings, in the order of the documentation.

use std::sync::Arc;

use super::layout::Points;
use super::metrics::{
    CONTAINER_AVAILABLE, CONTAINER_CPU, CONTAINER_MEMORY, CPU_COUNT, CPU_STATES, CPU_TIME,
    DeviceMetric, FILESYSTEM_INODES, FILESYSTEM_USAGE, LOAD, MEMORY_AVAILABLE, MEMORY_LIMIT,
    MEMORY_USAGE, PAGING_FAULTS, PAGING_OPERATIONS, PAGING_USAGE,
};
use crate::base::pattern::Pattern;
use crate::base::text::metric_segment;
use crate::base::values::IMPOSSIBLE;
use crate::collect::readings::extra::{Extra, SwapUsage};
use crate::collect::readings::{ContainerReadings, FilesystemReadings, Readings};
use crate::config::Families;
use crate::parse::meminfo::Meminfo;
use crate::parse::stat::Stat;
use crate::parse::vmstat::Paging;

/// Which devices of a group are reported. Kept as long as the devices stay the same.
pub(super) struct Filter {
    ignore: Option<Pattern>,
    names: Arc<[Box<str>]>,
    kept: Vec<bool>,
}

impl Filter {
    /// Excludes devices whose metric segment on Mackerel matches `ignore`.
    pub(super) fn new(ignore: Option<Pattern>) -> Filter {
        Filter {
            ignore,
            names: Arc::default(),
            kept: Vec::new(),
        }
    }

    /// The devices with their positions in `names`.
    fn kept<'n>(&mut self, names: &'n Arc<[Box<str>]>) -> Vec<(usize, &'n str)> {
        if !Arc::ptr_eq(&self.names, names) {
            let ignore = self.ignore.as_ref();
            let is_kept =
                |name: &str| !ignore.is_some_and(|ignore| ignore.matches(&metric_segment(name)));
            self.kept = names.iter().map(|name| is_kept(name)).collect();
            self.names = Arc::clone(names);
        }
        let all = names.iter().zip(&self.kept).enumerate();
        let kept = all.filter(|(_, (_, is_kept))| **is_kept);
        kept.map(|(at, (name, _))| (at, &**name)).collect()
    }
}

/// Adds the load averages.
pub(super) fn load(points: &mut Points<'_>, now: &Readings) {
    for (metric, load) in LOAD.iter().zip(now.load) {
        points.put_known(metric, &[], load.map(f64::to_bits));
    }
}

/// Adds CPU time: of each core if `extra` is given, else the sum.
pub(super) fn cpu(points: &mut Points<'_>, now: &Stat, extra: Option<&Extra>) {
    match extra {
        Some(extra) if !extra.cpus.is_empty() => {
            for cpu in &extra.cpus {
                for (state, ticks) in CPU_STATES.iter().zip(cpu.ticks) {
                    let attributes = [("cpu", &*cpu.name), ("state", state)];
                    points.put_known(&CPU_TIME, &attributes, ticks);
                }
            }
        }
        _ => {
            for (state, ticks) in CPU_STATES.iter().zip(now.ticks) {
                points.put_known(&CPU_TIME, &[("state", state)], ticks);
            }
        }
    }
    points.put_known(&CPU_COUNT, &[], u64::try_from(now.cores).ok());
}

/// Adds the use of memory. Parts of LXCFS may exceed its total, and are capped at it.
pub(super) fn memory(points: &mut Points<'_>, now: &Meminfo, extra: &Extra) {
    let total = now.total_bytes;
    let within = |part: Option<u64>| part.map(|part| total.map_or(part, |total| part.min(total)));
    let [reclaimable, unreclaimable] = extra.slab_bytes;
    // As the Collector has it, which takes it from gopsutil.
    let cached = now
        .cached_bytes
        .map(|bytes| bytes + reclaimable.unwrap_or(0));
    let unused = if now.tells_available {
        now.available_bytes
    } else {
        // Linux before 3.14 has no `MemAvailable`.
        let parts = now.free_bytes.zip(now.buffers_bytes).zip(cached);
        parts.map(|((free, buffers), cached)| free + buffers + cached)
    };
    points.put_known(&MEMORY_LIMIT, &[], total);
    let used = total
        .zip(unused)
        .map(|(total, unused)| total.saturating_sub(unused));
    for (state, bytes) in [
        ("used", used),
        ("free", now.free_bytes),
        ("buffered", now.buffers_bytes),
        ("cached", cached),
        ("slab_reclaimable", reclaimable),
        ("slab_unreclaimable", unreclaimable),
    ] {
        points.put_known(&MEMORY_USAGE, &[("state", state)], within(bytes));
    }
    let available = now.available_bytes.filter(|_| now.tells_available);
    points.put_known(&MEMORY_AVAILABLE, &[], within(available));
}

/// Adds the use of each swap.
pub(super) fn swaps(points: &mut Points<'_>, swaps: &[SwapUsage]) {
    for swap in swaps {
        for (state, bytes) in [("used", swap.used_bytes), ("free", swap.free_bytes)] {
            let attributes = [("device", &*swap.device), ("state", state)];
            points.put(&PAGING_USAGE, &attributes, bytes);
        }
    }
}

/// Adds the counters of page faults and of paging, if `families` has them.
pub(super) fn paging(points: &mut Points<'_>, now: &Paging, families: Families) {
    if families.contains(Families::PAGING_FAULTS) {
        let minor = now.faults.zip(now.major_faults);
        let minor = minor.map(|(all, major)| all.saturating_sub(major));
        points.put_known(&PAGING_FAULTS, &[("type", "major")], now.major_faults);
        points.put_known(&PAGING_FAULTS, &[("type", "minor")], minor);
    }
    if families.contains(Families::PAGING_OPERATIONS) {
        for (direction, kind, count) in [
            ("page_in", "major", now.swapped_in),
            ("page_out", "major", now.swapped_out),
            ("page_in", "minor", now.paged_in),
            ("page_out", "minor", now.paged_out),
        ] {
            let attributes = [("direction", direction), ("type", kind)];
            points.put_known(&PAGING_OPERATIONS, &attributes, count);
        }
    }
}

/// Adds the metrics of a group of devices, as far as `families` has them. `value` returns the column
/// of a device, both by position.
pub(super) fn devices(
    points: &mut Points<'_>,
    metrics: &'static [DeviceMetric],
    families: Families,
    (filter, names): (&mut Filter, &Arc<[Box<str>]>),
    value: &dyn Fn(usize, usize) -> Option<u64>,
) {
    let kept = filter.kept(names);
    for row in metrics {
        if row.family.is_some_and(|family| !families.contains(family)) {
            continue;
        }
        for (at, device) in &kept {
            for (direction, column) in row.columns {
                let value = value(*at, *column).and_then(|value| value.checked_mul(row.factor));
                match direction {
                    Some(direction) => {
                        let attributes = [("device", *device), ("direction", direction)];
                        points.put_known(&row.metric, &attributes, value);
                    }
                    None => points.put_known(&row.metric, &[("device", device)], value),
                }
            }
        }
    }
}

/// Adds the use of filesystems; of their inodes, too, if `families` has it.
pub(super) fn filesystems(points: &mut Points<'_>, now: &FilesystemReadings, families: Families) {
    let mounts = now.mounts.iter().filter(|mounted| !mounted.is_ignored);
    let known: Vec<_> = mounts
        .zip(&now.usage)
        .filter_map(|(mounted, usage)| Some((mounted, (*usage)?)))
        .collect();
    let mut put = |metric, states: &dyn Fn(usize) -> [(&'static str, Option<u64>); 3]| {
        for (at, (mounted, _)) in known.iter().enumerate() {
            let point = mounted.point.to_string_lossy();
            for (state, value) in states(at) {
                let attributes = [
                    ("device", &*mounted.device),
                    ("mode", if mounted.is_read_only { "ro" } else { "rw" }),
                    ("mountpoint", &*point),
                    ("type", &*mounted.kind),
                    ("state", state),
                ];
                points.put_known(metric, &attributes, value);
            }
        }
    };
    put(&FILESYSTEM_USAGE, &|at| {
        let usage = &known[at].1;
        let unreserved = usage.used_bytes.saturating_add(usage.available_bytes);
        let reserved = usage.total_bytes.saturating_sub(unreserved);
        [
            ("used", Some(usage.used_bytes)),
            ("free", Some(usage.available_bytes)),
            ("reserved", Some(reserved)),
        ]
    });
    if families.contains(Families::FILESYSTEM_INODES) {
        put(&FILESYSTEM_INODES, &|at| {
            let usage = &known[at].1;
            let used = usage.files.checked_sub(usage.files_free);
            [("used", used), ("free", Some(usage.files_free)), ("", None)]
        });
    }
}

/// Adds CPU time and memory of each container.
pub(super) fn containers(points: &mut Points<'_>, now: &ContainerReadings) {
    let name = |name| [("container.name", name)];
    for group in &now.groups {
        let used = group.cpu.as_ref().and_then(|cpu| cpu.used_ns);
        points.put_known(&CONTAINER_CPU, &name(&*group.name), used);
    }
    let memories = now.groups.iter();
    let memories = memories.filter_map(|group| {
        let memory = group.memory.as_ref()?;
        let limit = memory.limit_bytes.filter(|limit| *limit < IMPOSSIBLE);
        Some((&*group.name, memory.used_bytes?, limit))
    });
    for (group, used, _) in memories.clone() {
        points.put(&CONTAINER_MEMORY, &name(group), used);
    }
    for (group, used, limit) in memories {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 2^53"
        )]
        let available = limit.map(|limit| (limit.max(0.0) as u64).saturating_sub(used));
        points.put_known(&CONTAINER_AVAILABLE, &name(group), available);
    }
}
