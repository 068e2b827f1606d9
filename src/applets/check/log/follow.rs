//! Reads what is new in a log file, also where it was rotated to.
//!
//! The last bytes that were read identify a file. If those before the position are others, or are
//! not there, the file is not the one that was read: it was renamed (`create` of logrotate) or
//! copied and truncated (`copytruncate`), however long the new one is meanwhile. The old file is
//! then looked for in the same directory, by its inode and by these bytes. It is read first, and
//! after it the files that were rotated later, and the new one.
//!
//! A program may write into the old file for a while after the rotation. It is looked at until it
//! has not changed for [`QUIET`].

use std::cell::Cell;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::is_rotation;
use super::lines::{BUFFER, is_begin, read_lines};
use super::position::{self, Position, State};
use super::search::Search;
use crate::applets::arguments::Arguments;
use crate::applets::finding::Failure;
use crate::applets::host::{Host, explained, failed};
use crate::base::clock::Moment;
use crate::sys::file;

/// Time of a run, of which the agent allows 30 seconds. Each file has an equal share of what is left.
/// The rest of a file is read by the next run.
const TIME: Duration = Duration::from_secs(10);
/// Time without a change after which a rotated file is complete, in microseconds.
const QUIET: u64 = 600_000_000;

/// Reads files from where the run before has stopped.
pub(super) struct Follower<'f> {
    host: &'f Host<'f>,
    /// Where states are kept; `None` if files are read as a whole.
    states: Option<PathBuf>,
    /// The command line, which is part of the states' names.
    line: &'f str,
    is_first_read: bool,
    /// When the run ends. Without states, it has no limit.
    run_end: Moment,
    /// When the share of the file ends that is read.
    share_end: Moment,
    /// Whether something is left to the next run.
    pub(super) is_cut: Cell<bool>,
    buffer: Vec<u8>,
    /// What the lines are searched for, and what is found.
    pub(super) search: Search,
}

/// A file and its metadata when it was opened.
type Opened = (File, Metadata);

/// A file beside the log file.
struct Entry {
    name: String,
    path: PathBuf,
    inode: u64,
    time: u64,
    length: u64,
}

