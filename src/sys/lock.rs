//! The lock on the agent's directory. Two agents with one directory would write to the same files.

use std::error::Error;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

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
