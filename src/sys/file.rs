//! Files of the agent itself, such as its configuration, as opposed to those of the monitored host.
//! Their paths do not depend on `HOST_ETC` and the like.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process;

use super::nofollow;
use super::root::{FileError, fill};

/// The permission bits of a file's mode.
const PERMISSIONS: u32 = 0o7777;
/// The mode bit that lets all users read a file.
const READ_BY_ALL: u32 = 0o004;

/// Reads a whole file that a user has written for the agent. Symbolic links are followed.
///
/// Fails if it cannot be read, is larger than any host file may be, or could block.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let length = nofollow::open_given(path).and_then(|file| fill(file, &mut bytes));
    bytes.truncate(length.map_err(|source| FileError::new("read", path, source))?);
    Ok(bytes)
}

/// The same for a file of up to `most` bytes.
pub(crate) fn read_up_to(path: &Path, most: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let read = nofollow::open_given(path).and_then(|file| {
        let length = file.take(most + 1).read_to_end(&mut bytes)?;
        match length as u64 > most {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(()),
        }
    });
    read.map_err(|source| FileError::new("read", path, source))?;
    Ok(bytes)
}

/// Reads a whole file written by the agent ([`nofollow::open`]).
pub(crate) fn read_own(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let file = nofollow::open(path, OpenOptions::new().read(true));
    let length = file.and_then(|file| fill(file, &mut bytes));
    bytes.truncate(length.map_err(|source| FileError::new("read", path, source))?);
    Ok(bytes)
}

/// Whether every user of the host may read the file; `false` if it does not exist.
pub(crate) fn is_open_to_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.mode() & READ_BY_ALL != 0)
}

/// Creates the missing directories above `path`. Links are followed.
pub(crate) fn create_directory_of(path: &Path) -> Result<(), FileError> {
    let Some(directory) = path.parent().filter(|above| !above.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = DirBuilder::new();
    let created = builder.recursive(true).mode(0o755).create(directory);
    created.map_err(|error| FileError::new("create", directory, error))
}

/// Replaces the content of the file at `path` atomically. A reader finds either the old or the new
/// content, even after a loss of power. The content is on the disk when this returns.
///
/// A new file gets `mode`, regardless of the umask. An existing file keeps its mode. It keeps its
/// owner too, if this process may change owners. A file that cannot be replaced is written in
/// place: it may be a mount point, or its directory may be read-only.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    // The target of a link is replaced, and the link stays.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    replace_own(path, content, mode)
}

/// The same for a file written by the agent: a link at `path` is replaced, not followed.
pub(super) fn replace_own(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let old = fs::symlink_metadata(path).ok().filter(Metadata::is_file);
    let access = old.as_ref().map(Access::of);
    match exchange(path, &mut &*content, mode, access, true) {
        Err((_, error)) if old.is_some() && is_immovable(&error) => overwrite(path, content),
        Err((verb, error)) => Err((verb, error)),
        Ok(()) => Ok(()),
    }
    .map_err(|(verb, error)| FileError::new(verb, path, error))
}

/// Creates a new file with `content` and `mode` at `path`. It is on the disk when this returns, if
/// `is_synced`. Replaces whatever was at `path`. The target of a link is not changed. Meant for
/// directories in which other users may write.
pub(crate) fn supplant(
    path: &Path,
    content: &[u8],
    mode: u32,
    is_synced: bool,
) -> Result<(), FileError> {
    exchange(path, &mut &*content, mode, None, is_synced)
        .map_err(|(verb, error)| FileError::new(verb, path, error))
}

/// New content of a file, written beside it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Successor {
    path: PathBuf,
    new: PathBuf,
}

impl Successor {
    /// Writes `content` beside `path`, which is not changed yet, and creates the missing directories
    /// above it. There is one successor of a file: an older one is removed. Fails also if another
    /// user could choose where it is ([`nofollow::create_directory`]).
    ///
    /// This does not wait for the disk: a memory card would wear out by a write each minute. After
    /// a loss of power, the file has the old or the new content, or is empty on some file systems.
    pub(crate) fn write(path: PathBuf, content: &[u8]) -> Result<Successor, FileError> {
        let mut new = OsString::from(&path);
        new.push(".new");
        let new = PathBuf::from(new);
        if let Some(directory) = path.parent() {
            let created = nofollow::create_directory(directory);
            created.map_err(|error| FileError::new("create", directory, error))?;
        }
        // What cannot be removed is in the way of the new one.
        drop(fs::remove_file(&new));
        let mut file = NewFile::create(&new, 0o644)?;
        match file.write_all(content) {
            Ok(()) => Ok(Successor { path, new }),
            Err(error) => Err(FileError::new("write", &new, error)),
        }
    }

    /// Replaces the file by its successor: a reader finds either the old or the new content.
    pub(crate) fn replace(&self) -> Result<(), FileError> {
        fs::rename(&self.new, &self.path)
            .map_err(|error| FileError::new("replace", &self.path, error))
    }
}

