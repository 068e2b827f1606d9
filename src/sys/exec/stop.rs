//! Waiting with a limit, interrupted by a stop sign that any number of threads can poll at once.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// Sets the [`StopSign`] when it is dropped, which ends every wait on it.
#[must_use]
pub(crate) struct Stop {
    _open: PipeWriter,
}

/// Is set when the [`Stop`] is dropped, and stays set.
#[derive(Clone)]
pub(crate) struct StopSign(Arc<PipeReader>);

/// A sign that is not set, and the guard that sets it. Fails if no more files can be opened.
pub(crate) fn stop() -> io::Result<(Stop, StopSign)> {
    // The end of a pipe that has no writer polls readable for every thread. Nothing is ever read
    // from it.
    let (reader, writer) = io::pipe()?;
    Ok((Stop { _open: writer }, StopSign(Arc::new(reader))))
}

impl StopSign {
    /// Whether the sign is set.
    pub(crate) fn is_on(&self) -> bool {
        self.comes_within(Duration::ZERO)
    }

    /// Waits for the sign, at most `time` long. Returns whether it is set.
    pub(crate) fn comes_within(&self, time: Duration) -> bool {
        let mut watched = [entry(Some(self.fd()))];
        // A sign that cannot be polled counts as set: no thread may wait without a limit.
        poll(&mut watched, Some(time)).is_err() || watched[0].revents != 0
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
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
