//! The host and its description.

use serde::Serialize;

/// `meta.filesystem`: one entry. In kibibytes, rounded up.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Filesystem {
    pub(crate) kb_size: u64,
    pub(crate) kb_used: u64,
    pub(crate) kb_available: u64,
    /// Of used and available together, rounded up, e.g. `91%`.
    pub(crate) percent_used: String,
    /// The mount point.
    pub(crate) mount: String,
}
