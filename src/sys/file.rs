//! Files of the agent's own surroundings, as opposed to those of the host that it watches: its
//! configuration lies where this process sees it, wherever `HOST_ETC` points.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process;

use super::nofollow;
use super::root::{FileError, fill};

/// The bits of a file's mode that are permissions.
const PERMISSIONS: u32 = 0o7777;
/// The bit that lets everybody read a file.
const READ_BY_ALL: u32 = 0o004;

/// Reads a whole file that somebody has written for the agent, who may have put a link there.
///
/// Fails if it cannot be read, is larger than any file of the host may be, or could block.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let length = nofollow::open_given(path).and_then(|file| fill(file, &mut bytes));
    bytes.truncate(length.map_err(|source| FileError::new("read", path, source))?);
    Ok(bytes)
}

/// Reads a whole file that the agent has written for itself ([`nofollow::open`]).
pub(super) fn read_own(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let file = nofollow::open(path, OpenOptions::new().read(true));
    let length = file.and_then(|file| fill(file, &mut bytes));
    bytes.truncate(length.map_err(|source| FileError::new("read", path, source))?);
    Ok(bytes)
}

/// Whether every user of the host may read the file; `false` if there is none.
pub(crate) fn is_open_to_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.mode() & READ_BY_ALL != 0)
}

/// Creates the directory in which `path` is to be, and those above it, where they are missing.
pub(crate) fn create_directory_of(path: &Path) -> Result<(), FileError> {
    let Some(directory) = path.parent().filter(|above| !above.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = DirBuilder::new();
    let created = builder.recursive(true).mode(0o755).create(directory);
    created.map_err(|error| FileError::new("create", directory, error))
}

/// Puts `content` in the place of the file at `path`, so that a reader finds either the old or the
/// new content as a whole, even after the power has failed; it is on the disk when this returns.
///
/// A new file gets `mode`, whatever the process's mask is. One that is there keeps its mode and,
/// where this process may give files away, its owner; one that cannot be replaced, because it is
/// mounted by itself or because nothing may be added to its directory, is written in place.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    // What a link leads to is the file, and the link stays.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    replace_own(path, content, mode)
}

/// The same for a file of the agent's own: a link in its place is replaced, and not followed.
pub(super) fn replace_own(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let old = fs::symlink_metadata(path).ok().filter(Metadata::is_file);
    let access = old.as_ref().map(Access::of);
    match exchange(path, &mut &*content, mode, access) {
        Err((_, error)) if old.is_some() && is_immovable(&error) => overwrite(path, content),
        Err((verb, error)) => Err((verb, error)),
        Ok(()) => Ok(()),
    }
    .map_err(|(verb, error)| FileError::new(verb, path, error))
}

/// Puts a new file with `content` and `mode` at `path`, on the disk when this returns. Whatever had
/// that name is gone then, and if it was a link, what it led to is as it was: for places where
/// others may write too.
pub(crate) fn supplant(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    exchange(path, &mut &*content, mode, None)
        .map_err(|(verb, error)| FileError::new(verb, path, error))
}

/// Whom a file belongs to, and who may do what with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Access {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Access {
    /// That of a file that is there.
    pub(super) fn of(file: &Metadata) -> Access {
        Access {
            mode: file.mode() & PERMISSIONS,
            uid: file.uid(),
            gid: file.gid(),
        }
    }
}

/// A step that failed, and why.
type Failed = (&'static str, io::Error);

fn exchange(
    path: &Path,
    content: &mut dyn Read,
    mode: u32,
    to: Option<Access>,
) -> Result<(), Failed> {
    let new = beside(path);
    let written = write_new(&new, content, mode, to)
        .map_err(|error| ("write the successor of", error))
        .and_then(|()| fs::rename(&new, path).map_err(|error| ("replace", error)));
    if written.is_err() {
        // It is of no use, and whatever kept it from being used has been noted.
        drop(fs::remove_file(&new));
        return written;
    }
    // The rename is kept by the directory; one that cannot be synced keeps it a little later.
    let directory = path.parent().filter(|above| !above.as_os_str().is_empty());
    if let Ok(directory) = File::open(directory.unwrap_or(Path::new("."))) {
        drop(directory.sync_all());
    }
    Ok(())
}

/// A name beside `path` that no other process uses.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{}.new", process::id()));
    PathBuf::from(name)
}

