//! A child process and its process group: signalling, waiting, reaping.

use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// The first pause between two polls of a child for which the kernel gives no pidfd (before Linux
/// 5.3). Each further pause is twice as long.
const FIRST_NAP: Duration = Duration::from_millis(1);
/// The longest pause between two polls.
const LONGEST_NAP: Duration = Duration::from_millis(250);

/// A child that leads its own process group. Dropping it kills the group and reaps the child.
pub(super) struct ProcessGroup {
    pid: libc::pid_t,
    /// How the child ended, once it has been reaped.
    reaped: Option<Result<i32, i32>>,
    exit: Exit,
}

/// How the child's exit is noticed.
enum Exit {
    /// Not waited for yet.
    Unwatched,
    Descriptor(OwnedFd),
    /// By polling again after this pause.
    Naps(Duration),
}

impl ProcessGroup {
    /// The group led by the child `pid`, which no other code may wait for.
    pub(super) fn led_by(pid: libc::pid_t, has_pidfd: bool) -> ProcessGroup {
        let exit = if has_pidfd {
            Exit::Unwatched
        } else {
            Exit::Naps(FIRST_NAP)
        };
        ProcessGroup {
            pid,
            reaped: None,
            exit,
        }
    }

    /// Sends a signal to every process in the group. Has no effect if none is left.
    pub(super) fn signal(&self, signal: libc::c_int) {
        if self.reaped.is_none() {
            // SAFETY: kill takes plain integers. The leader has not been reaped. Its pid, which is
            // also the group's id, cannot have been reused for another process.
            unsafe { libc::kill(-self.pid, signal) };
        }
    }

    /// Whether the child has exited. Reaps it then; afterwards the group gets no signal any more.
    pub(super) fn ends(&mut self) -> bool {
        self.wait(libc::WNOHANG);
        self.reaped.is_some()
    }

    /// Whether the child has exited. Does not reap it.
    pub(super) fn has_ended(&self) -> bool {
        let Ok(id) = libc::id_t::try_from(self.pid) else {
            return true;
        };
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: siginfo_t consists of integers, for which all bits zero is a value.
        let mut found: libc::siginfo_t = unsafe { mem::zeroed() };
        // SAFETY: the pointer is to a siginfo_t that outlives the call.
        let asked = unsafe { libc::waitid(libc::P_PID, id, &raw mut found, options) };
        // SAFETY: waitid has succeeded. It has filled in the fields for a child's signal, or left
        // all bits zero.
        asked != 0 || unsafe { found.si_pid() } != 0
    }

    /// A descriptor that polls readable once the child has exited, or the pause until the next
    /// poll.
    pub(super) fn exit(&mut self) -> (Option<RawFd>, Option<Duration>) {
        if matches!(self.exit, Exit::Unwatched) {
            self.exit = match pidfd(self.pid) {
                Some(descriptor) => Exit::Descriptor(descriptor),
                None => Exit::Naps(FIRST_NAP),
            };
        }
        match &mut self.exit {
            Exit::Descriptor(descriptor) => (Some(descriptor.as_raw_fd()), None),
            Exit::Naps(pause) => {
                let nap = *pause;
                *pause = (nap * 2).min(LONGEST_NAP);
                (None, Some(nap))
            }
            Exit::Unwatched => (None, Some(FIRST_NAP)),
        }
    }

    /// Waits for the child. Returns its exit code, or as an error the number of the signal that
    /// ended it. That number is 0 if the child's status is lost.
    pub(super) fn reap(mut self) -> Result<i32, i32> {
        if self.reaped.is_none() {
            self.wait(0);
        }
        self.reaped.unwrap_or(Err(0))
    }

    fn wait(&mut self, options: libc::c_int) {
        let mut status = 0;
        // SAFETY: the pointer is to an integer that outlives the call. Without WNOHANG, and as this
        // program catches no signal, the call returns only once the child has exited.
        let found = unsafe { libc::waitpid(self.pid, &raw mut status, options) };
        self.reaped = if found == 0 {
            None
        } else if found != self.pid {
            Some(Err(0))
        } else if libc::WIFSIGNALED(status) {
            Some(Err(libc::WTERMSIG(status)))
        } else {
            Some(Ok(libc::WEXITSTATUS(status)))
        };
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if self.reaped.is_none() {
            self.signal(libc::SIGKILL);
            self.wait(0);
        }
    }
}

/// A pidfd of a child that has not been reaped; `None` if the kernel does not support it or a
/// system call filter refuses it.
fn pidfd(pid: libc::pid_t) -> Option<OwnedFd> {
    // SAFETY: pidfd_open takes plain integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: the kernel has just opened the descriptor, and no other code owns it.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}
