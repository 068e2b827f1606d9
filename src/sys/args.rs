//! The command line as every user of the host can read it: `/proc/PID/cmdline`, and so `ps`.

use std::ffi::{CStr, OsString, c_char};
use std::os::unix::ffi::OsStrExt;
use std::slice;

/// What a byte that nobody is to see is replaced by.
const BLANK: u8 = b'*';

unsafe extern "C" {
    /// The environment: environ(7).
    static mut environ: *const *const c_char;
}

/// Overwrites parts of the command line in this process's memory, which is where the kernel looks
/// when somebody asks for it: for each pair in `parts`, the word of that number from the byte of
/// that number on. `words` is the whole command line, the program's name included.
///
/// To be called before any other thread is started and before the environment is changed. Leaves
/// alone what is not where the system's binary interface has it.
pub(crate) fn hide(words: &[OsString], parts: impl Iterator<Item = (usize, usize)>) {
    for (at, from) in parts {
        let Some(argument) = words.get(at).and_then(|word| place(words, at, word)) else {
            continue;
        };
        if let Some(part) = argument.get_mut(from..) {
            part.fill(BLANK);
        }
    }
}

/// The memory of the word with this number.
fn place<'m>(words: &[OsString], at: usize, word: &OsString) -> Option<&'m mut [u8]> {
    // SAFETY: the C library sets the variable before `main`, and nothing changes it while this is
    // the only thread.
    let environment = unsafe { (&raw const environ).read() };
    if environment.is_null() {
        return None;
    }
    // A process starts with the number of its arguments, pointers to them, a null pointer, and
    // pointers to its environment, one after the other: the System V ABI, on every architecture.
    let arguments = environment.wrapping_sub(words.len() + 1);
    // SAFETY: before the environment lies the null pointer; before one that has been moved lies
    // the allocator's own word.
    if !unsafe { environment.wrapping_sub(1).read() }.is_null() {
        return None;
    }
    // SAFETY: the null pointer shows that this is the place where the kernel put the environment,
    // so that the number of arguments lies where the ABI says.
    let count = unsafe { arguments.wrapping_sub(1).cast::<usize>().read() };
    if count != words.len() {
        return None;
    }
    // SAFETY: it is one of the `count` pointers that follow the number.
    let start = unsafe { arguments.wrapping_add(at).read() };
    // SAFETY: the kernel ends every argument with NUL.
    let found = unsafe { CStr::from_ptr(start) };
    if found.to_bytes() != word.as_bytes() {
        return None;
    }
    // SAFETY: the argument's bytes are the process's own to change, nothing else in this program
    // refers to them, and so many of them were just read.
    Some(unsafe { slice::from_raw_parts_mut(start.cast_mut().cast::<u8>(), word.len()) })
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    #[test]
    fn this_process_finds_its_own_words() {
        let words: Vec<OsString> = env::args_os().collect();
        // It may have been started with any, and with none besides its name.
        for (at, word) in words.iter().enumerate() {
            let found = place(&words, at, word).unwrap();
            assert_eq!(found, word.as_bytes());
        }
        let other = OsString::from("another word");
        assert_eq!(place(&words, 0, &other), None);
        let fewer = words.get(1..).unwrap();
        assert_eq!(place(fewer, 0, &words[0]), None);
        // Nothing is written beyond a word, or where there is none.
        hide(
            &words,
            [(0, words[0].len()), (0, usize::MAX), (usize::MAX, 0)].into_iter(),
        );
        assert!(env::args_os().eq(words));
    }
}
