//! The lock on the agent's directory. Two agents with one directory would write to the same files.

use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::parse::locks::holders;

/// Bytes that are read of a file of the kernel.
const MOST: u64 = 1 << 20;

/// A lock held until it is dropped or the process ends.
pub(crate) struct RootLock {
    /// `None` if the directory cannot be locked.
    _directory: Option<File>,
}

/// Another agent holds the lock on the directory.
#[derive(Debug)]
pub(crate) struct Taken(PathBuf);

impl RootLock {
    /// Locks the directory itself, so that no lock file is created. A directory that does not exist
    /// or cannot be locked counts as free.
    pub(crate) fn claim(root: &Path) -> Result<RootLock, Taken> {
        // With O_DIRECTORY, opening a FIFO fails instead of blocking.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_DIRECTORY);
        let Ok(directory) = options.open(root) else {
            return Ok(RootLock { _directory: None });
        };
        match directory.try_lock() {
            Err(TryLockError::WouldBlock) => Err(Taken(root.to_owned())),
            Err(TryLockError::Error(_)) | Ok(()) => Ok(RootLock {
                _directory: Some(directory),
            }),
        }
    }
}

/// The process with this program's name that holds the lock on the directory; `None` if there is
/// none. Takes no lock itself. Sees the processes of its own PID namespace.
pub(crate) fn holder(root: &Path) -> Option<u32> {
    let inode = fs::metadata(root).ok()?.ino();
    let text = |path: &str| {
        let mut text = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut text));
        read.ok()
            .map(|_| String::from_utf8_lossy(&text).into_owned())
    };
    let is_agent = |pid: &u32| {
        let name = text(&format!("/proc/{pid}/comm"));
        name.is_some_and(|name| name.starts_with("mackerel-agent"))
    };
    holders(&text("/proc/locks")?, inode)
        .into_iter()
        .find(is_agent)
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "another mackerel-agent uses {}; stop it first, or name another directory with root",
            self.0.display()
        )
    }
}

impl Error for Taken {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_is_held_by_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = RootLock::claim(dir.path()).unwrap();
        let error = RootLock::claim(dir.path()).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!(
                "another mackerel-agent uses {}; stop it first, or name another directory with root",
                dir.path().display()
            )
        );
        drop(first);
        RootLock::claim(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    }

    #[test]
    fn lock_of_a_missing_directory_always_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        let _first = RootLock::claim(&gone).unwrap();
        RootLock::claim(&gone).unwrap();
    }
}
