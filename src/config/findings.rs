//! What is said about a file: warnings, unknown keys, errors.

use super::unread::Unread;

/// Problems that are told at once; more of them are only counted.
const SHOWN: usize = 20;

/// What a file was found to hold besides its values.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// To be logged.
    pub(crate) warnings: Vec<Warning>,
    /// Ignored, with a warning.
    pub(crate) unread: Unread,
    /// The commands of plugins and their actions, `plugin.KIND.NAME`, and the lines they are on.
    pub(crate) commands: Vec<(String, usize)>,
    /// Whether it has a key `apikey`, be it empty or wrong; also if its text is no TOML.
    pub(crate) names_apikey: bool,
}

/// Something that is dropped or changed, without which the agent can run.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Warning {
    pub(crate) level: Level,
    /// Counted from 1; `None` if it is not about a place in a file.
    pub(crate) line: Option<usize>,
    pub(crate) text: String,
}

/// How a [`Warning`] is logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    Error,
    Warn,
    /// Like [`Level::Warn`], for what cannot be meant so: `configtest` fails.
    Mistake,
}

/// Everything that is wrong with a file. Nothing of an API key is in it.
#[derive(Debug, Default)]
pub(crate) struct ConfigError {
    /// At least one, sorted by line.
    pub(crate) problems: Vec<Problem>,
    /// Further problems, which are not told.
    more: usize,
    /// What the file holds besides.
    pub(crate) found: Box<Findings>,
}

/// Something that is wrong with a file.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl ConfigError {
    /// Adds a problem.
    pub(crate) fn add(&mut self, line: usize, text: String) {
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
    /// One line for each problem.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<&str> = self
            .problems
            .iter()
            .map(|told| told.text.as_str())
            .collect();
        f.write_str(&lines.join("\n"))
    }
}
