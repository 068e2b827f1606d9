//! A child that is this program again: it does not outlive its parent, and is waited for together
//! with whatever else the kernel makes a child of this process.

use std::ffi::{CString, OsStr, OsString, c_int};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{fmt, io, ptr};

use super::environment;
use super::signal::{self, Signal};

/// What a child is started with, besides the environment of this process.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    /// The first word of its command line.
    pub(crate) name: &'a OsStr,
    pub(crate) arguments: &'a [OsString],
}

/// A running child. To be waited for by [`reap`].
pub(crate) struct Child {
    pid: libc::pid_t,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// By itself, with this status.
    Code(i32),
    /// By a signal of this number.
    Signal(i32),
}

/// Starts a child with nothing on its standard input; what it prints goes where this process
/// prints. The signals that it is going to take wait until it does. Fails if the program cannot be
/// run.
pub(crate) fn start(start: Start<'_>) -> io::Result<Child> {
    let program = CString::new(start.program.as_os_str().as_bytes())?;
    let mut words = vec![CString::new(start.name.as_bytes())?];
    for word in start.arguments {
        words.push(CString::new(word.as_bytes())?);
    }
    let mut argv: Vec<_> = words.iter().map(|word| word.as_ptr().cast_mut()).collect();
    argv.push(ptr::null_mut());
    let manner = SpawnAttributes::new()?;
    let mut pid = 0;
    // SAFETY: the manner is initialised, the program and every word end in NUL, and so do, in null,
    // the lists of words and of variables; nothing is changed, and nothing is kept.
    done(unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            &raw const manner.files,
            &raw const manner.attributes,
            argv.as_ptr(),
            environment::pointers(),
        )
    })?;
    Ok(Child { pid })
}

/// What is done to a child before its program runs. On the heap, where it stays: a copy of it need
/// not be one to the C library.
struct SpawnAttributes {
    files: libc::posix_spawn_file_actions_t,
    attributes: libc::posix_spawnattr_t,
}

impl SpawnAttributes {
    fn new() -> io::Result<Box<SpawnAttributes>> {
        let mut manner = Box::new(MaybeUninit::<SpawnAttributes>::zeroed());
        let at = manner.as_mut_ptr();
        let mask = signal::mask_of_program();
        let flags = libc::POSIX_SPAWN_SETSIGMASK;
        let flags = libc::c_short::try_from(flags).unwrap_or_default();
        // SAFETY: both places are valid, and each is initialised before it is used. Zeroes are a
        // valid value of either plain struct, so that they may be dropped if that fails.
        unsafe {
            let (files, attributes) = (&raw mut (*at).files, &raw mut (*at).attributes);
            let results = [
                libc::posix_spawn_file_actions_init(files),
                libc::posix_spawnattr_init(attributes),
                libc::posix_spawn_file_actions_addopen(
                    files,
                    libc::STDIN_FILENO,
                    c"/dev/null".as_ptr(),
                    libc::O_RDONLY,
                    0,
                ),
                libc::posix_spawnattr_setsigmask(attributes, &raw const mask),
                libc::posix_spawnattr_setflags(attributes, flags),
            ];
            let manner = manner.assume_init();
            results.into_iter().try_for_each(done)?;
            Ok(manner)
        }
    }
}

impl Drop for SpawnAttributes {
    fn drop(&mut self) {
        // SAFETY: both are initialised, and nobody uses them any more.
        unsafe {
            libc::posix_spawn_file_actions_destroy(&raw mut self.files);
            libc::posix_spawnattr_destroy(&raw mut self.attributes);
        }
    }
}

/// The result of a function that returns its error.
fn done(number: c_int) -> io::Result<()> {
    match number {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

/// Has this process killed as soon as `parent` ends, which has no thread but the one that started
/// it. Fails if that process is not its parent any more.
pub(crate) fn end_with(parent: u32) -> io::Result<()> {
    // SAFETY: this call takes a number and touches no memory.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
        return Err(io::Error::last_os_error());
    }
    match std::os::unix::process::parent_id() == parent {
        true => Ok(()),
        // It ended before the kernel was told.
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

impl Child {
    /// The number of its process.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends it a signal. Not to be called once [`reap`] has returned its end: by then the number
    /// may be another process's.
    pub(crate) fn signal(&self, signal: Signal) {
        // SAFETY: this call takes two numbers and touches no memory. Its only failure would be that
        // the process has gone, which its end will tell.
        unsafe { libc::kill(self.pid, signal.number()) };
    }
}

/// A child that has ended, by its number, and how; `None` if there is none at present. Returns
/// each once, also those that are not known here: what a process was before it became this
/// program may have left some, and process 1 inherits all whose parents have ended.
pub(crate) fn reap() -> Option<(i32, End)> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for an integer.
        let pid = unsafe { libc::waitpid(-1, ptr::from_mut(&mut status), libc::WNOHANG) };
        if pid <= 0 {
            return None;
        }
        if libc::WIFEXITED(status) {
            return Some((pid, End::Code(libc::WEXITSTATUS(status))));
        }
        if libc::WIFSIGNALED(status) {
            return Some((pid, End::Signal(libc::WTERMSIG(status))));
        }
    }
}

impl fmt::Display for End {
    /// In the words of Go's `os/exec`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match self {
            End::Code(code) => return write!(f, "exit status {code}"),
            End::Signal(number) => *number,
        };
        f.write_str("signal: ")?;
        f.write_str(match number {
            libc::SIGHUP => "hangup",
            libc::SIGINT => "interrupt",
            libc::SIGQUIT => "quit",
            libc::SIGILL => "illegal instruction",
            libc::SIGTRAP => "trace/breakpoint trap",
            libc::SIGABRT => "aborted",
            libc::SIGBUS => "bus error",
            libc::SIGFPE => "floating point exception",
            libc::SIGKILL => "killed",
            libc::SIGSEGV => "segmentation fault",
            libc::SIGTERM => "terminated",
            libc::SIGSYS => "bad system call",
            _ => return write!(f, "signal {number}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_known_words() {
        let table = [
            (End::Code(0), "exit status 0"),
            (End::Code(1), "exit status 1"),
            (End::Signal(libc::SIGKILL), "signal: killed"),
            (End::Signal(libc::SIGABRT), "signal: aborted"),
            (End::Signal(64), "signal: signal 64"),
        ];
        for (end, expected) in table {
            assert_eq!(end.to_string(), expected);
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let started = start(Start {
            program: Path::new("/nonexistent/agent"),
            name: OsStr::new("agent"),
            arguments: &[],
        });
        assert_eq!(started.err().unwrap().kind(), io::ErrorKind::NotFound);
    }
}