fn write_new(path: &Path, content: &mut dyn Read, mode: u32, to: Option<Access>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(match to {
        // Not for others to see before it has the owner that it is to have.
        Some(_) => 0o600,
        None => mode,
    });
    let mut file = options.open(path)?;
    if let Some(access) = to {
        // Only root may give files away, and a new owner takes away some bits of the mode.
        drop(fchown(&file, Some(access.uid), Some(access.gid)));
    }
    // The mask of the process, which is also that of plugins, takes nothing away.
    let mode = to.map_or(mode, |access| access.mode);
    file.set_permissions(Permissions::from_mode(mode))?;
    io::copy(content, &mut file)?;
    file.sync_all()
}

/// Whether it is the place that keeps a file from being replaced, and not the disk.
fn is_immovable(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(
        error.kind(),
        PermissionDenied | ReadOnlyFilesystem | ResourceBusy
    )
}

fn overwrite(path: &Path, content: &[u8]) -> Result<(), Failed> {
    let file = nofollow::open(path, OpenOptions::new().write(true));
    let written = file.and_then(|mut file| {
        file.write_all(content)?;
        file.set_len(u64::try_from(content.len()).unwrap_or(u64::MAX))?;
        file.sync_all()
    });
    written.map_err(|error| ("write", error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::base;

    #[test]
    fn reads_all_of_a_file_and_nothing_without_end() {
        let text = read(Path::new("tests/fixtures/config/unknown-keys.conf")).unwrap();
        assert!(text.starts_with(b"apikey") && text.ends_with(b"\n"));
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert!(base::report(&error).starts_with("read /dev/zero: file too large"));
        let error = read(Path::new("/nowhere")).unwrap_err();
        assert!(base::report(&error).starts_with("read /nowhere: No such file"));
    }

    #[test]
    fn a_link_laid_as_a_trap_is_supplanted_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        fs::write(&other, "precious").unwrap();
        symlink(&other, &path).unwrap();
        for content in [&b"first"[..], b""] {
            supplant(&path, content, 0o600).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
            assert_eq!(mode(&path), 0o600);
        }
        assert_eq!(fs::read(&other).unwrap(), b"precious");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & PERMISSIONS
    }

    #[test]
    fn a_file_is_replaced_and_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        replace(&path, b"one", 0o600).unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), mode(&path)),
            (b"one".into(), 0o600)
        );
        for wanted in [0o640, 0o604, 0o400] {
            fs::set_permissions(&path, Permissions::from_mode(wanted)).unwrap();
            let before = fs::metadata(&path).unwrap().ino();
            replace(&path, b"two", 0o600).unwrap();
            assert_eq!(
                (fs::read(&path).unwrap(), mode(&path)),
                (b"two".into(), wanted)
            );
            assert_ne!(fs::metadata(&path).unwrap().ino(), before);
            assert_eq!(is_open_to_all(&path), wanted == 0o604);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(!is_open_to_all(&directory.path().join("absent")));
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (link, file) = (directory.path().join("link"), directory.path().join("file"));
        fs::write(&file, "old").unwrap();
        symlink("file", &link).unwrap();
        replace(&link, b"new", 0o600).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }

    #[test]
    fn what_is_overwritten_leaves_no_rest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "a long content").unwrap();
        overwrite(&path, b"short").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }

    #[test]
    fn a_directory_that_cannot_be_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/file");
        create_directory_of(&path).unwrap();
        create_directory_of(Path::new("file")).unwrap();
        let error = replace(Path::new("/nowhere/file"), b"", 0o600).unwrap_err();
        let text = base::report(&error);
        assert!(
            text.starts_with("write the successor of /nowhere/file: No such"),
            "{text}"
        );
        fs::write(&path, "").unwrap();
        let error = create_directory_of(&path.join("c/file")).unwrap_err();
        let expected = format!("create {}", path.join("c").display());
        assert!(base::report(&error).starts_with(&expected));
    }
}
