//! The files that are generated from the table, and tests that compare the table with the program.
//!
//! With `BLESS=1`, which `make docs` sets, the tests write the files.

mod man;
mod page;
pub(crate) mod roff;
mod rows;
mod sample;

use std::{env, fs};

use super::environment::variable;
use super::kind::Kind;
use super::row::Row;
use super::table::SECTIONS;

/// The most characters of a line of prose.
const WIDTH: usize = 100;

/// The names of all flags that rows of the table have.
pub(crate) fn flags() -> Vec<&'static str> {
    let rows = SECTIONS.iter().flat_map(|section| section.rows);
    rows.flat_map(|row| row.doc.flags).copied().collect()
}

/// Fails if the content of the file at `path` is not `text`. With `BLESS` set, writes the file
/// instead.
#[expect(clippy::disallowed_methods, reason = "a file of the repository")]
#[track_caller]
pub(crate) fn check(path: &str, text: &str) {
    let found = fs::read_to_string(path).unwrap_or_default();
    if found == text {
        return;
    }
    if env::var_os("BLESS").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    let equal = found.lines().zip(text.lines());
    let equal = equal.take_while(|(found, text)| found == text).count();
    let line = |text: &str| text.lines().nth(equal).unwrap_or("(the end)").to_owned();
    panic!(
        "{path}:{}: differs from the table of settings or of commands; run make docs\n- {}\n+ {}",
        equal + 1,
        line(&found),
        line(text)
    );
}

/// `key` of `section` as a dotted key.
fn dotted(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

/// The default, as TOML; empty if there is none.
fn default<T>(row: &Row<T>) -> &'static str {
    match row.kind {
        Kind::Bool(_) if row.doc.default.is_empty() => "false",
        _ => row.doc.default,
    }
}

/// A value that is not the default, as TOML; empty if there is none.
fn example<T>(row: &Row<T>) -> &'static str {
    match row.kind {
        Kind::Bool(_) if row.doc.example.is_empty() => "true",
        _ => row.doc.example,
    }
}

/// Appends `text` to `out`, in lines of up to [`WIDTH`] characters that begin with `prefix`.
pub(crate) fn wrap(out: &mut String, prefix: &str, text: &str) {
    for line in lines(WIDTH - prefix.len(), text) {
        *out += &format!("{prefix}{line}\n");
    }
}

/// `text` in lines of up to `limit` characters.
fn lines(limit: usize, text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for word in text.split_whitespace() {
        let line = all.last_mut().unwrap();
        let width = line.chars().count() + 1 + word.chars().count();
        if line.is_empty() {
            *line += word;
        } else if width > limit {
            all.push(word.to_owned());
        } else {
            *line += &format!(" {word}");
        }
    }
    all
}
