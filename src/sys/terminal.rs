//! Standard input and output: whether they are terminals, and reading of single bytes.

use std::io;

/// A standard stream, with its descriptor.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Input = 0,
    Output = 1,
}

/// Whether the stream is a terminal.
pub(crate) fn is_terminal(stream: Stream) -> bool {
    // SAFETY: the call takes any number, and no pointer.
    unsafe { libc::isatty(stream as libc::c_int) == 1 }
}

/// The next byte of standard input; `None` at its end. Reads no further bytes, so that they are
/// left for the next reader.
pub(crate) fn next_byte() -> io::Result<Option<u8>> {
    let mut byte = 0_u8;
    loop {
        // SAFETY: `byte` is valid for a write of the one byte requested.
        match unsafe { libc::read(Stream::Input as libc::c_int, (&raw mut byte).cast(), 1) } {
            1 => return Ok(Some(byte)),
            0 => return Ok(None),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}
