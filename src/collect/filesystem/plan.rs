//! What is to be asked of which mount, kept for as long as the mounts stay as they are.

use std::iter::successors;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::names;
use crate::base::counter::Names;
use crate::base::text::{metric_segment, trace};
use crate::config::Filesystems;
use crate::parse::{ParseError, mountinfo};
use crate::sys::device::{device_name, is_looked_up};
use crate::sys::root::Root;

/// What is to be asked, and what the answers are called, as long as the mounts stay as they are.
#[derive(Default)]
pub(super) struct Plan {
    /// The host's mounts; `None` if the plan is for one round.
    table: Option<Vec<u8>>,
    /// The mounts of this process, if those are others.
    own: Option<Vec<u8>>,
    pub(super) paths: Arc<[PathBuf]>,
    /// One for each path.
    pub(super) series: Vec<Series>,
}

pub(super) struct Series {
    pub(super) names: Names,
    /// Of the label.
    trace: u32,
    /// The next one of the same names.
    next: Option<usize>,
}

impl Plan {
    /// Fails if `table` cannot be understood.
    pub(super) fn new(
        root: &Root,
        table: &[u8],
        own: Option<Vec<u8>>,
        config: &Filesystems,
    ) -> Result<Plan, ParseError> {
        let mounts = mountinfo::parse(table)?;
        let mut paths = Vec::new();
        let mut series: Vec<Series> = Vec::new();
        let mut lasts = true;
        for mounted in mountinfo::local(&mounts, &root.path("/"), own.as_deref()) {
            lasts &= !is_looked_up(mounted.device);
            let device = device_name(root, mounted.device);
            let device = device.to_string_lossy();
            let Some(name) = device.strip_prefix("/dev/") else {
                continue;
            };
            let ignore = config.ignore.as_ref();
            if ignore.is_some_and(|ignore| ignore.matches(&device)) {
                continue;
            }
            let label = match config.use_mountpoint {
                true => metric_segment(&mounted.point.to_string_lossy()),
                false => metric_segment(name),
            };
            let names = names("filesystem.", &label, [".size", ".used"]);
            let trace = trace(label.as_bytes());
            let at = series.len();
            let mut before = series.iter_mut().rev();
            if let Some(before) = before.find(|one| one.trace == trace && one.names == names) {
                before.next = Some(at);
            }
            series.push(Series {
                names,
                trace,
                next: None,
            });
            paths.push(root.path(mounted.point));
        }
        Ok(Plan {
            table: lasts.then(|| table.to_vec()),
            own,
            paths: paths.into(),
            series,
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

    /// Which of [`Plan::series`] after this one have its names.
    pub(super) fn after(&self, series: &Series) -> impl Iterator<Item = usize> {
        successors(series.next, |at| self.series.get(*at)?.next)
    }
}
