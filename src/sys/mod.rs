//! Layer 2: one door per effect on the machine. Nothing here decides.

pub(crate) mod root;
