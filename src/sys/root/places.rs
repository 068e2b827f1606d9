//! Paths of the host's trees in this process. A symbolic link of the host is resolved inside the
//! host's trees and never leads to a file of this process. Source: openat2(2).

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use libc::c_int;

use crate::base::host_paths::HostPaths;

/// Symbolic links followed on the way to one file, as many as in the kernel.
const LINKS: usize = 40;
/// Bytes of the target of a symbolic link: PATH_MAX.
const TARGET: usize = 4096;

/// The host's trees: its root directory, and those that are set apart.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    top: Tree,
    /// Trees with a path of their own: `HOST_PROC`, `HOST_SYS`, `HOST_ETC`.
    moved: Vec<Tree>,
    /// `false` in tests of kernels without openat2.
    has_openat2: bool,
}

/// One of the host's trees.
#[derive(Clone, Debug)]
struct Tree {
    /// The host's path of its top directory: `/`, or a path of one component.
    at: &'static str,
    /// This process's path of its top directory.
    place: PathBuf,
    /// The open top directory, shared by all clones; unset before the first use.
    directory: Arc<OnceLock<File>>,
}

impl Tree {
    fn new(at: &'static str, place: PathBuf) -> Tree {
        Tree {
            at,
            place,
            directory: Arc::default(),
        }
    }

    /// The open top directory. It stays open: a round opens hundreds of files below it.
    fn directory(&self) -> io::Result<&File> {
        if let Some(directory) = self.directory.get() {
            return Ok(directory);
        }
        let opened = own(&self.place, libc::O_PATH | libc::O_DIRECTORY)?;
        Ok(self.directory.get_or_init(|| opened))
    }
}

impl Places {
    pub(super) fn of(trees: &HostPaths) -> Places {
        let mut places = Places::at(trees.root.clone().unwrap_or_else(|| PathBuf::from("/")));
        for (at, place) in [
            ("/proc", &trees.proc),
            ("/sys", &trees.sys),
            ("/etc", &trees.etc),
        ] {
            // `HOST_PROC=/proc` changes something only if `HOST_ROOT` is set.
            if let Some(place) = place
                && (!places.is_own() || place != Path::new(at))
            {
                places.moved.push(Tree::new(at, place.clone()));
            }
        }
        places
    }

    /// All of the host's trees below `top`.
    pub(in crate::sys) fn at(top: PathBuf) -> Places {
        Places {
            top: Tree::new("/", top),
            moved: Vec::new(),
            has_openat2: true,
        }
    }

    /// The same trees, with paths resolved as on a kernel before Linux 5.6.
    #[cfg(test)]
    pub(in crate::sys) fn without_openat2(mut self) -> Places {
        self.has_openat2 = false;
        self
    }

    /// Whether the host's root directory is this process's own.
    pub(super) fn is_own(&self) -> bool {
        self.top.place == Path::new("/")
    }

