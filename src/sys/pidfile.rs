//! The pid file. An init script reads from it which process to signal. A second agent sees that one
//! runs.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{env, error, fmt, process};

use super::lock::{ATTEMPTS, is_at};
use super::nofollow;
use super::root::FileError;
use crate::sys::log;

/// Maximum number of bytes read. A process id has at most 10.
const LIMIT: usize = 64;

/// The pid file of this process: locked while the process runs, removed on drop.
pub(crate) struct PidFile {
    path: PathBuf,
    _locked: File,
    /// Whether the file existed at the start: the last agent has not removed it.
    was_left: bool,
}

impl PidFile {
    /// Writes this process's id to `path`, without a newline. Creates the directory if it is
    /// missing.
    ///
    /// Fails if the file belongs to a running agent. Such an agent holds the lock, or is a process
    /// with this program's name: the Go agent takes no lock. A file of a process that has exited,
    /// or without a process id, is overwritten, and a warning is logged. Any user can lock a file
    /// that all may read, so a lock does not count if the process in the file has exited.
    pub(crate) fn claim(path: &Path) -> Result<PidFile, PidFileError> {
        let failed = |verb| move |error| PidFileError::File(FileError::new(verb, path, error));
        if let Some(directory) = path.parent() {
            let created = nofollow::create_directory(directory);
            created.map_err(failed("create the directory of"))?;
        }
        let mut file = lock(path)
            .map_err(failed("lock"))?
            .ok_or_else(|| PidFileError::Running(path.to_owned()))?;
        let text = text(&file);
        // Scripts that write the file end it with a line feed.
        match text.trim_ascii().parse() {
            Ok(pid) if pid == process::id() => {}
            Ok(pid) if is_agent(pid) => return Err(PidFileError::Running(path.to_owned())),
            Ok(pid) => log::warn!(
                "pidfile {} is left over from process {pid} and is overwritten",
                path.display()
            ),
            Err(_) if text.is_empty() => {}
            Err(_) => log::warn!("pidfile {} is malformed and is overwritten", path.display()),
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(process::id().to_string().as_bytes()));
        written.map_err(failed("write"))?;
        Ok(PidFile {
            path: path.to_owned(),
            _locked: file,
            was_left: !text.is_empty(),
        })
    }

    /// Whether the last agent that used the file ended without removing it: it crashed or was
    /// killed.
    pub(crate) fn was_left(&self) -> bool {
        self.was_left
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            log::warn!("remove {}: {error}", self.path.display());
        }
    }
}

/// Opens the file and locks it; `None` if another process holds the lock. Creates the file if it is
/// missing.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    for _ in 0..ATTEMPTS {
        let file = nofollow::open(path, &mut options)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if is_of_a_process(&file) => return Ok(None),
            // On a file system without locks, the file counts as free.
            Err(_) => return Ok(Some(file)),
            Ok(()) => {}
        }
        if is_at(&file, path) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Whether the process that the file names exists. So does that of a file without a process id: an
/// agent may be about to write its own.
fn is_of_a_process(file: &File) -> bool {
    let pid = text(file).trim_ascii().parse();
    pid.map_or(true, |pid: u32| Path::new(&format!("/proc/{pid}")).exists())
}

/// The content of the file; empty if it cannot be read. Bytes that are not UTF-8 are no process id
/// either.
fn text(file: &File) -> String {
    let mut text = [0; LIMIT];
    let count = file.read_at(&mut text, 0).unwrap_or_default();
    String::from_utf8_lossy(&text[..count]).into_owned()
}

/// Whether the process `pid` is an agent that takes no lock: it has this program's name but runs
/// another file. An agent that runs this program's file takes the lock.
fn is_agent(pid: u32) -> bool {
    let exe = |process: &str| {
        let file = fs::metadata(format!("/proc/{process}/exe")).ok()?;
        Some((file.dev(), file.ino()))
    };
    let mut other = Vec::new();
    let cmdline = File::open(format!("/proc/{pid}/cmdline"));
    if cmdline
        .and_then(|file| file.take(4096).read_to_end(&mut other))
        .is_err()
    {
        return false;
    }
    let other = other.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = |path: &[u8]| path.rsplit(|byte| *byte == b'/').next().map(<[u8]>::to_vec);
    let own = env::args_os().next().unwrap_or_default();
    let is_named_alike = name(other) == name(own.as_encoded_bytes());
    is_named_alike
        && match exe(&pid.to_string()) {
            Some(file) => Some(file) != exe("self"),
            // This program hides its `exe` link from processes of its own user; other agents do
            // not.
            None => !is_of_own_user(pid),
        }
}

/// Whether a process runs as the user of this one.
fn is_of_own_user(pid: u32) -> bool {
    // SAFETY: geteuid has no arguments and cannot fail.
    let own = format!("\nUid:\t{}\t", unsafe { libc::geteuid() });
    let mut status = Vec::new();
    let file = File::open(format!("/proc/{pid}/status"));
    file.and_then(|file| file.take(4096).read_to_end(&mut status))
        .is_ok_and(|_| String::from_utf8_lossy(&status).contains(&own))
}

/// Why the pid file could not be claimed.
#[derive(Debug)]
pub(crate) enum PidFileError {
    /// Another agent runs.
    Running(PathBuf),
    /// The file cannot be used.
    File(FileError),
}

impl fmt::Display for PidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PidFileError::Running(path) => write!(
                f,
                "pidfile found, try stopping another running mackerel-agent or delete {}",
                path.display()
            ),
            PidFileError::File(_) => f.write_str("cannot use the pidfile (-pidfile names another)"),
        }
    }
}

impl error::Error for PidFileError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            PidFileError::Running(_) => None,
            PidFileError::File(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;

    #[test]
    fn pidfile_left_over_is_overwritten_and_removed_on_drop() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/agent.pid");
        let own = process::id().to_string();
        for left in [
            None,
            Some(""),
            Some("1\n"),
            Some("no number"),
            Some("4194999"),
            Some(&*own),
        ] {
            if let Some(left) = left {
                fs::write(&path, left).unwrap();
            }
            let claimed = PidFile::claim(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), own.as_bytes());
            assert_eq!(
                claimed.was_left(),
                left.is_some_and(|left| !left.is_empty())
            );
            drop(claimed);
            assert!(!path.exists());
        }
    }

    #[test]
    fn pidfile_that_is_locked_belongs_to_a_running_agent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.pid");
        let _first = PidFile::claim(&path).unwrap();
        let error = PidFile::claim(&path).err().unwrap();
        let expected = format!(
            "pidfile found, try stopping another running mackerel-agent or delete {}",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
        assert!(path.exists());
    }

    #[test]
    fn pidfile_that_is_locked_by_another_program_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.pid");
        // (content, whether an agent may be running)
        let table = [("4194999", false), ("1", true), ("", true), ("x", true)];
        for (left, is_running) in table {
            fs::write(&path, left).unwrap();
            let of_another = File::open(&path).unwrap();
            of_another.lock_shared().unwrap();
            let claimed = PidFile::claim(&path);
            assert_eq!(claimed.is_err(), is_running, "{left}");
        }
    }

    #[test]
    fn pidfile_error_names_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let error = PidFile::claim(dir.path()).err().unwrap();
        let line = base::report(&error);
        assert!(line.contains(&dir.path().display().to_string()), "{line}");
    }
}
