//! The findings about a file: warnings, unknown keys, errors.

use super::unread::Unread;

/// The most problems that are reported at once. Further ones are only counted.
const SHOWN: usize = 20;

/// Everything that was found in a file besides its values.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The warnings to log.
    pub(crate) warnings: Vec<Warning>,
    /// The unknown keys. They are ignored, with a warning.
    pub(crate) unread: Unread,
    /// The commands of plugins and their actions: `plugin.KIND.NAME`, and the line.
    pub(crate) commands: Vec<(String, usize)>,
    /// Whether the file has a key `apikey`, even an empty or invalid one. Also true if the text is
    /// no TOML.
    pub(crate) names_apikey: bool,
}

/// A warning about a value that is doubtful, dropped or changed. The agent can run without it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Warning {
    pub(crate) level: Level,
    /// Counted from 1; `None` if the warning is not about a place in a file.
    pub(crate) line: Option<usize>,
    pub(crate) text: String,
}

/// How a [`Warning`] is logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    Error,
    Warn,
    /// Like [`Level::Warn`], for a value that is certainly wrong: `configtest` fails.
    Mistake,
}

/// All problems of a file. The texts contain nothing of an API key.
#[derive(Debug, Default)]
pub(crate) struct ConfigError {
    /// At least one, sorted by line.
    pub(crate) problems: Vec<Problem>,
    /// The number of further problems, which are not reported.
    more: usize,
    /// The other findings about the file.
    pub(crate) found: Box<Findings>,
}

/// A problem of a file.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl ConfigError {
    /// Adds a problem, sorted by line; from [`SHOWN`] problems on, only counts it.
    pub(crate) fn add(&mut self, line: usize, text: String) {
        if self.problems.len() == SHOWN {
            self.more += 1;
            return;
        }
        // Inserted in order: a sort costs more code than the few problems are worth.
        let at = self
            .problems
            .partition_point(|problem| problem.line <= line);
        self.problems.insert(at, Problem { line, text });
    }

    /// `Ok` if there is no problem.
    pub(super) fn or_ok(mut self, found: Findings) -> Result<Findings, ConfigError> {
        let Some(last) = self.problems.last() else {
            return Ok(found);
        };
        let line = last.line;
        if self.more > 0 {
            let text = format!("and {} more", self.more);
            self.problems.push(Problem { line, text });
        }
        self.found = Box::new(found);
        Err(self)
    }
}

#[cfg(test)]
impl std::fmt::Display for ConfigError {
    /// Writes one line for each problem.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<&str> = self
            .problems
            .iter()
            .map(|told| told.text.as_str())
            .collect();
        f.write_str(&lines.join("\n"))
    }
}
