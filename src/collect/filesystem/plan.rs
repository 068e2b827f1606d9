//! What is to be asked of which mount, kept for as long as the mounts stay as they are.

use std::path::PathBuf;
use std::sync::Arc;

use crate::collect::readings::Mounted;
use crate::config::Filesystems;
use crate::parse::{ParseError, mountinfo};
use crate::sys::device::{device_name, is_looked_up};
use crate::sys::root::Root;

/// What is to be asked, as long as the mounts stay as they are.
#[derive(Default)]
pub(super) struct Plan {
    /// The host's mounts; `None` if the plan is for one round.
    table: Option<Vec<u8>>,
    /// The mounts of this process, if those are others.
    own: Option<Vec<u8>>,
    pub(super) mounts: Arc<[Mounted]>,
    /// One for each of the mounts that are not ignored.
    pub(super) paths: Arc<[PathBuf]>,
}

impl Plan {
    /// Fails if `table` cannot be understood. With `has_kinds` the types of filesystems are kept.
    pub(super) fn new(
        root: &Root,
        table: &[u8],
        own: Option<Vec<u8>>,
        config: &Filesystems,
        has_kinds: bool,
    ) -> Result<Plan, ParseError> {
        let parsed = mountinfo::parse(table)?;
        let mut paths = Vec::new();
        let mut mounts = Vec::new();
        let mut lasts = true;
        for mounted in mountinfo::local(&parsed, &root.path("/"), own.as_deref()) {
            lasts &= !is_looked_up(mounted.device);
            let device = device_name(root, mounted.device);
            let device = device.to_string_lossy();
            if !device.starts_with("/dev/") {
                continue;
            }
            let ignore = config.ignore.as_ref();
            let is_ignored = ignore.is_some_and(|ignore| ignore.matches(&device));
            if !is_ignored {
                paths.push(root.path(mounted.point));
            } else if !config.use_mountpoint {
                // Where a disk is mounted counts only if it is named after that.
                continue;
            }
            mounts.push(Mounted {
                device: device.into(),
                point: mounted.point.to_owned(),
                is_ignored,
                kind: if has_kinds {
                    mounted.kind.to_string_lossy().into()
                } else {
                    Box::default()
                },
                is_read_only: mounted.is_read_only,
            });
        }
        Ok(Plan {
            table: lasts.then(|| table.to_vec()),
            own,
            mounts: mounts.into(),
            paths: paths.into(),
        })
    }

    /// Whether it is a plan for these mounts.
    pub(super) fn is_of(&self, root: &Root, table: &[u8], own: Option<&[u8]>) -> bool {
        let is_reached = match (self.own.as_deref(), own) {
            (Some(before), Some(now)) => mountinfo::reaches_same(before, now, &root.path("/")),
            (before, now) => before == now,
        };
        is_reached && self.table.as_deref() == Some(table)
    }
}
