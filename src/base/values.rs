//! Named values of one moment, as in Mackerel's API.

use std::sync::Arc;

/// 2^53, the limit of a value, exclusive. From here on, an f64 cannot represent every integer; no
/// host has as many of anything.
pub(crate) const IMPOSSIBLE: f64 = 9_007_199_254_740_992.0;

/// The values of one round.
#[derive(Debug, Default)]
pub(crate) struct Values(pub(crate) Vec<(Arc<str>, f64)>);

impl Values {
    /// An empty list with capacity for `expected` values.
    pub(crate) fn with_capacity(expected: usize) -> Values {
        Values(Vec::with_capacity(expected))
    }

    /// Adds a value of the host. It is dropped if it is impossible: negative, not less than
    /// [`IMPOSSIBLE`], or NaN, such as a rate over no time.
    pub(crate) fn put(&mut self, name: impl Into<Arc<str>>, value: f64) {
        if (0.0..IMPOSSIBLE).contains(&value) {
            self.put_any(name, value);
        }
    }

    /// Adds a value. It is dropped if it is NaN or infinite.
    pub(crate) fn put_any(&mut self, name: impl Into<Arc<str>>, value: f64) {
        if value.is_finite() {
            self.0.push((name.into(), value));
        }
    }

    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Names and values in the order in which they were added.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, f64)> + Clone {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }
}
