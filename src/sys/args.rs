//! The command line as other users of the host can read it: `/proc/PID/cmdline`, and so `ps`.

use std::ffi::{CStr, OsString, c_char};
use std::os::unix::ffi::OsStrExt;
use std::slice;

/// The byte that replaces each hidden byte.
const BLANK: u8 = b'*';

unsafe extern "C" {
    /// The environment: environ(7).
    static mut environ: *const *const c_char;
}

/// Overwrites parts of the command line in this process's memory, from which the kernel serves
/// `/proc/PID/cmdline`. Each pair in `parts` is the index of a word and the offset of the first
/// byte to overwrite in it. `words` is the whole command line, including the program's name.
///
/// Must be called before any other thread is started and before the environment is changed. Does
/// nothing for a word that is not where the System V ABI places it.
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

/// The memory of the word with the index `at`.
fn place<'m>(words: &[OsString], at: usize, word: &OsString) -> Option<&'m mut [u8]> {
    // SAFETY: the C library sets the variable before `main`. Nothing changes it while this is the
    // only thread.
    let environment = unsafe { (&raw const environ).read() };
    if environment.is_null() {
        return None;
    }
    // A process starts with the number of its arguments, pointers to them, a null pointer, and
    // pointers to its environment, in consecutive memory. This is the System V ABI, on every
    // architecture.
    let arguments = environment.wrapping_sub(words.len() + 1);
    // SAFETY: the null pointer lies before the environment. If the environment has been moved, a
    // word of the allocator lies there.
    if !unsafe { environment.wrapping_sub(1).read() }.is_null() {
        return None;
    }
    // SAFETY: the null pointer shows that the environment is where the kernel put it. The number of
    // arguments therefore lies where the ABI places it.
    let count = unsafe { arguments.wrapping_sub(1).cast::<usize>().read() };
    if count != words.len() {
        return None;
    }
    // SAFETY: this is one of the `count` pointers that follow the number.
    let start = unsafe { arguments.wrapping_add(at).read() };
    // SAFETY: the kernel terminates every argument with NUL.
    let found = unsafe { CStr::from_ptr(start) };
    if found.to_bytes() != word.as_bytes() {
        return None;
    }
    // SAFETY: the process may change the argument's bytes. Nothing else in this program refers to
    // them, and `word.len()` of them have just been read.
    Some(unsafe { slice::from_raw_parts_mut(start.cast_mut().cast::<u8>(), word.len()) })
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    #[test]
    fn args_of_this_process_are_found() {
        let words: Vec<OsString> = env::args_os().collect();
        // The test may have been started with any number of arguments, also none.
        for (at, word) in words.iter().enumerate() {
            let found = place(&words, at, word).unwrap();
            assert_eq!(found, word.as_bytes());
        }
        let other = OsString::from("another word");
        assert_eq!(place(&words, 0, &other), None);
        let fewer = words.get(1..).unwrap();
        assert_eq!(place(fewer, 0, &words[0]), None);
        // Nothing is written beyond the end of a word, or for a word that does not exist.
        hide(
            &words,
            [(0, words[0].len()), (0, usize::MAX), (usize::MAX, 0)].into_iter(),
        );
        assert!(env::args_os().eq(words));
    }
}
