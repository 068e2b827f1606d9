//! What one table of `[[otlp]]` or `[[organization]]` says, while it is read.

use crate::config::{Organization, Otlp};

/// A destination, as far as its table was read. One type for both arrays, so that the code that
/// reads rows is compiled once.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) otlp: Otlp,
    pub(super) organization: Organization,
}
