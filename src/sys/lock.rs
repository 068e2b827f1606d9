//! The lock on the agent's directory: two agents in one would write to one file.

use std::error::Error;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Locked until it is dropped, or its process ends in whatever way.
pub(crate) struct RootLock {
    /// `None` where directories cannot be locked.
    _directory: Option<File>,
}

/// Another agent has the directory.
#[derive(Debug)]
pub(crate) struct Taken(PathBuf);

impl RootLock {
    /// Locks the directory itself, which needs no file and leaves none. A directory that is not
    /// there, or that cannot be locked, is as good as one that nobody has locked.
    pub(crate) fn claim(root: &Path) -> Result<RootLock, Taken> {
        // Whatever else is there does not block.
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
    fn one_at_a_time() {
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
    fn where_there_is_nothing_to_lock_nobody_is_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        let _first = RootLock::claim(&gone).unwrap();
        RootLock::claim(&gone).unwrap();
    }
}
