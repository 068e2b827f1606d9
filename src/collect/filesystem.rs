//! Sizes and usage of mounted disks, from the mount table and statvfs(3).

mod plan;

use std::sync::Arc;

use super::readings::{FilesystemReadings, Readings};
use super::{CollectContext, CollectError, Collector, ended};
use crate::config::{Config, Filesystems};
use crate::sys::fsstat::FsStats;

use plan::Plan;

/// Collects the usage of one host's disks.
pub(super) struct Filesystem {
    config: Filesystems,
    stats: FsStats,
    plan: Plan,
}

impl Filesystem {
    /// `stats` asks the filesystems.
    pub(super) fn new(config: Filesystems, stats: FsStats) -> Filesystem {
        Filesystem {
            config,
            stats,
            plan: Plan::default(),
        }
    }
}

impl Collector for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn collect(
        &mut self,
        context: &mut CollectContext<'_>,
        out: &mut Readings,
    ) -> Result<(), CollectError> {
        let root = context.root;
        let own = root.own_mounts();
        // A table that stays as it is, as it nearly always does, is neither kept nor parsed again.
        let seen = match self.plan.lasts() {
            true => Some(root.mounts_digest(context.buffer)?),
            false => None,
        };
        let cut = match seen {
            Some((digest, cut)) if self.plan.is_of(root, digest, own.as_deref()) => cut,
            _ => {
                let mut buffer = Vec::new();
                let (table, cut) = root.mounts(&mut buffer)?;
                let has_kinds = out.extra.is_some();
                self.plan = Plan::new(root, table, own, &self.config, has_kinds)?;
                cut
            }
        };
        out.filesystems = Some(FilesystemReadings {
            mounts: Arc::clone(&self.plan.mounts),
            usage: self.stats.usage(&self.plan.points),
        });
        ended(cut)
    }

    fn configure(&mut self, config: &Config) {
        self.config.clone_from(&config.filesystems);
        self.plan = Plan::default();
    }
}
