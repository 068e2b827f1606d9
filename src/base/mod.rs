//! Types and functions that every other module may use.

pub(crate) mod backoff;
pub(crate) mod base64;
pub(crate) mod channel;
pub(crate) mod clock;
pub(crate) mod counter;
pub(crate) mod decimal;
pub(crate) mod fault;
pub(crate) mod host_paths;
pub(crate) mod json;
pub(crate) mod md5;
pub(crate) mod name_map;
pub(crate) mod packed;
pub(crate) mod pattern;
pub(crate) mod program;
pub(crate) mod ring;
pub(crate) mod shape;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod url;
pub(crate) mod values;
pub(crate) mod width;

use std::error::Error;

/// Failures of an operation that has several parts: the part and the reason. A part may occur more
/// than once.
pub(crate) type Failures = Vec<(&'static str, String)>;

/// One line for the log: the error and each of its sources, joined by `: `.
pub(crate) fn report(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}
