//! Unknown keys of a file.

use std::fmt;

use super::key::dotted;

/// The most unknown keys that are recorded. A longer list would not be read.
const MOST: usize = 1000;

/// The unknown keys of a file.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    /// Sorted by the dotted key.
    pub(crate) keys: Vec<Place>,
    /// Tables of plugins of an unknown kind.
    pub(crate) plugins: Vec<Place>,
}

/// A key and its line.
#[derive(Debug)]
pub(crate) struct Place {
    /// Dotted, as it is written.
    pub(crate) key: String,
    pub(crate) path: Vec<String>,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// An unknown key, as it is reported.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct UnknownKey {
    /// Dotted, as it is written.
    pub(crate) key: String,
    /// The suggestion, as a sentence.
    pub(crate) hint: Option<String>,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl fmt::Display for UnknownKey {
    /// Writes the text that scripts search for, without the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is unexpected key.", self.key)?;
        match &self.hint {
            Some(hint) => write!(f, " {hint}"),
            None => Ok(()),
        }
    }
}

impl Unread {
    /// Records an unknown key.
    pub(crate) fn key(&mut self, path: &[String], line: usize) {
        note(&mut self.keys, path, line);
    }

    /// Records the table of a plugin of an unknown kind.
    pub(crate) fn plugin(&mut self, path: &[String], line: usize) {
        note(&mut self.plugins, path, line);
    }
}

/// Records a key once, because an array of tables repeats its keys. Ignores it when [`MOST`] are
/// recorded.
fn note(places: &mut Vec<Place>, path: &[String], line: usize) {
    let key = dotted(path);
    let at = places.partition_point(|place| place.key < key);
    if places.len() < MOST && places.get(at).is_none_or(|place| place.key != key) {
        let path = path.to_vec();
        places.insert(at, Place { key, path, line });
    }
}
