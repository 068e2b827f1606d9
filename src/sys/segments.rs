//! The segments of this program, from the program headers provided by the kernel.

#![allow(
    clippy::cast_possible_truncation,
    reason = "addresses are as wide as the machine, whatever C calls them"
)]

use std::ffi::c_void;

/// A program header, in the word size of the machine.
#[cfg(target_pointer_width = "64")]
pub(super) type Header = libc::Elf64_Phdr;
#[cfg(target_pointer_width = "32")]
pub(super) type Header = libc::Elf32_Phdr;

const PT_PHDR: u32 = 6;
const PT_GNU_RELRO: u32 = 0x6474_e552;

/// The program in memory.
pub(super) struct Program {
    /// The load address, which is added to the addresses in the file.
    pub(super) base: usize,
    headers: &'static [Header],
}

impl Program {
    /// This program. Without headers if the kernel provides none.
    pub(super) fn own() -> Program {
        // SAFETY: getauxval has no preconditions.
        let (first, count) = unsafe {
            (
                libc::getauxval(libc::AT_PHDR),
                libc::getauxval(libc::AT_PHNUM),
            )
        };
        let (base, headers): (_, &[Header]) = (0, &[]);
        if first == 0 {
            return Program { base, headers };
        }
        // SAFETY: the kernel has placed `count` program headers at this address, and they stay
        // there.
        let headers = unsafe { std::slice::from_raw_parts(first as *const Header, count as usize) };
        let mut program = Program { base, headers };
        if let Some((start, _)) = program.range(|header| header.p_type == PT_PHDR) {
            program.base = (first as usize).wrapping_sub(start);
        }
        program
    }

    /// The address range of the code; the end is exclusive.
    pub(super) fn code(&self) -> Option<(usize, usize)> {
        self.range(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0)
    }

    /// The address range of the first segment for which `is_wanted` is true; the end is exclusive.
    pub(super) fn range(&self, is_wanted: impl Fn(&Header) -> bool) -> Option<(usize, usize)> {
        let header = self.headers.iter().find(|header| is_wanted(header))?;
        Some(self.range_of(header))
    }

    fn range_of(&self, header: &Header) -> (usize, usize) {
        let (start, size) = (header.p_vaddr as usize, header.p_memsz as usize);
        let start = self.base.wrapping_add(start);
        (start, start.wrapping_add(size))
    }
}

/// Makes tables of addresses read-only (RELRO), which are constant after relocation. musl does not
/// do this for a static program. Must be called first. If it fails, they stay writable.
pub(crate) fn protect_relocated() {
    let Some((start, end)) = Program::own().range(|header| header.p_type == PT_GNU_RELRO) else {
        return;
    };
    let Some(mask) = page_mask() else { return };
    // The page that contains the end may hold data that changes.
    let (start, end) = (start & !mask, end & !mask);
    // SAFETY: the segment belongs to the program. Its header says that nothing writes to it after
    // relocation.
    unsafe {
        libc::mprotect(
            start as *mut c_void,
            end.saturating_sub(start),
            libc::PROT_READ,
        )
    };
}

/// Unmaps the pages of the program's code and constants. A page that is used again is mapped from
/// the page cache again; the others take no memory of this process. `cross/hot.list` names the
/// functions that are used again, which lie together.
pub(crate) fn release_code() {
    let Some(mask) = page_mask() else { return };
    let program = Program::own();
    for header in program.headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let (start, end) = program.range_of(header);
        let start = start & !mask;
        // SAFETY: nothing writes to these segments, so their pages are those of the file. Where
        // they cannot be unmapped, they stay.
        unsafe {
            libc::madvise(
                start as *mut c_void,
                end.saturating_sub(start),
                libc::MADV_DONTNEED,
            );
        }
    }
}

/// The bits of an address that lie within a page.
fn page_mask() -> Option<usize> {
    // SAFETY: sysconf has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(page).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_code_is_mapped_again_when_it_is_used() {
        let (start, end) = Program::own().code().unwrap();
        assert!((start..end).contains(&(release_code as *const () as usize)));
        release_code();
        assert!(Program::own().code() == Some((start, end)));
    }
}
