//! The time limit of a whole command, for calls that no other limit ends, such as those on a mount
//! that hangs.

/// Printed when the time is over.
const OVER: &[u8] = b"the step after the last one shown does not end: a mount or a program hangs\n";

/// Ends the process with code 1 after so many seconds, with a line on stderr. Children do not
/// inherit the limit.
pub(crate) fn end_after(seconds: u32) {
    // SAFETY: the handler makes two system calls that are safe in signal context (signal-safety(7)).
    unsafe {
        libc::signal(libc::SIGALRM, end as *const () as libc::sighandler_t);
        libc::alarm(seconds);
    }
}

extern "C" fn end(_: libc::c_int) {
    // SAFETY: the bytes are valid for the call; nothing can be done if they cannot be written.
    unsafe {
        libc::write(libc::STDERR_FILENO, OVER.as_ptr().cast(), OVER.len());
        libc::_exit(1);
    }
}
