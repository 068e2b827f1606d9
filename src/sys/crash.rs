//! Writes one line to stderr when the program crashes, with the place of the crash. The shipped
//! binary has neither panic messages nor unwind tables, so the line holds addresses. `cross/where`
//! converts them into functions and lines, by means of the files in `dist/debug`.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "addresses and registers are as wide as the machine, whatever C calls them"
)]

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::segments::Program;
use crate::base::program::{REVISION, TARGET, VERSION};

/// Signals raised by a fault of the program. A failed check raises SIGILL (SIGTRAP on arm64).
const FATAL: [c_int; 6] = [
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGSEGV,
];
/// Maximum number of callers printed. More would be older guesses.
const CALLERS: usize = 12;
/// Bytes of stack searched for callers, and the range in which they may lie. After a stack
/// overflow, the stack pointer lies in the unmapped page below the stack.
const SEARCHED: usize = 4096;
const RANGE: usize = 64 << 10;
/// Bytes read from the stack at a time.
const STEP: usize = 512;
/// Size in bytes. The kernel may save 11 KiB on it (AMX). A page that is not touched costs nothing.
const SIGNAL_STACK: usize = 32 << 10;
/// Maximum length in bytes. Longer than any line written here.
const LINE: usize = 512;

/// The program's load address, and its executable part. Set once, before the handlers.
static BASE: AtomicUsize = AtomicUsize::new(0);
static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);

/// Installs the handlers, so that each later crash, in any thread, writes its line. The process
/// then ends by the same signal as without them. Must be called first.
pub(crate) fn install() {
    // Never unmapped: the main thread lasts as long as the process.
    std::mem::forget(watch_stack());
    let program = Program::own();
    let (start, end) = program.code().unwrap_or((0, usize::MAX));
    BASE.store(program.base, Ordering::Relaxed);
    START.store(start, Ordering::Relaxed);
    END.store(end, Ordering::Relaxed);
    for signal in FATAL {
        // SAFETY: all bits zero is a valid sigaction: no handler, empty mask.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = on_crash as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
        // SAFETY: `action` is initialised, and its handler has the type that SA_SIGINFO requires.
        unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
    }
}

/// Keeps this process's memory, which holds the API key, out of core dumps. Also denies access to
/// it by other processes of the same user: ptrace(2), and `/proc/PID/environ`, `mem` and others.
/// Programs that it starts are not affected. Must be called first.
pub(crate) fn keep_private() {
    // SAFETY: this call takes numbers and touches no memory. If it fails, nothing changes.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
}

/// The signal stack on which this thread handles a crash; unmapped when dropped.
pub(crate) struct SignalStack {
    /// Null if there was no memory.
    memory: *mut c_void,
}

/// Gives this thread a signal stack, so that an overflow of its own stack is reported too. std
/// gives its threads none if panics abort at once. Stays in effect until the return value is
/// dropped, which must happen in the same thread: hold it in a variable of the thread's first
/// function.
#[must_use]
pub(crate) fn watch_stack() -> SignalStack {
    // SAFETY: maps new memory and touches no other.
    let memory = unsafe {
        libc::mmap(
            ptr::null_mut(),
            SIGNAL_STACK,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        let memory = ptr::null_mut();
        return SignalStack { memory };
    }
    handle_on(memory, 0);
    SignalStack { memory }
}

/// Makes this thread handle crashes on the signal stack at `memory`, or on its own stack if `flags`
/// is `SS_DISABLE`.
fn handle_on(memory: *mut c_void, flags: c_int) {
    // SAFETY: all bits zero is a valid stack_t.
    let mut stack: libc::stack_t = unsafe { MaybeUninit::zeroed().assume_init() };
    stack.ss_sp = memory;
    stack.ss_flags = flags;
    stack.ss_size = SIGNAL_STACK;
    // SAFETY: the memory belongs to this thread alone, and stays mapped until it is no longer its
    // signal stack.
    unsafe { libc::sigaltstack(&stack, ptr::null_mut()) };
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        if !self.memory.is_null() {
            // Disabled first, so that the kernel never has an unmapped address.
            handle_on(self.memory, libc::SS_DISABLE);
            // SAFETY: the memory was mapped with this length and is not used any more.
            unsafe { libc::munmap(self.memory, SIGNAL_STACK) };
        }
    }
}

/// Runs in the thread that crashed. Allocates nothing and takes no lock.
extern "C" fn on_crash(signal: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: with SA_SIGINFO, this is a ucontext that is valid until the handler returns.
    let (pc, link, sp) = registers(unsafe { &*context.cast::<Context>() });
    let mut line = Line::new();
    line.text("mackerel-agent ");
    line.text(VERSION);
    line.text(" (rev ");
    line.text(REVISION);
    line.text(", ");
    line.text(TARGET);
    line.text(") crashed: signal ");
    line.number(signal.unsigned_abs() as usize, 10);
    line.text(", at");
    line.place(pc);
    line.text(", called from");
    let mut left = CALLERS;
    if in_text(link) {
        line.place(link);
        left -= 1;
    }
    callers(sp, |address| {
        line.place(address);
        left -= 1;
        left > 0
    });
    line.text(": report it with this line\n");
    line.write();
    // Not raise(3): in a process that shares the agent's memory until its program runs, musl's
    // would signal the agent.
    // SAFETY: kill and getpid take plain integers. SA_RESETHAND has restored the default action. The
    // signal is blocked until the handler returns, and the process ends then.
    unsafe { libc::kill(libc::getpid(), signal) };
}

