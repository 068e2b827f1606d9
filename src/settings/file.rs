//! Reads a configuration file.

use std::borrow::Cow;

use toml::Spanned;

use super::outputs::read_array;
use super::plugin::plugins;
use super::row::{read_known, read_table};
use super::table::outputs::ARRAY_ROWS;
use super::table::{SECTIONS, TOP};
use super::unknown_keys::{PLUGIN, is_key};
use crate::config::item::Item;
use crate::config::syntax;
use crate::config::walk::Walk;
use crate::config::{Config, ConfigError, Findings};

impl Config {
    /// Reads a file's text over this configuration. Keys that the file lacks stay as they are.
    /// Sections merge key by key. A plugin replaces the one of the same kind and name, and the
    /// roles replace the earlier ones.
    ///
    /// Fails with all problems at once, except those below a syntax error that extends over the
    /// following lines. Valid values are stored even then.
    pub(crate) fn read(&mut self, text: &[u8]) -> Result<Findings, ConfigError> {
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let text = std::str::from_utf8(text).map_err(|error| {
            let before = text.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let mut wrong = ConfigError::default();
            let why = "invalid UTF-8; save the file in UTF-8";
            wrong.add(line, format!("toml: line {line}: {why}"));
            wrong.found.names_apikey = true;
            wrong
        })?;
        // Multi-line strings contain line ends: CRLF and LF must give the same value.
        let text = if text.contains('\r') {
            Cow::Owned(text.replace("\r\n", "\n"))
        } else {
            Cow::Borrowed(text)
        };
        let mut walk = Walk::new(&text, is_key);
        let (table, errors) = syntax::parse(&text);
        errors.iter().for_each(|error| walk.no_toml(error));
        let table = table.as_ref().map(Spanned::get_ref);
        walk.names_apikey(!errors.is_empty());
        if let Some(table) = table {
            let mut keys = table.keys();
            if keys.any(|key| key.get_ref().eq_ignore_ascii_case("apikey")) {
                walk.names_apikey(true);
            }
            walk.each(table, |walk, item| top(walk, self, item));
        }
        walk.finish()
    }
}

/// Reads the value of a key at the top of the file.
fn top(walk: &mut Walk<'_>, config: &mut Config, item: Item<'_>) {
    let is_last = |name: &str| walk.last().eq_ignore_ascii_case(name);
    if is_last(PLUGIN) {
        plugins(walk, config, item);
    } else if let Some(array) = ARRAY_ROWS.iter().find(|(name, _)| is_last(name)) {
        read_array(walk, config, item, *array);
    } else if let Some(section) = SECTIONS.iter().find(|section| is_last(section.name)) {
        read_table(walk, config, section.rows, item, section.name);
    } else if !read_known(walk, config, TOP, item) {
        walk.unread(item);
    }
}

#[cfg(test)]
mod tests;
