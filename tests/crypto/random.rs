//! The system's random numbers, and a private key in their place: ring makes the private key of an
//! exchange itself, and takes none from a caller.
//!
//! `cross/build` links this program with `--wrap=syscall`, so that calls of syscall(2) come here.

use std::sync::Mutex;

/// The bytes that getrandom(2) returns for a request of the same length. `None` for the system's.
static FORCED: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Calls `make` while getrandom(2) returns `bytes`.
pub(crate) fn with_random<T>(bytes: &[u8], make: impl FnOnce() -> T) -> T {
    *FORCED.lock().unwrap() = Some(bytes.to_vec());
    let made = make();
    *FORCED.lock().unwrap() = None;
    made
}

// Only programs of `cross/build` are linked like this.
#[cfg(target_env = "musl")]
mod wrapped {
    use std::ffi::{c_long, c_void};

    use super::FORCED;

    unsafe extern "C" {
        fn __real_syscall(number: c_long, ...) -> c_long;
    }

    /// syscall(2), whose caller passes as many words as the call takes; the rest is not used.
    ///
    /// # Safety
    ///
    /// As that of the call.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn __wrap_syscall(
        number: c_long,
        buffer: *mut c_void,
        length: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
    ) -> c_long {
        if number == libc::SYS_getrandom
            && let Ok(forced) = FORCED.try_lock()
            && let Some(bytes) = forced.as_ref().filter(|bytes| bytes.len() == length)
        {
            // SAFETY: the caller of getrandom(2) gives `length` writable bytes, which these are.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), length) };
            return c_long::try_from(length).unwrap();
        }
        // SAFETY: the caller's own call, with the caller's words.
        unsafe { __real_syscall(number, buffer, length, c, d, e, f) }
    }
}