impl<'f> Follower<'f> {
    pub(super) fn new(
        arguments: &'f Arguments,
        host: &'f Host<'f>,
        search: Search,
    ) -> Follower<'f> {
        let states = match arguments.text("state-dir") {
            "" => host.work_directory().join("check-log"),
            directory => directory.into(),
        };
        let has_states = !arguments.is_on("no-state");
        let mut run_end = Moment(Duration::MAX);
        if has_states {
            run_end = Moment(host.clock.moment().0 + TIME);
        }
        Follower {
            host,
            states: has_states.then_some(states),
            line: &arguments.line,
            is_first_read: arguments.is_on("check-first"),
            run_end,
            share_end: run_end,
            is_cut: Cell::new(false),
            buffer: vec![0; BUFFER],
            search,
        }
    }

    /// Searches what is new of a file. Returns the path of its state, and the state to be kept
    /// there, if it has changed. `ahead` is the number of files that are not done, with this one.
    /// `done` are the states of the others, among which it may be, too.
    ///
    /// Fails if the file cannot be read, or its state, which another user may have put there.
    pub(super) fn file(
        &mut self,
        path: &Path,
        ahead: u32,
        done: &[(PathBuf, State)],
    ) -> Result<Option<(PathBuf, State)>, Failure> {
        let now = self.host.clock.moment();
        self.share_end = Moment(now.0 + self.run_end.since(now) / ahead);
        let file = self.open(path)?;
        let mut start = Position {
            inode: file.1.ino(),
            time: changed(&file.1),
            tail: None,
            skip: 0,
        };
        let Some(states) = &self.states else {
            self.read(path, &file, &mut start, false)?;
            return Ok(None);
        };
        let kept = position::path(states, path, self.line);
        let old = match done.iter().find(|(path, _)| *path == kept) {
            Some((_, state)) => Some(*state),
            None => match file::read_own(&kept) {
                Ok(bytes) => State::of(&String::from_utf8_lossy(&bytes)),
                Err(error) if error.is_absent() => None,
                Err(error) => return Err(failed(&error)),
            },
        };
        let mut state = old.unwrap_or_default();
        if old.is_none() {
            state.at.inode = start.inode;
            if !self.is_first_read {
                state.at.skip = file.1.len();
            }
        }
        self.after(path, &file, start, &mut state)?;
        Ok((old != Some(state)).then_some((kept, state)))
    }

    /// Searches what is new since `state`, and updates it.
    fn after(
        &mut self,
        path: &Path,
        file: &Opened,
        mut start: Position,
        state: &mut State,
    ) -> Result<(), Failure> {
        let mut entries = Vec::new();
        if state.before.time != 0 {
            entries = self.entries(path, start.inode);
            self.rest(&entries, &mut state.before, false)?;
        }
        let at = state.at;
        if self.is_late() {
            return Ok(());
        }
        let is_same = at.inode == start.inode || at.inode == 0;
        // Nothing of the file was read. Files that were rotated since are new as a whole.
        let is_empty = at.skip == 0 && (is_same || at.time != 0);
        // Whether `state.at` is the position in a rotated file.
        let mut is_rotated = false;
        if !is_same && !is_empty {
            entries = self.entries(path, start.inode);
            is_rotated = self.old(&entries, &mut state.at)?;
            if !is_rotated {
                // A file that is renamed while its directory is listed may be missing in the list.
                entries = self.entries(path, start.inode);
                is_rotated = self.old(&entries, &mut state.at)?;
            }
        }
        if !is_rotated
            && at.skip != 0
            && (is_same || at.tail.is_some())
            && self.read(path, file, &mut state.at, false)?
        {
            (state.at.inode, state.at.time) = (start.inode, start.time);
            return Ok(());
        }

        // It was rotated, or it was empty, so that nothing tells whether it was.
        if entries.is_empty() {
            entries = self.entries(path, start.inode);
        }
        if is_empty
            && at.time == 0
            && let Some(entry) = first(
                &entries,
                &|entry, _| is_rotation(&entry.name, name(path)),
                true,
            )
        {
            // The first run: what was rotated before is old.
            state.before = Position {
                inode: entry.inode,
                skip: entry.length,
                tail: None,
                time: entry.time,
            };
            start.time = start.time.max(entry.time);
        }
        if !is_rotated && at.skip != 0 && at.tail.is_some() {
            is_rotated = self.copy(&entries, path, &mut state.at);
        }
        let old = if is_rotated { state.at.inode } else { 0 };
        let mut known = [old, state.before.inode, 0];
        // Those that were rotated afterwards are new from their beginning.
        let mut last = (at.time, u64::MAX);
        while (is_rotated || is_empty) && at.time != 0 && !self.is_late() {
            let is_next = |entry: &Entry, key| {
                let is_later = key > last && is_rotation(&entry.name, name(path));
                !known.contains(&entry.inode) && (is_later || entry.inode == at.inode)
            };
            let Some(entry) = first(&entries, &is_next, false) else {
                break;
            };
            last = last.max(entry.key());
            if entry.inode == at.inode {
                known[2] = at.inode;
            } else if let Ok((copy, metadata)) = self.host.root.open(&entry.path)
                && (metadata.len() == 0 || is_begin(&copy, metadata.len(), &file.0))
            {
                // A copy that is being made: the log file is truncated afterwards.
                continue;
            }
            if is_rotated {
                self.leave(&entries, state)?;
            }
            let mut now = Position::default();
            if self.entry(entry, &mut now, false)? {
                state.at = now;
                is_rotated = true;
            }
        }
        if self.is_late() {
            return Ok(());
        }
        if is_rotated {
            self.leave(&entries, state)?;
        }
        if is_empty && is_same {
            start.time = start.time.max(at.time);
        }
        state.at = start;
        self.read(path, file, &mut state.at, false)?;
        Ok(())
    }

    /// Makes the file of `state.at`, which has been read, the one before the last rotation.
    fn leave(&mut self, entries: &[Entry], state: &mut State) -> Result<(), Failure> {
        if state.before.time != 0 && state.before.inode != state.at.inode {
            self.rest(entries, &mut state.before, true)?;
        }
        state.before = state.at;
        Ok(())
    }

    /// Searches what is new of the file before the last rotation; its last line may have no end if
    /// the file `is_complete`. Its position has no time then if it need not be read again.
    fn rest(
        &mut self,
        entries: &[Entry],
        before: &mut Position,
        is_complete: bool,
    ) -> Result<(), Failure> {
        let mut is_done = true;
        if let Some(entry) = numbered(entries, before.inode) {
            let now = self.host.now() * 1_000_000;
            let is_complete = is_complete || now > entry.time + QUIET;
            let is_it = self.entry(entry, before, is_complete)?;
            is_done = !is_it || is_complete && !self.is_late();
        }
        if is_done {
            before.time = 0;
        }
        Ok(())
    }

    /// Searches the rest of the file with the inode of `at`, if it is among `entries`. Returns
    /// whether `at` is the position in it now.
    fn old(&mut self, entries: &[Entry], at: &mut Position) -> Result<bool, Failure> {
        match numbered(entries, at.inode) {
            Some(entry) => self.entry(entry, at, false),
            None => Ok(false),
        }
    }

    /// Searches the rest of a copy of the file that was read to `at`. Returns whether `at` is the
    /// position in it now.
    fn copy(&mut self, entries: &[Entry], path: &Path, at: &mut Position) -> bool {
        // Files may have the same beginning: the newest copy is the right one.
        let name = name(path);
        let stem = name.rfind('.').map_or(name, |end| &name[..end]);
        let mut last = (u64::MAX, u64::MAX);
        loop {
            let is_next = |entry: &Entry, key| key < last && entry.name.starts_with(stem);
            let Some(entry) = first(entries, &is_next, true) else {
                return false;
            };
            if let Ok(true) = self.entry(entry, at, false) {
                return true;
            }
            last = entry.key();
        }
    }

    /// The regular files in the directory of `path`, but for the one with the number `but`.
    fn entries(&self, path: &Path, but: u64) -> Vec<Entry> {
        let mut entries = Vec::new();
        let directory = path.parent().unwrap_or(Path::new("/"));
        let directory = if directory == Path::new("") {
            Path::new(".")
        } else {
            directory
        };
        let names = self.host.root.names(directory).ok().flatten();
        for name in names.unwrap_or_default() {
            let path = directory.join(&name);
            if let Ok(metadata) = self.host.root.metadata(&path)
                && metadata.is_file()
                && metadata.ino() != but
                && let Ok(name) = name.into_string()
            {
                entries.push(Entry {
                    name,
                    path,
                    inode: metadata.ino(),
                    time: changed(&metadata),
                    length: metadata.len(),
                });
            }
        }
        entries
    }

    /// Reads a file beside the log file; see [`Follower::read`].
    fn entry(
        &mut self,
        entry: &Entry,
        at: &mut Position,
        is_complete: bool,
    ) -> Result<bool, Failure> {
        let file = match self.host.root.open(&entry.path) {
            Ok(file) if file.1.ino() == entry.inode => file,
            Err(error) if !error.is_absent() => return Err(failed(&error)),
            _ => {
                let path = entry.path.display();
                let why = format!("{path}: was rotated while it was read; the next run continues");
                return Err(Failure::unknown(why));
            }
        };
        let is_it = self.read(&entry.path, &file, at, is_complete)?;
        if is_it {
            (at.inode, at.time) = (entry.inode, entry.time);
        }
        Ok(is_it)
    }

    fn open(&self, path: &Path) -> Result<Opened, Failure> {
        self.host.root.open(path).map_err(|error| failed(&error))
    }

    /// Searches the lines from `at` on. A last line without an end is left for the next time, unless
    /// the file `is_complete`. `at` is then the position after the lines. Returns false, and has
    /// searched nothing, if `at` is a position in another file.
    fn read(
        &mut self,
        path: &Path,
        file: &Opened,
        at: &mut Position,
        is_complete: bool,
    ) -> Result<bool, Failure> {
        let is_late = || is_late(self.host, self.share_end, &self.is_cut);
        let read = read_lines(
            &mut self.buffer,
            file,
            at,
            is_complete,
            &is_late,
            &mut self.search,
        );
        match read {
            Ok(is_it) => Ok(is_it),
            Err(error) => {
                let path = path.display();
                Err(Failure::unknown(explained(format!("read {path}: {error}"))))
            }
        }
    }

    /// Whether the rest is left to the next run.
    fn is_late(&self) -> bool {
        is_late(self.host, self.share_end, &self.is_cut)
    }
}

