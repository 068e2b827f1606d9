//! Collector for memory and swap, from `/proc/meminfo`.

use super::readings::Readings;
use super::{CollectContext, CollectError, Collector, ended};
use crate::parse::meminfo;

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
        let mut now = meminfo::parse(&context.root.text("/proc/meminfo", context.buffer)?)?;
        let damage = now.damage.take();
        out.memory = Some(now);
        ended(damage)
    }
}
