//! Safe access to files below a trusted directory, one path component at a time. A user who may
//! write somewhere below that directory cannot lead this process to another file.
//!
//! A directory is trusted if root or this process's user owns it and no other user may write to it.
//! A symbolic link is followed only if the link and its directory are trusted. Operations on a file
//! use a descriptor of it.

use std::ffi::{CStr, CString, OsStr, c_int};
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use super::file::Access;

/// Maximum number of symbolic links in one path; the kernel's limit is the same.
const LINKS: u32 = 40;
/// The mode bits that may be set on a file: no set-user-id, set-group-id or sticky bit.
pub(super) const MODE: u32 = 0o777;
/// The mode bit of a directory in which only owners may remove files.
const STICKY: u32 = 0o1000;
/// Maximum number of names read from a directory at once.
const NAMES: usize = 1024;
/// Maximum number of directories open at once while a tree is removed.
const DEPTH: u32 = 64;
/// Attempts to find a free name for a new file, in case other users take them.
const ATTEMPTS: u32 = 16;

/// A name in a directory. A file of this name may or may not exist.
pub(super) struct Place {
    directory: File,
    name: CString,
    /// Whether the directory and all directories above it are trusted.
    pub(super) is_trusted: bool,
    /// Its path from the top on, without links on the way.
    pub(super) path: PathBuf,
}

/// Which symbolic links are followed, and whether directories are created.
#[derive(Clone, Copy)]
pub(super) struct Way {
    /// Whether a link in the last component is followed too.
    pub(super) to_the_end: bool,
    /// Whether missing directories are created for root, with mode 0755.
    pub(super) make: bool,
}

/// The place of `path` below the directory `top`. `/` and `..` never lead above `top`.
///
/// Fails if a directory is missing and is not to be created, and if there is a link on the way that
/// another user may have created.
pub(super) fn find(top: &Path, path: &str, way: Way) -> io::Result<Place> {
    let top = CString::new(top.as_os_str().as_bytes())?;
    let top = open(None, &top, libc::O_PATH | libc::O_DIRECTORY)?;
    let is_trusted = is_directory_trusted(&top.metadata()?);
    // The directories from the top on, each with whether it and all those above it are trusted, and
    // its path.
    let mut above = vec![(top, is_trusted, PathBuf::from("/"))];
    let mut left = names(path.as_bytes());
    let mut links = 0;
    loop {
        let last = above.len() - 1;
        let (directory, is_trusted, path) = &above[last];
        let is_trusted = *is_trusted;
        let Some(name) = left.pop() else {
            let (directory, _, path) = above.swap_remove(last);
            return Ok(Place {
                directory,
                name: c".".to_owned(),
                is_trusted,
                path,
            });
        };
        if name == b".." {
            above.truncate(last.max(1));
            continue;
        }
        let path = path.join(OsStr::from_bytes(&name));
        let name = CString::new(name)?;
        let found = look(directory, &name)?;
        let is_last = left.is_empty();
        match &found {
            Some((link, status)) if status.is_symlink() && (!is_last || way.to_the_end) => {
                if !is_trusted || !is_own(status.uid()) {
                    return Err(refused(
                        "others may have laid a symbolic link on the way to it",
                    ));
                }
                links += 1;
                let target = target(link)?;
                if links > LINKS {
                    return Err(io::Error::from_raw_os_error(libc::ELOOP));
                }
                if target.starts_with(b"/") {
                    above.truncate(1);
                }
                left.extend(names(&target));
            }
            _ if is_last => {
                return Ok(Place {
                    directory: above.swap_remove(last).0,
                    name,
                    is_trusted,
                    path,
                });
            }
            found => {
                if found.is_none() {
                    if !way.make {
                        return Err(io::ErrorKind::NotFound.into());
                    }
                    make_directory(directory, &name, 0o755)?;
                }
                let next = open(Some(directory), &name, libc::O_PATH | libc::O_DIRECTORY)?;
                let is_trusted = is_trusted && is_directory_trusted(&next.metadata()?);
                above.push((next, is_trusted, path));
            }
        }
    }
}

impl Place {
    /// Opens the directory for reading, and for locking it.
    pub(super) fn directory(&self) -> io::Result<File> {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        open(Some(&self.directory), c".", flags)
    }

    /// The metadata of the file; `None` if there is none. A link is not followed.
    pub(super) fn status(&self) -> io::Result<Option<Metadata>> {
        Ok(look(&self.directory, &self.name)?.map(|(_, status)| status))
    }

