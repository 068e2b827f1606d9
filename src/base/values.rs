//! Named values of one moment, as Mackerel's API takes them.

use std::sync::Arc;

/// 2^53, from which on an f64 no longer has every whole number: no host has as many of anything.
pub(crate) const IMPOSSIBLE: f64 = 9_007_199_254_740_992.0;

/// The values of one round.
#[derive(Debug, Default)]
pub(crate) struct Values(pub(crate) Vec<(Arc<str>, f64)>);

impl Values {
    /// None yet, and room for as many as are `expected`.
    pub(crate) fn with_capacity(expected: usize) -> Values {
        Values(Vec::with_capacity(expected))
    }

    /// Adds a value of the host, unless it cannot be one: all are zero or more and less than
    /// [`IMPOSSIBLE`]. A rate over no time is no number at all.
    pub(crate) fn put(&mut self, name: impl Into<Arc<str>>, value: f64) {
        if (0.0..IMPOSSIBLE).contains(&value) {
            self.put_any(name, value);
        }
    }

    /// Adds a value, unless it is NaN or infinite.
    pub(crate) fn put_any(&mut self, name: impl Into<Arc<str>>, value: f64) {
        if value.is_finite() {
            self.0.push((name.into(), value));
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Name and value, in the order in which they were added.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, f64)> + Clone {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }
}
