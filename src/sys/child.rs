//! A child that is this program again: it does not outlive its parent, and is waited for together
//! with whatever else the kernel makes a child of this process.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::{fmt, io, ptr};

use super::signal::{self, Signal};

/// What a child is started with.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    /// The first word of its command line.
    pub(crate) name: &'a OsStr,
    pub(crate) arguments: &'a [OsString],
    /// A variable added to the environment that it inherits.
    pub(crate) variable: Option<(&'a str, &'a str)>,
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
/// prints. Signals that it takes do not end it before it takes them. It is killed when the
/// thread that started it ends, however that comes about.
pub(crate) fn start(start: Start<'_>) -> io::Result<Child> {
    let own = process::id();
    #[expect(clippy::disallowed_methods, reason = "this program again, no command")]
    let mut command = Command::new(start.program);
    command
        .arg0(start.name)
        .args(start.arguments)
        .envs(start.variable)
        .stdin(Stdio::null());
    // SAFETY: between fork and exec, the closure makes plain system calls and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            end_with_parent()?;
            signal::block_for_next_program();
            match libc::getppid().cast_unsigned() == own {
                true => Ok(()),
                // The parent ended before the kernel was told.
                false => Err(io::ErrorKind::NotFound.into()),
            }
        });
    }
    let child = command.spawn()?;
    let pid = child.id().cast_signed();
    Ok(Child { pid })
}

/// Has this process killed as soon as the thread that started it ends. A child has to ask again
/// for itself: the kernel forgets it where a program with capabilities of its own is started.
pub(crate) fn end_with_parent() -> io::Result<()> {
    // SAFETY: this call takes a number and touches no memory.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
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
            variable: None,
        });
        assert_eq!(started.err().unwrap().kind(), io::ErrorKind::NotFound);
    }
}
