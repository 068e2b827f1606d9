//! The documents of Mackerel's API, one file per resource, and those of gRPC and OTLP.

pub(crate) mod check;
pub(crate) mod error;
pub(crate) mod graph;
pub(crate) mod host;
pub(crate) mod metric;
pub(crate) mod once;
pub(crate) mod otlp;
pub(crate) mod rpc_status;
