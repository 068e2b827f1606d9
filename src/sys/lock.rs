//! The lock of an agent on its state directory. Two agents with one directory would write to the same
//! files.

use std::error::Error;
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::nofollow;
use crate::parse::locks::holders;

/// The file that is locked. A process that can open a file can lock it. So only the owner of this
/// one may open it.
const NAME: &str = "lock";
const MODE: u32 = 0o600;
/// Bytes that are read of a file of the kernel.
const MOST: u64 = 1 << 20;

/// Attempts to lock a file that another agent removes at the same time.
pub(super) const ATTEMPTS: usize = 3;

/// A lock held until it is dropped or the process ends.
#[derive(Default)]
pub(crate) struct RootLock {
    /// `None` if nothing can be locked.
    _locked: Option<File>,
    /// The file that is removed in the end.
    path: Option<PathBuf>,
}

/// Another agent holds the lock on the directory.
#[derive(Debug)]
pub(crate) struct Taken(PathBuf);

impl RootLock {
    /// Locks the file `lock` in the directory, which exists as long as the agent runs. The directory
    /// itself is locked if that is not possible, as on a file system that is read-only. One that
    /// does not exist or cannot be locked counts as free. A file that an agent of another user has
    /// left, as after a loss of power, is replaced.
    pub(crate) fn claim(root: &Path) -> Result<RootLock, Taken> {
        let path = root.join(NAME);
        for _ in 0..ATTEMPTS {
            let (found, path) = match file(&path) {
                Ok(file) => (Ok(file), Some(&path)),
                Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
                    if locker(fs::symlink_metadata(&path)).is_some() {
                        break;
                    }
                    match fs::remove_file(&path) {
                        Ok(()) => continue,
                        Err(_) => (directory(root), None),
                    }
                }
                Err(_) => (directory(root), None),
            };
            let Ok(file) = found else {
                return Ok(RootLock::default());
            };
            if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
                break;
            }
            if path.is_none_or(|path| is_at(&file, path)) {
                return Ok(RootLock {
                    _locked: Some(file),
                    path: path.cloned(),
                });
            }
        }
        Err(Taken(root.to_owned()))
    }
}

impl Drop for RootLock {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // If that fails, the next agent locks the same file.
            drop(fs::remove_file(path));
        }
    }
}

/// Whether the file is the one at this path: an agent that ended meanwhile may have removed it.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let found = (file.metadata(), fs::symlink_metadata(path));
    matches!(found, (Ok(file), Ok(there)) if file.ino() == there.ino())
}

fn file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(MODE);
    let file = nofollow::open(path, &mut options)?;
    if file.metadata()?.mode() & 0o777 != MODE {
        file.set_permissions(Permissions::from_mode(MODE))?;
    }
    Ok(file)
}

fn directory(root: &Path) -> io::Result<File> {
    // With O_DIRECTORY, opening a FIFO fails instead of blocking.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_DIRECTORY);
    options.open(root)
}

/// The process with this program's name that holds the lock on the file or the directory; `None` if
/// there is none. Takes no lock itself. Sees the processes of its own PID namespace.
pub(crate) fn holder(root: &Path) -> Option<u32> {
    locker(fs::symlink_metadata(root.join(NAME))).or_else(|| locker(fs::metadata(root)))
}

/// The process with this program's name that holds a lock on this file.
fn locker(file: io::Result<Metadata>) -> Option<u32> {
    let inode = file.ok()?.ino();
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
    use std::os::unix::fs::chown;
    use std::thread;

    use super::*;
    use crate::sys::user;

    /// A user that is not root.
    const OTHER: u32 = 4242;

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
        drop(RootLock::claim(dir.path()).unwrap());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }

    #[test]
    fn lock_that_an_agent_of_another_user_has_left_is_replaced() {
        fake_server::require!(user::is_root(), "only root can become another user");
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        let root = dir.path().join("state");
        fs::create_dir(&root).unwrap();
        chown(&root, Some(OTHER), Some(OTHER)).unwrap();
        let lock = root.join(NAME);
        // As another user, in this thread alone.
        let claim = || {
            // SAFETY: the call takes plain integers, and changes the user of this thread only.
            let changed = unsafe { libc::syscall(libc::SYS_setresuid, OTHER, OTHER, OTHER) };
            assert_eq!(changed, 0);
            RootLock::claim(&root)
        };
        let mut of_root = RootLock::claim(&root).unwrap();
        // As after a loss of power: the file stays.
        of_root.path = None;
        drop(of_root);
        assert_eq!(fs::metadata(&lock).unwrap().uid(), 0);
        let own = thread::scope(|scope| scope.spawn(claim).join().unwrap().unwrap());
        assert_eq!(fs::metadata(&lock).unwrap().uid(), OTHER);
        assert!(RootLock::claim(&root).is_err());
        drop(own);
    }

    /// Other users of the host can open the directory, and so lock it.
    #[test]
    fn lock_on_the_directory_keeps_no_agent_away() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join(NAME);
        fs::write(&lock, "").unwrap();
        let of_another = directory(dir.path()).unwrap();
        of_another.lock_shared().unwrap();
        let _own = RootLock::claim(dir.path()).unwrap();
        assert!(RootLock::claim(dir.path()).is_err());
        let mode = fs::metadata(lock).unwrap().mode();
        assert_eq!(mode & 0o777, MODE);
    }

    #[test]
    fn lock_is_on_the_directory_where_no_file_can_be_locked() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(NAME)).unwrap();
        let _first = RootLock::claim(dir.path()).unwrap();
        assert!(RootLock::claim(dir.path()).is_err());
    }

    #[test]
    fn lock_of_a_missing_directory_always_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        let _first = RootLock::claim(&gone).unwrap();
        RootLock::claim(&gone).unwrap();
    }
}
