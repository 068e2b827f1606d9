//! A parsed TOML file, walked key by key: what is known is stored, what is wrong is noted together
//! with its line, what is unknown is remembered.

use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::findings::{ConfigError, Findings, Level, Warning};
use super::item::Item;
use super::key::{dotted, quoted};
use super::syntax;
use crate::base::pattern::Pattern;

/// What the value of a known key is, and where it is stored.
pub(super) enum Key<T> {
    Flag(fn(&mut T) -> &mut bool),
    /// An empty text is none.
    Text(fn(&mut T) -> &mut Option<String>),
    /// A path. An empty one is none.
    Place(fn(&mut T) -> &mut Option<PathBuf>),
    /// Several texts.
    List(fn(&mut T) -> &mut Vec<String>),
    /// A regular expression.
    Pattern(fn(&mut T) -> &mut Option<Pattern>),
    /// An interval.
    Minutes(fn(&mut T) -> &mut Option<u32>),
    /// It is stored in its own way, or refused with a reason.
    Value(fn(&mut T, Item<'_>) -> Result<(), String>),
    /// It has keys of its own.
    Inside(fn(&mut Walk<'_>, &mut T, Item<'_>)),
}

/// The keys that a table may hold. They are found whatever the case of their letters.
pub(super) type Keys<T> = [(&'static str, Key<T>)];

impl<T> Key<T> {
    /// Stores a value. One that has keys of its own is left alone.
    pub(super) fn store(&self, into: &mut T, item: Item<'_>) -> Result<(), String> {
        match self {
            Key::Flag(at) => store(at(into), item.boolean()?),
            Key::Text(at) => store(at(into), present(item.string()?)),
            Key::Place(at) => store(at(into), present(item.string()?).map(PathBuf::from)),
            Key::List(at) => store(at(into), item.strings()?),
            Key::Pattern(at) => store(at(into), Some(item.pattern()?)),
            Key::Minutes(at) => store(at(into), Some(item.minutes()?)),
            Key::Value(store) => store(into, item),
            Key::Inside(_) => Ok(()),
        }
    }
}

/// The walk through one file.
pub(super) struct Walk<'t> {
    text: &'t [u8],
    /// Where each line but the first begins.
    lines: Vec<usize>,
    path: Vec<String>,
    /// Lines that are no TOML.
    broken: Vec<usize>,
    error: ConfigError,
    found: Findings,
}

impl<'t> Walk<'t> {
    /// A walk through `text`, which lacks a byte order mark.
    pub(super) fn new(text: &'t str) -> Walk<'t> {
        let text = text.as_bytes();
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        Walk {
            text,
            lines: ends.map(|(at, _)| at + 1).collect(),
            path: Vec::new(),
            broken: Vec::new(),
            error: ConfigError::default(),
            found: Findings::default(),
        }
    }

    /// What was found, unless something was wrong.
    pub(super) fn finish(self) -> Result<Findings, ConfigError> {
        self.error.or_ok(self.found)
    }

    /// Line and column, counted from 1, of the byte at `offset`.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset) + 1;
        let start = self.start(line);
        let before = self.text.get(start..offset).unwrap_or_default();
        // Bytes that begin a character; the rest of each looks like 10xxxxxx.
        let columns = before.iter().filter(|b| **b & 0xC0 != 0x80);
        (line, columns.count() + 1)
    }

    /// Where a line, counted from 1, begins.
    fn start(&self, line: usize) -> usize {
        let before = line.checked_sub(2).and_then(|at| self.lines.get(at));
        before.copied().unwrap_or(0)
    }

    /// Stores the values of `table` in `into`.
    pub(super) fn table<T>(&mut self, into: &mut T, keys: &Keys<T>, table: &DeTable<'_>) {
        self.each(table, |walk, item| {
            if !walk.known(into, keys, item) {
                walk.unread(item);
            }
        });
    }

    /// Calls `act` for each value of `table`, with its key at the end of the path.
    pub(super) fn each(
        &mut self,
        table: &DeTable<'_>,
        mut act: impl FnMut(&mut Walk<'t>, Item<'_>),
    ) {
        for (key, value) in table.iter() {
            self.path.push(key.get_ref().clone().into_owned());
            let item = self.item(value);
            act(self, item);
            self.path.pop();
        }
    }

    /// Stores the value of the key at the end of the path, if the key is one of `keys`.
    pub(super) fn known<T>(&mut self, into: &mut T, keys: &Keys<T>, item: Item<'_>) -> bool {
        let last = self.last();
        let Some((_, key)) = keys
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(last))
        else {
            return false;
        };
        if let Key::Inside(walk) = key {
            walk(self, into, item);
        } else if let Err(why) = key.store(into, item) {
            self.wrong(item.line, &why);
        }
        true
    }

    /// Like [`Walk::table`] for a value that has to be a table; `kind` is its name in messages.
    pub(super) fn section<T>(&mut self, into: &mut T, keys: &Keys<T>, item: Item<'_>, kind: &str) {
        if let Some(table) = self.expect_table(item, kind) {
            self.table(into, keys, table);
        }
    }

    /// The table that `item` has to be.
    pub(super) fn expect_table<'a>(
        &mut self,
        item: Item<'a>,
        kind: &str,
    ) -> Option<&'a DeTable<'a>> {
        let table = item.table();
        if table.is_none() {
            let found = item.value.type_str();
            let why = format!(
                "type mismatch for config.{kind}: expected table but found {found}; \
                 write its keys below a line [{}]",
                dotted(&self.path)
            );
            self.wrong(item.line, &why);
        }
        table
    }

    /// The key that the walk has come to.
    pub(super) fn last(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// Notes what is wrong with the value of the current key.
    pub(super) fn wrong(&mut self, line: usize, why: &str) {
        let key = quoted(&dotted(&self.path));
        self.problem(line, format!("toml: line {line} (last key {key}): {why}"));
    }

    /// Notes that the text is no TOML.
    pub(super) fn no_toml(&mut self, error: &Error) {
        let at = error.span().map_or(self.text.len(), |span| span.start);
        let (line, column) = self.place(at);
        if self.broken.contains(&line) {
            return;
        }
        self.broken.push(line);
        let why = syntax::reason(self.text, self.start(line), error);
        let text = format!("toml: line {line}, column {column}{why}");
        self.error.add(line, text);
    }

    /// Notes what is wrong on a line.
    pub(super) fn problem(&mut self, line: usize, text: String) {
        // What has been made of a line that is no TOML means nothing.
        if !self.broken.contains(&line) {
            self.error.add(line, text);
        }
    }

    /// Notes what is odd but harmless.
    pub(super) fn warn(&mut self, line: usize, text: String) {
        self.found.warnings.push(Warning {
            level: Level::Warn,
            line: Some(line),
            text,
        });
    }

    /// Notes whether the file has a key `apikey`.
    pub(super) fn names_apikey(&mut self, names: bool) {
        self.found.names_apikey = names;
    }

    /// Remembers the table of a plugin of a kind that does not exist.
    pub(super) fn stray_plugin(&mut self, line: usize) {
        self.found.unread.plugin(&self.path, line);
    }

    /// Remembers a key that nothing reads, and those below it.
    pub(super) fn unread(&mut self, item: Item<'_>) {
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
        // The span of a table that only a longer key brings about is that of its own name.
        let opened = matches!(self.text.get(start), Some(b'[' | b'{'));
        Item {
            value: value.get_ref(),
            line: self.place(start).0,
            explicit: opened || !value.get_ref().is_table(),
        }
    }
}

/// Stores what was read. For the setters of [`Key`].
pub(super) fn store<T>(at: &mut T, value: T) -> Result<(), String> {
    *at = value;
    Ok(())
}

/// A text that is there; `None` if it is empty.
fn present(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
