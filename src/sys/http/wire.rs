//! Transport for ureq. Opens connections, adds TLS and limits every wait.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use super::dial::Dialer;
use super::head;
use super::link::{self, Link};
use super::url::Scheme;
use crate::base::clock::Deadline;

/// Bytes of each of a connection's two buffers: the size of a TLS record. One has to hold the head
/// of a request. The other has to hold the short head of an answer and the bytes read after it.
const BUFFER: usize = 16 << 10;
/// Bytes of an answer's head that are read at a time.
const PIECE: usize = 4 << 10;

/// Header of the status line. No server can set it: it is not among those that are passed on.
pub(super) const STATUS_LINE: &str = "status-line";

/// Progress of the current request.
#[derive(Default)]
pub(super) struct Progress {
    /// Connections made so far.
    connections: AtomicUsize,
    stage: AtomicU8,
}

/// A stage of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Stage {
    Sending,
    Waiting,
    /// A part of the answer's head has arrived.
    Answering,
    /// The whole head has arrived.
    Reading,
}

impl Progress {
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Sending,
            1 => Stage::Waiting,
            2 => Stage::Answering,
            _ => Stage::Reading,
        }
    }

    pub(super) fn set(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }
}

/// Opens the connections of one client.
pub(super) struct Dial {
    pub(super) dialer: Dialer,
    pub(super) progress: Arc<Progress>,
}

impl Connector for Dial {
    type Out = Wire;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Wire>, ureq::Error> {
        let link = self
            .dialer
            .open(Deadline::after(*details.timeout.after))
            .map_err(|error| ureq::Error::Other(Box::new(error)))?;
        self.progress.connections.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Wire {
            link,
            buffers: LazyBuffers::new(BUFFER, BUFFER),
            head: Vec::new(),
            cut: None,
            progress: Arc::clone(&self.progress),
            is_tls: self.dialer.peer.origin.scheme == Scheme::Https,
            is_idle: true,
        }))
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial")
    }
}

/// A connection as ureq uses it.
pub(super) struct Wire {
    link: Box<dyn Link>,
    buffers: LazyBuffers,
    /// The part of an answer's head that has arrived.
    head: Vec<u8>,
    /// Why the request could not be sent to its end, if the peer has closed the connection.
    cut: Option<io::Error>,
    progress: Arc<Progress>,
    is_tls: bool,
    /// Whether the connection has not been used since ureq has asked whether it is open.
    is_idle: bool,
}

impl Wire {
    /// Reads the head of an answer, and passes it to ureq with the bytes after it. Drops the heads
    /// of interim answers (RFC 9110, 15.2). Returns false if the peer has closed the connection.
    fn await_head(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let by = Deadline::after(*timeout.after);
        let invalid = |text| ureq::Error::Io(io::Error::new(io::ErrorKind::InvalidData, text));
        // No blank line ends before this index.
        let mut seen = 0;
        let mut has_read = false;
        loop {
            if let Some(end) = head::end(&self.head, seen) {
                let rest = self.head.split_off(end);
                let head = std::mem::replace(&mut self.head, rest);
                seen = 0;
                if matches!(head::status(&head), Some(100 | 102..200)) {
                    continue;
                }
                let short = head::plain(&head).map_err(invalid)?;
                let short = with_status_line(short);
                for part in [short, std::mem::take(&mut self.head)] {
                    let room = self.buffers.input_append_buf().get_mut(..part.len());
                    let Some(room) = room else {
                        return Err(invalid(head::too_long(&head)));
                    };
                    room.copy_from_slice(&part);
                    self.buffers.input_appended(part.len());
                }
                self.progress.set(Stage::Reading);
                return Ok(true);
            }
            if self.head.len() > head::LIMIT {
                return Err(invalid(head::too_long(&self.head)));
            }
            // What has arrived in time is used, but a peer that never pauses is not read for ever.
            if has_read && by.remaining().is_zero() {
                return Err(told(io::ErrorKind::TimedOut.into(), timeout));
            }
            has_read = true;
            seen = self.head.len().saturating_sub(1);
            let length = self.head.len();
            self.head.resize(length + PIECE, 0);
            let room = self.head.get_mut(length..).unwrap_or_default();
            let read = self.link.read(room, by);
            self.head.truncate(length + read.as_ref().unwrap_or(&0));
            if let (Ok(0) | Err(_), Some(cut)) = (&read, self.cut.take()) {
                self.progress.set(Stage::Sending);
                return Err(told(cut, timeout));
            }
            if read.map_err(|error| told(error, timeout))? == 0 {
                return Ok(false);
            }
            self.progress.set(Stage::Answering);
            let line_ends = self.head.iter().take_while(|byte| b"\r\n".contains(byte));
            let blank = line_ends.count();
            self.head.drain(..blank);
            head::begins(&self.head).map_err(invalid)?;
        }
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    /// Sends a part of a request. A server may refuse a request before it has read all of it, and
    /// close the connection (RFC 9112, 9.6). The rest is then dropped, and the answer is read.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.progress.set(Stage::Sending);
        self.is_idle = false;
        if self.cut.is_some() {
            return Ok(());
        }
        let bytes = self.buffers.output().get(..amount).unwrap_or_default();
        match self.link.write(bytes, Deadline::after(*timeout.after)) {
            Err(error) if is_closed(&error) => self.cut = Some(error),
            sent => sent.map_err(|error| told(error, timeout))?,
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if self.progress.stage() == Stage::Sending {
            self.progress.set(Stage::Waiting);
            self.head.clear();
        }
        if self.progress.stage() != Stage::Reading {
            return self.await_head(timeout);
        }
        let by = Deadline::after(*timeout.after);
        let read = self.link.read(self.buffers.input_append_buf(), by);
        let amount = read.map_err(|error| told(error, timeout))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// ureq asks after an answer, before it keeps the connection, and again before the next request.
    /// Only the second time is worth a system call.
    fn is_open(&mut self) -> bool {
        let was_idle = std::mem::replace(&mut self.is_idle, true);
        self.cut.is_none() && (!was_idle || link::is_open(self.link.as_mut()))
    }

    fn is_tls(&self) -> bool {
        self.is_tls
    }
}

/// A head with its status line as a header as well: ureq drops the words in it.
fn with_status_line(mut head: Vec<u8>) -> Vec<u8> {
    let end = head.iter().position(|byte| *byte == b'\r').unwrap_or(0);
    let line = head.get(..end).unwrap_or_default().to_vec();
    if !line.iter().any(u8::is_ascii_control) {
        // The second line end of the blank line.
        head.truncate(head.len() - 2);
        for part in [STATUS_LINE.as_bytes(), b": ", &line, b"\r\n\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head
}

/// Whether the peer has closed the connection.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset)
}

fn told(error: io::Error, timeout: NextTimeout) -> ureq::Error {
    if link::is_timeout(&error) {
        ureq::Error::Timeout(timeout.reason)
    } else {
        ureq::Error::Io(error)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

/// Resolves nothing. [`Dial`] looks up the host to connect to, which is the peer or a proxy.
#[derive(Debug)]
pub(super) struct NotHere;

impl Resolver for NotHere {
    fn resolve(
        &self,
        _: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}
