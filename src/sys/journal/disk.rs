//! The file operations that the journal consists of, and the directory that performs them. Tests
//! use a scripted disk, which fails on demand.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use crate::sys::nofollow;

/// Readable by the agent's user only: messages of checks may be confidential.
const MODE: u32 = 0o600;

/// Files of one directory, by name.
pub(crate) trait Disk: Send {
    /// Returns the whole file. Fails if it has more than `limit` bytes.
    fn read(&mut self, name: &str, limit: u64) -> io::Result<Vec<u8>>;

    /// The length of a file in bytes.
    fn length(&mut self, name: &str) -> io::Result<u64>;

    /// Creates an empty file. Replaces an existing one.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Writes `bytes` at the offset `at`. After an error, some of them may have been written.
    fn write(&mut self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Truncates a file to `length` bytes.
    fn cut(&mut self, name: &str, length: u64) -> io::Result<()>;

    /// Makes the content of a file durable: it survives a loss of power once this has returned.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Renames a file. Replaces an existing one of that name.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Makes the directory's entries durable: they survive a loss of power once this has returned.
    fn sync_names(&mut self) -> io::Result<()>;
}

/// A directory of the host. No file is kept open between two operations.
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
            // An existing file, link or FIFO is removed, never written to.
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
