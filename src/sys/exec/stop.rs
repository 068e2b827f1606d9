//! Waiting with a limit, interrupted by a stop sign that any number of threads can poll at once.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Sets the [`StopSign`] when it is dropped, which ends every wait on it.
#[must_use]
pub(crate) struct Stop {
    sign: StopSign,
    _open: PipeWriter,
}

impl Drop for Stop {
    fn drop(&mut self) {
        // Before the pipe is closed, which wakes those that wait.
        self.sign.0.is_on.store(true, Ordering::Relaxed);
    }
}

/// Is set when the [`Stop`] is dropped, and stays set.
#[derive(Clone)]
pub(crate) struct StopSign(Arc<Sign>);

struct Sign {
    /// Whether the sign is set, without a system call.
    is_on: AtomicBool,
    /// Polls readable once the sign is set.
    pipe: PipeReader,
}

/// A sign that is not set, and the guard that sets it. Fails if no more files can be opened.
pub(crate) fn stop() -> io::Result<(Stop, StopSign)> {
    // The end of a pipe that has no writer polls readable for every thread. Nothing is ever read
    // from it.
    let (pipe, writer) = io::pipe()?;
    let is_on = AtomicBool::new(false);
    let sign = StopSign(Arc::new(Sign { is_on, pipe }));
    let stop = Stop {
        sign: sign.clone(),
        _open: writer,
    };
    Ok((stop, sign))
}

impl StopSign {
    /// Whether the sign is set.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_on.load(Ordering::Relaxed)
    }

    /// Waits for the sign, at most `time` long. Returns whether it is set.
    #[cfg(test)]
    fn comes_within(&self, time: Duration) -> bool {
        let mut watched = [entry(Some(self.fd()))];
        // A sign that cannot be polled counts as set: no thread may wait without a limit.
        poll(&mut watched, Some(time)).is_err() || watched[0].revents != 0
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.pipe.as_raw_fd()
    }
}

/// An entry for poll(2), which reports data to read or the end of the stream. Ignored by poll(2) if
/// there is no descriptor.
pub(super) fn entry(fd: Option<RawFd>) -> libc::pollfd {
    libc::pollfd {
        fd: fd.unwrap_or(-1),
        events: libc::POLLIN,
        revents: 0,
    }
}

/// Waits until one of `watched` has an event, at most `limit` long; `None` means without a limit.
/// May return early.
pub(super) fn poll(watched: &mut [libc::pollfd], limit: Option<Duration>) -> io::Result<()> {
    // Rounded up, so that less than a millisecond does not cause a busy loop.
    let millis = limit.map_or(-1, |limit| {
        let limit = limit.saturating_add(Duration::from_nanos(999_999));
        i32::try_from(limit.as_millis()).unwrap_or(i32::MAX)
    });
    let count = libc::nfds_t::try_from(watched.len()).unwrap_or_default();
    // SAFETY: `watched` holds `count` initialised entries and outlives the call. An entry with a
    // negative descriptor is ignored.
    let news = unsafe { libc::poll(watched.as_mut_ptr(), count, millis) };
    match io::Error::last_os_error() {
        error if news < 0 && error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn stop_sign_wakes_every_waiting_thread_and_stays_set() {
        let (stop, sign) = stop().unwrap();
        assert!(!sign.is_on());
        assert!(!sign.comes_within(Duration::from_micros(1)));
        let waiting = [0, 1].map(|_| {
            let sign = sign.clone();
            thread::spawn(move || sign.comes_within(Duration::from_secs(600)))
        });
        drop(stop);
        for waiting in waiting {
            assert!(waiting.join().unwrap());
        }
        assert!(sign.is_on() && sign.is_on());
    }
}
