//! The file tree in which the agent is installed: the running host's, or a directory that becomes
//! the root of another host.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::file::Access;
use super::root::{FileError, absent_is_none, fill};
use super::trusted::{self, Place, Way};

/// A file tree. Paths are relative to its top.
pub(crate) struct Tree {
    top: PathBuf,
    /// Whether owners of files can be changed.
    may_give: bool,
}

/// What exists at a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum There {
    Nothing,
    /// A symbolic link, and its target.
    Link(String),
    Directory(Access),
    File(Access),
}

impl Tree {
    /// The tree below `top`.
    pub(crate) fn at(top: &Path) -> Tree {
        Tree {
            top: top.to_owned(),
            // SAFETY: the call takes no arguments and cannot fail.
            may_give: unsafe { libc::geteuid() } == 0,
        }
    }

    /// Whether this is the running host's tree.
    pub(crate) fn is_host(&self) -> bool {
        self.top == Path::new("/")
    }

    /// Whether this process is root, and so may create files of other users.
    pub(crate) fn may_give(&self) -> bool {
        self.may_give
    }

    /// The path for this process of `path` in the tree.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.top.join(path.trim_start_matches('/'))
    }

    /// The path in the tree of the file that this process sees at `at`. `None` if it is not in the
    /// tree, is not UTF-8, or contains a newline.
    pub(crate) fn inside(&self, at: &Path) -> Option<String> {
        let path = at.strip_prefix(&self.top).ok()?.to_str()?;
        (!path.contains('\n')).then(|| format!("/{path}"))
    }

    /// The path in the tree to which `path` leads through symbolic links; `None` if it leads
    /// nowhere, is not UTF-8, or contains a newline.
    ///
    /// Fails if other users may have created one of the links.
    pub(crate) fn real(&self, path: &str) -> Result<Option<String>, FileError> {
        let found = self.find(path, true, false).and_then(|place| {
            let is_there = place.status()?.is_some();
            Ok(place.path.to_str().filter(|_| is_there).map(str::to_owned))
        });
        let found = absent_is_none(self.named("look at", path, found))?.flatten();
        Ok(found.filter(|path| !path.contains('\n')))
    }

    /// The place of `path`. A link in its last component is not followed.
    fn place(&self, path: &str) -> io::Result<Place> {
        self.find(path, false, false)
    }

    fn find(&self, path: &str, to_the_end: bool, make: bool) -> io::Result<Place> {
        trusted::find(&self.top, path, Way { to_the_end, make })
    }

    /// What exists at `path`. Files that cannot be inspected count as missing. So do files behind a
    /// link that other users may have created.
    pub(crate) fn there(&self, path: &str) -> There {
        let Ok(place) = self.place(path) else {
            return There::Nothing;
        };
        let Ok(Some(status)) = place.status() else {
            return There::Nothing;
        };
        let access = Access::of(&status);
        match place.target() {
            Ok(target) if status.is_symlink() => {
                There::Link(String::from_utf8_lossy(&target).into_owned())
            }
            _ if status.is_dir() => There::Directory(access),
            _ => There::File(access),
        }
    }

    /// Owner and mode of the directory at `path`. Links are followed. `None` if there is none.
    ///
    /// Fails if other users may have created one of the links.
    pub(crate) fn owner(&self, path: &str) -> Result<Option<Access>, FileError> {
        let status = self
            .find(path, true, false)
            .and_then(|place| place.status());
        let status = absent_is_none(self.named("look at", path, status))?.flatten();
        Ok(status.map(|status| Access::of(&status)))
    }

    /// Whether anything exists at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.there(path) != There::Nothing
    }

    /// The names in the directory at `path` that are UTF-8; none if other users may write to it.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .filter(|name| self.is_fixed(&[path, "/", name].concat()))
            .collect()
    }

    /// Whether only root and this process's user can have written the file at `path`, or can
    /// replace it.
    pub(crate) fn is_protected(&self, path: &str) -> bool {
        self.find(path, true, false)
            .is_ok_and(|place| place.is_protected())
    }

    /// Whether only root and this process's user can replace what is at `path`.
    pub(crate) fn is_fixed(&self, path: &str) -> bool {
        self.place(path).is_ok_and(|place| place.is_trusted)
    }

    /// The content of a file; `None` if it does not exist.
    pub(crate) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FileError> {
        let mut bytes = Vec::new();
        let mut read = || {
            let file = self.find(path, true, false)?.read()?;
            fill(file, &mut bytes)
        };
        absent_is_none(self.named("read", path, read())).map(|length| {
            length.map(|length| {
                bytes.truncate(length);
                bytes
            })
        })
    }

    /// The content of a file of at most `most` bytes; `None` if it does not exist. A link is not
    /// followed. Fails if the file is longer.
    pub(crate) fn read_short(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, FileError> {
        let mut bytes = Vec::new();
        let mut read = || {
            let file = self.place(path)?.read()?;
            file.take(most + 1).read_to_end(&mut bytes)
        };
        match absent_is_none(self.named("read", path, read()))? {
            Some(length) if length as u64 > most => {
                let why = io::Error::from(io::ErrorKind::FileTooLarge);
                self.named("read", path, Err(why))
            }
            length => Ok(length.map(|_| bytes)),
        }
    }

    /// Writes a file at `path` atomically. Replaces whatever was there, except a directory.
    pub(crate) fn write(&self, path: &str, content: &[u8], to: Access) -> Result<(), FileError> {
        self.put(&mut &*content, path, to)
    }

    /// Copies the file `from`, which may be outside the tree, to `path`, as [`Tree::write`] does.
    pub(crate) fn copy(&self, from: &Path, path: &str, to: Access) -> Result<(), FileError> {
        let mut content = File::open(from).map_err(|error| FileError::new("read", from, error))?;
        self.put(&mut content, path, to)
    }

    /// Copies the file at `from` in the tree to `path`, as [`Tree::write`] does.
    pub(crate) fn copy_inside(&self, from: &str, path: &str, to: Access) -> Result<(), FileError> {
        let content = self.place(from).and_then(|place| place.read());
        self.put(&mut self.named("read", from, content)?, path, to)
    }

    fn put(&self, content: &mut dyn Read, path: &str, to: Access) -> Result<(), FileError> {
        let place = self.find(path, false, true);
        let put = place.and_then(|place| place.put(content, to, self.may_give));
        self.named("write", path, put)
    }

    /// Whether the file at `path` has the same content as `from`, which may be outside the tree.
    pub(crate) fn is_copy(&self, from: &Path, path: &str) -> bool {
        let is_same = || {
            let file = self.place(path)?.read()?;
            let size = file.metadata()?.size();
            if fs::metadata(from)?.size() != size {
                return Ok(false);
            }
            let (mut content, mut wanted) = (Vec::new(), Vec::new());
            file.take(size).read_to_end(&mut content)?;
            File::open(from)?.take(size).read_to_end(&mut wanted)?;
            io::Result::Ok(content == wanted)
        };
        is_same().unwrap_or_default()
    }

    /// Creates a directory if it is missing, and sets its owner and mode. A link to a directory is
    /// followed.
    pub(crate) fn directory(&self, path: &str, to: Access) -> Result<(), FileError> {
        let made = self.find(path, true, true).and_then(|place| {
            place.make_directory()?;
            place.give(to, self.may_give)
        });
        self.named("create", path, made)
    }

    /// Sets owner and mode of what is at `path`. A symbolic link and its target are left alone.
    pub(crate) fn own(&self, path: &str, to: Access) -> Result<(), FileError> {
        let place = self.place(path);
        let given = place.and_then(|place| place.give(to, self.may_give));
        self.named("give away", path, given)
    }

    /// Creates a symbolic link at `path` with the target `target`.
    pub(crate) fn link(&self, path: &str, target: &str) -> Result<(), FileError> {
        let linked = self.find(path, false, true).and_then(|place| {
            place.remove()?;
            place.link(target)
        });
        self.named("link", path, linked)
    }

    /// Removes what is at `path`. A directory is removed with its content if `is_own`, else only if
    /// it is empty.
    pub(crate) fn remove(&self, path: &str, is_own: bool) -> Result<(), FileError> {
        let removed = self.place(path).and_then(|place| {
            if is_own {
                place.remove_all(self.may_give)
            } else {
                match place.remove() {
                    Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
                    removed => removed,
                }
            }
        });
        absent_is_none(self.named("remove", path, removed)).map(drop)
    }

    /// Adds the file's path, as seen by this process, to an error.
    fn named<T>(
        &self,
        verb: &'static str,
        path: &str,
        result: io::Result<T>,
    ) -> Result<T, FileError> {
        result.map_err(|error| FileError::new(verb, &self.path(path), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;

    fn access(tree: &Tree, mode: u32) -> Access {
        let of = |there| match there {
            There::Directory(access) => Access { mode, ..access },
            other => panic!("{other:?}"),
        };
        of(tree.there("/"))
    }

    #[test]
    fn tree_holds_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        let file = access(&tree, 0o640);
        tree.write("/etc/a/file", b"content", file).unwrap();
        assert_eq!(tree.there("/etc/a/file"), There::File(file));
        assert_eq!(tree.read("/etc/a/file").unwrap(), Some(b"content".into()));
        assert_eq!(tree.read("/etc/a/none").unwrap(), None);
        let (from, program) = (tree.path("/etc/a/file"), access(&tree, 0o755));
        tree.copy(&from, "/usr/copy", program).unwrap();
        assert_eq!(tree.there("/usr/copy"), There::File(program));
        assert!(tree.is_copy(&from, "/usr/copy"));
        tree.write("/usr/copy", b"CONTENT", program).unwrap();
        assert!(!tree.is_copy(&from, "/usr/copy") && !tree.is_copy(&from, "/usr/none"));
        for target in ["../one", "/two"] {
            tree.link("/etc/link", target).unwrap();
            assert_eq!(tree.there("/etc/link"), There::Link(target.to_owned()));
        }
        let directory = access(&tree, 0o700);
        tree.directory("/var/lib", directory).unwrap();
        assert_eq!(tree.there("/var/lib"), There::Directory(directory));
        tree.own("/var/lib", program).unwrap();
        assert_eq!(tree.there("/var/lib"), There::Directory(program));
    }

    #[test]
    fn tree_removes_a_directory_of_others_only_if_empty() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        let file = access(&tree, 0o600);
        for (path, is_own, is_left) in [("/a", false, true), ("/b", true, false)] {
            tree.write(&format!("{path}/file"), b"", file).unwrap();
            tree.remove(path, is_own).unwrap();
            assert_eq!(tree.has(path), is_left, "{path}");
        }
        tree.remove("/a/file", false).unwrap();
        tree.remove("/a", false).unwrap();
        tree.remove("/a", false).unwrap();
        assert!(!tree.has("/a"));
    }

    #[test]
    fn tree_removes_a_link_without_following_it() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        tree.write("/there/file", b"", access(&tree, 0o600))
            .unwrap();
        tree.link("/link", "there").unwrap();
        tree.own("/link", access(&tree, 0o777)).unwrap();
        assert_eq!(tree.there("/there"), There::Directory(access(&tree, 0o755)));
        tree.remove("/link", true).unwrap();
        assert!(tree.has("/there/file"));
    }

    #[test]
    fn tree_path_is_inside_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        tree.write("/there/a b", b"", access(&tree, 0o600)).unwrap();
        tree.link("/link", "there").unwrap();
        tree.link("/out", "/").unwrap();
        let inside = |path: &str| tree.inside(&tree.path(path));
        assert_eq!(inside("/link/a b").as_deref(), Some("/link/a b"));
        assert_eq!(inside("/a\nb"), None);
        assert_eq!(tree.inside(Path::new("/etc")), None);
        let table = [
            ("/link/a b", Some("/there/a b")),
            ("/there/../link/./a b", Some("/there/a b")),
            ("/link", Some("/there")),
            ("/link/..", Some("/")),
            ("/out/there", Some("/there")),
            ("/link/none", None),
            ("/nowhere", None),
        ];
        for (path, expected) in table {
            assert_eq!(tree.real(path).unwrap().as_deref(), expected, "{path}");
        }
        let host = Tree::at(Path::new("/"));
        assert_eq!(host.inside(Path::new("/etc/a")).as_deref(), Some("/etc/a"));
    }

    #[test]
    fn tree_error_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        let error = tree.copy(Path::new("/nowhere"), "/a", access(&tree, 0o600));
        let text = base::report(&error.unwrap_err());
        assert!(text.starts_with("read /nowhere: No such file"), "{text}");
        let place = tree.path("/a").display().to_string();
        tree.write("/file", b"", access(&tree, 0o600)).unwrap();
        let error = tree.write("/file/a", b"", access(&tree, 0o600));
        let text = base::report(&error.unwrap_err());
        assert!(
            text.starts_with("write /") && text.contains("Not a directory"),
            "{text}"
        );
        assert!(!text.contains(&place), "{text}");
        assert!(!tree.has("/a"));
    }
}
