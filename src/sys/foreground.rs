//! The waits of a command that runs in the foreground until it is interrupted.

use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use super::server::{entry, poll};
use super::signal::{Signals, Woken};

/// The descriptor of standard output.
const OUTPUT: RawFd = 1;

/// What ended a wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ready {
    /// A signal came, or nothing reads standard output any more.
    End,
    /// The input can be read, or is at its end.
    Input,
    Time,
}

/// Waits up to `limit` for a signal, or until `input` can be read. An `input` below zero is none.
pub(crate) fn wait(signals: &Signals, input: RawFd, limit: Duration) -> Ready {
    let pending = signals.descriptor();
    let pending_or_none = pending.as_ref().map_or(-1, AsRawFd::as_raw_fd);
    let mut polled = [
        entry(input, libc::POLLIN),
        entry(pending_or_none, libc::POLLIN),
        // Without an event: this becomes ready when the reader is gone.
        entry(OUTPUT, 0),
    ];
    poll(&mut polled, Some(limit));
    let [is_input, _, is_gone] = polled.map(|entry| entry.revents != 0);
    let signal = signals.next(Some(Duration::ZERO));
    if is_gone || matches!(signal, Woken::Signal(_)) {
        Ready::End
    } else if is_input {
        Ready::Input
    } else {
        Ready::Time
    }
}
