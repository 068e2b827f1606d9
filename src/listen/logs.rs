//! The stream of log lines: kept while somebody follows them and some time afterwards.

use std::os::fd::RawFd;

use super::events::KEPT_FOR;
use super::stream;
use crate::base::clock::Moment;
use crate::sys::log_ring::LogRing;
use crate::sys::server::{Cursor, Topic};

/// The log lines of this process, for those who follow them.
pub(super) struct Logs {
    run: String,
    lines: &'static LogRing,
    /// What becomes readable with each line. `None` while nobody follows.
    waker: Option<RawFd>,
    is_kept: bool,
    /// When the lines are freed. `None` while somebody follows, and afterwards.
    free_at: Option<Moment>,
}

impl Logs {
    /// Nobody follows yet. `run` tells the ids of this run from those of others.
    pub(super) fn new(run: String, lines: &'static LogRing) -> Logs {
        Logs {
            run,
            lines,
            waker: None,
            is_kept: false,
            free_at: None,
        }
    }

    /// Appends what a stream begins with, for a client whose last line has the id `last`. Lines are
    /// kept from now on.
    pub(super) fn begin(&mut self, last: Option<&str>, out: &mut Vec<u8>) -> Cursor {
        if !self.is_kept {
            self.is_kept = true;
            self.lines.keep();
        }
        stream::begin(out);
        let resume = |ring: &_| stream::resume(&self.run, ring, last);
        let (next, is_reset) = self.lines.read(resume);
        if is_reset {
            stream::event("reset", "{}", out);
        }
        let topic = Topic::Logs;
        Cursor { topic, next }
    }

    /// Appends what follows. Returns whether nothing is lost.
    pub(super) fn more(&self, cursor: &mut Cursor, out: &mut Vec<u8>) -> bool {
        let items = |ring: &_| stream::items(&self.run, ring, &mut cursor.next, out);
        self.lines.read(items)
    }

    /// Has each line wake the server while somebody follows, and frees the lines afterwards. Returns
    /// when this has to be called again.
    pub(super) fn turn(&mut self, is_followed: bool, now: Moment) -> Option<Moment> {
        if is_followed {
            self.free_at = None;
            if self.waker.is_none() {
                self.waker = self.lines.follow().ok();
            }
            return None;
        }
        if self.waker.take().is_some() {
            self.lines.leave();
        }
        if !self.is_kept {
            return None;
        }
        let free_at = *self.free_at.get_or_insert(Moment(now.0 + KEPT_FOR));
        if now < free_at {
            return Some(free_at);
        }
        self.lines.free();
        self.is_kept = false;
        self.free_at = None;
        None
    }

    pub(super) fn waker(&self) -> Option<RawFd> {
        self.waker
    }

    /// The lines that have woken the server are about to be read.
    pub(super) fn woken(&self) {
        self.lines.seen();
    }
}
