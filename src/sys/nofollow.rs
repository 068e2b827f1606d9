//! Safe opening of files in directories where other users may create files. A link may lead to
//! another user's file; a FIFO or device may block without a limit.

use std::fs::{self, DirBuilder, File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The mode bit of a directory that lets all users create files in it.
const WRITE_BY_ALL: u32 = 0o002;
/// Directories that may hold other things than regular files: a path in them names a descriptor or
/// device chosen by the caller.
const DESCRIPTORS: [&str; 2] = ["/dev", "/proc/self/fd"];

/// Opens a file written by the agent itself, with `options` and without blocking.
///
/// Fails if it is a link, is not a regular file, or has several hard links. Also fails if it, or a
/// directory above it, belongs to another user and lies in a world-writable directory. The error
/// says what to do.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    check_owners(path)?;
    // Checked before opening, because opening a device may have side effects.
    match fs::symlink_metadata(path) {
        Ok(found) => check(&found)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = options.custom_flags(flags).open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Creates a directory for files written by the agent itself, and the missing ones above it.
///
/// Fails if one of them, or of those that exist, belongs to another user and lies in a
/// world-writable directory.
pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    check_owners(path)?;
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o755).create(path)?;
    // Another user may have been faster.
    check_owners(path)
}

/// Opens a file written by the user, for reading and without blocking. Links are followed.
///
/// Fails for files that may block, unless the path lies in `/dev` or `/proc/self/fd`. `-conf
/// /dev/stdin` is the caller's choice.
pub(super) fn open_given(path: &Path) -> io::Result<File> {
    if DESCRIPTORS.iter().any(|above| path.starts_with(above)) {
        return File::open(path);
    }
    let is_file = |found: &Metadata| match kind(found.file_type()) {
        None => Ok(()),
        // Reading a directory fails with the kernel's error.
        Some(_) if found.is_dir() => Ok(()),
        Some(kind) => Err(io::Error::other(format!(
            "{kind}; a regular file is needed"
        ))),
    };
    is_file(&fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    is_file(&file.metadata()?)?;
    Ok(file)
}

/// Checks that the agent may use a file as its own.
fn check(found: &Metadata) -> io::Result<()> {
    if let Some(kind) = kind(found.file_type()) {
        let why = format!("{kind}, and the agent keeps a regular file there; remove it");
        return Err(io::Error::other(why));
    }
    match found.nlink() {
        ..=1 => Ok(()),
        links => Err(io::Error::other(format!(
            "a file with {links} names (hard links); replace it by a copy of it"
        ))),
    }
}

/// The kind of a file that is not regular; `None` for a regular file.
fn kind(found: FileType) -> Option<&'static str> {
    let kinds = [
        (found.is_symlink(), "a symbolic link"),
        (found.is_dir(), "a directory"),
        (found.is_fifo(), "a FIFO"),
        (found.is_socket(), "a socket"),
    ];
    let known = kinds.into_iter().find(|(is, _)| *is);
    known
        .map(|(_, kind)| kind)
        .or((!found.is_file()).then_some("a device"))
}

