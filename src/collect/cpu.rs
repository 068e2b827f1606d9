//! Collector for CPU time by state, from `/proc/stat`.

use super::readings::extra::{CpuTicks, Wanted};
use super::readings::{Readings, Timed};
use super::{CollectContext, CollectError, Collector, ended};
use crate::parse::stat;

pub(super) struct Cpu;

impl Collector for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn collect(
        &mut self,
        context: &mut CollectContext<'_>,
        out: &mut Readings,
    ) -> Result<(), CollectError> {
        // The lines that are needed come first, so a truncated file is sufficient.
        let (text, _) = context.root.table("/proc/stat", context.buffer)?;
        let mut reading = stat::parse(&text)?;
        let damage = reading.damage.take();
        if let Some(extra) = &mut out.extra
            && extra.wants(Wanted::PER_CPU)
        {
            stat::each_core(&text, &mut |name, ticks| {
                let name = name.into();
                extra.cpus.push(CpuTicks { name, ticks });
            });
        }
        out.cpu = Some(Timed {
            moment: context.now,
            reading,
        });
        ended(damage)
    }
}
