//! Starts a process: by clone(2) with the memory of the agent, as vfork(2) does, or by fork(2) if it
//! must run as another user.
//!
//! `std::process` is not used. With it, a child inherits the signal mask of the thread that starts
//! it, and the agent's threads block the signals that end a process. Changing the mask there costs
//! twice the time and some 30 kB. Nor is posix_spawn(3): musl holds a lock until the program runs,
//! so that one program on a file system that hangs would keep all others from being started.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::io::{self, PipeReader, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::account::Account;

/// The signals that are reset to their default action for a command. The agent may have been
/// started with them ignored, and Rust itself ignores SIGPIPE.
const DEFAULT: [c_int; 6] = [
    libc::SIGPIPE,
    libc::SIGCHLD,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
];
/// Those that are reset in the foreground: the caller of a job may want the others to be ignored, as
/// nohup(1) does.
const DEFAULT_IN_FOREGROUND: &[c_int] = DEFAULT.split_at(2).0;
const NULL: &CStr = c"/dev/null";
/// Bytes of stack of a child until its program runs.
const STACK: usize = 16 << 10;
/// Descriptors below this number are closed one by one where the kernel, older than 5.9, has no
/// close_range(2): as many as a process may open unless it is allowed more.
const CLOSED_SINGLY: c_uint = 1024;

/// A started process, and the reading ends of its stdout and stderr.
pub(super) struct Spawned {
    pub(super) pid: libc::pid_t,
    pub(super) stdout: PipeReader,
    pub(super) stderr: PipeReader,
}

/// Where a process runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// It leads a session, so that it has no terminal, and a group. Its stdin is `/dev/null`.
    Background,
    /// It has this process's group and stdin.
    Foreground,
}

/// Starts `program`, as the user `account` if there is one, which is in the background. The process
/// writes into two pipes and blocks no signal. It inherits no other file that the agent has opened,
/// and in the background no other file at all.
pub(super) fn spawn(
    program: &CStr,
    argv: &[CString],
    environment: &[CString],
    account: Option<&Account>,
    place: Place,
) -> io::Result<Spawned> {
    static KEEPS_STATUS: AtomicBool = AtomicBool::new(false);
    // If the agent was started with SIGCHLD ignored, the exit status of its children would be lost.
    if !KEEPS_STATUS.load(Ordering::Relaxed) {
        // SAFETY: SIG_DFL is not a handler, so no code can run in signal context.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        KEEPS_STATUS.store(true, Ordering::Relaxed);
    }
    let (stdout, stdout_writer) = io::pipe()?;
    let (stderr, stderr_writer) = io::pipe()?;
    let image = Image {
        program,
        argv: pointers(argv),
        environment: pointers(environment),
        stdout: stdout_writer.as_raw_fd(),
        stderr: stderr_writer.as_raw_fd(),
        mask: no_signals(),
    };
    Ok(Spawned {
        pid: image.start(account, place)?,
        stdout,
        stderr,
    })
}

/// The arguments of execve(2) and the state in which the process starts.
struct Image<'a> {
    program: &'a CStr,
    /// Ends with a null pointer, as does `environment`.
    argv: Vec<*mut c_char>,
    environment: Vec<*mut c_char>,
    stdout: RawFd,
    stderr: RawFd,
    mask: libc::sigset_t,
}

fn pointers(strings: &[CString]) -> Vec<*mut c_char> {
    let mut pointers = Vec::new();
    for string in strings {
        pointers.push(string.as_ptr().cast_mut());
    }
    pointers.push(ptr::null_mut());
    pointers
}

fn no_signals() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the pointer is valid, and sigemptyset initialises what it points to.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the line above has initialised it.
    unsafe { set.assume_init() }
}

impl Image<'_> {
    /// Starts the process and waits until its program runs. Fails with the reason if that cannot
    /// be.
    fn start(&self, account: Option<&Account>, place: Place) -> io::Result<libc::pid_t> {
        let (mut failure, writer) = io::pipe()?;
        let child = Child {
            image: self,
            account,
            place,
            failure: writer.as_raw_fd(),
        };
        let pid = match account {
            None => child.clone_with_memory(),
            Some(_) => child.fork(),
        }?;
        drop(writer);
        // The child's end of the pipe is closed by a successful execve(2).
        let mut number = [0; 4];
        match failure.read_exact(&mut number) {
            Err(_) => Ok(pid),
            Ok(()) => {
                let mut status = 0;
                // SAFETY: `pid` is a child of this process and about to exit; the pointer is to an
                // integer.
                unsafe { libc::waitpid(pid, &raw mut status, 0) };
                Err(io::Error::from_raw_os_error(i32::from_ne_bytes(number)))
            }
        }
    }
}

/// A process that has not become its program yet. Between its start and execve(2) it calls only
/// async-signal-safe functions: it allocates nothing and takes no lock.
struct Child<'a> {
    image: &'a Image<'a>,
    account: Option<&'a Account>,
    place: Place,
    /// Where the error number is written.
    failure: RawFd,
}

#[repr(align(16))]
struct Stack([MaybeUninit<u8>; STACK]);