/// Fails if any component of the path was created by another user in a world-writable directory.
/// root counts as trusted.
fn check_owners(path: &Path) -> io::Result<()> {
    // SAFETY: geteuid has no arguments and cannot fail.
    let own = unsafe { libc::geteuid() };
    for (at, above) in path.ancestors().zip(path.ancestors().skip(1)) {
        let above = if above.as_os_str().is_empty() {
            Path::new(".")
        } else {
            above
        };
        let is_shared = fs::metadata(above).is_ok_and(|found| found.mode() & WRITE_BY_ALL != 0);
        let Ok(found) = fs::symlink_metadata(at) else {
            continue;
        };
        let owner = found.uid();
        if is_shared && owner != own && owner != 0 {
            let (at, above) = (at.display(), above.display());
            return Err(io::Error::other(format!(
                "{at} belongs to the user {owner}, and everybody may create files in {above}; \
                 remove it, or use another directory"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    /// A directory with one file of each kind.
    fn traps() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "own").unwrap();
        fs::write(at("other"), "precious").unwrap();
        symlink(at("other"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        fs::hard_link(at("other"), at("second")).unwrap();
        mkfifoat(CWD, at("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
        fs::create_dir(at("directory")).unwrap();
        drop(UnixListener::bind(at("socket")).unwrap());
        symlink("/dev/full", at("device")).unwrap();
        dir
    }

    #[test]
    fn nofollow_opens_own_files_only_if_regular_with_one_name() {
        let dir = traps();
        // (name, why it is refused; empty: accepted)
        let table = [
            ("file", ""),
            ("new", ""),
            ("link", "a symbolic link"),
            ("dangling", "a symbolic link"),
            ("second", "a file with 2 names"),
            ("fifo", "a FIFO"),
            ("directory", "a directory"),
            ("socket", "a socket"),
            ("device", "a symbolic link"),
        ];
        for (name, expected) in table {
            let path = dir.path().join(name);
            let mut create = OpenOptions::new();
            create.write(true).create(true).truncate(true);
            let mut change = OpenOptions::new();
            change.read(true).write(true);
            let mut read = OpenOptions::new();
            read.read(true);
            for mut options in [create, change, read] {
                let said = open(&path, &mut options)
                    .map(drop)
                    .map_err(|error| error.to_string());
                match expected {
                    "" => said.unwrap(),
                    expected => {
                        let said = said.unwrap_err();
                        assert!(said.starts_with(expected), "{name}: {said}");
                    }
                }
            }
        }
        let error = open(Path::new("/dev/null"), OpenOptions::new().read(true)).unwrap_err();
        assert!(error.to_string().starts_with("a device"), "{error}");
        assert_eq!(fs::read(dir.path().join("other")).unwrap(), b"precious");
        assert!(!dir.path().join("nowhere").exists());
    }

    #[test]
    fn nofollow_refuses_what_is_swapped_after_the_check() {
        let dir = traps();
        for name in ["fifo", "link", "directory"] {
            let path = dir.path().join(name);
            let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
            let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
            let is_refused = opened.map_or(true, |file| check(&file.metadata().unwrap()).is_err());
            assert!(is_refused, "{name}");
        }
    }

    #[test]
    fn nofollow_opens_given_files_that_are_links_but_do_not_block() {
        let dir = traps();
        // (name, why it is refused; empty: accepted)
        let table = [
            ("file", ""),
            ("link", ""),
            ("second", ""),
            ("fifo", "a FIFO; a regular file is needed"),
            ("directory", ""),
            ("device", "a device"),
            ("socket", "a socket"),
            ("nowhere", "No such file"),
            ("dangling", "No such file"),
        ];
        for (name, expected) in table {
            let said = open_given(&dir.path().join(name)).map(drop);
            let said = said
                .map_err(|error| error.to_string())
                .err()
                .unwrap_or_default();
            assert!(said.starts_with(expected), "{name}: {said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{name}: {said}");
        }
        open_given(Path::new("/dev/null")).unwrap();
    }

    #[test]
    fn nofollow_refuses_files_of_others_in_a_shared_directory() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| -> PathBuf { dir.path().join(name) };
        for (name, mode) in [("shared", 0o1777), ("closed", 0o755)] {
            fs::create_dir(at(name)).unwrap();
            fs::set_permissions(at(name), PermissionsExt::from_mode(mode)).unwrap();
            fs::create_dir(at(name).join("below")).unwrap();
        }
        let files = [
            "shared/file",
            "closed/file",
            "shared/below/file",
            "closed/below/file",
        ];
        for name in files {
            fs::write(at(name), "").unwrap();
            open(&at(name), OpenOptions::new().read(true)).unwrap();
        }
        let foreign = ["shared/file", "closed/file", "shared/below", "closed/below"];
        for name in foreign {
            fake_server::require!(
                chown(at(name), Some(4242), None).is_ok(),
                "only root can give a file away"
            );
        }
        // (name, whether it is refused)
        let table = [
            ("shared/file", true),
            ("closed/file", false),
            ("shared/below/file", true),
            ("shared/below/new", true),
            ("closed/below/file", false),
        ];
        for (name, is_refused) in table {
            let opened = open(&at(name), OpenOptions::new().read(true));
            let said = opened
                .map_err(|error| error.to_string())
                .err()
                .unwrap_or_default();
            assert_eq!(
                said.contains("belongs to the user 4242"),
                is_refused,
                "{name}: {said}"
            );
            let directory = at(name).with_file_name("a/b");
            let refused = name.starts_with("shared/below");
            let made = create_directory(&directory);
            assert_eq!(made.is_err(), refused, "{}", directory.display());
            assert_eq!(at(name).with_file_name("a").exists(), !refused);
        }
        let link = at("shared/link");
        symlink(at("closed"), &link).unwrap();
        create_directory(&link.join("own")).unwrap();
        lchown(&link, Some(4242), None).unwrap();
        create_directory(&link.join("other")).unwrap_err();
        assert!(!at("closed/other").exists());
    }
}
