//! A process is made: posix_spawn(3), and fork(2) where it has to become another user.
//!
//! Not by `std::process`: it leaves a child the signal mask of the thread that starts it, in which
//! the signals that end a process are blocked, and what it costs to change that is twice the time
//! and some 30 kB.

use std::ffi::{CStr, CString, c_char, c_int};
use std::io::{self, PipeReader, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use super::account::Account;

/// The signals that do to every command what they do by default, whatever the agent was started
/// with, and whatever Rust has made of the last but one.
const DEFAULT: [c_int; 6] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGPIPE,
    libc::SIGCHLD,
];
const NULL: &CStr = c"/dev/null";

/// A process, and what it writes to.
pub(super) struct Spawned {
    pub(super) pid: libc::pid_t,
    pub(super) stdout: PipeReader,
    pub(super) stderr: PipeReader,
}

/// Starts `program`, as the user `account` if there is one. The process leads a group, reads
/// nothing, writes into two pipes, has no other file open that the agent has opened, and blocks
/// no signal.
pub(super) fn spawn(
    program: &CStr,
    argv: &[CString],
    environment: &[CString],
    account: Option<&Account>,
) -> io::Result<Spawned> {
    // An agent that was told to ignore its children would never learn how they ended.
    // SAFETY: SIG_DFL is no handler, so that no code can run in signal context.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
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
        None => image.spawn()?,
        Some(account) => image.fork(account)?,
    };
    Ok(Spawned {
        pid,
        stdout,
        stderr,
    })
}

/// What the process is to be, as the system takes it.
struct Image<'a> {
    program: &'a CStr,
    /// Ends with null, as does the next one.
    argv: Vec<*mut c_char>,
    environment: Vec<*mut c_char>,
    stdout: RawFd,
    stderr: RawFd,
    mask: libc::sigset_t,
}

fn pointers(strings: &[CString]) -> Vec<*mut c_char> {
    let pointers = strings.iter().map(|string| string.as_ptr().cast_mut());
    pointers.chain([ptr::null_mut()]).collect()
}

fn no_signals() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the pointer is valid, and sigemptyset initialises what it points to.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: it has been initialised in the line above.
    unsafe { set.assume_init() }
}

