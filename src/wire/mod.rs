//! Layer 1: the documents of Mackerel's API, one file per resource.

pub(crate) mod host;
