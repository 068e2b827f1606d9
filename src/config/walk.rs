//! Walks a parsed TOML file key by key. Known values are stored, and problems and unknown keys are
//! recorded with their lines.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::characters::{self, lookalike, lookalike_of_prose};
use super::findings::{ConfigError, Findings, Level, Warning};
use super::item::Item;
use super::key::{dotted, quoted};
use super::syntax;

/// Keys whose values are texts that people read.
const PROSE: &[&str] = &["memo", "display_name"];

/// The walk through one file.
pub(crate) struct Walk<'t> {
    text: &'t str,
    is_key: fn(&str) -> bool,
    /// The offset at which each line but the first begins.
    lines: Vec<usize>,
    path: Vec<String>,
    /// Lines with a syntax error.
    broken: Vec<usize>,
    error: ConfigError,
    found: Findings,
}

impl<'t> Walk<'t> {
    /// A walk through `text`, which must not begin with a byte order mark. `is_key` returns whether
    /// a word is a key of some table.
    pub(crate) fn new(text: &'t str, is_key: fn(&str) -> bool) -> Walk<'t> {
        let ends = text.match_indices('\n');
        Walk {
            text,
            is_key,
            lines: ends.map(|(at, _)| at + 1).collect(),
            path: Vec::new(),
            broken: Vec::new(),
            error: ConfigError::default(),
            found: Findings::default(),
        }
    }

    /// The findings. Fails with all problems if there are any.
    pub(crate) fn finish(self) -> Result<Findings, ConfigError> {
        self.error.or_ok(self.found)
    }

    /// Line and column, counted from 1, of the byte at `offset`.
    pub(crate) fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset) + 1;
        let start = self.start(line);
        let before = self.text.as_bytes().get(start..offset).unwrap_or_default();
        // Counts the bytes that begin a character. The other bytes have the form 10xxxxxx.
        let columns = before.iter().filter(|b| **b & 0xC0 != 0x80);
        (line, columns.count() + 1)
    }

    /// The offset at which a line begins. `line` is counted from 1.
    fn start(&self, line: usize) -> usize {
        let before = line.checked_sub(2).and_then(|at| self.lines.get(at));
        before.copied().unwrap_or(0)
    }

    /// Calls `act` for each value of `table`. The last part of the path is then the value's key.
    pub(crate) fn each(
        &mut self,
        table: &DeTable<'_>,
        mut act: impl FnMut(&mut Walk<'t>, Item<'_>),
    ) {
        self.each_by(table, &mut act);
    }

    /// [`Walk::each`], compiled once for all callers.
    fn each_by(&mut self, table: &DeTable<'_>, act: &mut dyn FnMut(&mut Walk<'t>, Item<'_>)) {
        for (key, value) in table.iter() {
            self.path.push(key.get_ref().clone().into_owned());
            if !self.find_lookalike(key.span()) {
                self.check_text(value);
            }
            let item = self.item(value);
            act(self, item);
            self.path.pop();
        }
    }

    /// Warns of a character that looks like another one in a string, or in the strings of an array.
    /// Returns whether there is one.
    fn check_text(&mut self, value: &Spanned<DeValue<'_>>) -> bool {
        match value.get_ref() {
            DeValue::String(_) => self.find_lookalike(value.span()),
            DeValue::Array(values) => values.iter().any(|value| self.check_text(value)),
            _ => false,
        }
    }

    /// Warns of the first character in `range` that looks like another one. Returns whether there
    /// is one.
    fn find_lookalike(&mut self, range: Range<usize>) -> bool {
        let lookalike = if PROSE.contains(&self.last()) {
            lookalike_of_prose
        } else {
            lookalike
        };
        let text = self.text.get(range.clone()).unwrap_or_default();
        let mut found = text
            .char_indices()
            .filter_map(|(at, c)| Some((at, c, lookalike(c)?)));
        let Some((at, c, what)) = found.next() else {
            return false;
        };
        let (line, column) = self.place(range.start + at);
        let key = dotted(&self.path);
        let what = characters::named(c, what);
        self.warn(line, format!("{key}: column {column} has {what}"));
        true
    }

    /// The tables of the array `item`. Any other value is recorded as a problem.
    pub(crate) fn tables<'a>(&mut self, item: Item<'a>) -> Vec<Item<'a>> {
        let values = item.value.as_array();
        let is_table = |value: &Spanned<DeValue<'_>>| value.get_ref().is_table();
        match values.filter(|values| values.iter().all(is_table)) {
            Some(values) => values.iter().map(|value| self.item(value)).collect(),
            None => {
                let name = dotted(&self.path);
                let why = format!("no array of tables; write its keys below a line [[{name}]]");
                self.wrong(item.line, &why);
                Vec::new()
            }
        }
    }

    /// The value of `item` as a table; `None` for any other type, which is recorded as a problem.
    /// `kind` is the table's name in messages.
    pub(crate) fn expect_table<'a>(
        &mut self,
        item: Item<'a>,
        kind: &str,
    ) -> Option<&'a DeTable<'a>> {
        let table = item.table();
        if table.is_none() {
            let found = item.value.type_str();
            let why = format!(
                "type mismatch for config.{}: expected table but found {found}; \
                 write its keys below a line [{}]",
                go_name(kind),
                dotted(&self.path)
            );
            self.wrong(item.line, &why);
        }
        table
    }

    /// The current key, dotted.
    pub(crate) fn dotted(&self) -> String {
        dotted(&self.path)
    }

    /// The last part of the current key.
    pub(crate) fn last(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// Records a problem with the value of the current key.
    pub(crate) fn wrong(&mut self, line: usize, why: &str) {
        let key = quoted(&dotted(&self.path));
        self.problem(line, format!("toml: line {line} (last key {key}): {why}"));
    }

    /// Records a syntax error, the first one of each line only.
    pub(crate) fn no_toml(&mut self, error: &Error) {
        let end = self.text.len();
        let span = error.span().unwrap_or(end..end);
        let (line, column) = self.place(span.start);
        if self.broken.contains(&line) {
            return;
        }
        self.broken.push(line);
        let start = self.start(line);
        let why = syntax::reason(self.text.as_bytes(), start, error, self.is_key);
        let odd = syntax::lookalike(self.text, start, span.end.max(span.start + 1));
        let odd = odd.map_or_else(String::new, |(offset, what)| {
            format!("; column {} has {what}", self.place(offset).1)
        });
        let text = format!("toml: line {line}, column {column}{why}{odd}");
        self.error.add(line, text);
    }

    /// Records a problem on a line.
    pub(crate) fn problem(&mut self, line: usize, text: String) {
        // Values on a line with a syntax error are unreliable.
        if !self.broken.contains(&line) {
            self.error.add(line, text);
        }
    }

    /// Records a warning of [`Level::Warn`].
    pub(crate) fn warn(&mut self, line: usize, text: String) {
        self.note(Level::Warn, line, text);
    }

    /// Records a warning, except on a line with a syntax error.
    pub(crate) fn note(&mut self, level: Level, line: usize, text: String) {
        if !self.broken.contains(&line) {
            let line = Some(line);
            self.found.warnings.push(Warning { level, line, text });
        }
    }

    /// Records the line of the command `key`.
    pub(crate) fn command(&mut self, key: String, line: usize) {
        self.found.commands.push((key, line));
    }

    /// Sets whether the file has a key `apikey`.
    pub(crate) fn names_apikey(&mut self, names: bool) {
        self.found.names_apikey = names;
    }

    /// Records the current table as a plugin of an unknown kind.
    pub(crate) fn stray_plugin(&mut self, line: usize) {
        self.found.unread.plugin(&self.path, line);
    }

    /// Records the current key and all keys below it as unknown.
    pub(crate) fn unread(&mut self, item: Item<'_>) {
        if item.explicit && !self.broken.contains(&item.line) {
            self.found.unread.key(&self.path, item.line);
        }
        let mut below = |value: &DeValue<'_>| {
            if let DeValue::Table(table) = value {
                self.each(table, |walk, item| walk.unread(item));
            }
        };
        match item.value {
            DeValue::Array(values) => values.iter().for_each(|value| below(value.get_ref())),
            value => below(value),
        }
    }

    fn item<'a>(&self, value: &'a Spanned<DeValue<'a>>) -> Item<'a> {
        let start = value.span().start;
        // The span of a table that is implied by a longer key is that of the table's name.
        let opened = matches!(self.text.as_bytes().get(start), Some(b'[' | b'{'));
        Item {
            value: value.get_ref(),
            line: self.place(start).0,
            explicit: opened || !value.get_ref().is_table(),
        }
    }
}

/// The Go name of the type for a section: `HostStatus` for `host_status`.
fn go_name(name: &str) -> String {
    let mut out = String::new();
    let mut is_first = true;
    for c in name.chars() {
        if c == '_' {
            is_first = true;
        } else if is_first {
            out.push(c.to_ascii_uppercase());
            is_first = false;
        } else {
            out.push(c);
        }
    }
    out
}
