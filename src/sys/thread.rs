//! Threads: how they are started and named.

use std::{io, thread};

/// Starts a thread that runs `body` and then ends; nobody waits for it. `name` has 15 bytes at most,
/// `stack` is in bytes.
///
/// Fails if the kernel has no room for another thread.
pub(crate) fn start(
    name: &'static str,
    stack: usize,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    start_boxed(name, stack, Box::new(body))
}

/// Compiled once: std's part of starting a thread is 200 bytes for each kind of body.
fn start_boxed(name: &'static str, stack: usize, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.stack_size(stack).spawn(body).map(drop)
}

/// What std calls for a new thread to name itself. musl's own can also name others, by way of a file whose
/// path it makes with printf, which nothing else here needs: 11 kB of amd64.
///
/// # Safety
///
/// `name` ends with a zero byte; the thread is the calling one.
#[cfg(target_env = "musl")]
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_setname_np(
    _: libc::pthread_t,
    name: *const std::ffi::c_char,
) -> std::ffi::c_int {
    // SAFETY: the kernel reads 16 bytes at most, and none behind a zero byte.
    unsafe { libc::prctl(libc::PR_SET_NAME, name) };
    // Nobody would do anything about it.
    0
}
