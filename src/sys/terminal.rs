//! Standard input and output: whether they are terminals, reading of single bytes, and a terminal
//! that shows one screen instead of lines.

use std::env;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::time::Duration;

use super::server::{entry, poll};

/// Switches to the terminal's second screen, and hides the cursor.
const OPEN: &str = "\u{1b}[?1049h\u{1b}[?25l";
/// Shows the cursor, and switches back to what was there before.
const CLOSE: &str = "\u{1b}[?25h\u{1b}[?1049l";

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

/// Whether standard output is a terminal that shows colours, and they are wanted (no-color.org).
pub(crate) fn is_coloured() -> bool {
    let variable = |name| env::var_os(name).unwrap_or_default();
    is_terminal(Stream::Output) && variable("NO_COLOR").is_empty() && variable("TERM") != "dumb"
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

/// Whether [`next_byte`] returns at once.
pub(crate) fn has_byte() -> bool {
    let mut polled = [entry(Stream::Input as libc::c_int, libc::POLLIN)];
    poll(&mut polled, Some(Duration::ZERO));
    polled.iter().any(|entry| entry.revents != 0)
}

/// A screen of its own on the terminal, which passes on each key at once, without showing it.
/// Dropping it restores the terminal.
pub(crate) struct Screen(libc::termios);

impl Screen {
    /// Fails unless standard input and output are a terminal.
    pub(crate) fn open() -> io::Result<Screen> {
        let mut before = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the place is valid for the settings, which are read only if the call succeeds.
        let before = unsafe {
            if libc::tcgetattr(Stream::Input as libc::c_int, before.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            before.assume_init()
        };
        let mut settings = before;
        // Ctrl-C, Ctrl-Z and Ctrl-S are keys as others.
        settings.c_lflag &= !(libc::ICANON | libc::ECHO | libc::ISIG);
        settings.c_iflag &= !libc::IXON;
        set(&settings)?;
        let screen = Screen(before);
        show(OPEN)?;
        Ok(screen)
    }

    /// Writes text, which may have escape sequences.
    pub(crate) fn write(&self, text: &str) -> io::Result<()> {
        show(text)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The terminal may be gone.
        drop(show(CLOSE));
        drop(set(&self.0));
    }
}

fn show(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

fn set(settings: &libc::termios) -> io::Result<()> {
    let input = Stream::Input as libc::c_int;
    // SAFETY: the settings are initialised, and outlive the call.
    match unsafe { libc::tcsetattr(input, libc::TCSADRAIN, settings) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Columns and rows of the terminal at standard output; `None` if it does not say so.
pub(crate) fn size() -> Option<(usize, usize)> {
    let mut size = MaybeUninit::<libc::winsize>::uninit();
    let output = Stream::Output as libc::c_int;
    // SAFETY: the place is valid for the size, which is read only if the call succeeds.
    let size = unsafe {
        if libc::ioctl(output, libc::TIOCGWINSZ, size.as_mut_ptr()) != 0 {
            return None;
        }
        size.assume_init()
    };
    let is_known = size.ws_col > 0 && size.ws_row > 0;
    is_known.then(|| (size.ws_col.into(), size.ws_row.into()))
}
