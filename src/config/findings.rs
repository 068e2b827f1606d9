//! What is said about a file: warnings, unknown keys, errors.

use std::error::Error;
use std::fmt;

use super::unknown_keys::Unread;

/// Problems that are told at once; more of them are only counted.
const SHOWN: usize = 20;

/// What a file was found to hold besides its values.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// To be logged.
    pub(crate) warnings: Vec<Warning>,
    /// Ignored, unless somebody asks whether the file is in order.
    pub(crate) unread: Unread,
}

/// Something that is dropped or changed, without which the agent can run.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Warning {
    pub(crate) level: Level,
    pub(crate) text: String,
}

/// How a [`Warning`] is logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    Error,
    Warn,
}

/// Everything that is wrong with a file. Nothing of an API key is in it.
#[derive(Debug, Default)]
pub(crate) struct ConfigError {
    /// At least one, sorted by line.
    problems: Vec<Problem>,
    /// Further problems, which are not told.
    more: usize,
}

#[derive(Debug)]
struct Problem {
    /// Counted from 1.
    line: usize,
    text: String,
}

impl ConfigError {
    /// Adds a problem. `text` names the line as well.
    pub(super) fn add(&mut self, line: usize, text: String) {
        if self.problems.len() == SHOWN {
            self.more += 1;
            return;
        }
        // In order from the start: a sort costs more code than the few problems are worth.
        let at = self
            .problems
            .partition_point(|problem| problem.line <= line);
        self.problems.insert(at, Problem { line, text });
    }

    /// `Ok` if there is no problem.
    pub(super) fn or_ok<T>(self, value: T) -> Result<T, ConfigError> {
        match self.problems.is_empty() {
            true => Ok(value),
            false => Err(self),
        }
    }
}

impl fmt::Display for ConfigError {
    /// One line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            f.write_str(if at > 0 { "\n" } else { "" })?;
            f.write_str(&problem.text)?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl Error for ConfigError {}
