//! New files in a directory that no other user may write to: written under a temporary name, and
//! renamed once all of them are complete.

use std::ffi::CString;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::root::FileError;
use super::trusted::{self, Way, done, look, open, some_names, unlink};
use crate::base::fault::Fault;

/// Ending of temporary names, which begin with a dot.
const NEW: &str = ".new";
/// Mode bits that directories which are created do not get.
const UMASK: libc::mode_t = 0o022;
/// Error of a directory that is not safe.
const OPEN: &str = "other users may write to it or above it; take that right from them, or use \
                    another directory";

/// A directory in which only root and this process's user can write.
pub(crate) struct Directory {
    path: PathBuf,
    file: File,
    _created: Created,
}

/// Directories that were created, the deepest one first. Those that are empty in the end are
/// removed.
struct Created(Vec<PathBuf>);

impl Drop for Created {
    fn drop(&mut self) {
        // Fails for those that have content, which is what is wanted.
        for path in &self.0 {
            drop(fs::remove_dir(path));
        }
    }
}

impl Directory {
    /// Opens a directory and locks it against other processes that do so; `None` if it does not
    /// exist. Removes what a process that was killed has left.
    ///
    /// Fails if other users may write to it or to one above it, and if it is locked.
    pub(crate) fn open(path: &Path) -> Result<Option<Box<Directory>>, Fault> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => Directory::at(path, false).map(Some),
        }
    }

    /// The same for a directory that is created, with those above it, if it is missing. Those that
    /// are empty in the end are removed again.
    pub(crate) fn create(path: &Path) -> Result<Box<Directory>, Fault> {
        Directory::at(path, true)
    }

    fn at(path: &Path, make: bool) -> Result<Box<Directory>, Fault> {
        let opened = || {
            let path = std::path::absolute(path)?;
            let text = path.to_str();
            // A name in it, so that it is a directory on the way.
            let inside = format!("{}/x", text.ok_or(io::ErrorKind::InvalidFilename)?);
            let mut created = Created(Vec::new());
            if make {
                // SAFETY: the call takes a number and cannot fail.
                unsafe { libc::umask(UMASK) };
                for above in path.ancestors() {
                    if fs::symlink_metadata(above).is_err() {
                        created.0.push(above.to_owned());
                    }
                }
            }
            let to_the_end = true;
            let place = trusted::find(Path::new("/"), &inside, Way { to_the_end, make })?;
            if !place.is_trusted {
                return Err(io::Error::other(OPEN));
            }
            let file = place.directory()?;
            if file.try_lock().is_err() {
                return Err(io::Error::other(
                    "in use by another plugin-install; try again later",
                ));
            }
            Ok(Box::new(Directory {
                path,
                file,
                _created: created,
            }))
        };
        let directory = opened().map_err(|error| report("open", path, error))?;
        for name in directory.names()? {
            if name.starts_with('.') && name.ends_with(NEW) {
                directory.remove(&name)?;
            }
        }
        Ok(directory)
    }

    /// The path of the file `name` in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The names in it, in no order; those that are not UTF-8 are left out. At most 1,024.
    pub(crate) fn names(&self) -> Result<Vec<String>, Fault> {
        let mut names = Vec::new();
        for name in self.named("list", "", some_names(&self.file))? {
            names.extend(name.into_string());
        }
        Ok(names)
    }

    /// The metadata of what has this name; `None` if there is nothing. A link is not followed.
    pub(crate) fn status(&self, name: &str) -> Option<Metadata> {
        look(&self.file, &CString::new(name).ok()?)
            .ok()?
            .map(|(_, status)| status)
    }

    /// Opens a regular file for reading; `None` if it does not exist. A link is not followed.
    pub(crate) fn file(&self, name: &str) -> Result<Option<File>, Fault> {
        let read = || {
            let file = open(Some(&self.file), &CString::new(name)?, libc::O_RDONLY)?;
            match file.metadata()?.is_file() {
                true => Ok(Some(file)),
                false => Err(io::Error::other("no regular file; remove it")),
            }
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => self.named("read", name, read),
        }
    }

    /// Removes a file. Succeeds if it does not exist.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Fault> {
        let name_in_c = CString::new(name).map_err(io::Error::from);
        let removed = name_in_c.and_then(|name| unlink(&self.file, &name, 0));
        self.named("remove", name, removed)
    }

    /// Creates an empty file that [`Staged::commit`] will give its name.
    pub(crate) fn stage(&self, name: &str) -> Result<Staged<'_>, Fault> {
        let create = || {
            let new = CString::new(format!(".{name}.{}{NEW}", std::process::id()))?;
            let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
            let file = open(Some(&self.file), &new, flags)?;
            Ok(Staged {
                directory: self,
                name: name.to_owned(),
                new,
                file: Some(file),
            })
        };
        self.named("create", name, create())
    }

    /// Writes what has been renamed and removed to the disk.
    pub(crate) fn sync(&self) {
        // If it cannot be synced, it becomes durable a little later.
        if let Ok(directory) = open(Some(&self.file), c".", libc::O_RDONLY) {
            drop(directory.sync_all());
        }
    }

    fn named<T>(&self, verb: &'static str, name: &str, done: io::Result<T>) -> Result<T, Fault> {
        done.map_err(|error| report(verb, &self.path(name), error))
    }
}

