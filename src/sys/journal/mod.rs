//! The file in which values outlive the agent. Holds frames of bytes and keeps them whole; knows
//! nothing of what they mean, nor when to write.
//!
//! It is written in one go each time and is on the disk when a call returns. What is appended is
//! synced before it counts; a file that takes another's place is synced before it gets its name,
//! and the name after that.

mod disk;
mod frame;
#[cfg(test)]
pub(crate) mod testing;

use std::error::Error;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub(crate) use disk::{Directory, Disk};

use super::root::FileError;
use frame::Foreign;

/// Bytes of the file. What is beyond is not read, and is not written.
pub(crate) const LIMIT: u64 = 32 << 20;
/// The file's name in the agent's directory.
const NAME: &str = "spool";
/// The name under which its successor is written.
const NEXT: &str = "spool.new";
/// Files that are set aside, under a name each.
const ASIDES: [&str; 4] = [
    "spool.set-aside",
    "spool.set-aside.1",
    "spool.set-aside.2",
    "spool.set-aside.3",
];

/// The file, as far as this process knows it.
pub(crate) struct Journal {
    disk: Box<dyn Disk>,
    root: PathBuf,
    place: Place,
}

/// What is where the file ought to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Nothing,
    /// A file of so many bytes, all of them whole and on the disk.
    Whole(u64),
    /// A file to which nothing can be added.
    Damaged,
    /// A file that cannot be read and must not be lost.
    Untouchable,
}

/// What was found in the file.
#[derive(Debug, Default)]
pub(crate) struct Found {
    file: Vec<u8>,
    frames: Vec<Range<usize>>,
    /// What somebody ought to know.
    pub(crate) notice: Option<Notice>,
}

impl Found {
    /// The frames that are whole, in the order in which they were written.
    pub(crate) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.frames
            .iter()
            .filter_map(|frame| self.file.get(frame.clone()))
    }
}

/// Something that is wrong with the file.
#[derive(Debug)]
pub(crate) enum Notice {
    /// So many bytes in so many places are lost, the rest is not.
    Damaged {
        path: PathBuf,
        bytes: usize,
        places: usize,
    },
    /// It is not for this program to read, and has another name now, or could not be given one.
    Foreign {
        path: PathBuf,
        why: String,
        aside: Result<PathBuf, io::Error>,
    },
}

