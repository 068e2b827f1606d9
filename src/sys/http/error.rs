//! What keeps a request from being answered, or from being made at all.

use std::error::Error;
use std::{fmt, io};

use super::link;
use crate::sys::root::FileError;

/// What kept an answer from coming.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The name has no addresses, or the resolver failed.
    Resolve,
    /// Connection failed for every address.
    Connect,
    /// The proxy does not help.
    Proxy,
    /// The peer's TLS and ours do not fit together.
    Tls,
    /// The peer does not show that it is who it should be.
    Certificate,
    /// The host's clock is wrong, and so no certificate can be checked.
    Clock,
    /// The peer did not go on in time.
    Timeout,
    /// The connection broke, or what came over it made no sense.
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

/// There is no answer: what was being done, with whom, and why it failed.
#[derive(Debug)]
pub(crate) struct LinkError {
    kind: Kind,
    doing: String,
    cause: io::Error,
}

impl LinkError {
    pub(super) fn new(kind: Kind, doing: String, cause: io::Error) -> LinkError {
        LinkError { kind, doing, cause }
    }

    /// Whether the server may have had the request: it failed after it had begun to be sent.
    pub(crate) fn was_sent(&self) -> bool {
        matches!(self.kind, Kind::Timeout | Kind::Broken)
    }

    #[cfg(test)]
    pub(super) fn kind(&self) -> Kind {
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
    /// A setting or a variable of the environment is no URL that can be used.
    Url {
        what: &'static str,
        wrong: &'static str,
    },
    /// A value has a character that would end the header.
    Header { what: String },
    /// A header of a call cannot be sent: which, by its name or its number, and why.
    Metadata { what: String, wrong: &'static str },
    /// The certificates to trust cannot be read.
    Roots(FileError),
    /// TLS cannot be had at all.
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
    /// An error for tests of what uses this module.
    pub(crate) fn for_test(cause: &str) -> LinkError {
        let cause = io::Error::other(cause.to_owned());
        LinkError::new(Kind::Connect, "connect to the test".to_owned(), cause)
    }

    /// The same for a request that the server may have had.
    pub(crate) fn lost_for_test() -> LinkError {
        let cause = io::ErrorKind::UnexpectedEof.into();
        LinkError::new(
            Kind::Broken,
            "wait for the answer of the test".to_owned(),
            cause,
        )
    }
}
