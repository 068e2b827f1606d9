//! The call itself: statvfs(3).

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes of a path with its NUL that are copied to the stack: there may be hundreds of paths.
const SHORT: usize = 256;

/// The usage of a filesystem, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Usage {
    /// Size, with what is reserved for the superuser.
    pub(crate) total_bytes: u64,
    pub(crate) used_bytes: u64,
    /// Free for users other than the superuser.
    pub(crate) available_bytes: u64,
    /// Inodes; 0 where the filesystem has no fixed number.
    pub(crate) files: u64,
    pub(crate) files_free: u64,
}

impl Usage {
    /// The usage from the numbers of statvfs(3), in blocks of `block_bytes`.
    ///
    /// `None` if there are no blocks, if neither used nor available ones, or if a number is
    /// negative: `df` shows no line or no numbers then. `None` also for more bytes than an i64 has.
    /// The available bytes are limited to the free ones.
    pub(crate) fn new(block_bytes: u64, blocks: u64, bfree: u64, bavail: u64) -> Option<Usage> {
        let used = blocks.checked_sub(bfree)?;
        let is_negative = |count: u64| count.leading_zeros() == 0;
        let total_bytes = blocks.checked_mul(block_bytes)?;
        // Negative numbers appear as large unsigned ones.
        let makes_sense = !is_negative(total_bytes) && !is_negative(bavail);
        (makes_sense && blocks > 0 && (used > 0 || bavail > 0)).then(|| Usage {
            total_bytes,
            used_bytes: used.saturating_mul(block_bytes),
            available_bytes: bavail.min(bfree).saturating_mul(block_bytes),
            files: 0,
            files_free: 0,
        })
    }

    /// The same, with numbers of inodes.
    fn with_files(self, files: u64, files_free: u64) -> Usage {
        Usage {
            files,
            files_free,
            ..self
        }
    }
}

/// The parts of a result of statvfs(3) that are used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stat {
    /// `f_fsid`, the number of the filesystem, of which musl returns 32 bits; 0 if it has none.
    pub(super) id: usize,
    /// The usage, if [`Usage::new`] returns one.
    pub(super) usage: Option<Usage>,
}

/// The number and usage of the filesystem at `path`. May never return.
pub(super) fn statvfs(path: &Path) -> io::Result<Stat> {
    let path = path.as_os_str().as_bytes();
    let mut short = [0; SHORT];
    let long;
    let path = match short.get_mut(..=path.len()) {
        Some(room) => {
            room[..path.len()].copy_from_slice(path);
            CStr::from_bytes_with_nul(room).map_err(|_| io::ErrorKind::InvalidInput)?
        }
        None => {
            long = CString::new(path)?;
            &long
        }
    };
    // SAFETY: `path` ends in NUL, and both it and `stat` outlive the call.
    answer(|stat| unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) })
}

/// The number and usage of the filesystem of an open file, which may be open with `O_PATH`.
///
/// Fails with `EBADF` for `O_PATH` before Linux 3.12.
pub(super) fn fstatvfs(file: &File) -> io::Result<Stat> {
    // SAFETY: `file` is open, and both it and `stat` outlive the call.
    answer(|stat| unsafe { libc::fstatvfs(file.as_raw_fd(), stat.as_mut_ptr()) })
}

/// The result of `ask`, which fills its argument and returns 0, or sets errno.
fn answer(ask: impl FnOnce(&mut MaybeUninit<libc::statvfs>) -> libc::c_int) -> io::Result<Stat> {
    let mut stat = MaybeUninit::uninit();
    if ask(&mut stat) != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it has filled `stat`.
    let stat = unsafe { stat.assume_init() };
    let block_bytes = match stat.f_frsize {
        0 => stat.f_bsize,
        bytes => bytes,
    };
    let usage = Usage::new(
        wide(block_bytes),
        wide(stat.f_blocks),
        wide(stat.f_bfree),
        wide(stat.f_bavail),
    );
    Ok(Stat {
        id: usize::try_from(stat.f_fsid).unwrap_or_default(),
        usage: usage.map(|usage| usage.with_files(wide(stat.f_files), wide(stat.f_ffree))),
    })
}

/// Widens a number of the C library, which has 32 bits on some targets.
fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_df_does() {
        let of = |total_bytes, used_bytes, available_bytes| {
            Some(Usage {
                total_bytes,
                used_bytes,
                available_bytes,
                files: 0,
                files_free: 0,
            })
        };
        // (why this row exists, blocks, free, available, bytes)
        let table = [
            (
                "some kept for the superuser",
                100,
                50,
                45,
                of(51_200, 25_600, 23_040),
            ),
            ("read-only: full", 7, 0, 0, of(3_584, 3_584, 0)),
            ("pseudo: no blocks", 0, 0, 0, None),
            ("neither used nor left", 7, 7, 0, None),
            ("more free than there is", 7, 8, 8, None),
            ("less than none left", 7, 3, u64::MAX, None),
            ("unknown", u64::MAX, u64::MAX, u64::MAX, None),
            ("more bytes than a number has", 1 << 60, 0, 0, None),
            ("more bytes than an i64 has", 1 << 54, 0, 0, None),
            ("more available than free", 7, 3, 4, of(3_584, 2_048, 1_536)),
        ];
        for (why, blocks, bfree, bavail, bytes) in table {
            assert_eq!(Usage::new(512, blocks, bfree, bavail), bytes, "{why}");
        }
    }

    #[test]
    fn a_path_that_is_not_there_is_an_error() {
        let error = statvfs(Path::new("/nowhere/at all")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let long = ["/nowhere", &"/at all".repeat(SHORT)].concat();
        for path in ["a\0b", &long[..SHORT - 1], &long[..SHORT], &long, ""] {
            assert!(statvfs(Path::new(path)).is_err());
        }
        let here = "/./".repeat(SHORT);
        for length in [1, SHORT - 1, SHORT, here.len()] {
            assert!(statvfs(Path::new(&here[..length])).is_ok());
        }
    }
}
