//! A parsed TOML file, walked key by key: what is known is stored, what is wrong is noted together
//! with its line, what is unknown is remembered.

use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::characters::{self, lookalike, lookalike_of_prose};
use super::findings::{ConfigError, Findings, Level, Warning};
use super::item::Item;
use super::key::{dotted, quoted};
use super::syntax;
use crate::base::pattern::Pattern;

/// Keys whose texts people read.
const PROSE: &[&str] = &["memo", "display_name"];

/// What the value of a known key is, and where it is stored.
pub(super) enum Key<T: 'static> {
    Flag(fn(&mut T) -> &mut bool),
    /// An empty text is none.
    Text(fn(&mut T) -> &mut Option<String>),
    /// One of these words. Another one is stored with a warning: the server decides.
    Word(fn(&mut T) -> &mut Option<String>, &'static [&'static str]),
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
    /// A table with these keys, which are read by the function.
    Section(&'static Keys<T>, Inside<T>),
    /// It has keys of its own.
    Inside(Inside<T>),
}

/// Reads a value that has keys of its own.
type Inside<T> = fn(&mut Walk<'_>, &mut T, Item<'_>);

/// The keys that a table may hold. They are found whatever the case of their letters.
pub(super) type Keys<T> = [(&'static str, Key<T>)];

impl<T> Key<T> {
    /// Stores a value. One that has keys of its own is left alone.
    pub(super) fn store(&self, into: &mut T, item: Item<'_>) -> Result<(), String> {
        match self {
            Key::Flag(at) => store(at(into), item.boolean()?),
            Key::Text(at) | Key::Word(at, _) => store(at(into), present(item.string()?)),
            Key::Place(at) => store(at(into), present(item.string()?).map(PathBuf::from)),
            Key::List(at) => store(at(into), item.strings()?),
            Key::Pattern(at) => store(at(into), Some(item.pattern()?)),
            Key::Minutes(at) => store(at(into), Some(item.minutes()?)),
            Key::Value(store) => store(into, item),
            Key::Section(..) | Key::Inside(_) => Ok(()),
        }
    }

    /// Whether the key has keys of its own.
    pub(super) fn is_table(&self) -> bool {
        matches!(self, Key::Section(..) | Key::Inside(_))
    }

    /// The words of which the value should be one.
    fn words(&self) -> &'static [&'static str] {
        match self {
            Key::Word(_, words) => words,
            _ => &[],
        }
    }

    /// What is doubtful about a value that can be stored.
    pub(super) fn doubt(&self, item: Item<'_>) -> Option<String> {
        doubt(self.words(), item)
    }
}

/// What is doubtful about a text that should be one of these words; nothing if there are none, or if
/// it is empty.
fn doubt(words: &[&str], item: Item<'_>) -> Option<String> {
    let word = item.string().ok().filter(|word| !word.is_empty())?;
    let is_doubtful = !words.is_empty() && !words.contains(&word);
    is_doubtful.then(|| format!("{}; write {}", quoted(word), words.join(", ")))
}

/// The walk through one file.
pub(super) struct Walk<'t> {
    text: &'t str,
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
        let ends = text.match_indices('\n');
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
        let before = self.text.as_bytes().get(start..offset).unwrap_or_default();
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
            if !self.find_lookalike(key.span()) {
                self.check_text(value);
            }
            let item = self.item(value);
            act(self, item);
            self.path.pop();
        }
    }

    /// Warns of characters that look like others in `value` if it is a text, or in the texts that it
    /// lists.
    fn check_text(&mut self, value: &Spanned<DeValue<'_>>) -> bool {
        match value.get_ref() {
            DeValue::String(_) => self.find_lookalike(value.span()),
            DeValue::Array(values) => values.iter().any(|value| self.check_text(value)),
            _ => false,
        }
    }

    /// Warns of the first character in `range` that looks like another one. Returns whether there is
    /// one.
    fn find_lookalike(&mut self, range: Range<usize>) -> bool {
        let lookalike = match PROSE.contains(&self.last()) {
            true => lookalike_of_prose,
            false => lookalike,
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

    /// Stores the value of the key at the end of the path, if the key is one of `keys`.
    pub(super) fn known<T>(&mut self, into: &mut T, keys: &Keys<T>, item: Item<'_>) -> bool {
        let last = self.last();
        let Some((_, key)) = keys
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(last))
        else {
            return false;
        };
        match key {
            Key::Section(_, walk) | Key::Inside(walk) => walk(self, into, item),
            key => {
                let stored = key.store(into, item);
                self.judge(item, stored, key.words());
            }
        }
        true
    }

    /// Notes what is wrong with a value that could not be stored, and what is doubtful about one that
    /// should be one of these words.
    fn judge(&mut self, item: Item<'_>, stored: Result<(), String>, words: &[&str]) {
        if let Err(why) = stored {
            self.wrong(item.line, &why);
        } else if let Some(doubt) = doubt(words, item) {
            let text = format!("{}: {doubt}", dotted(&self.path));
            self.note(Level::Mistake, item.line, text);
        }
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
        let end = self.text.len();
        let span = error.span().unwrap_or(end..end);
        let (line, column) = self.place(span.start);
        if self.broken.contains(&line) {
            return;
        }
        self.broken.push(line);
        let start = self.start(line);
        let why = syntax::reason(self.text.as_bytes(), start, error);
        let odd = syntax::lookalike(self.text, start, span.end.max(span.start + 1));
        let odd = odd.map_or_else(String::new, |(offset, what)| {
            format!("; column {} has {what}", self.place(offset).1)
        });
        let text = format!("toml: line {line}, column {column}{why}{odd}");
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
        self.note(Level::Warn, line, text);
    }

    fn note(&mut self, level: Level, line: usize, text: String) {
        if !self.broken.contains(&line) {
            let line = Some(line);
            self.found.warnings.push(Warning { level, line, text });
        }
    }

    /// Notes on which line the command `key` is.
    pub(super) fn command(&mut self, key: String, line: usize) {
        self.found.commands.push((key, line));
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
        let opened = matches!(self.text.as_bytes().get(start), Some(b'[' | b'{'));
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
