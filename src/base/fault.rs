//! Errors that are a text.

use std::error::Error;
use std::fmt;
use std::ops::Deref;

use super::report;

/// The text of an error, for the user.
///
/// One word, so that most results with it are returned in registers. A `String` takes three, which
/// each `?` copies.
#[derive(Debug, Default, Eq, PartialEq)]
#[expect(clippy::box_collection, reason = "one word")]
pub(crate) struct Fault(Box<String>);

impl Fault {
    /// The error and each of its sources, joined by `: `.
    #[cold]
    #[inline(never)]
    pub(crate) fn of(error: &dyn Error) -> Fault {
        report(error).into()
    }
}

impl From<String> for Fault {
    #[cold]
    #[inline(never)]
    fn from(why: String) -> Fault {
        Fault(Box::new(why))
    }
}

impl From<&str> for Fault {
    #[cold]
    #[inline(never)]
    fn from(why: &str) -> Fault {
        why.to_owned().into()
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> String {
        *fault.0
    }
}

impl Deref for Fault {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}
