//! Starts a process: by posix_spawn(3), or by fork(2) if it must run as another user.
//!
//! `std::process` is not used. With it, a child inherits the signal mask of the thread that starts
//! it, and the agent's threads block the signals that end a process. Changing the mask there costs
//! twice the time and some 30 kB.

use std::ffi::{CStr, CString, c_char, c_int};
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
/// writes into two pipes, inherits no other file that the agent has opened, and blocks no signal.
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
    let pid = match account {
        None => image.spawn(place)?,
        Some(account) => image.fork(account)?,
    };
    Ok(Spawned {
        pid,
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
    /// Starts the process by posix_spawn(3). Cheap: the agent's memory is neither copied nor
    /// reported as copied.
    fn spawn(&self, place: Place) -> io::Result<libc::pid_t> {
        let mut actions = Actions::new()?;
        if place == Place::Background {
            actions.open_nothing(libc::STDIN_FILENO)?;
        }
        actions.duplicate(self.stdout, libc::STDOUT_FILENO)?;
        actions.duplicate(self.stderr, libc::STDERR_FILENO)?;
        let mut attributes = Attributes::new()?;
        attributes.set(&self.mask, place)?;
        let mut pid = 0;
        // SAFETY: program, arguments and variables are NUL-terminated strings that outlive the
        // call. The lists of the latter two end with a null pointer. Actions and attributes are
        // initialised. `pid` is a valid place for an integer.
        done(unsafe {
            libc::posix_spawn(
                &raw mut pid,
                self.program.as_ptr(),
                &raw const *actions.0,
                &raw const *attributes.0,
                self.argv.as_ptr(),
                self.environment.as_ptr(),
            )
        })?;
        Ok(pid)
    }

    /// Starts the process by fork(2), so that the child can switch to `account` before execve(2).
    fn fork(&self, account: &Account) -> io::Result<libc::pid_t> {
        let (mut failure, writer) = io::pipe()?;
        // SAFETY: between fork and exec, the child calls only async-signal-safe functions: it
        // allocates nothing and takes no lock.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => return Err(io::Error::last_os_error()),
            0 => self.be(account, writer.as_raw_fd()),
            _ => drop(writer),
        }
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

    /// Runs in the forked child: becomes the program, or writes the error number to `failure` and
    /// exits.
    fn be(&self, account: &Account, failure: RawFd) -> ! {
        self.become_program(account);
        let error = io::Error::last_os_error().raw_os_error();
        let number = error.unwrap_or(libc::EINVAL).to_ne_bytes();
        // SAFETY: the pointer is to `number.len()` bytes.
        unsafe { libc::write(failure, number.as_ptr().cast(), number.len()) };
        // SAFETY: _exit runs no code of this program.
        unsafe { libc::_exit(127) }
    }

    /// Switches the user and executes the program. Returns only on failure, with the reason in
    /// errno.
    fn become_program(&self, account: &Account) {
        // SAFETY: NULL is a NUL-terminated string.
        let nothing = unsafe { libc::open(NULL.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        let standard = [
            (nothing, libc::STDIN_FILENO),
            (self.stdout, libc::STDOUT_FILENO),
            (self.stderr, libc::STDERR_FILENO),
        ];
        for (from, to) in standard {
            // SAFETY: dup2 takes plain integers; the descriptors it closes stay open in the parent.
            if unsafe { libc::dup2(from, to) } < 0 {
                return;
            }
        }
        for signal in DEFAULT {
            // SAFETY: SIG_DFL is not a handler, so no code can run in signal context.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        // SAFETY: the mask is initialised; a null pointer means that the former mask is not wanted.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.mask, ptr::null_mut()) };
        let groups = &account.groups;
        // SAFETY: setsid has no arguments.
        let is_ready = unsafe { libc::setsid() } != -1
            // SAFETY: the pointer is to `groups.len()` groups.
            && unsafe { libc::setgroups(groups.len(), groups.as_ptr()) } == 0
            // SAFETY: setgid takes a plain integer.
            && unsafe { libc::setgid(account.gid) } == 0
            // SAFETY: setuid takes a plain integer.
            && unsafe { libc::setuid(account.uid) } == 0;
        if is_ready {
            let (argv, environment) = (self.argv.as_ptr(), self.environment.as_ptr());
            // SAFETY: all are NUL-terminated strings, in lists that end with a null pointer.
            unsafe { libc::execve(self.program.as_ptr(), argv.cast(), environment.cast()) };
        }
    }
}

/// Converts the result of a posix_spawn(3) function, which is 0 or an error number.
fn done(number: c_int) -> io::Result<()> {
    match number {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

/// What is done to the files of a process before it runs. Boxed so that it is never moved: the
/// result of using a copy is undefined.
struct Actions(Box<libc::posix_spawn_file_actions_t>);

impl Actions {
    fn new() -> io::Result<Actions> {
        let mut actions = Box::<libc::posix_spawn_file_actions_t>::new_uninit();
        // SAFETY: the pointer is to memory of the right size, which the call initialises.
        done(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: it has just been initialised.
        Ok(Actions(unsafe { actions.assume_init() }))
    }

    fn open_nothing(&mut self, as_fd: RawFd) -> io::Result<()> {
        let (actions, path) = (&raw mut *self.0, NULL.as_ptr());
        // SAFETY: the actions are initialised. The path is NUL-terminated and static.
        done(unsafe {
            libc::posix_spawn_file_actions_addopen(actions, as_fd, path, libc::O_RDONLY, 0)
        })
    }

    fn duplicate(&mut self, from: RawFd, to: RawFd) -> io::Result<()> {
        // SAFETY: the actions are initialised; the rest are plain integers.
        done(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut *self.0, from, to) })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: the actions are initialised and not used afterwards.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut *self.0) };
    }
}

/// The other attributes of a process. Boxed for the same reason as [`Actions`].
struct Attributes(Box<libc::posix_spawnattr_t>);

impl Attributes {
    fn new() -> io::Result<Attributes> {
        let mut attributes = Box::<libc::posix_spawnattr_t>::new_uninit();
        // SAFETY: the pointer is to memory of the right size, which the call initialises.
        done(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: it has just been initialised.
        Ok(Attributes(unsafe { attributes.assume_init() }))
    }

    /// Gives the process its own session in the background, the signal mask `mask`, and default
    /// actions for [`DEFAULT`] or [`DEFAULT_IN_FOREGROUND`].
    fn set(&mut self, mask: &libc::sigset_t, place: Place) -> io::Result<()> {
        let mut default = no_signals();
        let reset = match place {
            Place::Background => &DEFAULT,
            Place::Foreground => DEFAULT_IN_FOREGROUND,
        };
        for &signal in reset {
            // SAFETY: the set is initialised.
            unsafe { libc::sigaddset(&raw mut default, signal) };
        }
        let mut flags = libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK;
        if place == Place::Background {
            flags |= c_int::from(libc::POSIX_SPAWN_SETSID);
        }
        let flags = libc::c_short::try_from(flags).unwrap_or_default();
        let attributes = &raw mut *self.0;
        // SAFETY: the attributes and the set are initialised.
        done(unsafe { libc::posix_spawnattr_setsigdefault(attributes, &raw const default) })?;
        // SAFETY: the attributes and the set are initialised.
        done(unsafe { libc::posix_spawnattr_setsigmask(attributes, mask) })?;
        // SAFETY: the attributes are initialised; the flags are a plain integer.
        done(unsafe { libc::posix_spawnattr_setflags(attributes, flags) })
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: the attributes are initialised and not used afterwards.
        unsafe { libc::posix_spawnattr_destroy(&raw mut *self.0) };
    }
}