    /// This process's path of the host's `path`, if no symbolic link is on the way.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        let (tree, rest) = self.tree(path);
        tree.place.join(rest)
    }

    /// The tree in which the host's `path` lies, and the rest of the path below its top.
    fn tree<'p>(&'p self, path: &'p Path) -> (&'p Tree, &'p Path) {
        for tree in &self.moved {
            if let Ok(rest) = path.strip_prefix(tree.at) {
                return (tree, rest);
            }
        }
        (&self.top, path.strip_prefix("/").unwrap_or(path))
    }

    /// Whether the host's `path` is this process's own, so that links need no care.
    fn is_own_path(&self, path: &Path) -> bool {
        self.is_own() && !self.moved.iter().any(|tree| path.starts_with(tree.at))
    }

    /// The host's path of this process's `path`: the reverse of [`Places::path`]. `None` if `path`
    /// is below no tree but this process's own root directory.
    pub(in crate::sys) fn inside(&self, path: &Path) -> Option<PathBuf> {
        for tree in &self.moved {
            if let Ok(rest) = path.strip_prefix(&tree.place) {
                return Some(Path::new(tree.at).join(rest));
            }
        }
        let rest = path.strip_prefix(&self.top.place).ok()?;
        (!self.is_own()).then(|| Path::new("/").join(rest))
    }

    /// Opens a file or a directory of the host for reading, with these further flags of open(2).
    ///
    /// Fails as open(2) does. A path that leads out of the host's trees does not exist.
    pub(in crate::sys) fn open(&self, path: &Path, flags: c_int) -> io::Result<File> {
        if self.is_own_path(path) {
            return own(path, flags);
        }
        if self.has_openat2 {
            match self.openat2(path, flags) {
                Err(error) if is_to_be_walked(&error) => {}
                opened => return opened,
            }
        }
        self.walk(path, flags).map(|(file, _)| file)
    }

    /// Metadata of the host's `path`, links resolved.
    pub(super) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        match self.is_own_path(path) {
            true => fs::metadata(path),
            false => self.open(path, libc::O_PATH)?.metadata(),
        }
    }

    /// The host's path that `path` leads to once links are resolved.
    pub(super) fn real(&self, path: &Path) -> io::Result<PathBuf> {
        match self.is_own_path(path) {
            true => fs::canonicalize(path),
            false => self.walk(path, libc::O_PATH).map(|(_, path)| path),
        }
    }

    /// Calls `ask` with a path of this process for the host's `path`, links resolved. It may be one
    /// below `/proc/self/fd`, so the result must not depend on the path's text.
    pub(in crate::sys) fn with_path<T>(
        &self,
        path: &Path,
        ask: impl FnOnce(&Path) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.is_own_path(path) {
            return ask(path);
        }
        let file = self.open(path, libc::O_PATH)?;
        ask(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())))
    }

    /// Opens by openat2(2). If some trees have paths of their own, a link out of the tree in which
    /// the path begins is an error (EXDEV).
    fn openat2(&self, path: &Path, flags: c_int) -> io::Result<File> {
        let (tree, rest) = self.tree(path);
        let rest = match rest.as_os_str().is_empty() {
            true => Path::new("."),
            false => rest,
        };
        let tree = tree.directory()?;
        let rest = CString::new(rest.as_os_str().as_bytes())?;
        // The C library adds O_LARGEFILE to each open; openat2 refuses it together with O_PATH.
        let large = match flags & libc::O_PATH {
            0 => libc::O_LARGEFILE,
            _ => 0,
        };
        // SAFETY: all of an open_how are numbers, of which zero is one.
        let mut how: libc::open_how = unsafe { std::mem::zeroed() };
        how.flags = u64::from((flags | libc::O_CLOEXEC | large).unsigned_abs());
        how.resolve = match self.moved.is_empty() {
            true => libc::RESOLVE_IN_ROOT,
            false => libc::RESOLVE_BENEATH,
        };
        loop {
            // SAFETY: the path ends in NUL, `how` has the size named, and both outlive the call.
            let opened = unsafe {
                libc::syscall(
                    libc::SYS_openat2,
                    tree.as_raw_fd(),
                    rest.as_ptr(),
                    &raw const how,
                    size_of::<libc::open_how>(),
                )
            };
            match RawFd::try_from(opened) {
                // SAFETY: the call has just opened it, and nothing else knows it.
                Ok(fd) if fd >= 0 => return Ok(unsafe { File::from_raw_fd(fd) }),
                _ => {}
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Opens component by component and resolves each link itself. Returns the file and the host's
    /// path of it.
    fn walk(&self, path: &Path, flags: c_int) -> io::Result<(File, PathBuf)> {
        let mut ahead = Vec::new();
        add(&mut ahead, path);
        let mut way: Vec<(OsString, File)> = Vec::new();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == ".." {
                // At the root directory, `..` is the root directory.
                way.pop();
                continue;
            }
            let above = way.last().map(|(_, file)| file);
            let file = self.child(above, &name, libc::O_PATH)?;
            let is_followed = !ahead.is_empty() || flags & libc::O_NOFOLLOW == 0;
            if is_followed && file.metadata()?.is_symlink() {
                links += 1;
                if links > LINKS {
                    return Err(io::Error::from_raw_os_error(libc::ELOOP));
                }
                let target = target(&file)?;
                if target.is_absolute() {
                    way.clear();
                }
                add(&mut ahead, &target);
            } else {
                way.push((name, file));
            }
        }
        let found = way.iter().map(|(name, _)| name);
        let found = Path::new("/").join(found.collect::<PathBuf>());
        let file = match (way.pop(), flags & libc::O_PATH) {
            (None, _) if self.is_own() => return Err(io::ErrorKind::NotFound.into()),
            (None, _) => own(&self.top.place, flags)?,
            (Some((name, _)), 0) => self.child(way.last().map(|(_, file)| file), &name, flags)?,
            (Some((_, file)), _) => file,
        };
        Ok((file, found))
    }

    /// Opens an entry of the directory `above`, or of the host's root directory if that is `None`.
    /// A link is not followed.
    fn child(&self, above: Option<&File>, name: &OsStr, flags: c_int) -> io::Result<File> {
        if let Some(above) = above {
            return openat(above, name, flags);
        }
        let mut moved = self.moved.iter();
        match moved.find(|tree| tree.at.as_bytes().get(1..) == Some(name.as_bytes())) {
            Some(tree) => own(&tree.place, flags & !libc::O_NOFOLLOW),
            // Without `HOST_ROOT`, only the trees that are set apart exist.
            None if self.is_own() => Err(io::ErrorKind::NotFound.into()),
            None => openat(self.top.directory()?, name, flags),
        }
    }
}

/// Whether an error of openat2 is a reason to resolve the path without it: the kernel is older than
/// Linux 5.6 (ENOSYS), a filter on system calls forbids it (EPERM, EINVAL), a link leads out of the
/// tree (EXDEV), or a directory was moved meanwhile (EAGAIN).
fn is_to_be_walked(error: &io::Error) -> bool {
    let codes = [
        libc::ENOSYS,
        libc::EPERM,
        libc::EINVAL,
        libc::EXDEV,
        libc::EAGAIN,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

/// Opens a path of this process for reading. musl's open(2), which std calls, asks the kernel twice
/// for O_CLOEXEC; and std removes O_PATH from the flags there, since musl's O_ACCMODE contains it.
pub(in crate::sys) fn own(path: &Path, flags: c_int) -> io::Result<File> {
    open_below(libc::AT_FDCWD, path.as_os_str(), flags)
}

fn openat(above: &File, name: &OsStr, flags: c_int) -> io::Result<File> {
    open_below(above.as_raw_fd(), name, flags | libc::O_NOFOLLOW)
}

fn open_below(above: RawFd, name: &OsStr, flags: c_int) -> io::Result<File> {
    let name = CString::new(name.as_bytes())?;
    loop {
        // SAFETY: the name ends in NUL and outlives the call.
        let fd = unsafe { libc::openat(above, name.as_ptr(), flags | libc::O_CLOEXEC) };
        if fd >= 0 {
            // SAFETY: the call has just opened it, and nothing else knows it.
            return Ok(unsafe { File::from_raw_fd(fd) });
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The target of a symbolic link that is open itself (`O_PATH | O_NOFOLLOW`).
fn target(link: &File) -> io::Result<PathBuf> {
    let mut buffer = vec![0_u8; TARGET];
    // SAFETY: the empty name ends in NUL; `buffer` has the length named and outlives the call.
    let length = unsafe {
        libc::readlinkat(
            link.as_raw_fd(),
            c"".as_ptr(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
        )
    };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    buffer.truncate(length);
    Ok(PathBuf::from(OsString::from_vec(buffer)))
}

/// Pushes the components of `path` on the stack `ahead`, the first one on top.
fn add(ahead: &mut Vec<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => ahead.push(name.to_owned()),
            Component::ParentDir => ahead.push("..".into()),
            _ => {}
        }
    }
}