impl Image<'_> {
    /// The cheap way: nothing of the agent's memory is copied, or looks copied.
    fn spawn(&self) -> io::Result<libc::pid_t> {
        let mut actions = Actions::new()?;
        actions.open_nothing(libc::STDIN_FILENO)?;
        actions.duplicate(self.stdout, libc::STDOUT_FILENO)?;
        actions.duplicate(self.stderr, libc::STDERR_FILENO)?;
        let mut attributes = Attributes::new()?;
        attributes.set(&self.mask)?;
        let mut pid = 0;
        // SAFETY: program, arguments and variables are strings that end in NUL and outlive the
        // call, and the lists of the latter two end in null; actions and attributes are
        // initialised; `pid` is a valid place for an integer.
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

    /// The way of a process that is to become another user in between.
    fn fork(&self, account: &Account) -> io::Result<libc::pid_t> {
        let (mut failure, writer) = io::pipe()?;
        // SAFETY: the child calls nothing but what may be called between fork and exec: it
        // allocates nothing and takes no lock.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => return Err(io::Error::last_os_error()),
            0 => self.be(account, writer.as_raw_fd()),
            _ => drop(writer),
        }
        // The pipe closes when the program is there.
        let mut number = [0; 4];
        match failure.read_exact(&mut number) {
            Err(_) => Ok(pid),
            Ok(()) => {
                let mut status = 0;
                // SAFETY: the child is ours and about to exit; the pointer is to an integer.
                unsafe { libc::waitpid(pid, &raw mut status, 0) };
                Err(io::Error::from_raw_os_error(i32::from_ne_bytes(number)))
            }
        }
    }

    /// The life of a forked child until it is the program; tells `failure` why it is not.
    fn be(&self, account: &Account, failure: RawFd) -> ! {
        self.become_program(account);
        let error = io::Error::last_os_error().raw_os_error();
        let number = error.unwrap_or(libc::EINVAL).to_ne_bytes();
        // SAFETY: the pointer is to as many bytes as it says.
        unsafe { libc::write(failure, number.as_ptr().cast(), number.len()) };
        // SAFETY: _exit runs no code of this program.
        unsafe { libc::_exit(127) }
    }

    /// Returns only if something fails, which errno tells.
    fn become_program(&self, account: &Account) {
        // SAFETY: NULL ends in NUL.
        let nothing = unsafe { libc::open(NULL.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        let standard = [
            (nothing, libc::STDIN_FILENO),
            (self.stdout, libc::STDOUT_FILENO),
            (self.stderr, libc::STDERR_FILENO),
        ];
        for (from, to) in standard {
            // SAFETY: dup2 takes plain integers; what it closes is the parent's as well.
            if unsafe { libc::dup2(from, to) } < 0 {
                return;
            }
        }
        for signal in DEFAULT {
            // SAFETY: SIG_DFL is no handler, so that no code can run in signal context.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        // SAFETY: the mask is initialised; null means that the former one is not wanted.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.mask, ptr::null_mut()) };
        let groups = &account.groups;
        // SAFETY: setpgid takes plain integers.
        let is_ready = unsafe { libc::setpgid(0, 0) } == 0
            // SAFETY: the pointer is to as many groups as it says.
            && unsafe { libc::setgroups(groups.len(), groups.as_ptr()) } == 0
            // SAFETY: setgid takes a plain integer.
            && unsafe { libc::setgid(account.gid) } == 0
            // SAFETY: setuid takes a plain integer.
            && unsafe { libc::setuid(account.uid) } == 0;
        if is_ready {
            let (argv, environment) = (self.argv.as_ptr(), self.environment.as_ptr());
            // SAFETY: all are strings that end in NUL, in lists that end in null.
            unsafe { libc::execve(self.program.as_ptr(), argv.cast(), environment.cast()) };
        }
    }
}

/// The result of one of the functions of posix_spawn(3), which return their error.
fn done(number: c_int) -> io::Result<()> {
    match number {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

/// What is done to the files of a process before it runs. It stays where it was initialised: what
/// a copy of it means is not defined.
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
        // SAFETY: the actions are initialised, and the path ends in NUL and is copied or lives on.
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
        // SAFETY: the actions are initialised, and nobody uses them any more.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut *self.0) };
    }
}

/// What else is done to a process before it runs. It stays where it was initialised, likewise.
struct Attributes(Box<libc::posix_spawnattr_t>);

impl Attributes {
    fn new() -> io::Result<Attributes> {
        let mut attributes = Box::<libc::posix_spawnattr_t>::new_uninit();
        // SAFETY: the pointer is to memory of the right size, which the call initialises.
        done(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: it has just been initialised.
        Ok(Attributes(unsafe { attributes.assume_init() }))
    }

    /// A group of its own, no signal ignored of those that count, none blocked but `mask`.
    fn set(&mut self, mask: &libc::sigset_t) -> io::Result<()> {
        let mut default = no_signals();
        for signal in DEFAULT {
            // SAFETY: the set is initialised.
            unsafe { libc::sigaddset(&raw mut default, signal) };
        }
        let flags = libc::POSIX_SPAWN_SETPGROUP
            | libc::POSIX_SPAWN_SETSIGDEF
            | libc::POSIX_SPAWN_SETSIGMASK;
        let flags = libc::c_short::try_from(flags).unwrap_or_default();
        let attributes = &raw mut *self.0;
        // SAFETY: the attributes are initialised; 0 stands for the process itself.
        done(unsafe { libc::posix_spawnattr_setpgroup(attributes, 0) })?;
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
        // SAFETY: the attributes are initialised, and nobody uses them any more.
        unsafe { libc::posix_spawnattr_destroy(&raw mut *self.0) };
    }
}
