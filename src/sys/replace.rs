//! Files that are replaced as a whole, so that a reader finds either the old or the new content,
//! even after the power has failed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::root::FileError;

/// Puts `content` in the place of the file at `path`. It is on the disk when this returns. `mode`
/// is what the umask leaves of it.
///
/// In between there is a file of that name with `.new` after it; whatever has that name is removed,
/// and no link of it followed.
pub(super) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let written = create(&new, mode).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(|error| FileError::new("write", &new, error))?;
    fs::rename(&new, path).map_err(|error| FileError::new("replace", path, error))?;
    // The rename is kept by the directory; one that cannot be synced keeps it a little later.
    if let Some(Ok(directory)) = path.parent().map(File::open) {
        drop(directory.sync_all());
    }
    Ok(())
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::base;

    #[test]
    fn the_content_is_replaced_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.b");
        for content in ["first", "", "third"] {
            replace(&path, content.as_bytes(), 0o600).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content.as_bytes());
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        }
    }

    #[test]
    fn what_is_left_over_from_a_crash_or_laid_as_a_trap_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let other = dir.path().join("other");
        fs::write(&other, "precious").unwrap();
        symlink(&other, dir.path().join("file.new")).unwrap();
        replace(&path, b"content", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"content");
        assert_eq!(fs::read(&other).unwrap(), b"precious");
    }

    #[test]
    fn a_place_that_is_not_there_is_named() {
        let error = replace(Path::new("/nowhere/file"), b"", 0o600).unwrap_err();
        let expected = "write /nowhere/file.new: No such file or directory (os error 2)";
        assert_eq!(base::report(&error), expected);
    }
}
