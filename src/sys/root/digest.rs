//! Compares tables of the kernel without keeping them.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};

use super::LIMIT;

/// A number that differs for two tables, but by chance, once in 2⁶⁴ times. It is of this process only.
pub(crate) fn digest(table: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(table);
    hasher.finish()
}

/// The [`digest`] of the first [`LIMIT`] bytes, read into `piece` one after the other, and whether the
/// file has no more.
pub(super) fn of_file(mut file: File, piece: &mut [u8]) -> io::Result<(u64, bool)> {
    let mut hasher = DefaultHasher::new();
    let mut ahead = LIMIT;
    loop {
        let room = piece.len().min(ahead);
        match file.read(&mut piece[..room]) {
            Ok(0) => return Ok((hasher.finish(), ahead > 0)),
            Ok(length) => {
                hasher.write(&piece[..length]);
                ahead -= length;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
