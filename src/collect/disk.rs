//! Collector for block device counters, from `/proc/diskstats`.

use super::devices::DeviceNames;
use super::readings::{Devices, DiskCounters, Readings, Timed};
use super::{CollectContext, CollectError, Collector, ended};
use crate::parse::diskstats::{self, READS, SECTORS_READ, SECTORS_WRITTEN, WRITES};

/// Prefix of device-mapper devices. The devices below them are reported instead.
const MAPPED: &str = "dm-";

#[derive(Default)]
pub(super) struct Disk(DeviceNames);

impl Collector for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn collect(
        &mut self,
        context: &mut CollectContext<'_>,
        out: &mut Readings,
    ) -> Result<(), CollectError> {
        let (text, cut) = match context.root.table("/proc/diskstats", context.buffer) {
            Err(error) if error.is_absent() => return Ok(()),
            text => text?,
        };
        let mut names = self.0.list();
        let mut counters = Vec::with_capacity(names.expected());
        let extra = &mut out.extra;
        diskstats::parse(&text, &mut |now| {
            if !now.device.starts_with(MAPPED) && names.add(now.device) {
                counters.push(DiskCounters {
                    reads: now.counters[READS],
                    writes: now.counters[WRITES],
                    sectors_read: now.counters[SECTORS_READ],
                    sectors_written: now.counters[SECTORS_WRITTEN],
                });
                if let Some(extra) = extra {
                    extra.disks.push(now.counters);
                }
            }
        })?;
        out.disks = Some(Timed {
            moment: context.now,
            reading: Devices {
                names: names.end(),
                counters,
            },
        });
        ended(cut)
    }
}