    /// The target of the symbolic link.
    pub(super) fn target(&self) -> io::Result<Vec<u8>> {
        match look(&self.directory, &self.name)? {
            Some((link, _)) => target(&link),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Opens the file for reading, without blocking.
    ///
    /// Fails if it is not a regular file. In a directory that other users may write to, also fails
    /// if the file belongs to root or has several hard links: they may have linked it from
    /// elsewhere.
    pub(super) fn read(&self) -> io::Result<File> {
        let (_, status) =
            look(&self.directory, &self.name)?.ok_or(io::Error::from(io::ErrorKind::NotFound))?;
        self.check(&status)?;
        let file = open(Some(&self.directory), &self.name, libc::O_RDONLY)?;
        self.check(&file.metadata()?)?;
        Ok(file)
    }

    fn check(&self, status: &Metadata) -> io::Result<()> {
        if !status.is_file() {
            return Err(refused("it is no regular file; remove it"));
        }
        if self.is_trusted || (status.nlink() == 1 && !is_own(status.uid())) {
            Ok(())
        } else {
            Err(refused(
                "others may write to its directory, and have put a file of root's there; remove it",
            ))
        }
    }

    /// Whether only root and this process's user can have written the file.
    pub(super) fn is_protected(&self) -> bool {
        let is = |status: Metadata| is_own(status.uid()) && !is_open_to_others(&status);
        self.is_trusted && self.status().ok().flatten().is_some_and(is)
    }

    /// Sets owner and mode of the file or directory. A symbolic link is left alone.
    ///
    /// Fails if another user could have put it there, and if it is a file with several hard links.
    pub(super) fn give(&self, to: Access, may_give: bool) -> io::Result<()> {
        match self.status()? {
            Some(status) if status.is_symlink() => return Ok(()),
            Some(status) if status.is_file() || status.is_dir() => {}
            Some(_) => return Err(refused("it is no regular file; remove it")),
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        if !self.is_trusted {
            return Err(refused(
                "others may write to its directory, and could put another file there",
            ));
        }
        let file = open(Some(&self.directory), &self.name, libc::O_RDONLY)?;
        let status = file.metadata()?;
        if status.is_dir() || (status.is_file() && status.nlink() == 1) {
            give(&file, to, may_give)
        } else {
            Err(refused("it is no regular file with one name; remove it"))
        }
    }

    /// Creates a directory unless one exists.
    pub(super) fn make_directory(&self) -> io::Result<()> {
        match make_directory(&self.directory, &self.name, 0o700) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// Writes a new file under this name atomically. It is on the disk when this returns.
    pub(super) fn put(
        &self,
        content: &mut dyn io::Read,
        to: Access,
        may_give: bool,
    ) -> io::Result<()> {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
        let mut attempt = 0;
        let (mut file, new) = loop {
            let end = format!(".{}.{attempt}.new", std::process::id());
            let new = CString::new([self.name.as_bytes(), end.as_bytes()].concat())?;
            match open(Some(&self.directory), &new, flags) {
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                opened => break (opened?, new),
            }
        };
        let written = io::copy(content, &mut file)
            .and_then(|_| give(&file, to, may_give))
            .and_then(|()| file.sync_all())
            .and_then(|()| {
                let at = self.directory.as_raw_fd();
                // SAFETY: both names are NUL-terminated and outlive the call.
                done(unsafe { libc::renameat(at, new.as_ptr(), at, self.name.as_ptr()) })
            });
        if written.is_err() {
            // The partial file is useless, and the error that matters is returned below.
            drop(unlink(&self.directory, &new, 0));
            return written;
        }
        // The rename is stored in the directory. If the directory cannot be synced, it becomes
        // durable a little later.
        if let Ok(directory) = open(Some(&self.directory), c".", libc::O_RDONLY) {
            drop(directory.sync_all());
        }
        Ok(())
    }

    /// Creates a symbolic link.
    pub(super) fn link(&self, target: &str) -> io::Result<()> {
        let target = CString::new(target)?;
        let at = self.directory.as_raw_fd();
        // SAFETY: both strings are NUL-terminated and outlive the call.
        done(unsafe { libc::symlinkat(target.as_ptr(), at, self.name.as_ptr()) })
    }

    /// Removes the file or link; a directory only if it is empty.
    pub(super) fn remove(&self) -> io::Result<()> {
        match unlink(&self.directory, &self.name, 0) {
            Err(error) if is_directory(&error) => {
                unlink(&self.directory, &self.name, libc::AT_REMOVEDIR)
            }
            removed => removed,
        }
    }

    /// Removes the file or link; a directory with its content. Fails at other file systems mounted
    /// in it.
    pub(super) fn remove_all(&self, may_give: bool) -> io::Result<()> {
        match unlink(&self.directory, &self.name, 0) {
            Err(error) if is_directory(&error) => {}
            removed => return removed,
        }
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        let top = open(Some(&self.directory), &self.name, flags)?;
        let device = top.metadata()?.dev();
        let mut removal = Removal {
            top: &top,
            device,
            may_give,
            moved: 0,
        };
        removal.empty(&top, DEPTH)?;
        unlink(&self.directory, &self.name, libc::AT_REMOVEDIR)
    }
}

/// A directory whose content is being removed.
struct Removal<'a> {
    top: &'a File,
    device: u64,
    may_give: bool,
    /// Number of directories that were too deep and have been moved to the top.
    moved: u64,
}

impl Removal<'_> {
    /// Removes the content of `directory`. If this process is root, no other user can add files
    /// meanwhile.
    fn empty(&mut self, directory: &File, depth: u32) -> io::Result<()> {
        if self.may_give {
            let own = Access {
                mode: 0o700,
                uid: 0,
                gid: 0,
            };
            give(directory, own, true)?;
        }
        loop {
            let names = some_names(directory)?;
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                match unlink(directory, &name, 0) {
                    Err(error) if is_directory(&error) => self.branch(directory, &name, depth)?,
                    removed => removed?,
                }
            }
        }
    }

    fn branch(&mut self, directory: &File, name: &CStr, depth: u32) -> io::Result<()> {
        if depth == 0 {
            let (from, top) = (directory.as_raw_fd(), self.top.as_raw_fd());
            let mut moved = Ok(());
            for _ in 0..ATTEMPTS {
                self.moved += 1;
                let to = CString::new(format!(".{}.{}", std::process::id(), self.moved))?;
                // SAFETY: both names are NUL-terminated and outlive the call.
                moved = done(unsafe { libc::renameat(from, name.as_ptr(), top, to.as_ptr()) });
                if moved.is_ok() {
                    break;
                }
            }
            return moved;
        }
        let below = open(Some(directory), name, libc::O_RDONLY | libc::O_DIRECTORY)?;
        if below.metadata()?.dev() != self.device {
            return Err(refused("another file system is mounted in it; unmount it"));
        }
        self.empty(&below, depth - 1)?;
        unlink(directory, name, libc::AT_REMOVEDIR)
    }
}

/// Whether `uid` is root or this process's user.
fn is_own(uid: u32) -> bool {
    // SAFETY: geteuid has no arguments and cannot fail.
    uid == 0 || uid == unsafe { libc::geteuid() }
}

/// Whether users other than the owner may write to it.
fn is_open_to_others(status: &Metadata) -> bool {
    // SAFETY: getegid has no arguments and cannot fail.
    let is_own_group = status.gid() == 0 || status.gid() == unsafe { libc::getegid() };
    let bits = if is_own_group { 0o002 } else { 0o022 };
    status.mode() & bits != 0
}

/// Whether a directory is trusted. A sticky one is: users cannot replace files of others there, and
/// a file made by another user is recognised by its owner.
fn is_directory_trusted(status: &Metadata) -> bool {
    is_own(status.uid()) && (status.mode() & STICKY != 0 || !is_open_to_others(status))
}

/// The components of `path`, the last one first.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .rev()
        .filter(|name| !name.is_empty() && *name != b".")
        .map(<[u8]>::to_vec)
        .collect()
}

