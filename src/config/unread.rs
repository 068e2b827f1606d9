//! Keys of a file that nothing reads.

use std::fmt;

use super::key::dotted;

/// Unknown keys that are remembered. Nobody would read on.
const MOST: usize = 1000;

/// What a file holds that nothing reads.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    /// Sorted by the dotted key.
    pub(crate) keys: Vec<Place>,
    /// Tables of plugins of a kind that does not exist.
    pub(crate) plugins: Vec<Place>,
}

/// A key and where it is.
#[derive(Debug)]
pub(crate) struct Place {
    /// Dotted, as it is written.
    pub(crate) key: String,
    pub(crate) path: Vec<String>,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// A key that nothing reads.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct UnknownKey {
    /// Dotted, as it is written.
    pub(crate) key: String,
    /// What was probably meant, as a sentence.
    pub(crate) hint: Option<String>,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl fmt::Display for UnknownKey {
    /// The text that scripts look for, without the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is unexpected key.", self.key)?;
        match &self.hint {
            Some(hint) => write!(f, " {hint}"),
            None => Ok(()),
        }
    }
}

impl Unread {
    /// Remembers a key.
    pub(crate) fn key(&mut self, path: &[String], line: usize) {
        note(&mut self.keys, path, line);
    }

    /// Remembers the table of a plugin of a kind that does not exist.
    pub(crate) fn plugin(&mut self, path: &[String], line: usize) {
        note(&mut self.plugins, path, line);
    }
}

/// Remembers a key, once: an array of tables has the same ones again.
fn note(places: &mut Vec<Place>, path: &[String], line: usize) {
    let key = dotted(path);
    let at = places.partition_point(|place| place.key < key);
    if places.len() < MOST && places.get(at).is_none_or(|place| place.key != key) {
        let path = path.to_vec();
        places.insert(at, Place { key, path, line });
    }
}
