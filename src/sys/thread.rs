//! What the C library does for threads at greater length than is needed here.

use std::ffi::{c_char, c_int};

/// What std calls for a new thread to name itself. musl's own can also name others, by way of a file whose
/// path it makes with printf, which nothing else here needs: 11 kB of amd64.
///
/// # Safety
///
/// `name` ends with a zero byte; the thread is the calling one.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_setname_np(_: libc::pthread_t, name: *const c_char) -> c_int {
    // SAFETY: the kernel reads 16 bytes at most, and none behind a zero byte.
    unsafe { libc::prctl(libc::PR_SET_NAME, name) };
    // Nobody would do anything about it.
    0
}
