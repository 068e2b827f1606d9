//! Unary calls of gRPC over HTTP/2: one connection kept, every wait limited.
//!
//! A [`Channel`] opens connections as [`super::Http`] does: names, addresses, proxies, TLS. Over
//! TLS the server has to choose HTTP/2 (ALPN `h2`); without TLS it is used at once (h2c by prior
//! knowledge). Before a call, what has come on the kept connection since the last one is read and
//! answered, without waiting. If it has been closed, the call takes a new one.

mod settings;
mod status;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use self::settings::Settings;
pub(crate) use self::status::Code;
use super::IDLE_LIMIT;
use super::Kind as LinkKind;
use super::cancel::{CancelToken, Runner};
use super::dial::Dialer;
use super::h2::{Connection, Outcome, hpack};
use super::link::{Link, is_timeout};
use crate::base;
use crate::base::clock::Deadline;

/// Bytes that are read at a time.
const PIECE: usize = 4 << 10;
/// Milliseconds that `grpc-timeout` can say: it has eight digits.
const TIMEOUT: u64 = 99_999_999;
/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// A time that has come: takes what is there, without waiting.
const NOW: Duration = Duration::ZERO;

/// Calls to one server, one at a time. Not `Debug`: it holds secrets.
pub(crate) struct Channel {
    dialer: Dialer,
    /// The encoded `:scheme`.
    scheme: u8,
    authority: String,
    /// Encoded: what every call says besides.
    fields: Vec<u8>,
    kept: Mutex<Option<Kept>>,
}

/// A connection between two calls.
struct Kept {
    open: Open,
    /// Until it is given up unused.
    until: Deadline,
}

/// A connection.
struct Open {
    link: Box<dyn Link>,
    /// Boxed: a connection between two calls is moved often.
    connection: Box<Connection>,
}

/// What a poster needs of a channel; a test has its own.
pub(crate) trait Unary: Send {
    /// Sends `message` to `path`, which is `/package.Service/Method`, and waits for the message of
    /// the answer, at most until `by`.
    fn unary(&mut self, path: &str, message: &[u8], by: Deadline) -> Result<Vec<u8>, Error>;
}

/// Whether the server has processed the call that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// It has not, for sure.
    Unsent,
    /// It may have: the connection broke, or the time was over, before the answer was whole.
    Unknown,
    /// It has answered.
    Answered,
}

/// There is no answer, or one that is not OK.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) kind: Kind,
    /// The server's code. Without an answer: `DeadlineExceeded` if the time was over, `Cancelled`
    /// if the agent ends, else the code for what HTTP/2 reported, in general `Unavailable`.
    pub(crate) code: Code,
    /// One line for a log: with whom, what failed, and why.
    pub(crate) message: String,
    /// The step that failed if there is no connection; `None` if there was one.
    pub(crate) link: Option<LinkKind>,
    /// `google.rpc.Status` in Protocol Buffers, as the server sent it in
    /// `grpc-status-details-bin`; empty if it did not.
    pub(crate) details: Vec<u8>,
}

