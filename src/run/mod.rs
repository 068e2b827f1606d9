//! Layer 4: brings the others together.

pub(crate) mod load;
