//! The duty of process 1 of a container: it inherits every process whose parent has gone, and so
//! what commands leave running, and nobody else can reap it.

use std::ptr;

/// Reaps the orphans that have ended, and no child of another thread. Returns how many.
///
/// The kernel hands orphans to the main thread, which has to be the one that calls this, and which
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
