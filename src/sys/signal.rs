//! Signals as values: a thread waits for them and passes them on, or a single-threaded process
//! waits for them itself.

use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;
use std::{io, ptr};

use super::thread;

/// Bytes of stack for the thread that waits; it calls no deeply nested code.
const STACK: usize = 64 << 10;

/// A signal that the agent handles.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signal {
    /// SIGHUP
    Hangup,
    /// SIGINT
    Interrupt,
    /// SIGQUIT
    Quit,
    /// SIGTERM
    Terminate,
}

impl Signal {
    const ALL: [(libc::c_int, Signal); 4] = [
        (libc::SIGHUP, Signal::Hangup),
        (libc::SIGINT, Signal::Interrupt),
        (libc::SIGQUIT, Signal::Quit),
        (libc::SIGTERM, Signal::Terminate),
    ];

    /// The signal's name for the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Signal::Hangup => "hangup",
            Signal::Interrupt => "interrupt",
            Signal::Quit => "quit",
            Signal::Terminate => "terminated",
        }
    }

    /// The kernel's number of the signal.
    pub(super) fn number(self) -> libc::c_int {
        let known = Signal::ALL.iter().find(|(_, signal)| *signal == self);
        known.map_or(0, |(number, _)| *number)
    }
}

/// Calls `tell` with every [`Signal`] from now on, until `tell` returns `false`. If
/// `with_children`, also calls it when children have ended. The signals no longer end the process.
///
/// Must be called before any other thread is started, because only later threads inherit the mask.
/// The signals are blocked, not caught, so that they also reach an agent that is process 1 of a
/// container. Fails if no thread can be started.
pub(crate) fn watch(
    with_children: bool,
    tell: impl Fn(Woken) -> bool + Send + 'static,
) -> io::Result<()> {
    let mut set = mask_of_program();
    if with_children {
        // SAFETY: the set is initialised.
        unsafe { libc::sigaddset(&raw mut set, libc::SIGCHLD) };
    }
    block(&set);
    let wait = move || loop {
        let mut number = 0;
        // SAFETY: `set` is an initialised signal set and `number` a valid place for an integer.
        unsafe { libc::sigwait(&raw const set, &raw mut number) };
        let known = Signal::ALL.iter().find(|(known, _)| *known == number);
        let woken = match known {
            Some((_, signal)) => Woken::Signal(*signal),
            None if number == libc::SIGCHLD => Woken::Child,
            None => continue,
        };
        if !tell(woken) {
            return;
        }
    };
    thread::start("signal", STACK, wait)
}

/// What ended a wait for signals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Woken {
    Signal(Signal),
    /// One or more children have ended.
    Child,
    /// No signal came within the limit, or only one that is not handled.
    Time,
}

/// The blocked signals of this process, which must have no other thread.
pub(crate) struct Signals(libc::sigset_t);

impl Signals {
    /// Blocks every [`Signal`] and SIGCHLD, which then stay pending for [`Signals::next`].
    pub(crate) fn take() -> Signals {
        let [hangup, interrupt, quit, terminate] = Signal::ALL.map(|(number, _)| number);
        let set = of(&[hangup, interrupt, quit, terminate, libc::SIGCHLD]);
        // SAFETY: setting a signal to its default touches no memory. The process may have inherited
        // an ignored SIGCHLD, which would never become pending.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        block(&set);
        Signals(set)
    }

    /// Whether one of the signals has come. Takes all that have.
    pub(crate) fn is_told_to_stop(&self) -> bool {
        loop {
            match self.next(Some(Duration::ZERO)) {
                Woken::Signal(_) => return true,
                Woken::Child => {}
                Woken::Time => return false,
            }
        }
    }

    /// Lets the signals end the process again. One that is pending does so now.
    pub(crate) fn release(self) {
        // SAFETY: the set is initialised; a null pointer means that the former mask is not wanted.
        unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const self.0, ptr::null_mut()) };
    }

    /// A descriptor that is readable while a signal is pending. Fails if none is left.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        // SAFETY: the set is initialised, and -1 asks for a new descriptor.
        match unsafe { libc::signalfd(-1, &raw const self.0, libc::SFD_CLOEXEC) } {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: the descriptor is open, and nothing else has it.
            descriptor => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        }
    }

    /// Waits for a signal, at most `limit` long; `None` means without a limit.
    pub(crate) fn next(&self, limit: Option<Duration>) -> Woken {
        let limit = limit.map(timespec);
        let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the set is initialised. The limit is null or a valid time that outlives the call.
        // A null pointer for the details means that they are not wanted.
        let number = unsafe { libc::sigtimedwait(&raw const self.0, ptr::null_mut(), limit) };
        match Signal::ALL.iter().find(|(known, _)| *known == number) {
            Some((_, signal)) => Woken::Signal(*signal),
            None if number == libc::SIGCHLD => Woken::Child,
            None => Woken::Time,
        }
    }
}

fn timespec(time: Duration) -> libc::timespec {
    // SAFETY: all bits zero is a valid value of this plain struct, which has padding on some
    // systems.
    let mut parts: libc::timespec = unsafe { MaybeUninit::zeroed().assume_init() };
    // A longer wait ends early, and the caller waits again.
    parts.tv_sec = time.as_secs().try_into().unwrap_or(i32::MAX.into());
    // Less than 10^9, which fits everywhere.
    parts.tv_nsec = time.subsec_nanos() as _;
    parts
}

/// The signals that this program handles. They are blocked in a child that runs this program from
/// its start on, so that none is lost before it can handle them.
pub(super) fn mask_of_program() -> libc::sigset_t {
    of(&Signal::ALL.map(|(number, _)| number))
}

/// Blocks `set` in this thread, and in threads started by it later.
fn block(set: &libc::sigset_t) {
    // SAFETY: the set is initialised; a null pointer means that the former mask is not wanted.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, ptr::null_mut()) };
}

fn of(numbers: &[libc::c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set before it is changed and read.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for number in numbers {
            libc::sigaddset(set.as_mut_ptr(), *number);
        }
        set.assume_init()
    }
}
