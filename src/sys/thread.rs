//! Starting and naming of threads.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::{io, ptr};

/// What a new thread runs, and its name.
type Body = (&'static str, Box<dyn FnOnce() + Send>);

/// Length of a thread's name with its zero byte.
const NAME: usize = 16;

/// Starts a detached thread that runs `body`. `name` has at most 15 bytes, `stack` is in bytes.
///
/// Fails if the kernel cannot create another thread.
pub(crate) fn start(
    name: &'static str,
    stack: usize,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    start_boxed(stack, (name, Box::new(body)))
}

/// Not generic, so that it is compiled once. Calls C, because std's threads can be waited for and
/// found again, and keep a list of their stacks, which nothing here needs: 6,000 bytes of amd64.
fn start_boxed(stack: usize, body: Body) -> io::Result<()> {
    let body = Box::into_raw(Box::new(body));
    let mut attributes = MaybeUninit::uninit();
    let mut thread = MaybeUninit::uninit();
    // SAFETY: the attributes are initialised first and destroyed last. `run` has the type that is
    // asked for, and is the only owner of `body` if there is a thread.
    let code = unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        // Both fail for invalid values only.
        libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack);
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        let code = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), run, body.cast());
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        code
    };
    if code == 0 {
        return Ok(());
    }
    // SAFETY: it is from `into_raw`, and there is no thread to own it.
    drop(unsafe { Box::from_raw(body) });
    Err(io::Error::from_raw_os_error(code))
}

/// The first function of a new thread.
extern "C" fn run(body: *mut c_void) -> *mut c_void {
    // SAFETY: `start_boxed` passes on a `Body` from `into_raw`, for this thread to own.
    let (name, body) = *unsafe { Box::from_raw(body.cast::<Body>()) };
    let mut text = [0_u8; NAME];
    for (byte, &of_name) in text.iter_mut().take(NAME - 1).zip(name.as_bytes()) {
        *byte = of_name;
    }
    // SAFETY: the kernel reads at most 16 bytes, and none after a zero byte. No failure is of
    // consequence.
    unsafe { libc::prctl(libc::PR_SET_NAME, text.as_ptr()) };
    body();
    ptr::null_mut()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::{Arc, mpsc};

    use super::*;
    use crate::sys::file;

    #[test]
    fn thread_runs_its_body_under_its_name() {
        // (why this row exists, name, name of the thread)
        let table = [
            ("a name", "poster", "poster\n"),
            (
                "as long as it may be",
                "0123456789abcde",
                "0123456789abcde\n",
            ),
            ("one byte longer", "0123456789abcdef", "0123456789abcde\n"),
        ];
        for (why, name, expected) in table {
            let (sender, receiver) = mpsc::channel();
            let body = move || {
                let name = file::read(Path::new("/proc/thread-self/comm")).unwrap();
                sender.send(String::from_utf8(name).unwrap()).unwrap();
            };
            start(name, 256 << 10, body).unwrap();
            assert_eq!(receiver.recv().unwrap(), expected, "{why}");
        }
    }

    #[test]
    fn thread_that_cannot_be_created_is_an_error() {
        let held = Arc::new(());
        let body = Arc::clone(&held);
        // More than any address space.
        assert!(start("huge", 1 << 50, move || drop(body)).is_err());
        assert_eq!(Arc::strong_count(&held), 1, "the body is dropped");
    }
}
