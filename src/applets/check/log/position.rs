//! How far files are read, and the file in which this is kept.
//!
//! Its path and its first two members are those of the official plugin: each continues where the
//! other has stopped. The official one ignores the other members.

use std::path::{Component, Path, PathBuf};

use crate::base::md5::md5;
use crate::sys::digest::hex;

/// How far a file is read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Position {
    pub(super) inode: u64,
    /// The bytes that are read.
    pub(super) skip: u64,
    /// The hash of the last of these bytes. `None` if the official plugin has written the state.
    pub(super) tail: Option<u32>,
    /// When the file was last changed before it was read, in microseconds since the epoch. Zero if
    /// that is not known, and for a rotated file that is not read any more.
    pub(super) time: u64,
}

/// What is kept of a log file between two runs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct State {
    pub(super) at: Position,
    /// The file before the last rotation: programs may still write into it for a while.
    pub(super) before: Position,
}

/// The names of a position's members.
type Names = [&'static str; 4];
const AT: Names = ["skip_bytes", "inode", "tail", "time"];
const BEFORE: Names = ["old_skip_bytes", "old_inode", "old_tail", "old_time"];

impl State {
    /// Reads a state; `None` if the text holds none.
    pub(super) fn of(text: &str) -> Option<State> {
        let position = |[skip, inode, tail, time]: Names| {
            Some(Position {
                skip: number(text, skip)?,
                inode: number(text, inode).unwrap_or_default(),
                tail: number(text, tail).and_then(|tail| u32::try_from(tail).ok()),
                time: number(text, time).unwrap_or_default(),
            })
        };
        Some(State {
            at: position(AT)?,
            before: position(BEFORE).unwrap_or_default(),
        })
    }

    /// The state as JSON.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut before = "{\"";
        for (names, position) in [(AT, &self.at), (BEFORE, &self.before)] {
            let tail = position.tail.map_or(u64::MAX, u64::from);
            let numbers = [position.skip, position.inode, tail, position.time];
            for (name, number) in names.iter().zip(numbers) {
                text.extend([before, name, "\":", &*number.to_string()]);
                before = ",\"";
            }
        }
        text.push('}');
        text
    }
}

/// The member of this name in a flat object, if it is a natural number.
fn number(text: &str, name: &str) -> Option<u64> {
    let (_, after) = text.split_once(&["\"", name, "\""].concat())?;
    let after = after.trim_start().strip_prefix(':')?.trim_start();
    let end = after.find(|c: char| !c.is_ascii_digit());
    after.get(..end.unwrap_or(after.len()))?.parse().ok()
}

/// The path of the state of a log file: below `directory`, of the log file's path and the MD5 of the
/// command line.
pub(super) fn path(directory: &Path, file: &Path, line: &str) -> PathBuf {
    let mut path = directory.to_owned();
    let mut depth = 0;
    for part in file.components() {
        match part {
            Component::Normal(name) => {
                path.push(name);
                depth += 1;
            }
            Component::ParentDir if depth > 0 => {
                path.pop();
                depth -= 1;
            }
            _ => {}
        }
    }
    let digest = hex(&md5(line.as_bytes()));
    let suffix = ["-", &digest, ".json"].concat();
    path.as_mut_os_string().push(suffix);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_log_state_is_read_as_written_and_as_the_official_one() {
        let at = Position {
            inode: u64::MAX,
            skip: 12,
            tail: Some(u32::MAX),
            time: 1_700_000_000_000_001,
        };
        let before = Position { tail: None, ..at };
        for (at, before) in [(at, before), (before, at), (at, Position::default())] {
            let state = State { at, before };
            assert_eq!(State::of(&state.text()), Some(state));
        }
        // (text, skip and inode)
        let table = [
            (
                r#"{"skip_bytes":18446744,"inode":7}"#,
                Some((18_446_744, 7)),
            ),
            ("{ \"inode\" : 7,\n \"skip_bytes\" : 1 }\n", Some((1, 7))),
            (r#"{"skip_bytes":1}"#, Some((1, 0))),
            (r#"{"skip_bytes":-1}"#, None),
            (r#"{"old_skip_bytes":1}"#, None),
            ("", None),
            ("12", None),
        ];
        for (text, expected) in table {
            let found = State::of(text).map(|state| (state.at.skip, state.at.inode));
            assert_eq!(found, expected, "{text}");
        }
    }

    /// The paths that the official plugin makes of these words.
    #[test]
    fn check_log_state_is_where_the_official_one_is() {
        let table = [
            (
                "/var/log/a.log",
                "-f /var/log/a.log -p x",
                "var/log/a.log-1291de7b7d14e3e8f1fc3b14446bf9a6",
            ),
            ("a.log", "", "a.log-d41d8cd98f00b204e9800998ecf8427e"),
            ("/a/../b.log", "", "b.log-d41d8cd98f00b204e9800998ecf8427e"),
            ("../../b.log", "", "b.log-d41d8cd98f00b204e9800998ecf8427e"),
        ];
        for (file, line, expected) in table {
            let found = path(Path::new("/s"), Path::new(file), line);
            assert_eq!(found, Path::new(&format!("/s/{expected}.json")), "{file}");
        }
    }
}