impl Journal {
    /// The journal below `root`, and what it holds. Reads, and does nothing else unless the file is
    /// not for this program, which is set aside then.
    pub(crate) fn open(mut disk: Box<dyn Disk>, root: &Path) -> (Journal, Found) {
        let read = disk.read(NAME, LIMIT);
        let mut journal = Journal {
            disk,
            root: root.to_owned(),
            place: Place::Nothing,
        };
        let found = match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Found::default(),
            Err(error) => journal.foreign(error.to_string()),
            Ok(file) => journal.found(file),
        };
        (journal, found)
    }

    fn found(&mut self, file: Vec<u8>) -> Found {
        match frame::read(&file) {
            Ok(found) => {
                let is_whole = found.places == 0 && !file.is_empty();
                self.place = match u64::try_from(file.len()) {
                    Ok(length) if is_whole => Place::Whole(length),
                    _ => Place::Damaged,
                };
                Found {
                    file,
                    frames: found.frames,
                    notice: (found.places > 0).then(|| Notice::Damaged {
                        path: self.path(),
                        bytes: found.damaged,
                        places: found.places,
                    }),
                }
            }
            Err(Foreign::Version(version)) => self.foreign(format!(
                "it is of version {version}, which this program does not know"
            )),
            Err(Foreign::Other) => self.foreign("nothing in it is whole".to_owned()),
        }
    }

    /// Gives a file that must not be lost another name.
    fn foreign(&mut self, why: String) -> Found {
        Found {
            notice: Some(self.move_aside(why)),
            ..Found::default()
        }
    }

    fn move_aside(&mut self, why: String) -> Notice {
        let name = self.free_name();
        let aside = self.disk.rename(NAME, name);
        if aside.is_err() {
            self.place = Place::Untouchable;
        }
        Notice::Foreign {
            path: self.path(),
            why,
            aside: aside.map(|()| self.root.join(name)),
        }
    }

    /// Gives the file another name: what is in it is of no use for this agent. Says where it is.
    pub(crate) fn disown(&mut self, why: &str) -> Notice {
        self.place = Place::Nothing;
        self.move_aside(why.to_owned())
    }

    /// A name that no file has that was set aside; the last one if all are taken.
    fn free_name(&mut self) -> &'static str {
        let [.., last] = ASIDES;
        let is_free = |name: &&str| {
            let length = self.disk.length(name);
            length.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        ASIDES.into_iter().find(is_free).unwrap_or(last)
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join(NAME)
    }

    /// Bytes of the file, as far as they are of use.
    #[cfg(test)]
    pub(crate) fn length(&self) -> u64 {
        match self.place {
            Place::Whole(length) => length,
            Place::Nothing | Place::Damaged | Place::Untouchable => 0,
        }
    }

    /// Whether frames can be added, rather than that everything has to be written anew.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.place, Place::Whole(_))
    }

    /// Whether there may be a file.
    pub(crate) fn is_there(&self) -> bool {
        self.place != Place::Nothing
    }

    /// Adds frames. They are on the disk when this returns.
    ///
    /// If it fails, the file holds what it held before, or [`Journal::is_open`] says that it has to
    /// be replaced.
    pub(crate) fn append(&mut self, frames: &[Vec<u8>]) -> Result<(), FileError> {
        let Place::Whole(length) = self.place else {
            let why = "there is nothing that it could be added to";
            return Err(self.error("append to", io::Error::other(why)));
        };
        let mut bytes = Vec::new();
        frames
            .iter()
            .for_each(|content| frame::write(&mut bytes, content));
        let end = length + bytes.len() as u64;
        if end > LIMIT {
            return Err(self.error("append to", io::ErrorKind::FileTooLarge.into()));
        }
        let known = self.disk.length(NAME);
        if !known.as_ref().is_ok_and(|known| *known == length) {
            // Removed, or written by somebody else.
            self.place = Place::Damaged;
            let why = known.err();
            let why = why.unwrap_or_else(|| io::Error::other("somebody else has changed it"));
            return Err(self.error("append to", why));
        }
        if let Err(error) = self.disk.write(NAME, length, &bytes) {
            if self.disk.cut(NAME, length).is_err() {
                self.place = Place::Damaged;
            }
            return Err(self.error("append to", error));
        }
        if let Err(error) = self.disk.sync(NAME) {
            // What of it is on the disk, nobody knows, and asking again does not help.
            self.place = Place::Damaged;
            return Err(self.error("sync", error));
        }
        self.place = Place::Whole(end);
        Ok(())
    }

    /// Puts a file with these frames in the place of the one there may be. It is on the disk when
    /// this returns. If it fails, the file holds what it held before.
    pub(crate) fn replace(&mut self, frames: &[Vec<u8>]) -> Result<(), FileError> {
        if self.place == Place::Untouchable {
            let why = "what is there can neither be read nor be given another name";
            return Err(self.error("write", io::Error::other(why)));
        }
        let length = self.put(NAME, frames)?;
        self.place = Place::Whole(length);
        Ok(())
    }

    /// Keeps frames that are of no use for now in a file of their own. Returns where.
    pub(crate) fn set_aside(&mut self, frames: &[Vec<u8>]) -> Result<PathBuf, FileError> {
        let name = self.free_name();
        self.put(name, frames)?;
        Ok(self.root.join(name))
    }

    /// Makes a file as a whole. Returns its length.
    fn put(&mut self, name: &str, frames: &[Vec<u8>]) -> Result<u64, FileError> {
        let mut bytes = Vec::new();
        frame::begin(&mut bytes);
        frames
            .iter()
            .for_each(|content| frame::write(&mut bytes, content));
        let length = bytes.len() as u64;
        if length > LIMIT {
            return Err(self.error("write", io::ErrorKind::FileTooLarge.into()));
        }
        let disk = &mut self.disk;
        let written = disk
            .create(NEXT)
            .and_then(|()| disk.write(NEXT, 0, &bytes))
            .and_then(|()| disk.sync(NEXT))
            .and_then(|()| disk.rename(NEXT, name));
        if let Err(error) = written {
            // It is of no use, and whatever kept it from being used has been noted.
            drop(disk.remove(NEXT));
            return Err(self.error("write", error));
        }
        // A directory that cannot be synced keeps the name a little later.
        drop(disk.sync_names());
        Ok(length)
    }

    /// Removes the file: nothing in it is of use any more.
    pub(crate) fn clear(&mut self) -> Result<(), FileError> {
        if matches!(self.place, Place::Nothing | Place::Untouchable) {
            return Ok(());
        }
        match self.disk.remove(NAME) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.place = Place::Damaged;
                return Err(self.error("remove", error));
            }
            _ => {}
        }
        self.place = Place::Nothing;
        drop(self.disk.sync_names());
        Ok(())
    }

    fn error(&self, verb: &'static str, error: io::Error) -> FileError {
        FileError::new(verb, &self.path(), error)
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Damaged {
                path,
                bytes,
                places,
            } => write!(
                f,
                "{} is damaged in {places} places: {bytes} bytes are lost, the rest is not",
                path.display()
            ),
            Notice::Foreign {
                path, why, aside, ..
            } => {
                write!(f, "{} cannot be used: {why}; ", path.display())?;
                match aside {
                    Ok(aside) => write!(f, "it is now {}", aside.display()),
                    Err(error) => write!(f, "it cannot be renamed either: {error}"),
                }
            }
        }
    }
}

impl Error for Notice {}

#[cfg(test)]
mod tests;
