//! A cache file that only the agent's user can read. Without it, work has to be repeated.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::file;
use super::nofollow;
use super::root::{FileError, absent_is_none};

/// A cache file, or none.
#[derive(Debug)]
pub(crate) struct CacheFile(Option<PathBuf>);

impl CacheFile {
    /// The file at `path`. Neither the file nor its directory needs to exist.
    pub(crate) fn at(path: PathBuf) -> CacheFile {
        CacheFile(Some(path))
    }

    /// No file: nothing is stored.
    pub(crate) fn none() -> CacheFile {
        CacheFile(None)
    }

    /// The content; `None` if the file does not exist.
    pub(crate) fn load(&self) -> Result<Option<Vec<u8>>, FileError> {
        let Some(path) = &self.0 else {
            return Ok(None);
        };
        absent_is_none(file::read_own(path))
    }

    /// Replaces the file by one with this content. Its directory is created if missing
    /// ([`nofollow::create_directory`]).
    pub(crate) fn save(&self, content: &[u8]) -> Result<(), FileError> {
        self.store(content, true)
    }

    /// The same for a file that may be empty after a loss of power. Nothing waits for the disk: a
    /// file that is written every minute would wear out a memory card.
    pub(crate) fn save_unsynced(&self, content: &[u8]) -> Result<(), FileError> {
        self.store(content, false)
    }

    fn store(&self, content: &[u8], is_synced: bool) -> Result<(), FileError> {
        let Some(path) = &self.0 else {
            return Ok(());
        };
        if let Some(directory) = path.parent() {
            let created = nofollow::create_directory(directory);
            created.map_err(|error| FileError::new("create", directory, error))?;
        }
        file::supplant(path, content, 0o600, is_synced)
    }

    /// Removes the file if it exists.
    pub(crate) fn remove(&self) -> Result<(), FileError> {
        let Some(path) = &self.0 else {
            return Ok(());
        };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::new("remove", path, error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;

    #[test]
    fn cache_file_holds_what_was_saved_until_removed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheFile::at(dir.path().join("new/directory/file"));
        assert_eq!(cache.load().unwrap(), None);
        cache.remove().unwrap();
        for content in [&b"1"[..], b"22", b""] {
            cache.save(content).unwrap();
            assert_eq!(cache.load().unwrap().as_deref(), Some(content));
        }
        cache.remove().unwrap();
        assert_eq!(cache.load().unwrap(), None);
    }

    #[test]
    fn cache_file_replaces_links_and_fifos_without_following_them() {
        use rustix::fs::{CWD, Mode, mkfifoat};
        use std::os::unix::fs::symlink;

        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        type Lay<'a> = Box<dyn Fn() + 'a>;
        // (why it cannot be loaded, how it is created)
        let table: [(&str, Lay<'_>); 3] = [
            (
                "a FIFO",
                Box::new(|| mkfifoat(CWD, &path, Mode::RUSR).unwrap()),
            ),
            (
                "a symbolic link",
                Box::new(|| symlink(&other, &path).unwrap()),
            ),
            (
                "a file with 2 names",
                Box::new(|| fs::hard_link(&other, &path).unwrap()),
            ),
        ];
        for (why, lay) in table {
            fs::write(&other, "precious").unwrap();
            lay();
            let cache = CacheFile::at(path.clone());
            let line = base::report(&cache.load().unwrap_err());
            assert!(line.contains(why), "{line}");
            cache.save(b"new").unwrap();
            assert_eq!(cache.load().unwrap().as_deref(), Some(&b"new"[..]));
            assert_eq!(fs::read(&other).unwrap(), b"precious");
            cache.remove().unwrap();
            assert!(other.exists());
        }
        let none = CacheFile::none();
        none.save(b"new").unwrap();
        assert_eq!(none.load().unwrap(), None);
    }

    #[test]
    fn cache_file_error_names_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let cache = CacheFile::at(file.join("below"));
        let (file, below) = (file.display(), format!("{}/below", file.display()));
        let table = [
            (cache.save(b""), format!("create {file}: File exists")),
            (
                cache.load().map(drop),
                format!("read {below}: Not a directory"),
            ),
            (cache.remove(), format!("remove {below}: Not a directory")),
        ];
        for (result, expected) in table {
            let line = base::report(&result.unwrap_err());
            assert!(line.starts_with(&expected), "{line}");
        }
    }
}
