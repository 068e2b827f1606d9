//! Waiting, and what ends it early: a sign that the agent stops, which any number of threads see
//! at once.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// Stops everything that waits for its [`StopSign`], when it is dropped.
#[must_use]
pub(crate) struct Stop {
    _open: PipeWriter,
}

/// Comes on when the [`Stop`] is dropped, and stays on.
#[derive(Clone)]
pub(crate) struct StopSign(Arc<PipeReader>);

/// A sign that is off, and what switches it on. Fails if no more files can be opened.
pub(crate) fn stop() -> io::Result<(Stop, StopSign)> {
    // The end of a pipe without a writer is seen by everyone who polls it, and read by nobody.
    let (reader, writer) = io::pipe()?;
    Ok((Stop { _open: writer }, StopSign(Arc::new(reader))))
}

impl StopSign {
    /// Whether it is on.
    pub(crate) fn is_on(&self) -> bool {
        self.comes_within(Duration::ZERO)
    }

    /// Waits for it, at most `time` long. Returns whether it is on.
    pub(crate) fn comes_within(&self, time: Duration) -> bool {
        let mut watched = [entry(Some(self.fd()))];
        // One that cannot be waited for is as good as on: nobody is to wait without an end.
        poll(&mut watched, Some(time)).is_err() || watched[0].revents != 0
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// What poll(2) is to watch: whether there is something to be read, or an end. Nothing if there is
/// no descriptor.
pub(super) fn entry(fd: Option<RawFd>) -> libc::pollfd {
    libc::pollfd {
        fd: fd.unwrap_or(-1),
        events: libc::POLLIN,
        revents: 0,
    }
}

/// Waits until there is news of one of `watched`, at most `limit` long; `None` is without an end.
/// May return early.
pub(super) fn poll(watched: &mut [libc::pollfd], limit: Option<Duration>) -> io::Result<()> {
    // Rounded up: less than a millisecond must not become many waits of none.
    let millis = limit.map_or(-1, |limit| {
        let limit = limit.saturating_add(Duration::from_nanos(999_999));
        i32::try_from(limit.as_millis()).unwrap_or(i32::MAX)
    });
    let count = libc::nfds_t::try_from(watched.len()).unwrap_or_default();
    // SAFETY: `watched` holds `count` initialised entries and outlives the call. An entry whose
    // descriptor is negative is ignored.
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
    fn everyone_who_waits_sees_it_and_it_stays() {
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
