//! Numbers that nobody expects, to spread what would otherwise happen at once.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// A number that differs from process to process and from call to call. Not for secrets.
pub(crate) fn random() -> u32 {
    let number = RandomState::new().hash_one(());
    (number >> 32) as u32
}
