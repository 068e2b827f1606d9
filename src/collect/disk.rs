//! Work of the block devices, from `/proc/diskstats`.

use super::devices::DeviceNames;
use super::readings::{Readings, Timed};
use super::{CollectContext, CollectError, Collector, ended};
use crate::parse::diskstats;

/// Devices named so are made of others, which are reported.
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
        let found = diskstats::parse(&text)?;
        let found = found.iter().filter(|now| !now.device.starts_with(MAPPED));
        let found = found.map(|now| (now.device, now.counters));
        out.disks = Some(Timed {
            moment: context.now,
            reading: self.0.devices(found),
        });
        ended(cut)
    }
}
