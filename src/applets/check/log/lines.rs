//! Reads the lines of a file from a position on.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;

use super::position::Position;
use super::search::Search;
use crate::base::text::fnv1a;

/// Bytes before a position that identify a file.
const TAIL: usize = 1 << 10;
/// Bytes of a line. A longer one is read in pieces of this length.
pub(super) const LINE: usize = 64 << 10;
/// Bytes of the buffer for [`read_lines`].
pub(super) const BUFFER: usize = TAIL + LINE;

/// Searches the lines from `at` to the size that the file had when it was opened, or to its end if
/// both are 0. A last line without an end is left for the next time, unless the file `is_complete`.
/// Stops when it `is_late`. `at` is then the position after the lines. Returns false, and has
/// searched nothing, if `at` is a position in another file.
pub(super) fn read_lines(
    buffer: &mut [u8],
    (file, metadata): &(File, Metadata),
    at: &mut Position,
    is_complete: bool,
    is_late: &dyn Fn() -> bool,
    search: &mut Search,
) -> io::Result<bool> {
    // The buffer holds the file from `base` on: up to `start` what is done, at most TAIL bytes at
    // each read, and up to `end` what is read, less than LINE bytes then.
    let mut base = at.skip.saturating_sub(TAIL as u64);
    let mut start = usize::try_from(at.skip - base).unwrap_or(TAIL);
    let mut end = 0;
    let mut is_verified = false;
    let size = match metadata.len() {
        // Files of `/proc` have this size, whatever they contain.
        0 if at.skip == 0 => u64::MAX,
        size => size,
    };
    loop {
        let drop = if is_verified {
            start.saturating_sub(TAIL)
        } else {
            0
        };
        buffer.copy_within(drop..end, 0);
        base += drop as u64;
        start -= drop;
        end -= drop;
        // What is added meanwhile is left out: it may be that of a file that was truncated.
        let offset = base + end as u64;
        let ahead = size.saturating_sub(offset);
        let ahead = usize::try_from(ahead).unwrap_or(usize::MAX);
        let room = ahead.min(buffer.len() - end);
        let length = match file.read_at(&mut buffer[end..end + room], offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        end += length;
        if !is_verified {
            if end < start && length > 0 {
                continue;
            }
            if end < start || at.tail.is_some_and(|tail| tail != fnv1a(&buffer[..start])) {
                return Ok(false);
            }
            is_verified = true;
        }
        loop {
            let ahead = &buffer[start..end.min(start + LINE)];
            match ahead.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    search.line(&ahead[..end]);
                    start += end + 1;
                }
                None if ahead.len() == LINE => {
                    search.line(ahead);
                    start += LINE;
                }
                None => break,
            }
        }
        if length == 0 && is_complete && start < end {
            search.line(&buffer[start..end]);
            start = end;
        }
        if length == 0 || is_late() {
            let tail = &buffer[start.saturating_sub(TAIL)..start];
            (at.skip, at.tail) = (base + start as u64, Some(fnv1a(tail)));
            return Ok(true);
        }
    }
}

/// Whether a file of this length, which is not 0, is the begin of another one. Compares its last
/// bytes.
pub(super) fn is_begin(file: &File, length: u64, of: &File) -> bool {
    let from = length.saturating_sub(TAIL as u64);
    let count = usize::try_from(length - from).unwrap_or(TAIL);
    let mut tails = [[0; TAIL]; 2];
    let [one, other] = &mut tails;
    let read = |file: &File, tail: &mut [u8]| file.read_at(tail, from).is_ok_and(|n| n == count);
    read(file, &mut one[..count]) && read(of, &mut other[..count]) && one == other
}