impl Error {
    pub(crate) fn new(kind: Kind, code: Code, message: impl Into<String>) -> Error {
        Error {
            kind,
            code,
            message: message.into(),
            link: None,
            details: Vec::new(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl Channel {
    /// One call; [`Unary::unary`] says what it does.
    ///
    /// It is repeated at once on a new connection, once, if the server has refused it unprocessed, or if
    /// the connection of an earlier call ends: a message that arrives twice has the same points.
    pub(crate) fn call(&self, path: &str, message: &[u8], by: Deadline) -> Result<Vec<u8>, Error> {
        let body = prefixed(message);
        let mut kept = self.take_kept();
        let mut is_repeated = false;
        loop {
            let is_kept = kept.is_some();
            let mut open = match kept.take() {
                Some(open) => open,
                None => self.open(by)?,
            };
            let (kind, code, text) = match open.exchange(&self.block(path, by), &body, by) {
                Ok(Outcome::Answer(answer)) => {
                    self.keep(open);
                    return status::read(answer).map_err(|wrong| wrong.error(&self.dialer.peer));
                }
                Ok(Outcome::Refused) if !is_repeated => {
                    is_repeated = true;
                    continue;
                }
                Ok(Outcome::Refused) => {
                    let text = "refused unprocessed, twice".to_owned();
                    (Kind::Unsent, Code::Unavailable, text)
                }
                Ok(Outcome::Reset(code)) => {
                    let text = format!("stream ended by error {code} of HTTP/2");
                    (Kind::Unknown, Code::of_reset(code), text)
                }
                Err(cause) if is_timeout(&cause) => {
                    (Kind::Unknown, Code::DeadlineExceeded, cause.to_string())
                }
                // The server may have closed it meanwhile.
                Err(_) if is_kept && !is_repeated => {
                    is_repeated = true;
                    continue;
                }
                Err(cause) => (Kind::Unknown, Code::Unavailable, cause.to_string()),
            };
            return Err(self.failed(kind, code, &text));
        }
    }

    fn open(&self, by: Deadline) -> Result<Open, Error> {
        let link = self.dialer.open(by).map_err(|error| Error {
            link: Some(error.kind()),
            ..Error::new(Kind::Unsent, Code::Unavailable, base::report(&error))
        })?;
        let connection = Box::new(Connection::new());
        Ok(Open { link, connection })
    }

    /// The encoded header of a call.
    fn block(&self, path: &str, by: Deadline) -> Vec<u8> {
        let mut block = vec![hpack::NO_TABLE, hpack::METHOD_POST, self.scheme];
        hpack::put_known(&mut block, hpack::PATH, path);
        hpack::put_known(&mut block, hpack::AUTHORITY, &self.authority);
        hpack::put(&mut block, "te", "trailers");
        let millis = u64::try_from(by.remaining().as_millis()).unwrap_or(TIMEOUT);
        let millis = millis.clamp(1, TIMEOUT).to_string() + "m";
        hpack::put(&mut block, "grpc-timeout", &millis);
        block.extend_from_slice(&self.fields);
        block
    }

    /// The connection of the last call if it can be used.
    fn take_kept(&self) -> Option<Open> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { mut open, until } = kept.take()?;
        let is_usable = !until.remaining().is_zero()
            && open.take_pending().is_ok()
            && open.connection.is_usable();
        is_usable.then_some(open)
    }

    fn keep(&self, mut open: Open) {
        // What the answer asked for, such as the acknowledgement of a PING.
        let output = open.connection.take_output();
        let is_written = open.link.write(&output, Deadline::after(NOW)).is_ok();
        if is_written && open.connection.is_usable() {
            let until = Deadline::after(IDLE_LIMIT);
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some(Kept { open, until });
        }
    }

    fn failed(&self, kind: Kind, code: Code, why: &str) -> Error {
        Error::new(kind, code, format!("call {}: {why}", self.dialer.peer))
    }
}

impl Open {
    /// Sends a request and waits for the end of its exchange.
    fn exchange(&mut self, block: &[u8], body: &[u8], by: Deadline) -> io::Result<Outcome> {
        self.connection.begin(block, body.len());
        loop {
            let has_more = self.connection.send(body);
            let written = self.link.write(&self.connection.take_output(), by);
            if written.is_err() || has_more {
                // The server may have answered before it has seen all.
                let pending = self.take_pending();
                if let Some(outcome) = self.connection.take_outcome() {
                    return Ok(outcome);
                }
                written.and(pending)?;
                if by.remaining().is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            } else {
                self.take(by)?;
            }
            if let Some(outcome) = self.connection.take_outcome() {
                return Ok(outcome);
            }
        }
    }

    /// Takes what has come, without waiting. Fails if the connection is of no more use.
    fn take_pending(&mut self) -> io::Result<()> {
        loop {
            match self.take(Deadline::after(NOW)) {
                Ok(()) => {}
                Err(error) if is_timeout(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for bytes and takes them.
    fn take(&mut self, by: Deadline) -> io::Result<()> {
        let mut piece = [0; PIECE];
        let count = self.link.read(&mut piece, by)?;
        if count == 0 {
            return Err(io::Error::other("connection closed without an answer"));
        }
        let piece = piece.get(..count).unwrap_or_default();
        self.connection.receive(piece).map_err(|violation| {
            // It says why; that it is read is not needed.
            let output = self.connection.take_output();
            drop(self.link.write(&output, Deadline::after(NOW)));
            io::Error::other(["the server breaks HTTP/2: ", violation.text].concat())
        })
    }
}

/// A message as it is sent: neither compressed nor divided.
fn prefixed(message: &[u8]) -> Vec<u8> {
    [&prefix(message), message].concat()
}

/// What comes before a message that is not compressed.
fn prefix(message: &[u8]) -> [u8; PREFIX] {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let [a, b, c, d] = length.to_be_bytes();
    [0, a, b, c, d]
}

impl Unary for Channel {
    fn unary(&mut self, path: &str, message: &[u8], by: Deadline) -> Result<Vec<u8>, Error> {
        self.call(path, message, by)
    }
}

/// A [`Channel`] whose calls end early while a token is on.
pub(crate) struct Cancellable {
    channel: Arc<Channel>,
    runner: Runner,
}

impl Cancellable {
    /// Cuts the calls of `channel` short while `token` is on.
    pub(crate) fn new(channel: Channel, token: CancelToken) -> Cancellable {
        Cancellable {
            channel: Arc::new(channel),
            runner: Runner::new(token),
        }
    }
}

impl Unary for Cancellable {
    fn unary(&mut self, path: &str, message: &[u8], by: Deadline) -> Result<Vec<u8>, Error> {
        let channel = Arc::clone(&self.channel);
        let (path, message) = (path.to_owned(), message.to_vec());
        let answer = self.runner.run(move || channel.call(&path, &message, by));
        answer.unwrap_or_else(|| {
            let text = "the agent is about to end";
            Err(self.channel.failed(Kind::Unknown, Code::Cancelled, text))
        })
    }
}
