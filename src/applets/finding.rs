//! The result of a check.

use std::error::Error;

use crate::base::fault::Fault;
use crate::base::pattern::Pattern;
use crate::base::report;
use crate::sys::file::Successor;
use crate::wire::check::CheckStatus;

/// The result of a check: its status and its message.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Finding {
    pub(super) status: CheckStatus,
    pub(super) message: String,
    /// The word before the status, in place of the check's own; empty: the check's own.
    pub(super) label: String,
    /// Files that are replaced once the result is printed: what a check has found is not lost if it
    /// is ended before.
    pub(super) state: Vec<Successor>,
}

/// Why an applet has no result.
///
/// Boxed: a result with it fits into registers, which saves 3 kB.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Failure(Box<Reason>);

#[derive(Debug, Eq, PartialEq)]
struct Reason {
    why: String,
    /// The status of a check; a metric plugin prints nothing and ends with 1. `None` if the command
    /// line is wrong: the exit code is then 1, as that of the official ones.
    status: Option<CheckStatus>,
}

impl Failure {
    #[cold]
    #[inline(never)]
    fn new(status: Option<CheckStatus>, why: String) -> Failure {
        Failure(Box::new(Reason { why, status }))
    }

    /// The command line is wrong.
    pub(super) fn usage(why: String) -> Failure {
        Failure::new(None, why)
    }

    /// Anything else is wrong.
    pub(super) fn unknown(why: String) -> Failure {
        Failure::new(Some(CheckStatus::Unknown), why)
    }

    /// The error and each of its sources.
    #[cold]
    #[inline(never)]
    pub(super) fn of(error: &dyn Error) -> Failure {
        Failure::unknown(report(error))
    }

    /// The same for a check that ends as CRITICAL.
    pub(super) fn critical(mut self) -> Failure {
        self.0.status = Some(CheckStatus::Critical);
        self
    }

    /// Whether the command line is wrong.
    pub(super) fn is_usage(&self) -> bool {
        self.0.status.is_none()
    }

    /// The text for the user.
    pub(super) fn why(&self) -> &str {
        &self.0.why
    }

    /// The result of a check that cannot find more.
    pub(super) fn finding(self) -> Finding {
        Finding::new(self.0.status.unwrap_or(CheckStatus::Unknown), self.0.why)
    }
}

/// Compiles the pattern in the value of a flag. The error says what is wrong with it.
pub(super) fn pattern(text: &str) -> Result<Pattern, Failure> {
    Pattern::new(text).map_err(|error| Failure::of(&error))
}

impl From<String> for Failure {
    fn from(why: String) -> Failure {
        Failure::unknown(why)
    }
}

impl From<Fault> for Failure {
    fn from(why: Fault) -> Failure {
        Failure::unknown(why.into())
    }
}

impl From<&str> for Failure {
    #[cold]
    #[inline(never)]
    fn from(why: &str) -> Failure {
        Failure::unknown(why.to_owned())
    }
}

impl Finding {
    // Not inlined: 50 bytes for each of 60 calls.
    #[inline(never)]
    pub(super) fn new(status: CheckStatus, message: String) -> Finding {
        Finding {
            status,
            message,
            label: String::new(),
            state: Vec::new(),
        }
    }

    /// CRITICAL if `is_critical`, else WARNING if `is_warning`, else OK.
    #[inline(never)]
    pub(super) fn of_limits(is_warning: bool, is_critical: bool, message: String) -> Finding {
        let status = if is_critical {
            CheckStatus::Critical
        } else if is_warning {
            CheckStatus::Warning
        } else {
            CheckStatus::Ok
        };
        Finding::new(status, message)
    }

    /// The exit code of a check with this status.
    pub(super) fn code(&self) -> u8 {
        match self.status {
            CheckStatus::Ok => 0,
            CheckStatus::Warning => 1,
            CheckStatus::Critical => 2,
            CheckStatus::Unknown => 3,
        }
    }
}
