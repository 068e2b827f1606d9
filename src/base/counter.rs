//! Growth of the kernel's counters, which may restart.

/// What a counter grew by between two readings; zero if it went backwards.
///
/// A counter that went backwards has been reset (a device was replaced, a driver restarted) or
/// is one that the kernel corrects (`iowait`): what it counted meanwhile is unknown.
pub(crate) fn growth(before: u64, after: u64) -> u64 {
    after.saturating_sub(before)
}
