//! Transport for ureq. Opens connections, adds TLS and limits every wait.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use super::head;
use super::link::{self, Link, Tcp};
use super::lookup::Lookup;
use super::tls::Tls;
use super::url::{Origin, Scheme};
use super::{CONNECT_LIMIT, HANDSHAKE_LIMIT, Kind, LinkError, Peer, RESOLVE_LIMIT, sooner, tunnel};
use crate::base::clock::Deadline;

/// Bytes of each of a connection's two buffers: the size of a TLS record. One has to hold the head
/// of a request. The other has to hold the short head of an answer and the bytes read after it.
const BUFFER: usize = 16 << 10;
/// Bytes of an answer's head that are read at a time.
const PIECE: usize = 4 << 10;

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

/// Opens connections to one peer.
pub(super) struct Dial {
    pub(super) peer: Arc<Peer>,
    pub(super) progress: Arc<Progress>,
    /// In a mutex, since ureq shares its connector between the threads that share a client. Here,
    /// one thread uses it.
    pub(super) lookup: Mutex<Lookup>,
}

impl Connector for Dial {
    type Out = Wire;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Wire>, ureq::Error> {
        let link = self
            .open(Deadline::after(*details.timeout.after))
            .map_err(|error| ureq::Error::Other(Box::new(error)))?;
        self.progress.connections.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Wire {
            link,
            buffers: LazyBuffers::new(BUFFER, BUFFER),
            head: Vec::new(),
            progress: Arc::clone(&self.progress),
            is_tls: self.peer.origin.scheme == Scheme::Https,
        }))
    }
}

impl Dial {
    /// A new connection that is ready for the first byte of a request.
    fn open(&self, by: Deadline) -> Result<Box<dyn Link>, LinkError> {
        let Peer { origin, proxy, .. } = self.peer.as_ref();
        let next = proxy.as_ref().unwrap_or(origin);
        let mut lookup = self.lookup.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = lookup
            .find(&next.host, next.port, sooner(by, RESOLVE_LIMIT))
            .map_err(|cause| {
                LinkError::new(Kind::Resolve, format!("resolve {}", next.host), cause)
            })?;
        drop(lookup);
        let tcp = Tcp::connect(&addresses, sooner(by, CONNECT_LIMIT)).map_err(|(at, cause)| {
            let mut doing = format!("connect to {}", next.address());
            // For a numeric host, the address would appear twice.
            if let Some(at) = at.filter(|at| at.ip().to_string() != next.host) {
                doing.push_str(&format!(" at {}", at.ip()));
            }
            LinkError::new(Kind::Connect, doing, cause)
        })?;
        let mut link: Box<dyn Link> = Box::new(tcp);
        if let Some(proxy) = proxy {
            if proxy.scheme == Scheme::Https {
                link = self.secure(proxy, link, by)?;
            }
            let by = sooner(by, HANDSHAKE_LIMIT);
            let agreed = match proxy.scheme {
                Scheme::Socks5 => tunnel::socks5(link.as_mut(), proxy, origin, by),
                _ => tunnel::connect(link.as_mut(), proxy, origin, &self.peer.user_agent, by),
            };
            agreed.map_err(|cause| {
                let (proxy, origin) = (proxy.address(), origin.address());
                LinkError::new(
                    Kind::Proxy,
                    format!("ask proxy {proxy} for {origin}"),
                    cause,
                )
            })?;
        }
        if origin.scheme == Scheme::Https {
            link = self.secure(origin, link, by)?;
        }
        Ok(link)
    }

    fn secure(
        &self,
        whom: &Origin,
        link: Box<dyn Link>,
        by: Deadline,
    ) -> Result<Box<dyn Link>, LinkError> {
        let Some(config) = &self.peer.tls else {
            return Ok(link);
        };
        match Tls::handshake(config, &whom.host, link, sooner(by, HANDSHAKE_LIMIT)) {
            Ok(tls) => Ok(Box::new(tls)),
            Err((kind, cause)) => {
                let doing = format!("TLS with {}", whom.address());
                Err(LinkError::new(kind, doing, cause))
            }
        }
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
    progress: Arc<Progress>,
    is_tls: bool,
}

impl Wire {
    /// Reads the head of an answer, and passes it to ureq with the bytes after it. Drops the heads
    /// of interim answers (RFC 9110, 15.2). Returns false if the peer has closed the connection.
    fn await_head(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let by = Deadline::after(*timeout.after);
        let invalid = |text| ureq::Error::Io(io::Error::new(io::ErrorKind::InvalidData, text));
        // No blank line ends before this index.
        let mut seen = 0;
        loop {
            if let Some(end) = head::end(&self.head, seen) {
                let rest = self.head.split_off(end);
                let head = std::mem::replace(&mut self.head, rest);
                seen = 0;
                if matches!(head::status(&head), Some(100 | 102..200)) {
                    continue;
                }
                let short = head::plain(&head).map_err(invalid)?;
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
            seen = self.head.len().saturating_sub(1);
            let length = self.head.len();
            self.head.resize(length + PIECE, 0);
            let room = self.head.get_mut(length..).unwrap_or_default();
            let read = self.link.read(room, by);
            self.head.truncate(length + read.as_ref().unwrap_or(&0));
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

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.progress.set(Stage::Sending);
        let bytes = self.buffers.output().get(..amount).unwrap_or_default();
        let sent = self.link.write(bytes, Deadline::after(*timeout.after));
        sent.map_err(|error| told(error, timeout))
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

    fn is_open(&mut self) -> bool {
        link::is_open(self.link.as_mut())
    }

    fn is_tls(&self) -> bool {
        self.is_tls
    }
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
