//! Layer 3, above `collect`: what becomes of readings. A renderer is a function of one round's
//! readings, or of two (rates), and reads nothing itself; what it keeps are names that it would only
//! make again.
//!
//! `collect` reads the host → [`crate::collect::readings::Readings`] → a module here → values, which
//! the poster sends.

pub(crate) mod mackerel;
pub(crate) mod prometheus;
