//! Which lines count.

use crate::applets::arguments::Arguments;
use crate::applets::finding::Failure;
use crate::base::pattern::{Pattern, PatternError};
use crate::parse::plugin::float;

/// Bytes of lines that are printed. Further lines are counted only.
const PRINTED: usize = 100 << 10;

/// What is searched for, and what has been found so far.
pub(super) struct Search {
    patterns: Vec<Pattern>,
    excludes: Vec<Pattern>,
    /// Limits for the number in the first group; 0 means none, as for the official plugin.
    warning_level: f64,
    critical_level: f64,
    /// Whether lines are to be printed.
    returns: bool,
    pub(super) warnings: i64,
    pub(super) criticals: i64,
    /// The lines to print, each with its end.
    pub(super) lines: String,
    /// Bytes of lines that may still be printed.
    room: usize,
}

impl Search {
    pub(super) fn new(arguments: &Arguments) -> Result<Search, Failure> {
        arguments.required("pattern")?;
        let search = Search {
            patterns: compiled(arguments, "pattern", "pattern is invalid: ")?,
            excludes: compiled(arguments, "exclude", "exclude pattern is invalid: ")?,
            warning_level: arguments.amount("warning-level")?,
            critical_level: arguments.amount("critical-level")?,
            returns: arguments.is_on("return"),
            warnings: 0,
            criticals: 0,
            lines: String::new(),
            room: PRINTED,
        };
        if search.patterns.len() > 1 && search.has_levels() {
            return Err("When multiple patterns specified, --warning-level --critical-level can not be used".into());
        }
        Ok(search)
    }

    fn has_levels(&self) -> bool {
        self.warning_level > 0.0 || self.critical_level > 0.0
    }

    /// Counts the line if it matches. Bytes that are not UTF-8 count as U+FFFD.
    pub(super) fn line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_matches(['\r', '\n']);
        let are_all = |patterns: &[Pattern]| patterns.iter().all(|pattern| pattern.matches(line));
        if !are_all(&self.patterns) || !self.excludes.is_empty() && are_all(&self.excludes) {
            return;
        }
        let (mut is_warning, mut is_critical) = (true, true);
        if self.has_levels()
            && let Some(group) = self
                .patterns
                .first()
                .and_then(|only| only.first_group(line))
            && let Some(level) = float::parse(group)
        {
            is_warning = level > self.warning_level;
            is_critical = level > self.critical_level;
        }
        self.warnings += i64::from(is_warning);
        self.criticals += i64::from(is_critical);
        if self.returns && (is_warning || is_critical) && line.len() < self.room {
            self.room -= line.len() + 1;
            self.lines.extend([line, "\n"]);
        }
    }
}

/// The patterns of a flag. `what` begins the error.
fn compiled(arguments: &Arguments, flag: &str, what: &str) -> Result<Vec<Pattern>, Failure> {
    let mut patterns = Vec::new();
    for text in arguments.all(flag) {
        patterns.push(
            compile(arguments, text)
                .map_err(|error| Failure::unknown([what, &error.to_string()].concat()))?,
        );
    }
    Ok(patterns)
}

/// Compiles a pattern, without regard to case if that is wanted.
pub(super) fn compile(arguments: &Arguments, text: &str) -> Result<Pattern, PatternError> {
    let case = if arguments.is_on("icase") { "(?i)" } else { "" };
    Pattern::new(&[case, text].concat())
}
