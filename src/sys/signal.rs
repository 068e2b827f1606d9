//! Signals, as messages: a thread takes them from the kernel and hands them on.

use std::mem::MaybeUninit;
use std::{io, ptr, thread};

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
}

/// Calls `tell` with every [`Signal`] from now on, until `tell` returns `false`; none of them ends
/// the process any more.
///
/// Has to be called before any other thread is started: only threads started later leave these
/// signals alone. They are blocked rather than caught, so that they also reach an agent that is
/// process 1 of a container. Fails if no thread can be started.
pub(crate) fn watch(tell: impl Fn(Signal) -> bool + Send + 'static) -> io::Result<()> {
    let set = of(&Signal::ALL.map(|(number, _)| number));
    block(&set);
    let wait = move || loop {
        let mut number = 0;
        // SAFETY: `set` is an initialised signal set and `number` a valid place for an integer.
        unsafe { libc::sigwait(&raw const set, &raw mut number) };
        let known = Signal::ALL.iter().find(|(known, _)| *known == number);
        if known.is_some_and(|(_, signal)| !tell(*signal)) {
            return;
        }
    };
    let thread = thread::Builder::new().name("signal".to_owned());
    thread.stack_size(STACK).spawn(wait).map(drop)
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
