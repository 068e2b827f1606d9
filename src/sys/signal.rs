//! Signals, as messages: a thread takes them from the kernel and hands them on, or a process that
//! has no other thread waits for them itself.

use std::mem::MaybeUninit;
use std::time::Duration;
use std::{io, ptr};

use super::thread;

/// Bytes of stack for the thread that waits: it calls nothing deep.
const STACK: usize = 64 << 10;

/// What a signal asks of the agent.
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

    /// The word for the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Signal::Hangup => "hangup",
            Signal::Interrupt => "interrupt",
            Signal::Quit => "quit",
            Signal::Terminate => "terminated",
        }
    }

    /// The kernel's number of it.
    pub(super) fn number(self) -> libc::c_int {
        let known = Signal::ALL.iter().find(|(_, signal)| *signal == self);
        known.map_or(0, |(number, _)| *number)
    }
}

/// Calls `tell` with every [`Signal`] from now on and, if `with_children`, when children have ended,
/// until `tell` returns `false`; none of them ends the process any more.
///
/// Has to be called before any other thread is started: only threads started later leave these
/// signals alone. They are blocked rather than caught, so that they also reach an agent that is
/// process 1 of a container. Fails if no thread can be started.
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
    /// A child has ended, or several.
    Child,
    /// Nothing did, or nothing that matters: the time may be up.
    Time,
}

/// The signals of this process, which has no other thread.
pub(crate) struct Signals(libc::sigset_t);

impl Signals {
    /// From now on every [`Signal`], and the end of a child, waits for [`Signals::next`].
    pub(crate) fn take() -> Signals {
        let [hangup, interrupt, quit, terminate] = Signal::ALL.map(|(number, _)| number);
        let set = of(&[hangup, interrupt, quit, terminate, libc::SIGCHLD]);
        // SAFETY: setting a signal to its default touches no memory. Whoever started this process
        // may have had it ignored, which it inherits and which would keep it from waiting.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        block(&set);
        Signals(set)
    }

    /// Waits until one comes, or for `limit`.
    pub(crate) fn next(&self, limit: Option<Duration>) -> Woken {
        let limit = limit.map(timespec);
        let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the set is initialised, and the limit is null or a valid time that lives as long
        // as the call; a null pointer for the details means that they are not wanted.
        let number = unsafe { libc::sigtimedwait(&raw const self.0, ptr::null_mut(), limit) };
        match Signal::ALL.iter().find(|(known, _)| *known == number) {
            Some((_, signal)) => Woken::Signal(*signal),
            None if number == libc::SIGCHLD => Woken::Child,
            None => Woken::Time,
        }
    }
}

fn timespec(time: Duration) -> libc::timespec {
    // SAFETY: zeroes are a valid value of that plain struct, which has padding on some systems.
    let mut parts: libc::timespec = unsafe { MaybeUninit::zeroed().assume_init() };
    // Whoever wants to wait for longer than the machine can tell waits again.
    parts.tv_sec = time.as_secs().try_into().unwrap_or(i32::MAX.into());
    // Below 10^9, which fits everywhere.
    parts.tv_nsec = time.subsec_nanos() as _;
    parts
}

/// The signals that are blocked in a program which takes them as this one does, from its start on,
/// so that none is lost until it can.
pub(super) fn mask_of_program() -> libc::sigset_t {
    of(&Signal::ALL.map(|(number, _)| number))
}

/// Blocks `set` in this thread, and so in those that it starts.
fn block(set: &libc::sigset_t) {
    // SAFETY: the set is initialised; a null pointer for the former mask means that it is not
    // wanted.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, ptr::null_mut()) };
}

fn of(numbers: &[libc::c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set, so that it may be changed and read afterwards.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for number in numbers {
            libc::sigaddset(set.as_mut_ptr(), *number);
        }
        set.assume_init()
    }
}
