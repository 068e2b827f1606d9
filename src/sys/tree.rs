//! The tree of files in which the agent is installed: the host's own, or one that is to become a
//! host's, below a directory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::file::Access;
use super::root::{FileError, absent_is_none, fill};
use super::trusted::{self, Place, Way};

/// A tree of files, given by their paths below its top.
pub(crate) struct Tree {
    top: PathBuf,
    may_give: bool,
}

/// What is at a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum There {
    Nothing,
    /// A symbolic link, and where it leads to.
    Link(String),
    Directory(Access),
    File(Access),
}

impl Tree {
    /// The tree below `top`.
    pub(crate) fn at(top: &Path) -> Tree {
        Tree {
            top: top.to_owned(),
            // SAFETY: the call takes nothing and cannot fail.
            may_give: unsafe { libc::geteuid() } == 0,
        }
    }

    /// Whether it is that of the running host.
    pub(crate) fn is_host(&self) -> bool {
        self.top == Path::new("/")
    }

    /// Whether files of other users can be made in it: whether this process is root.
    pub(crate) fn may_give(&self) -> bool {
        self.may_give
    }

    /// Where `path` is for this process.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.top.join(path.trim_start_matches('/'))
    }

    /// The path in the tree of what is at `at` for this process; `None` if it is not in the tree, or if
    /// its name is no line of UTF-8.
    pub(crate) fn inside(&self, at: &Path) -> Option<String> {
        let path = at.strip_prefix(&self.top).ok()?.to_str()?;
        (!path.contains('\n')).then(|| format!("/{path}"))
    }

    /// Where `path` leads to by way of symbolic links, in the tree; `None` if it leads nowhere, or out
    /// of the tree.
    pub(crate) fn real(&self, path: &str) -> Option<String> {
        let top = fs::canonicalize(&self.top).ok()?;
        let real = fs::canonicalize(self.path(path)).ok()?;
        Tree { top, ..*self }.inside(&real)
    }

    /// The place of `path`; its last name is not followed if it is a link.
    fn place(&self, path: &str) -> io::Result<Place> {
        self.find(path, false, false)
    }

    fn find(&self, path: &str, to_the_end: bool, make: bool) -> io::Result<Place> {
        trusted::find(&self.top, path, Way { to_the_end, make })
    }

    /// What is at `path`. What cannot be looked at counts as nothing, and so does what lies behind a
    /// link that others may have laid.
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

    /// Whose the directory at `path` is, which links may lead to; `None` if there is none.
    ///
    /// Fails if others may have laid one of the links.
    pub(crate) fn owner(&self, path: &str) -> Result<Option<Access>, FileError> {
        let status = self
            .find(path, true, false)
            .and_then(|place| place.status());
        let status = absent_is_none(self.named("look at", path, status))?.flatten();
        Ok(status.map(|status| Access::of(&status)))
    }

    /// Whether there is anything at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.there(path) != There::Nothing
    }

    /// Whether nobody but root, and this process's user, can have written what is at `path`, or can put
    /// something else there.
    pub(crate) fn is_protected(&self, path: &str) -> bool {
        self.find(path, true, false)
            .is_ok_and(|place| place.is_protected())
    }

    /// Whether nobody but root, and this process's user, can put something else at `path`.
    pub(crate) fn is_fixed(&self, path: &str) -> bool {
        self.place(path).is_ok_and(|place| place.is_trusted)
    }

    /// The content of a file; `None` if there is none.
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

    /// The content of a file, not followed if it is a link, if that is not longer than `most` bytes;
    /// `None` if there is none.
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

    /// Puts a file at `path`; whatever was there, but for a directory, is gone then. A reader finds
    /// either that or this.
    pub(crate) fn write(&self, path: &str, content: &[u8], to: Access) -> Result<(), FileError> {
        self.put(&mut &*content, path, to)
    }

    /// Puts a copy of the file `from`, which may be anywhere, at `path`, as [`Tree::write`] does.
    pub(crate) fn copy(&self, from: &Path, path: &str, to: Access) -> Result<(), FileError> {
        let content = File::open(from);
        let mut content = content.map_err(|error| FileError::new("read", from, error))?;
        self.put(&mut content, path, to)
    }

    /// Puts a copy of the file at `from` at `path`, as [`Tree::write`] does.
    pub(crate) fn copy_inside(&self, from: &str, path: &str, to: Access) -> Result<(), FileError> {
        let content = self.place(from).and_then(|place| place.read());
        self.put(&mut self.named("read", from, content)?, path, to)
    }

    fn put(&self, content: &mut dyn Read, path: &str, to: Access) -> Result<(), FileError> {
        let place = self.find(path, false, true);
        let put = place.and_then(|place| place.put(content, to, self.may_give));
        self.named("write", path, put)
    }

    /// Whether the file at `path` has the same content as `from`, which may be anywhere.
    pub(crate) fn is_copy(&self, from: &Path, path: &str) -> bool {
        let is_same = || {
            let mut file = self.place(path)?.read()?;
            let is_as_long = fs::metadata(from)?.size() == file.metadata()?.size();
            let mut content = Vec::new();
            io::Result::Ok(
                is_as_long && {
                    file.read_to_end(&mut content)?;
                    content == fs::read(from)?
                },
            )
        };
        is_same().unwrap_or_default()
    }

    /// Makes sure that there is a directory. A link to one is followed.
    pub(crate) fn directory(&self, path: &str, to: Access) -> Result<(), FileError> {
        let made = self.find(path, true, true).and_then(|place| {
            place.make_directory()?;
            place.give(to, self.may_give)
        });
        self.named("create", path, made)
    }

    /// Gives what is at `path` away. A symbolic link is left alone, and so is what it leads to.
    pub(crate) fn own(&self, path: &str, to: Access) -> Result<(), FileError> {
        let place = self.place(path);
        let given = place.and_then(|place| place.give(to, self.may_give));
        self.named("give away", path, given)
    }

    /// Makes a symbolic link at `path`, which leads to `target`.
    pub(crate) fn link(&self, path: &str, target: &str) -> Result<(), FileError> {
        let linked = self.find(path, false, true).and_then(|place| {
            place.remove()?;
            place.link(target)
        });
        self.named("link", path, linked)
    }

    /// Removes what is at `path`; a directory with all that is in it if it `is_own`, and only if it
    /// is empty otherwise.
    pub(crate) fn remove(&self, path: &str, is_own: bool) -> Result<(), FileError> {
        let removed = self.place(path).and_then(|place| match is_own {
            true => place.remove_all(self.may_give),
            false => match place.remove() {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
                removed => removed,
            },
        });
        absent_is_none(self.named("remove", path, removed)).map(drop)
    }

    /// The same with the file in an error, as this process knows it.
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
    fn what_is_put_there_is_there() {
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
    fn a_directory_of_others_is_removed_only_if_it_is_empty() {
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
    fn a_link_is_removed_and_not_followed() {
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
    fn a_path_is_of_the_tree_or_of_none() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        tree.write("/there/a b", b"", access(&tree, 0o600)).unwrap();
        tree.link("/link", "there").unwrap();
        tree.link("/out", "/").unwrap();
        let inside = |path: &str| tree.inside(&tree.path(path));
        assert_eq!(inside("/link/a b").as_deref(), Some("/link/a b"));
        assert_eq!(inside("/a\nb"), None);
        assert_eq!(tree.inside(Path::new("/etc")), None);
        assert_eq!(tree.real("/link/a b").as_deref(), Some("/there/a b"));
        assert_eq!(tree.real("/out"), None);
        assert_eq!(tree.real("/nowhere"), None);
        let host = Tree::at(Path::new("/"));
        assert_eq!(host.inside(Path::new("/etc/a")).as_deref(), Some("/etc/a"));
    }

    #[test]
    fn an_error_names_the_file() {
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
