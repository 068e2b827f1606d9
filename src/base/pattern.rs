//! The one place that knows the regex crate.

use std::error::Error;
use std::fmt;

use regex_lite::Regex;

/// A regular expression of the configuration, matched anywhere in a text unless it is anchored.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// Compiles `text`.
    ///
    /// Fails on what is no regular expression, and on what only other engines know.
    pub(crate) fn new(text: &str) -> Result<Pattern, PatternError> {
        Regex::new(text).map(Pattern).map_err(PatternError)
    }

    /// Whether the expression matches somewhere in `text`.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// A text is no regular expression.
#[derive(Debug)]
pub(crate) struct PatternError(regex_lite::Error);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error parsing regexp: {}", self.0)
    }
}

impl Error for PatternError {}
