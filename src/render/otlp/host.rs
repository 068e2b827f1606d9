//! Points of a host's readings, in the order of the documentation.

use std::sync::Arc;

use super::layout::Points;
use super::metrics::{
    CONTAINER, CPU_COUNT, CPU_STATES, CPU_TIME, DeviceMetric, FILESYSTEM_INODES, FILESYSTEM_USAGE,
    LOAD, MEMORY_AVAILABLE, MEMORY_LIMIT, MEMORY_USAGE, PAGING, PAGING_USAGE,
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

    /// Whether each of the devices is reported.
    fn kept(&mut self, names: &Arc<[Box<str>]>) -> &[bool] {
        if !Arc::ptr_eq(&self.names, names) {
            let ignore = self.ignore.as_ref();
            let is_ignored =
                |name: &str| ignore.is_some_and(|ignore| ignore.matches(&metric_segment(name)));
            self.kept = names.iter().map(|name| !is_ignored(name)).collect();
            self.names = Arc::clone(names);
        }
        &self.kept
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
    let mut put = |cpu: Option<&str>, ticks: &[Option<u64>]| {
        for (state, ticks) in CPU_STATES.iter().zip(ticks) {
            let attributes = [("cpu", cpu.unwrap_or_default()), ("state", state)];
            let attributes = &attributes[usize::from(cpu.is_none())..];
            points.put_known(&CPU_TIME, attributes, *ticks);
        }
    };
    let cpus = extra.map_or(&[][..], |extra| &extra.cpus);
    for cpu in cpus {
        put(Some(&cpu.name), &cpu.ticks);
    }
    if cpus.is_empty() {
        put(None, &now.ticks);
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

/// Adds the counters of page faults and of paging, as far as `families` has them.
pub(super) fn paging(points: &mut Points<'_>, now: &Paging, families: Families) {
    for row in &PAGING {
        if families.contains(row.family) {
            let value = row.less.map_or(Some(0), |less| now.0[less]);
            let value = now.0[row.counter].zip(value);
            let value = value.map(|(all, less)| all.saturating_sub(less));
            points.put_known(row.metric, row.attributes, value);
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
        for (at, (device, is_kept)) in names.iter().zip(kept).enumerate() {
            for (direction, column) in row.columns.iter().filter(|_| *is_kept) {
                let value = value(at, *column).and_then(|value| value.checked_mul(row.factor));
                let attributes = [("device", &**device), ("direction", direction)];
                let count = if direction.is_empty() { 1 } else { 2 };
                points.put_known(&row.metric, &attributes[..count], value);
            }
        }
    }
}

/// Adds the use of filesystems; of their inodes, too, if `families` has it.
pub(super) fn filesystems(points: &mut Points<'_>, now: &FilesystemReadings, families: Families) {
    for metric in [&FILESYSTEM_USAGE, &FILESYSTEM_INODES] {
        let is_of_inodes = metric.unit != "By";
        if is_of_inodes && !families.contains(Families::FILESYSTEM_INODES) {
            continue;
        }
        let mounts = now.mounts.iter().filter(|mounted| !mounted.is_ignored);
        for (mounted, usage) in mounts.zip(&now.usage) {
            let Some(usage) = usage else { continue };
            let values = if is_of_inodes {
                let used = usage.files.saturating_sub(usage.files_free);
                [Some(used), Some(usage.files_free), None]
            } else {
                let unreserved = usage.used_bytes.saturating_add(usage.available_bytes);
                let reserved = usage.total_bytes.saturating_sub(unreserved);
                [usage.used_bytes, usage.available_bytes, reserved].map(Some)
            };
            let point = mounted.point.to_string_lossy();
            for (state, value) in ["used", "free", "reserved"].into_iter().zip(values) {
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
    }
}

/// Adds CPU time and memory of each container.
pub(super) fn containers(points: &mut Points<'_>, now: &ContainerReadings) {
    for (at, metric) in CONTAINER.iter().enumerate() {
        for group in &now.groups {
            let memory = group.memory.as_ref();
            let used = memory.and_then(|memory| memory.used_bytes);
            let value = match at {
                0 => group.cpu.as_ref().and_then(|cpu| cpu.used_ns),
                1 => used,
                _ => {
                    let limit = memory.and_then(|memory| memory.limit_bytes);
                    let limit = limit.filter(|limit| (0.0..IMPOSSIBLE).contains(limit));
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "between 0 and 2^53"
                    )]
                    let limit = limit.map(|limit| limit as u64);
                    limit
                        .zip(used)
                        .map(|(limit, used)| limit.saturating_sub(used))
                }
            };
            points.put_known(metric, &[("container.name", &*group.name)], value);
        }
    }
}
