//! The last lines of the log, for those who ask for them. Nothing is kept before the first one asks,
//! nor some time after the last one has gone.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::ring::Ring;

/// Lines that are kept.
const LINES: usize = 256;
/// Bytes of lines that are kept.
const BYTES: usize = 64 << 10;

/// Lines, each as a JSON object.
pub(crate) struct LogRing(Mutex<State>);

struct State {
    ring: Ring,
    is_kept: bool,
    /// An eventfd that is written to with each line, if somebody waits for lines.
    waker: Option<File>,
}

impl LogRing {
    /// Keeps nothing yet.
    pub(crate) const fn new() -> LogRing {
        LogRing(Mutex::new(State {
            ring: Ring::new(LINES, BYTES),
            is_kept: false,
            waker: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends the line that `line` returns, if lines are kept.
    pub(crate) fn push(&self, line: impl FnOnce() -> String) {
        let mut state = self.state();
        if state.is_kept {
            state.ring.push(line());
            if let Some(waker) = &mut state.waker {
                // Fails only if the number of unread lines exceeds 64 bits.
                drop(waker.write(&1_u64.to_ne_bytes()));
            }
        }
    }

    /// Keeps lines from now on.
    pub(crate) fn keep(&self) {
        self.state().is_kept = true;
    }

    /// Frees the lines and keeps no more.
    pub(crate) fn free(&self) {
        let mut state = self.state();
        state.is_kept = false;
        // Lines will be missing before the next one.
        state.ring.skip();
    }

    /// From now on, each line makes the descriptor readable that is returned.
    pub(crate) fn follow(&self) -> io::Result<RawFd> {
        let mut state = self.state();
        if let Some(waker) = &state.waker {
            return Ok(waker.as_raw_fd());
        }
        // SAFETY: this call takes two numbers and touches no memory.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is open and belongs to nobody else.
        state.waker = Some(unsafe { File::from_raw_fd(descriptor) });
        Ok(descriptor)
    }

    /// Makes the descriptor of [`LogRing::follow`] unreadable until the next line.
    pub(crate) fn seen(&self) {
        if let Some(waker) = &mut self.state().waker {
            // There may be nothing to read.
            drop(waker.read(&mut [0; 8]));
        }
    }

    /// Ends [`LogRing::follow`] and closes its descriptor.
    pub(crate) fn leave(&self) {
        self.state().waker = None;
    }

    /// Calls `read` with the lines.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Ring) -> T) -> T {
        read(&self.state().ring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_ring_keeps_lines_from_the_first_question_on() {
        let ring = LogRing::new();
        let push = |text: &str| ring.push(|| text.to_owned());
        let kept = || ring.read(|ring| (ring.first(), ring.next()));
        push("before");
        assert_eq!(kept(), (1, 1));
        ring.keep();
        push("a");
        push("b");
        assert_eq!(kept(), (1, 3));
        ring.free();
        push("after");
        assert_eq!(kept(), (4, 4), "a number is passed over");
    }

    #[test]
    fn log_ring_wakes_those_who_follow() {
        let ring = LogRing::new();
        ring.keep();
        ring.push(|| "before".to_owned());
        let descriptor = ring.follow().unwrap();
        assert_eq!(ring.follow().unwrap(), descriptor);
        let is_readable = || {
            let mut entry = libc::pollfd {
                fd: descriptor,
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: the pointer is to one entry that outlives the call.
            unsafe { libc::poll(&raw mut entry, 1, 0) == 1 }
        };
        assert!(!is_readable());
        ring.push(|| "a".to_owned());
        ring.push(|| "b".to_owned());
        assert!(is_readable());
        ring.seen();
        assert!(!is_readable());
    }
}
