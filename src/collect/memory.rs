//! Collector for memory and swap, from `/proc/meminfo`; for OTLP also from `/proc/swaps` and
//! `/proc/vmstat`.

use super::readings::Readings;
use super::readings::extra::{Extra, SwapUsage, Wanted};
use super::{CollectContext, CollectError, Collector, ended};
use crate::parse::{meminfo, swaps, vmstat};
use crate::sys::root::FileError;

pub(super) struct Memory;

impl Collector for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn collect(
        &mut self,
        context: &mut CollectContext<'_>,
        out: &mut Readings,
    ) -> Result<(), CollectError> {
        let text = context.root.text("/proc/meminfo", context.buffer)?;
        let mut now = meminfo::parse(&text)?;
        let damage = now.damage.take().map(CollectError::from);
        out.memory = Some(now);
        let Some(extra) = &mut out.extra else {
            return ended(damage);
        };
        extra.slab_bytes = meminfo::slab(&text);
        let failure = read_extra(context, extra).err().map(CollectError::from);
        ended(damage.or(failure))
    }
}

/// Reads the use of each swap, and counters of paging if wanted. A host may lack the files.
fn read_extra(context: &mut CollectContext<'_>, extra: &mut Extra) -> Result<(), FileError> {
    if let Some(text) = context.root.text_if_present("/proc/swaps")? {
        let swaps = swaps::parse(&text).map(|swap| SwapUsage {
            device: swap.device.into(),
            used_bytes: swap.used_bytes,
            free_bytes: swap.size_bytes.saturating_sub(swap.used_bytes),
        });
        extra.swaps = swaps.collect();
    }
    if extra.wants(Wanted::PAGING)
        && let Some(text) = context.root.text_if_present("/proc/vmstat")?
    {
        extra.paging = vmstat::parse(&text);
    }
    Ok(())
}
