//! Collector for the agent's own memory, threads and CPU time, from `/proc/self/status` and
//! `/proc/self/stat`. It reads nothing unless `diagnostic` is set.

use super::readings::{Readings, Timed};
use super::{CollectContext, CollectError, Collector, ended};
use crate::config::Config;
use crate::parse::process;

pub(super) struct Agent {
    is_wanted: bool,
}

impl Agent {
    pub(super) fn new(is_wanted: bool) -> Agent {
        Agent { is_wanted }
    }
}

impl Collector for Agent {
    fn name(&self) -> &'static str {
        "agent"
    }

    fn collect(
        &mut self,
        context: &mut CollectContext<'_>,
        out: &mut Readings,
    ) -> Result<(), CollectError> {
        if !self.is_wanted {
            return Ok(());
        }
        let mut status = process::status(&context.root.text("/proc/self/status", context.buffer)?);
        let damage = status.damage.take();
        out.agent = Some(status);
        let stat = context.root.text("/proc/self/stat", context.buffer)?;
        out.agent_cpu = Some(Timed {
            moment: context.now,
            reading: process::cpu_seconds(&stat)?,
        });
        ended(damage)
    }

    fn configure(&mut self, config: &Config) {
        self.is_wanted = config.diagnostic;
    }
}