impl Child<'_> {
    /// Starts it in the agent's memory, which is neither copied nor reported as copied. This thread
    /// waits until its program runs. The functions that switch users are not called in it: those of
    /// musl would stop the agent's threads.
    fn clone_with_memory(&self) -> io::Result<libc::pid_t> {
        let mut stack = Stack([MaybeUninit::uninit(); STACK]);
        let top = stack.0.as_mut_ptr_range().end;
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let own = ptr::from_ref(self).cast_mut();
        // SAFETY: the stack grows downwards on all supported processors, is aligned for each of
        // them, and outlives the child's use of it, as does `self`: with CLONE_VFORK this thread
        // does not go on before. The handlers of crashes, which are the only ones, use their stack
        // and end the process that runs them.
        pid(unsafe { libc::clone(begin, top.cast(), flags, own.cast()) })
    }

    /// Starts it in a copy of the agent's memory, so that it can switch to another user.
    fn fork(&self) -> io::Result<libc::pid_t> {
        // SAFETY: the child calls only async-signal-safe functions.
        match unsafe { libc::fork() } {
            0 => self.run(),
            number => pid(number),
        }
    }

    /// Becomes the program, or writes the error number and exits.
    fn run(&self) -> ! {
        self.become_program();
        let error = io::Error::last_os_error().raw_os_error();
        let number = error.unwrap_or(libc::EINVAL).to_ne_bytes();
        // SAFETY: the pointer is to `number.len()` bytes.
        unsafe { libc::write(self.failure, number.as_ptr().cast(), number.len()) };
        // SAFETY: _exit runs no code of this program.
        unsafe { libc::_exit(127) }
    }

    /// Closes what another thread of the agent has opened, such as the pipes of a process that it
    /// starts meanwhile: execve(2) may hang, and would keep them open, and so their readers waiting.
    fn close_others(&self) {
        let failure = self.failure.cast_unsigned();
        close(libc::STDERR_FILENO.cast_unsigned() + 1, failure);
        close(failure + 1, c_uint::MAX);
    }

    /// Executes the program, as the other user if there is one. Returns only on failure, with the
    /// reason in errno.
    fn become_program(&self) {
        let image = self.image;
        let is_background = self.place == Place::Background;
        let nothing = match is_background {
            // SAFETY: NULL is a NUL-terminated string.
            true => unsafe { libc::open(NULL.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) },
            false => libc::STDIN_FILENO,
        };
        let standard = [
            (nothing, libc::STDIN_FILENO),
            (image.stdout, libc::STDOUT_FILENO),
            (image.stderr, libc::STDERR_FILENO),
        ];
        for (from, to) in standard {
            // SAFETY: dup2 takes plain integers; the descriptors it closes stay open in the parent.
            if unsafe { libc::dup2(from, to) } < 0 {
                return;
            }
        }
        let reset = match is_background {
            true => &DEFAULT,
            false => DEFAULT_IN_FOREGROUND,
        };
        for &signal in reset {
            // SAFETY: SIG_DFL is not a handler, so no code can run in signal context.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        // SAFETY: setsid has no arguments.
        if is_background && unsafe { libc::setsid() } == -1 {
            return;
        }
        if is_background {
            self.close_others();
        }
        if self.account.is_none_or(switch_to) {
            // Not before setsid: a signal may be for the agent's group.
            // SAFETY: the mask is initialised; a null pointer means that the former is not wanted.
            unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const image.mask, ptr::null_mut()) };
            let (argv, environment) = (image.argv.as_ptr(), image.environment.as_ptr());
            // SAFETY: all are NUL-terminated strings, in lists that end with a null pointer.
            unsafe { libc::execve(image.program.as_ptr(), argv.cast(), environment.cast()) };
        }
    }
}

/// Where the process of [`Child::clone_with_memory`] begins.
extern "C" fn begin(child: *mut c_void) -> c_int {
    // SAFETY: the pointer is that of a `Child` which outlives this process's use of it.
    unsafe { &*child.cast::<Child<'_>>() }.run()
}

/// Closes the descriptors from `first` to the one before `end`, if there are any.
fn close(first: c_uint, end: c_uint) {
    // SAFETY: close_range takes plain integers; the parent keeps its descriptors.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, end - 1, 0) };
    if closed != 0 {
        for fd in first..end.min(CLOSED_SINGLY) {
            // SAFETY: as above.
            unsafe { libc::close(fd.cast_signed()) };
        }
    }
}

/// The result of a call that returns a process id, or -1.
fn pid(number: libc::pid_t) -> io::Result<libc::pid_t> {
    match number {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(pid),
    }
}

/// Makes this process one of `account`. Returns whether that is so.
fn switch_to(account: &Account) -> bool {
    let groups = &account.groups;
    // SAFETY: the pointer is to `groups.len()` groups.
    (unsafe { libc::setgroups(groups.len(), groups.as_ptr()) } == 0)
        // SAFETY: setgid takes a plain integer.
        && unsafe { libc::setgid(account.gid) } == 0
        // SAFETY: setuid takes a plain integer.
        && unsafe { libc::setuid(account.uid) } == 0
}
