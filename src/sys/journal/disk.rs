//! The operations on files that the journal is made of, and the directory that does them. A test has
//! a disk of its own, which fails as it is told to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use crate::sys::nofollow;

/// For the agent's user alone: messages of checks may say what is not for everybody.
const MODE: u32 = 0o600;

/// Files of one directory, by name.
pub(crate) trait Disk: Send {
    /// All of a file. Fails if it has more than `limit` bytes.
    fn read(&mut self, name: &str, limit: u64) -> io::Result<Vec<u8>>;

    /// Bytes of a file.
    fn length(&mut self, name: &str) -> io::Result<u64>;

    /// Makes an empty file, in the place of one that is there.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Puts `bytes` at this distance from a file's beginning. It may fail with some of them there.
    fn write(&mut self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Takes everything from a file beyond so many bytes.
    fn cut(&mut self, name: &str, length: u64) -> io::Result<()>;

    /// What a file holds outlasts a loss of power once this has returned.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file another name, and takes the place of one that has it.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Which files there are outlasts a loss of power once this has returned.
    fn sync_names(&mut self) -> io::Result<()>;
}

/// A directory of the host. Nothing is kept open between two operations.
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// The directory at `path`, which need not exist.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Directory {
        Directory(path.into())
    }

    fn open(&self, name: &str) -> io::Result<File> {
        nofollow::open(&self.0.join(name), OpenOptions::new().write(true))
    }
}

impl Disk for Directory {
    fn read(&mut self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let file = nofollow::open(&self.0.join(name), OpenOptions::new().read(true))?;
        if file.metadata()?.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn length(&mut self, name: &str) -> io::Result<u64> {
        Ok(fs::symlink_metadata(self.0.join(name))?.len())
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let path = self.0.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(MODE);
        match options.open(&path) {
            // Whatever it is, and wherever it leads: it is not written to.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&path)?;
                options.open(&path).map(drop)
            }
            opened => opened.map(drop),
        }
    }

    fn write(&mut self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.open(name)?.write_all_at(bytes, at)
    }

    fn cut(&mut self, name: &str, length: u64) -> io::Result<()> {
        self.open(name)?.set_len(length)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.open(name)?.sync_data()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn sync_names(&mut self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}