/// What the kernel saves at a signal.
#[cfg(not(any(target_arch = "x86", target_arch = "powerpc64")))]
type Context = libc::ucontext_t;

/// Its start, in words, where libc has no names for the registers.
#[cfg(target_arch = "x86")]
type Context = [u32; 20];
#[cfg(target_arch = "powerpc64")]
type Context = [u64; 66];

/// Program counter, link register (0 on architectures without one) and stack pointer at the crash.
#[cfg(target_arch = "x86_64")]
fn registers(context: &libc::ucontext_t) -> (usize, usize, usize) {
    let gregs = &context.uc_mcontext.gregs;
    (
        gregs[libc::REG_RIP as usize] as usize,
        0,
        gregs[libc::REG_RSP as usize] as usize,
    )
}

#[cfg(target_arch = "aarch64")]
fn registers(context: &libc::ucontext_t) -> (usize, usize, usize) {
    let machine = &context.uc_mcontext;
    (
        machine.pc as usize,
        machine.regs[30] as usize,
        machine.sp as usize,
    )
}

#[cfg(target_arch = "arm")]
fn registers(context: &libc::ucontext_t) -> (usize, usize, usize) {
    let machine = &context.uc_mcontext;
    (
        machine.arm_pc as usize,
        machine.arm_lr as usize,
        machine.arm_sp as usize,
    )
}

#[cfg(target_arch = "riscv64")]
fn registers(context: &libc::ucontext_t) -> (usize, usize, usize) {
    let registers = &context.uc_mcontext.__gregs;
    (
        registers[0] as usize,
        registers[1] as usize,
        registers[2] as usize,
    )
}

#[cfg(target_arch = "s390x")]
fn registers(context: &libc::ucontext_t) -> (usize, usize, usize) {
    let machine = &context.uc_mcontext;
    (
        machine.psw.addr as usize,
        machine.gregs[14] as usize,
        machine.gregs[15] as usize,
    )
}

/// The stack pointer is the eighth of the registers, which begin at the sixth word.
#[cfg(target_arch = "x86")]
fn registers(context: &Context) -> (usize, usize, usize) {
    (context[19] as usize, 0, context[12] as usize)
}

/// The registers begin at word 29: 32 of them, then the program counter.
#[cfg(target_arch = "powerpc64")]
fn registers(context: &Context) -> (usize, usize, usize) {
    (
        context[61] as usize,
        context[65] as usize,
        context[30] as usize,
    )
}

/// Whether an address lies in the program's own code.
fn in_text(address: usize) -> bool {
    (START.load(Ordering::Relaxed)..END.load(Ordering::Relaxed)).contains(&address)
}

/// Calls `found` with each possible return address on the stack, innermost first, until it returns
/// false.
///
/// The stack is read through a pipe. For an unmapped address the kernel returns an error, where a
/// load would crash again.
fn callers(sp: usize, mut found: impl FnMut(usize) -> bool) {
    let mut pipe = [0; 2];
    // SAFETY: `pipe` has room for two descriptors.
    if unsafe { libc::pipe(pipe.as_mut_ptr()) } != 0 {
        return;
    }
    let mut words = [0_usize; STEP / size_of::<usize>()];
    let first = sp & !(STEP - 1);
    let mut left = SEARCHED / STEP;
    for from in (first..first.saturating_add(RANGE)).step_by(STEP) {
        // SAFETY: the kernel checks the address and fails if it is not readable.
        let written = unsafe { libc::write(pipe[1], from as *const c_void, STEP) };
        if written != STEP as isize {
            continue;
        }
        left -= 1;
        // SAFETY: `words` has room for STEP bytes, and any bytes are valid in it.
        if unsafe { libc::read(pipe[0], words.as_mut_ptr().cast(), STEP) } != STEP as isize {
            return;
        }
        for (word, at) in words.iter().zip((from..).step_by(size_of::<usize>())) {
            if at >= sp && in_text(*word) && !found(*word) {
                return;
            }
        }
        if left == 0 {
            return;
        }
    }
}

/// A line built without `core::fmt`, in which the crash may have happened.
struct Line {
    bytes: [u8; LINE],
    length: usize,
}

impl Line {
    fn new() -> Line {
        Line {
            bytes: [0; LINE],
            length: 0,
        }
    }

    /// Adds as much of the text as fits.
    fn text(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.byte(byte));
    }

    fn byte(&mut self, byte: u8) {
        if let Some(free) = self.bytes.get_mut(self.length) {
            *free = byte;
            self.length += 1;
        }
    }

    fn number(&mut self, number: usize, radix: usize) {
        if number >= radix {
            self.number(number / radix, radix);
        }
        self.byte(b"0123456789abcdef"[number % radix]);
    }

    /// Adds an address as an offset from the program's load address.
    fn place(&mut self, address: usize) {
        self.text(" +0x");
        self.number(address.wrapping_sub(BASE.load(Ordering::Relaxed)), 16);
    }

    fn write(&self) {
        // SAFETY: `bytes` is initialised and holds `length` bytes.
        unsafe { libc::write(2, self.bytes.as_ptr().cast(), self.length) };
    }
}
