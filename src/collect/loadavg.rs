//! Collector for the load averages, from `/proc/loadavg`.

use super::readings::Readings;
use super::{CollectContext, CollectError, Collector, ended};
use crate::parse::loadavg;

pub(super) struct Loadavg;

impl Collector for Loadavg {
    fn name(&self) -> &'static str {
        "loadavg"
    }

    fn collect(
        &mut self,
        context: &mut CollectContext<'_>,
        out: &mut Readings,
    ) -> Result<(), CollectError> {
        let text = context.root.text("/proc/loadavg", context.buffer)?;
        let (means, damage) = loadavg::parse(&text);
        out.load = means;
        ended(damage)
    }
}