/// The text of an error: verb, path and cause.
fn report(verb: &'static str, path: &Path, error: io::Error) -> Fault {
    Fault::of(&FileError::new(verb, path, error))
}

/// A new file under a temporary name. It is removed when this is dropped, unless it got its name.
pub(crate) struct Staged<'d> {
    directory: &'d Directory,
    name: String,
    new: CString,
    /// `None` once it is complete: a file that is open for writing cannot be run.
    file: Option<File>,
}

impl Staged<'_> {
    /// Appends to the file.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let written = match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Ok(()),
        };
        self.directory.named("write", &self.name, written)
    }

    /// So many bytes at an offset; `None` if there are fewer, and once the file is complete.
    pub(crate) fn read_at(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let file = self.file.as_ref()?;
        let size = file.metadata().ok()?.len();
        if offset.checked_add(length as u64)? > size {
            return None;
        }
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }

    /// Completes the file: sets its mode and writes it to the disk.
    pub(crate) fn finish(&mut self, mode: u32) -> Result<(), Fault> {
        let finished = self.file.take().map_or(Ok(()), |file| {
            file.set_permissions(Permissions::from_mode(mode))?;
            file.sync_all()
        });
        self.directory.named("write", &self.name, finished)
    }

    /// The temporary path.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path(&self.new.to_string_lossy())
    }

    /// Gives the file its name. Replaces what has it, except a directory.
    pub(crate) fn commit(self) -> Result<(), Fault> {
        let at = self.directory.file.as_raw_fd();
        let renamed = CString::new(&*self.name)
            .map_err(io::Error::from)
            .and_then(|name| {
                // SAFETY: both names are NUL-terminated and outlive the call.
                done(unsafe { libc::renameat(at, self.new.as_ptr(), at, name.as_ptr()) })
            });
        self.directory.named("replace", &self.name, renamed)
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        // The error that matters is another one. A file that got its name is not there any more.
        drop(unlink(&self.directory.file, &self.new, 0));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let mut names = Directory::open(path).unwrap().unwrap().names().unwrap();
        names.sort();
        names
    }

    #[test]
    fn staged_file_appears_when_it_is_committed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let directory = Directory::create(&path).unwrap();
        let mut staged = directory.stage("file").unwrap();
        staged.write(b"con").unwrap();
        staged.write(b"tent").unwrap();
        assert_eq!(staged.read_at(3, 4).unwrap(), b"tent");
        assert_eq!(staged.read_at(3, 5), None);
        assert_eq!(staged.read_at(u64::MAX, 5), None);
        staged.finish(0o755).unwrap();
        assert_eq!(fs::read(staged.path()).unwrap(), b"content");
        assert!(!path.join("file").exists());
        staged.commit().unwrap();
        drop(directory.stage("other").unwrap());
        drop(directory);
        assert_eq!(names(&path), ["file"]);
        assert_eq!(
            fs::metadata(path.join("file")).unwrap().mode() & 0o7777,
            0o755
        );
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o755);
    }

    #[test]
    fn staged_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let directory = Directory::create(&path).unwrap();
        drop(directory.stage("file").unwrap());
        assert!(Directory::open(&path).is_err(), "it is locked");
        drop(directory);
        assert!(!dir.path().join("a").exists());
        assert!(Directory::open(&path).unwrap().is_none());

        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(".file.1.new"), "of a process that was killed").unwrap();
        fs::write(path.join(".other"), "").unwrap();
        fs::create_dir(path.join("directory")).unwrap();
        assert_eq!(names(&path), [".other", "directory"]);
        let directory = Directory::create(&path).unwrap();
        let error = directory.stage("directory").unwrap().commit().unwrap_err();
        assert!(error.contains("replace"), "{error}");
        let error = directory.file("directory").err().unwrap();
        assert!(error.contains("no regular file"), "{error}");
        assert!(directory.file("absent").unwrap().is_none());
        directory.remove(".other").unwrap();
        drop(directory);
        assert_eq!(names(&path), ["directory"]);
    }

    #[test]
    fn staged_refuses_a_directory_that_others_may_change() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        fs::create_dir_all(open.join("below")).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        for path in [open.clone(), open.join("below"), open.join("new")] {
            let error = Directory::create(&path).err().unwrap();
            assert!(error.contains("other users may write"), "{error}");
        }
        assert!(!open.join("new").exists(), "{:?}", fs::read_dir(&open));
        // A link of the user's own is followed; the file at a link is replaced, not its target.
        symlink(dir.path(), dir.path().join("link")).unwrap();
        let directory = Directory::create(&dir.path().join("link/plugins")).unwrap();
        symlink("../open", dir.path().join("plugins/file")).unwrap();
        let mut staged = directory.stage("file").unwrap();
        staged.finish(0o644).unwrap();
        staged.commit().unwrap();
        assert!(!dir.path().join("plugins/file").is_symlink());
    }
}
