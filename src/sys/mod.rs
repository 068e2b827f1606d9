//! Layer 2: one door per effect on the machine. Nothing here decides.

pub(crate) mod file;
pub(crate) mod glob;
pub(crate) mod root;
