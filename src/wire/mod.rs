//! Layer 1: the documents of Mackerel's API, one file per resource, and those of other protocols.

pub(crate) mod check;
pub(crate) mod error;
pub(crate) mod graph;
pub(crate) mod host;
pub(crate) mod metric;
pub(crate) mod once;
pub(crate) mod rpc_status;
