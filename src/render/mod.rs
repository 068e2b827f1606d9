//! Renderers, above `collect`, which turn readings into values. A renderer is a function
//! of one round's readings, or of two for rates. It reads no files. Its only state is a cache of
//! names.
//!
//! `collect` reads the host → [`crate::collect::readings::Readings`] → a module here → values,
//! which the poster sends.

pub(crate) mod live;
pub(crate) mod mackerel;
pub(crate) mod otlp;
pub(crate) mod prometheus;
pub(crate) mod status;
pub(crate) mod top;