/// Whether `end` is over; the rest `is_cut` then.
fn is_late(host: &Host<'_>, end: Moment, is_cut: &Cell<bool>) -> bool {
    let is_late = host.clock.moment() > end;
    is_cut.set(is_cut.get() | is_late);
    is_late
}

impl Entry {
    /// Sorts entries by the time of their last change.
    fn key(&self) -> (u64, u64) {
        (self.time, self.inode)
    }
}

/// The entry with this inode.
fn numbered(entries: &[Entry], inode: u64) -> Option<&Entry> {
    entries.iter().find(|entry| entry.inode == inode)
}

/// The entry with the least key of those that are wanted, or with the greatest one if they are
/// taken `from_end`.
fn first<'e>(
    entries: &'e [Entry],
    is_wanted: &dyn Fn(&Entry, (u64, u64)) -> bool,
    from_end: bool,
) -> Option<&'e Entry> {
    let mut found: Option<&Entry> = None;
    for entry in entries {
        if is_wanted(entry, entry.key())
            && found.is_none_or(|found| (entry.key() > found.key()) == from_end)
        {
            found = Some(entry);
        }
    }
    found
}

/// The last name of a path.
fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

/// When a file was last changed, in microseconds since the epoch.
fn changed(file: &Metadata) -> u64 {
    let micros = file.mtime() * 1_000_000 + file.mtime_nsec() / 1_000;
    u64::try_from(micros).unwrap_or_default()
}
