//! The tree of files in which the agent is installed: the host's own, or one that is to become a
//! host's, below a directory.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use super::file::{self, Access};
use super::root::{FileError, absent_is_none};

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

    /// What is at `path`. What cannot be looked at counts as nothing.
    pub(crate) fn there(&self, path: &str) -> There {
        let at = self.path(path);
        let Ok(metadata) = fs::symlink_metadata(&at) else {
            return There::Nothing;
        };
        let access = Access::of(&metadata);
        match fs::read_link(&at) {
            Ok(target) => There::Link(target.to_string_lossy().into_owned()),
            Err(_) if metadata.is_dir() => There::Directory(access),
            Err(_) => There::File(access),
        }
    }

    /// Whether there is anything at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.there(path) != There::Nothing
    }

    /// The content of a file; `None` if there is none.
    pub(crate) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FileError> {
        absent_is_none(file::read(&self.path(path)))
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

    fn put(&self, content: &mut dyn Read, path: &str, to: Access) -> Result<(), FileError> {
        let at = self.path(path);
        file::create_directory_of(&at)?;
        file::put(&at, content, to)
    }

    /// Whether the file at `path` has the same content as `from`, which may be anywhere.
    pub(crate) fn is_copy(&self, from: &Path, path: &str) -> bool {
        let at = self.path(path);
        let is_same = || {
            let has_same_size = fs::metadata(from)?.size() == fs::metadata(&at)?.size();
            io::Result::Ok(has_same_size && fs::read(from)? == fs::read(&at)?)
        };
        is_same().unwrap_or_default()
    }

    /// Makes sure that there is a directory.
    pub(crate) fn directory(&self, path: &str, to: Access) -> Result<(), FileError> {
        let at = self.path(path);
        let mut builder = DirBuilder::new();
        let created = builder.recursive(true).mode(0o755).create(&at);
        created.map_err(|error| FileError::new("create", &at, error))?;
        self.own(path, to)
    }

    /// Gives what is at `path` away. The file that a symbolic link leads to is left alone.
    pub(crate) fn own(&self, path: &str, to: Access) -> Result<(), FileError> {
        let at = self.path(path);
        let own = || {
            // Only root may give files away, and a new owner takes away some bits of the mode.
            if self.may_give {
                lchown(&at, Some(to.uid), Some(to.gid))?;
            }
            match fs::symlink_metadata(&at)?.is_symlink() {
                true => Ok(()),
                false => fs::set_permissions(&at, Permissions::from_mode(to.mode)),
            }
        };
        own().map_err(|error| FileError::new("give away", &at, error))
    }

    /// Makes a symbolic link at `path`, which leads to `target`.
    pub(crate) fn link(&self, path: &str, target: &str) -> Result<(), FileError> {
        let at = self.path(path);
        file::create_directory_of(&at)?;
        self.remove(path, false)?;
        symlink(target, &at).map_err(|error| FileError::new("link", &at, error))
    }

    /// Removes what is at `path`; a directory with all that is in it if it `is_own`, and only if it
    /// is empty otherwise.
    pub(crate) fn remove(&self, path: &str, is_own: bool) -> Result<(), FileError> {
        let at = self.path(path);
        let removed = match self.there(path) {
            There::Nothing => Ok(()),
            There::Directory(_) if is_own => fs::remove_dir_all(&at),
            There::Directory(_) => match fs::remove_dir(&at) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
                removed => removed,
            },
            There::Link(_) | There::File(_) => fs::remove_file(&at),
        };
        removed.map_err(|error| FileError::new("remove", &at, error))
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
        assert!(!tree.has("/a"));
    }
}
