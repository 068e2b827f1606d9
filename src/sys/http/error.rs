//! Errors of requests and of a client's settings.

use std::error::Error;
use std::{fmt, io};

use super::link;
use crate::sys::root::FileError;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The name has no addresses, or the resolver failed.
    Resolve,
    /// Connection failed for every address.
    Connect,
    /// The proxy refused the connection, or the exchange with it failed.
    Proxy,
    /// The TLS of the peer is incompatible or invalid.
    Tls,
    /// The peer's certificate is missing or not accepted.
    Certificate,
    /// The host's clock is wrong, so that no certificate can be checked.
    Clock,
    /// The deadline passed before the peer's next step.
    Timeout,
    /// The connection broke, or the data received is invalid.
    Broken,
}

impl Kind {
    pub(super) fn of(error: &io::Error) -> Kind {
        if link::is_timeout(error) {
            Kind::Timeout
        } else {
            Kind::Broken
        }
    }
}

/// An error of a request: the step that failed, the peer, and the cause.
#[derive(Debug)]
pub(crate) struct LinkError {
    kind: Kind,
    /// Whether the error occurred after sending began.
    was_sent: bool,
    doing: String,
    cause: io::Error,
}

impl LinkError {
    pub(super) fn new(kind: Kind, doing: String, cause: io::Error) -> LinkError {
        LinkError {
            kind,
            was_sent: matches!(kind, Kind::Timeout | Kind::Broken),
            doing,
            cause,
        }
    }

    /// The same error, of a step before anything was sent.
    pub(super) fn unsent(mut self) -> LinkError {
        self.was_sent = false;
        self
    }

    /// Whether the server may have received the request.
    pub(crate) fn was_sent(&self) -> bool {
        self.was_sent
    }

    /// The step that failed.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl Error for LinkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

/// Settings with which no request can succeed.
#[derive(Debug)]
pub(crate) enum SetupError {
    /// A setting or an environment variable is not a usable URL.
    Url {
        what: &'static str,
        wrong: &'static str,
    },
    /// A header's value has a control character, which could end the header.
    Header { what: String },
    /// A header of a call cannot be sent: which, by its name or its number, and why.
    Metadata { what: String, wrong: &'static str },
    /// The trusted certificates cannot be read.
    Roots(FileError),
    /// TLS cannot be set up.
    Tls(io::Error),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetupError::Url { what, wrong } => write!(f, "{what} is no usable URL: {wrong}"),
            SetupError::Header { what } => write!(f, "the value of {what} has a control character"),
            SetupError::Metadata { what, wrong } => write!(f, "{what}: {wrong}"),
            SetupError::Roots(_) => f.write_str("cannot trust"),
            SetupError::Tls(_) => f.write_str("cannot set up TLS"),
        }
    }
}

impl Error for SetupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SetupError::Url { .. } | SetupError::Header { .. } | SetupError::Metadata { .. } => {
                None
            }
            SetupError::Roots(error) => Some(error),
            SetupError::Tls(error) => Some(error),
        }
    }
}

#[cfg(test)]
impl LinkError {
    /// An error for the tests of modules that use this one.
    pub(crate) fn for_test(cause: &str) -> LinkError {
        let cause = io::Error::other(cause.to_owned());
        LinkError::new(Kind::Connect, "connect to the test".to_owned(), cause)
    }

    /// The same with another kind.
    pub(crate) fn of_kind_for_test(kind: Kind, cause: &str) -> LinkError {
        let cause = io::Error::other(cause.to_owned());
        LinkError::new(kind, "talk to the test".to_owned(), cause)
    }

    /// Like [`LinkError::for_test`], for a request that the server may have received.
    pub(crate) fn lost_for_test() -> LinkError {
        let cause = io::ErrorKind::UnexpectedEof.into();
        LinkError::new(
            Kind::Broken,
            "wait for the answer of the test".to_owned(),
            cause,
        )
    }
}
