//! A child process that runs this program again. It is killed when its parent ends. It is reaped
//! together with all other children of this process.

use std::ffi::{CString, OsStr, OsString, c_int};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{fmt, io, ptr};

use super::environment;
use super::signal::{self, Signal};

/// The program and command line of a child. Its environment is that of this process.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    /// argv[0] of the child.
    pub(crate) name: &'a OsStr,
    pub(crate) arguments: &'a [OsString],
}

/// A running child, to be reaped by [`reap`].
pub(crate) struct Child {
    pid: libc::pid_t,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// By itself, with this exit status.
    Code(i32),
    /// By the signal with this number.
    Signal(i32),
}

/// Starts a child with `/dev/null` as stdin and this process's stdout and stderr. The signals that
/// the program handles stay blocked until it handles them. Fails if the program cannot be run.
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
    // SAFETY: the attributes are initialised. The program and every word are NUL-terminated. The
    // lists of words and variables end with a null pointer. The call changes and keeps none of
    // them.
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

/// What is done to a child before its program runs. Kept on the heap, because the C library does
/// not define what a moved copy means.
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
        // SAFETY: both places are valid, and each is initialised before it is used. All bits zero
        // is a valid value of either plain struct, so they may be dropped if that fails.
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
        // SAFETY: both are initialised and not used afterwards.
        unsafe {
            libc::posix_spawn_file_actions_destroy(&raw mut self.files);
            libc::posix_spawnattr_destroy(&raw mut self.attributes);
        }
    }
}

/// Converts a result that is 0 or an error number.
fn done(number: c_int) -> io::Result<()> {
    match number {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

/// Has the kernel kill this process as soon as `parent` ends. `parent` must have no thread other
/// than the one that started this process. Fails if `parent` is no longer its parent.
pub(crate) fn end_with(parent: u32) -> io::Result<()> {
    // SAFETY: this call takes a number and touches no memory.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if std::os::unix::process::parent_id() != parent {
        // The parent ended before PR_SET_PDEATHSIG was set.
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(())
}

impl Child {
    /// The process id.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends a signal to the child. Must not be called after [`reap`] has returned its end: the
    /// process id may have been reused by then.
    pub(crate) fn signal(&self, signal: Signal) {
        // SAFETY: this call takes two numbers and touches no memory. It can fail only if the
        // process has exited, which [`reap`] reports.
        unsafe { libc::kill(self.pid, signal.number()) };
    }
}

/// Reaps one child that has ended and returns its process id and how it ended; `None` if there is
/// none at present. Also returns children that this program did not start. They may stem from a
/// program that ran in this process before, and process 1 inherits all orphans.
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
    /// Worded as in Go's `os/exec`.
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
    fn child_end_is_worded_as_in_go() {
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
    fn child_of_a_missing_program_is_an_error() {
        let started = start(Start {
            program: Path::new("/nonexistent/agent"),
            name: OsStr::new("agent"),
            arguments: &[],
        });
        assert_eq!(started.err().unwrap().kind(), io::ErrorKind::NotFound);
    }
}
