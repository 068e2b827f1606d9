//! What a lane has lost: the log has the first loss, and the sum at the end. In between, an outage
//! of days loses something every minute.

use std::mem;

use crate::sys::log;

/// Why something is lost that the server would still take.
pub(super) const NO_ROOM: &str = "the oldest make room for the newest";

/// The losses of one lane since the last sum.
pub(crate) struct Losses {
    /// What is lost, as named in the log.
    what: &'static str,
    count: usize,
}

impl Losses {
    /// Starts without losses.
    pub(super) fn of(what: &'static str) -> Losses {
        Losses { what, count: 0 }
    }

    /// Adds `count`, and logs it with the reason `why` if it is the first loss.
    pub(super) fn add(&mut self, count: usize, why: &str) {
        let what = self.what;
        if count > 0 && self.count == 0 {
            log::error!("{what} lost: {count}; {why}; the sum is logged when this ends");
        }
        self.count += count;
    }

    /// Logs the sum, if there are losses. The next one counts as the first again.
    pub(super) fn end(&mut self) {
        let (what, sum) = (self.what, mem::take(&mut self.count));
        if sum > 0 {
            log::error!("{what} lost in all: {sum}");
        }
    }
}
