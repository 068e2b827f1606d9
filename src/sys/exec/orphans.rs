//! Reaping of orphans, needed where the agent is process 1 of a container. Process 1 inherits every
//! process whose parent has exited, including what commands leave running. No other process can
//! reap them.

use std::ptr;

/// Reaps the orphans that have exited, but no child of another thread. Returns how many.
///
/// The kernel assigns orphans to the main thread. This must be called there, and the main thread
/// must not wait for children of its own meanwhile.
pub(crate) fn reap_orphans() -> usize {
    let mut count = 0;
    let options = libc::WNOHANG | libc::__WNOTHREAD;
    // SAFETY: a null pointer means that the status is not wanted.
    while unsafe { libc::waitpid(-1, ptr::null_mut(), options) } > 0 {
        count += 1;
    }
    count
}
