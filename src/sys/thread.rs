//! Starting and naming of threads.

use std::{io, thread};

/// Starts a detached thread that runs `body`. `name` has at most 15 bytes, `stack` is in bytes.
///
/// Fails if the kernel cannot create another thread.
pub(crate) fn start(
    name: &'static str,
    stack: usize,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    start_boxed(name, stack, Box::new(body))
}

/// Not generic, so that it is compiled once: std's part is 200 bytes for each kind of body.
fn start_boxed(name: &'static str, stack: usize, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.stack_size(stack).spawn(body).map(drop)
}

/// Called by std in a new thread to set its name. musl's own version can also name other threads,
/// through a file whose path it makes with printf. Nothing else here needs printf: 11 kB of amd64.
///
/// # Safety
///
/// `name` must end with a zero byte; the thread must be the calling one.
#[cfg(target_env = "musl")]
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_setname_np(
    _: libc::pthread_t,
    name: *const std::ffi::c_char,
) -> std::ffi::c_int {
    // SAFETY: the kernel reads at most 16 bytes, and none after a zero byte.
    unsafe { libc::prctl(libc::PR_SET_NAME, name) };
    // Always success: no caller handles a failure.
    0
}
