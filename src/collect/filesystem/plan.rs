//! The mounts to report and to ask, kept until the mount table changes.

use std::sync::Arc;

use crate::collect::readings::Mounted;
use crate::config::Filesystems;
use crate::parse::{ParseError, mountinfo};
use crate::sys::device::{device_name, is_looked_up};
use crate::sys::fsstat::Point;
use crate::sys::root::{Root, digest};

/// The mounts to report and to ask, and the mount tables from which they were chosen.
#[derive(Default)]
pub(super) struct Plan {
    /// The digest of the host's mount table; `None` if the plan is for one round, because a device's
    /// name is a link that may change.
    digest: Option<u64>,
    /// The mount table of this process, if that is another one.
    own: Option<Vec<u8>>,
    pub(super) mounts: Arc<[Mounted]>,
    /// Mount points to ask, one for each of `mounts` that is not ignored.
    pub(super) points: Arc<[Point]>,
}

impl Plan {
    /// The plan for these mount tables. `has_kinds`: whether the types of filesystems are kept. Fails
    /// if `table` cannot be parsed.
    pub(super) fn new(
        root: &Root,
        table: &[u8],
        own: Option<Vec<u8>>,
        config: &Filesystems,
        has_kinds: bool,
    ) -> Result<Plan, ParseError> {
        let parsed = mountinfo::parse(table)?;
        let mut points = Vec::new();
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
                points.push(Point::from(root.path(mounted.point)));
            } else if !config.use_mountpoint {
                // An ignored mount is needed only for the names of its disk's values.
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
            digest: lasts.then(|| digest(table)),
            own,
            mounts: mounts.into(),
            points: points.into(),
        })
    }

    /// Whether the plan holds for more than one round.
    pub(super) fn lasts(&self) -> bool {
        self.digest.is_some()
    }

    /// Whether the plan holds for a mount table of this digest, and that of this process.
    pub(super) fn is_of(&self, root: &Root, digest: u64, own: Option<&[u8]>) -> bool {
        let is_reached = match (self.own.as_deref(), own) {
            (Some(before), Some(now)) => mountinfo::reaches_same(before, now, &root.path("/")),
            (before, now) => before == now,
        };
        is_reached && self.digest == Some(digest)
    }
}
