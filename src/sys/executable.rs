//! The file of this program: its path, and whether it has been replaced.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Refers to the program that this process runs, even if its file was renamed or deleted.
const RUNNING: &str = "/proc/self/exe";

/// What the kernel adds to the path of a file that was replaced or removed.
const DELETED: &[u8] = b" (deleted)";

/// The file of this program, with its modification time.
pub(crate) struct Executable {
    path: PathBuf,
    modified: Option<Modified>,
}

/// Seconds and nanoseconds since the epoch.
type Modified = (i64, i64);

impl Executable {
    /// The file that this process was started from.
    ///
    /// The path in the command line is used if it leads to the running program. It may be a
    /// symbolic link, which leads to another program after an upgrade. Otherwise the path that the
    /// kernel reports is used. Fails if that is not available either, without `/proc`.
    pub(crate) fn own() -> io::Result<Executable> {
        Executable::called(&name())
    }

    fn called(name: &OsStr) -> io::Result<Executable> {
        let is_path = name.as_bytes().contains(&b'/');
        let leads_here = || match (fs::metadata(name), fs::metadata(RUNNING)) {
            (Ok(named), Ok(own)) => (named.dev(), named.ino()) == (own.dev(), own.ino()),
            (named, _) => named.is_ok(),
        };
        // A relative path is fine: the agent does not change its directory.
        let path = if is_path && leads_here() {
            PathBuf::from(name)
        } else {
            now_at(env::current_exe()?, &|path| path.exists())
        };
        let modified = modified(&path);
        Ok(Executable { path, modified })
    }

    /// A file that has been removed since.
    #[cfg(test)]
    pub(crate) fn gone() -> Executable {
        Executable {
            path: "/nowhere".into(),
            modified: Some((0, 0)),
        }
    }

    /// The path of the file. It may be relative to the directory in which the process was started.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file has been replaced or removed since.
    pub(crate) fn is_replaced(&self) -> bool {
        modified(&self.path) != self.modified
    }
}

/// Where to find this program, of which the kernel reports `path`. If its file was replaced, it is
/// the one that has taken its place, and if it was removed, what this process runs.
fn now_at(path: PathBuf, is_there: &dyn Fn(&Path) -> bool) -> PathBuf {
    match path.as_os_str().as_bytes().strip_suffix(DELETED) {
        Some(before) if !is_there(&path) => {
            let before = Path::new(OsStr::from_bytes(before));
            let now = if is_there(before) {
                before
            } else {
                RUNNING.as_ref()
            };
            now.to_owned()
        }
        _ => path,
    }
}

/// The name under which this program was started: argv[0].
pub(crate) fn name() -> OsString {
    env::args_os().next().unwrap_or_default()
}

/// The file's modification time; `None` if it does not exist.
fn modified(path: &Path) -> Option<Modified> {
    let file = fs::metadata(path).ok()?;
    Some((file.mtime(), file.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::os::unix::fs::symlink;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn executable_path_is_the_one_used_at_start_if_it_leads_there() {
        let dir = tempfile::tempdir().unwrap();
        let own = env::current_exe().unwrap();
        let link = dir.path().join("current");
        symlink(&own, &link).unwrap();
        let other = dir.path().join("other");
        fs::write(&other, "").unwrap();
        // (why this row exists, name, expected)
        let table = [
            ("a link, which an upgrade turns elsewhere", &link, &link),
            ("a name that somebody made up", &other, &own),
            ("one that was looked for in PATH", &"agent".into(), &own),
            ("nothing", &PathBuf::new(), &own),
        ];
        for (why, name, expected) in table {
            let found = Executable::called(name.as_os_str()).unwrap();
            assert_eq!(found.path(), expected, "{why}");
            assert!(!found.is_replaced(), "{why}");
        }
    }

    #[test]
    fn executable_that_is_started_after_an_upgrade_is_the_one_in_its_place() {
        // (why this row exists, path by the kernel, files, expected)
        type Row = (
            &'static str,
            &'static str,
            &'static [&'static str],
            &'static str,
        );
        let table: [Row; 4] = [
            (
                "nothing has happened",
                "/b/agent",
                &["/b/agent"],
                "/b/agent",
            ),
            ("replaced", "/b/agent (deleted)", &["/b/agent"], "/b/agent"),
            ("removed", "/b/agent (deleted)", &[], "/proc/self/exe"),
            (
                "a strange name",
                "/b/agent (deleted)",
                &["/b/agent", "/b/agent (deleted)"],
                "/b/agent (deleted)",
            ),
        ];
        for (why, path, files, expected) in table {
            let is_there = |path: &Path| files.iter().any(|file| path == Path::new(file));
            assert_eq!(now_at(path.into(), &is_there), Path::new(expected), "{why}");
        }
    }

    #[test]
    fn executable_replaced_or_removed_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent");
        let modify = |seconds| {
            let file = File::create(&path).unwrap();
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            file.set_times(FileTimes::new().set_modified(time)).unwrap();
        };
        modify(1_000);
        let file = Executable {
            modified: modified(&path),
            path: path.clone(),
        };
        assert!(!file.is_replaced());
        for other in [1_001, 999] {
            modify(other);
            assert!(file.is_replaced(), "an older one is another one too");
        }
        modify(1_000);
        assert!(!file.is_replaced());
        fs::remove_file(&path).unwrap();
        assert!(file.is_replaced());
    }
}
