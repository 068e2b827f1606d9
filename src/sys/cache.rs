//! A file that saves work as long as it is there, and that nobody but the agent is to read.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use super::file;
use super::root::{FileError, absent_is_none};

/// One such file.
#[derive(Debug)]
pub(crate) struct CacheFile(PathBuf);

impl CacheFile {
    /// The file at `path`, which need not exist, and neither need its directory.
    pub(crate) fn at(path: PathBuf) -> CacheFile {
        CacheFile(path)
    }

    /// What it holds; `None` if it is not there.
    pub(crate) fn load(&self) -> Result<Option<Vec<u8>>, FileError> {
        absent_is_none(file::read(&self.0))
    }

    /// Gives it another content, as a whole. Its directory is created if it is missing.
    pub(crate) fn save(&self, content: &[u8]) -> Result<(), FileError> {
        if let Some(directory) = self.0.parent() {
            let mut builder = DirBuilder::new();
            let created = builder.recursive(true).mode(0o755).create(directory);
            created.map_err(|error| FileError::new("create", directory, error))?;
        }
        file::supplant(&self.0, content, 0o600)
    }

    /// Removes it, if it is there.
    pub(crate) fn remove(&self) -> Result<(), FileError> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::new("remove", &self.0, error))
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
    fn it_holds_what_was_saved_until_it_is_removed() {
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
    fn a_place_that_cannot_be_used_is_named() {
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
