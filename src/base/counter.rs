//! Growth of kernel counters, which may be reset.

/// Stands for a counter that could not be read. No real counter reaches it.
pub(crate) const UNKNOWN: u64 = u64::MAX;

/// The growth of a counter between two readings. `None` if it went backwards, or if a reading is
/// [`UNKNOWN`].
///
/// A counter goes backwards for one of three reasons. It was reset, because a device was replaced
/// or a driver restarted; it has wrapped; or the kernel corrects it, as it does with `iowait`. In
/// each case the growth is unknown. Growth of 2^63 or more means that the counter went below zero,
/// as `steal` does after a migration. It is unknown too.
pub(crate) fn growth(before: u64, after: u64) -> Option<u64> {
    let is_possible = |grown: &u64| grown.leading_zeros() > 0;
    let grown = after.checked_sub(before).filter(is_possible);
    grown.filter(|_| before != UNKNOWN && after != UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_never_negative() {
        // (why this row exists, before, after, grown)
        let table = [
            ("ordinary", 30, 100, Some(70)),
            ("still", 50, 50, Some(0)),
            ("reset", 50, 20, None),
            ("wrapped at 32 bits", 4_294_967_290, 5, None),
            ("below zero", 5, u64::MAX - 5, None),
            ("back from below zero", u64::MAX - 5, 5, None),
            ("unknown before", UNKNOWN, 5, None),
            ("unknown now", 5, UNKNOWN, None),
            ("unknown", UNKNOWN, UNKNOWN, None),
            ("unknown, and much before", UNKNOWN - 1, UNKNOWN, None),
            ("as far as it goes", 0, u64::MAX >> 1, Some(u64::MAX >> 1)),
        ];
        for (why, before, after, grown) in table {
            assert_eq!(growth(before, after), grown, "{why}");
        }
    }
}