/// A file that this process has created.
pub(crate) struct NewFile(File);

impl NewFile {
    /// Creates a file with `mode`. Fails if something exists at `path`, even a link.
    pub(crate) fn create(path: &Path, mode: u32) -> Result<NewFile, FileError> {
        let mut options = OpenOptions::new();
        let created = options.write(true).create_new(true).mode(mode).open(path);
        created
            .map(NewFile)
            .map_err(|error| FileError::new("create", path, error))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The permissions and owner of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Access {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Access {
    /// Those of an existing file.
    pub(super) fn of(file: &Metadata) -> Access {
        Access {
            mode: file.mode() & PERMISSIONS,
            uid: file.uid(),
            gid: file.gid(),
        }
    }
}

/// The verb of the step that failed, and the error.
type Failed = (&'static str, io::Error);

fn exchange(
    path: &Path,
    content: &mut dyn Read,
    mode: u32,
    to: Option<Access>,
    is_synced: bool,
) -> Result<(), Failed> {
    let new = beside(path);
    let written = write_new(&new, content, mode, to, is_synced)
        .map_err(|error| ("write the successor of", error))
        .and_then(|()| fs::rename(&new, path).map_err(|error| ("replace", error)));
    if written.is_err() {
        // The partial file is useless, and the error that matters is returned below.
        drop(fs::remove_file(&new));
        return written;
    }
    if !is_synced {
        return Ok(());
    }
    // The rename is stored in the directory. If the directory cannot be synced, it becomes durable
    // a little later.
    let directory = path.parent().filter(|above| !above.as_os_str().is_empty());
    if let Ok(directory) = File::open(directory.unwrap_or(Path::new("."))) {
        drop(directory.sync_all());
    }
    Ok(())
}

/// A name in the same directory that no other process uses.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{}.new", process::id()));
    PathBuf::from(name)
}

fn write_new(
    path: &Path,
    content: &mut dyn Read,
    mode: u32,
    to: Option<Access>,
    is_synced: bool,
) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(match to {
        // Other users cannot open it before it has its final owner.
        Some(_) => 0o600,
        None => mode,
    });
    let mut file = options.open(path)?;
    if let Some(access) = to {
        // Only root may change owners. A change of owner clears some mode bits, so the mode is set
        // after it.
        drop(fchown(&file, Some(access.uid), Some(access.gid)));
    }
    // Set explicitly, because the process's umask also applies to plugins and must not matter here.
    let mode = to.map_or(mode, |access| access.mode);
    file.set_permissions(Permissions::from_mode(mode))?;
    io::copy(content, &mut file)?;
    if is_synced { file.sync_all() } else { Ok(()) }
}

/// Whether the error comes from the file's location, and not from the disk.
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
    fn file_is_read_whole_up_to_a_limit() {
        let text = read(Path::new("tests/fixtures/config/unknown-keys.conf")).unwrap();
        assert!(text.starts_with(b"apikey") && text.ends_with(b"\n"));
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert!(base::report(&error).starts_with("read /dev/zero: file too large"));
        let error = read(Path::new("/nowhere")).unwrap_err();
        assert!(base::report(&error).starts_with("read /nowhere: No such file"));
    }

    #[test]
    fn file_successor_replaces_the_file_when_told_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/file");
        // A process that was killed leaves the first one.
        let first = Successor::write(path.clone(), b"first").unwrap();
        let second = Successor::write(path.clone(), b"second").unwrap();
        assert!(first == second && !path.exists());
        second.replace().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        Successor::write(path.clone(), b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
        fs::remove_file(&path).unwrap();
        // Others may put a link where the successor is written.
        let new = dir.path().join("a/b/file.new");
        fs::remove_file(&new).unwrap();
        symlink(dir.path().join("other"), &new).unwrap();
        Successor::write(path.clone(), b"fourth").unwrap();
        assert!(!dir.path().join("other").exists());
        let below = path.join("none/file");
        fs::write(&path, "").unwrap();
        assert!(Successor::write(below, b"").is_err());
    }

    #[test]
    fn file_supplant_replaces_a_link_without_following_it() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        fs::write(&other, "precious").unwrap();
        symlink(&other, &path).unwrap();
        for content in [&b"first"[..], b""] {
            supplant(&path, content, 0o600, true).unwrap();
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
    fn file_replaced_keeps_its_mode() {
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
    fn file_replace_keeps_a_link_and_replaces_its_target() {
        let directory = tempfile::tempdir().unwrap();
        let (link, file) = (directory.path().join("link"), directory.path().join("file"));
        fs::write(&file, "old").unwrap();
        symlink("file", &link).unwrap();
        replace(&link, b"new", 0o600).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }

    #[test]
    fn file_overwritten_is_truncated() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "a long content").unwrap();
        overwrite(&path, b"short").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }

    #[test]
    fn file_error_names_the_directory() {
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
