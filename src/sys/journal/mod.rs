//! The file that preserves values across a restart of the agent. Stores frames of bytes and detects
//! damage. Does not interpret them, and does not decide when to write.
//!
//! Each call writes once, and the data is on the disk when it returns. Appended data is synced
//! before it counts. A file that replaces another is synced, then renamed, and then the directory
//! is synced.

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

/// Maximum size of the file in bytes. A larger file is neither read nor written.
pub(crate) const LIMIT: u64 = 32 << 20;
/// Appended to the file's name: the name under which a replacement is written.
const NEXT: &str = ".new";
/// Appended to the file's name: the names of files that have been set aside.
const ASIDES: [&str; 4] = [".set-aside", ".set-aside.1", ".set-aside.2", ".set-aside.3"];

/// The file, and its state as of the last operation.
pub(crate) struct Journal {
    disk: Box<dyn Disk>,
    root: PathBuf,
    /// The file's name in the agent's directory.
    name: String,
    place: Place,
}

/// The state of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Nothing,
    /// A file of so many bytes, all of them valid and synced.
    Whole(u64),
    /// A file that cannot be appended to.
    Damaged,
    /// A file that cannot be read and must not be overwritten.
    Untouchable,
}

/// What was found in the file.
#[derive(Debug, Default)]
pub(crate) struct Found {
    file: Vec<u8>,
    frames: Vec<Range<usize>>,
    /// A problem to log.
    pub(crate) notice: Option<Notice>,
}

impl Found {
    /// The undamaged frames, in the order in which they were written.
    pub(crate) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.frames
            .iter()
            .filter_map(|frame| self.file.get(frame.clone()))
    }
}

/// A problem with the file.
#[derive(Debug)]
pub(crate) enum Notice {
    /// So many bytes in so many places are lost; the other frames were read.
    Damaged {
        path: PathBuf,
        bytes: usize,
        places: usize,
    },
    /// The file cannot be read by this program. It was renamed to `aside`, or renaming failed.
    Foreign {
        path: PathBuf,
        why: String,
        aside: Result<PathBuf, io::Error>,
    },
}

impl Journal {
    /// The journal in the file `name` below `root`, and what it holds. Only reads, unless the file
    /// cannot be read by this program. Such a file is set aside.
    pub(crate) fn open(mut disk: Box<dyn Disk>, root: &Path, name: &str) -> (Journal, Found) {
        let read = disk.read(name, LIMIT);
        let mut journal = Journal {
            disk,
            root: root.to_owned(),
            name: name.to_owned(),
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
            Err(Foreign::Version(version)) => {
                self.foreign(format!("its version {version} is not supported"))
            }
            Err(Foreign::Other) => self.foreign("nothing in it is whole".to_owned()),
        }
    }

    /// Renames a file that this program cannot read, so that it is not overwritten.
    fn foreign(&mut self, why: String) -> Found {
        Found {
            notice: Some(self.move_aside(why)),
            ..Found::default()
        }
    }

    fn move_aside(&mut self, why: String) -> Notice {
        let name = self.free_name();
        let aside = self.disk.rename(&self.name, &name);
        if aside.is_err() {
            self.place = Place::Untouchable;
        }
        Notice::Foreign {
            path: self.path(),
            why,
            aside: aside.map(|()| self.root.join(name)),
        }
    }

    /// Renames the file, whose content this agent cannot use. Returns a notice with its new path.
    pub(crate) fn disown(&mut self, why: &str) -> Notice {
        self.place = Place::Nothing;
        self.move_aside(why.to_owned())
    }

    /// The first name for a file set aside that is not in use; the last one if all are.
    fn free_name(&mut self) -> String {
        let mut name = String::new();
        for end in ASIDES {
            name = [&self.name, end].concat();
            let length = self.disk.length(&name);
            if length.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                break;
            }
        }
        name
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    /// The length of the file in bytes; 0 if nothing can be appended to it.
    pub(crate) fn length(&self) -> u64 {
        match self.place {
            Place::Whole(length) => length,
            Place::Nothing | Place::Damaged | Place::Untouchable => 0,
        }
    }

    /// Whether frames can be appended. If not, the whole file has to be replaced.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.place, Place::Whole(_))
    }

    /// Whether a file may exist.
    pub(crate) fn is_there(&self) -> bool {
        self.place != Place::Nothing
    }

    /// Appends frames. They are on the disk when this returns.
    ///
    /// If it fails, either the file is unchanged, or [`Journal::is_open`] is false and the file has
    /// to be replaced.
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
        let known = self.disk.length(&self.name);
        if !known.as_ref().is_ok_and(|known| *known == length) {
            // The file was removed, or changed by another process.
            self.place = Place::Damaged;
            let why = known
                .err()
                .unwrap_or_else(|| io::Error::other("another process has changed it"));
            return Err(self.error("append to", why));
        }
        if let Err(error) = self.disk.write(&self.name, length, &bytes) {
            if self.disk.cut(&self.name, length).is_err() {
                self.place = Place::Damaged;
            }
            return Err(self.error("append to", error));
        }
        if let Err(error) = self.disk.sync(&self.name) {
            // How much of it is on the disk is unknown. Another sync does not help.
            self.place = Place::Damaged;
            return Err(self.error("sync", error));
        }
        self.place = Place::Whole(end);
        Ok(())
    }

    /// Replaces the file by one with these frames. It is on the disk when this returns. If it
    /// fails, the file is unchanged.
    pub(crate) fn replace(&mut self, frames: &[Vec<u8>]) -> Result<(), FileError> {
        if self.place == Place::Untouchable {
            let why = "what is there can neither be read nor be given another name";
            return Err(self.error("write", io::Error::other(why)));
        }
        let name = self.name.clone();
        let length = self.put(&name, frames)?;
        self.place = Place::Whole(length);
        Ok(())
    }

    /// Writes frames that cannot be used now to a separate file. Returns its path.
    pub(crate) fn set_aside(&mut self, frames: &[Vec<u8>]) -> Result<PathBuf, FileError> {
        let name = self.free_name();
        self.put(&name, frames)?;
        Ok(self.root.join(name))
    }

    /// Writes a complete file. Returns its length.
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
        let next = [&self.name, NEXT].concat();
        let disk = &mut self.disk;
        let written = disk
            .create(&next)
            .and_then(|()| disk.write(&next, 0, &bytes))
            .and_then(|()| disk.sync(&next))
            .and_then(|()| disk.rename(&next, name));
        if let Err(error) = written {
            // The partial file is useless, and the error that matters is returned below.
            drop(disk.remove(&next));
            return Err(self.error("write", error));
        }
        // If the directory cannot be synced, the name becomes durable a little later.
        drop(disk.sync_names());
        Ok(length)
    }

    /// Removes the file, because its content is not needed any more.
    pub(crate) fn clear(&mut self) -> Result<(), FileError> {
        if matches!(self.place, Place::Nothing | Place::Untouchable) {
            return Ok(());
        }
        match self.disk.remove(&self.name) {
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