fn refused(why: &str) -> io::Error {
    io::Error::other(why)
}

/// Whether the error means that the file to be removed is a directory.
fn is_directory(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EISDIR)
}

/// Sets owner and mode of an open file. Only root may change the owner. That clears some mode bits,
/// so the mode is set last.
fn give(file: &File, to: Access, may_give: bool) -> io::Result<()> {
    if may_give {
        fchown(file, Some(to.uid), Some(to.gid))?;
    }
    file.set_permissions(Permissions::from_mode(to.mode & MODE))
}

/// Opens `name` in `directory`, or in the working directory if there is none. Does not block.
/// Follows no link in `directory`. A new file gets mode 0600.
pub(super) fn open(directory: Option<&File>, name: &CStr, flags: c_int) -> io::Result<File> {
    let at = directory.map_or(libc::AT_FDCWD, AsRawFd::as_raw_fd);
    // The top may be given through links by the user who started this process.
    let follow = if directory.is_some() {
        libc::O_NOFOLLOW
    } else {
        0
    };
    let flags = flags | follow | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let mode: libc::c_uint = 0o600;
    // SAFETY: the name is NUL-terminated and outlives the call; the other arguments are plain
    // integers.
    let fd = unsafe { libc::openat(at, name.as_ptr(), flags, mode) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened the descriptor, and no other code owns it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// The file of this name as an O_PATH descriptor, and its metadata; `None` if there is none.
pub(super) fn look(directory: &File, name: &CStr) -> io::Result<Option<(File, Metadata)>> {
    match open(Some(directory), name, libc::O_PATH) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => {
            let file = opened?;
            let status = file.metadata()?;
            Ok(Some((file, status)))
        }
    }
}

/// The target of a symbolic link.
fn target(link: &File) -> io::Result<Vec<u8>> {
    let mut target = vec![0; libc::PATH_MAX.try_into().unwrap_or(4096)];
    let (at, name) = (link.as_raw_fd(), c"".as_ptr());
    // SAFETY: the name is NUL-terminated, and the pointer is to `target.len()` bytes.
    let length = unsafe { libc::readlinkat(at, name, target.as_mut_ptr().cast(), target.len()) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    target.truncate(length);
    Ok(target)
}

fn make_directory(directory: &File, name: &CStr, mode: libc::mode_t) -> io::Result<()> {
    // SAFETY: the name is NUL-terminated and outlives the call.
    done(unsafe { libc::mkdirat(directory.as_raw_fd(), name.as_ptr(), mode) })
}

/// Removes a name. Succeeds if it does not exist.
pub(super) fn unlink(directory: &File, name: &CStr, flags: c_int) -> io::Result<()> {
    // SAFETY: the name is NUL-terminated and outlives the call.
    match done(unsafe { libc::unlinkat(directory.as_raw_fd(), name.as_ptr(), flags) }) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// At most [`NAMES`] names in a directory; none if it is empty.
pub(super) fn some_names(directory: &File) -> io::Result<Vec<CString>> {
    // A new descriptor, which is read from the beginning.
    let fresh = open(Some(directory), c".", libc::O_RDONLY | libc::O_DIRECTORY)?;
    let fd = fresh.into_raw_fd();
    // SAFETY: the descriptor is that of a directory, and no other code owns it.
    let stream = unsafe { libc::fdopendir(fd) };
    if stream.is_null() {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    while found.len() < NAMES {
        // SAFETY: the stream is open and used by this thread alone.
        let entry = unsafe { libc::readdir(stream) };
        if entry.is_null() {
            break;
        }
        // SAFETY: the entry is valid until the next call, and its name is NUL-terminated.
        let name = unsafe { CStr::from_ptr((*entry).d_name.as_ptr()) };
        if name != c"." && name != c".." {
            found.push(name.to_owned());
        }
    }
    // SAFETY: the stream is open; closing it also closes the descriptor.
    unsafe { libc::closedir(stream) };
    Ok(found)
}

/// Converts the result of a call that returns 0 on success.
pub(super) fn done(result: c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    /// Another user, whose files only root can create.
    const OTHER: u32 = 4242;

    fn access() -> Access {
        let status = tempfile::tempdir().unwrap().path().metadata().unwrap();
        Access {
            mode: 0o6755,
            uid: status.uid(),
            gid: status.gid(),
        }
    }

    fn place(top: &Path, path: &str, to_the_end: bool) -> io::Result<Place> {
        let make = false;
        find(top, path, Way { to_the_end, make })
    }

    /// The content of the file at a path, or the error.
    fn read(top: &Path, path: &str) -> String {
        let read = place(top, path, true).and_then(|place| place.read());
        match read.and_then(io::read_to_string) {
            Ok(text) => text,
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn trusted_links_are_followed_and_stay_below_the_top() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::write(at("a/b/file"), "content").unwrap();
        for (name, target) in [
            ("absolute", "/a/b"),
            ("relative", "a/./b/"),
            ("up", "../../../a/b"),
            ("twice", "up"),
            ("loop", "loop"),
            ("nowhere", "/c/d"),
            ("a/b/top", "../.."),
        ] {
            symlink(target, at(name)).unwrap();
        }
        // (path, its content, or the start of the error)
        let table = [
            ("/a/b/file", "content"),
            ("a//b/./file", "content"),
            ("/absolute/file", "content"),
            ("/relative/file", "content"),
            ("/up/file", "content"),
            ("/twice/file", "content"),
            ("/a/b/top/a/b/file", "content"),
            ("/loop/file", "Too many levels of symbolic links"),
            ("/loop", "Too many levels of symbolic links"),
            ("/nowhere/file", "entity not found"),
            ("/a/b/file/more", "Not a directory"),
            ("/a/b", "it is no regular file"),
            ("/", "it is no regular file"),
        ];
        for (path, expected) in table {
            let found = read(dir.path(), path);
            assert!(found.starts_with(expected), "{path}: {found}");
        }
        let last = place(dir.path(), "/absolute", false).unwrap();
        assert_eq!(last.target().unwrap(), b"/a/b");
        assert!(last.read().is_err() && last.is_trusted);
    }

    #[test]
    fn trusted_refuses_what_another_user_may_have_put_there() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("others")).unwrap();
        fs::write(at("secret"), "secret").unwrap();
        fs::write(at("others/own"), "own").unwrap();
        fs::write(at("others/roots"), "secret").unwrap();
        fs::hard_link(at("secret"), at("others/hard")).unwrap();
        symlink("../secret", at("others/link")).unwrap();
        symlink(".", at("others/loop")).unwrap();
        symlink("others", at("given")).unwrap();
        fake_server::require!(
            chown(at("others"), Some(OTHER), None).is_ok(),
            "only root can give a file away"
        );
        chown(at("others/own"), Some(OTHER), None).unwrap();
        // (why this row exists, path, its content, or the start of the error)
        let table = [
            ("a file of the user's", "/others/own", "own"),
            ("by a link of root's", "/given/own", "own"),
            (
                "a link",
                "/others/link",
                "others may have laid a symbolic link",
            ),
            (
                "a link on the way",
                "/others/loop/own",
                "others may have laid a symbolic link",
            ),
            (
                "a hard link",
                "/others/hard",
                "others may write to its directory",
            ),
            (
                "a file of root's",
                "/others/roots",
                "others may write to its directory",
            ),
        ];
        for (why, path, expected) in table {
            let found = read(dir.path(), path);
            assert!(found.starts_with(expected), "{why}: {found}");
        }
        for name in ["own", "roots", "hard"] {
            let place = place(dir.path(), &format!("/others/{name}"), false).unwrap();
            assert!(place.give(access(), true).is_err(), "{name}");
            assert!(!place.is_protected());
        }
        assert!(place(dir.path(), "/secret", true).unwrap().is_protected());
    }

    #[test]
    fn trusted_directory_is_recognised_by_owner_and_mode() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("below");
        fs::create_dir(&below).unwrap();
        // (mode, whether the directory is trusted)
        for (mode, expected) in [
            (0o755, true),
            (0o700, true),
            (0o775, true),
            (0o757, false),
            (0o1777, true),
            (0o777, false),
        ] {
            fs::set_permissions(&below, Permissions::from_mode(mode)).unwrap();
            let found = place(dir.path(), "/below/file", false).unwrap();
            assert_eq!(found.is_trusted, expected, "{mode:o}");
        }
    }

    #[test]
    fn trusted_sets_no_set_id_bit() {
        let dir = tempfile::tempdir().unwrap();
        let file = place(dir.path(), "/file", false).unwrap();
        file.put(&mut &b"x"[..], access(), false).unwrap();
        assert_eq!(file.status().unwrap().unwrap().mode() & 0o7777, 0o755);
        fs::set_permissions(dir.path().join("file"), Permissions::from_mode(0o6711)).unwrap();
        file.give(access(), false).unwrap();
        assert_eq!(file.status().unwrap().unwrap().mode() & 0o7777, 0o755);
        assert_eq!(
            fs::read_dir(&dir).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn trusted_removes_a_tree_of_any_depth_and_follows_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("kept")).unwrap();
        fs::write(at("kept/file"), "").unwrap();
        let deep: std::path::PathBuf = std::iter::repeat_n("d", 3 * DEPTH as usize).collect();
        fs::create_dir_all(at("tree").join(&deep)).unwrap();
        symlink("../kept", at("tree/link")).unwrap();
        symlink("/kept", at("tree").join(&deep).join("link")).unwrap();
        for number in 0..2 * NAMES {
            fs::write(at("tree/d").join(format!("{number}\n")), "").unwrap();
        }
        place(dir.path(), "/tree", false)
            .unwrap()
            .remove_all(false)
            .unwrap();
        place(dir.path(), "/tree", false)
            .unwrap()
            .remove_all(false)
            .unwrap();
        assert!(!at("tree").exists() && at("kept/file").exists());
    }
}
