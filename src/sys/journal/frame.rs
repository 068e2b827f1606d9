//! The format of the journal's file: a head with the format's version, followed by frames. Each
//! frame has its own checksums, so that damage to one frame does not affect the next ones.
//!
//! All numbers are little-endian. Head: [`MAGIC`], the version, CRC-32C of both. Frame: [`MARK`],
//! the length of the content, CRC-32C of the content, CRC-32C of these twelve bytes, the content.

use std::ops::Range;

/// The first bytes of the file.
const MAGIC: &[u8; 8] = b"mkrspool";
/// The format version that this program writes, and the only one that it reads.
const VERSION: u32 = 1;
/// Bytes before the first frame.
pub(super) const HEAD: usize = 16;
/// The first bytes of a frame. They occur in no UTF-8 text.
const MARK: &[u8; 4] = b"\xF1\x9Emk";
/// Bytes of a frame before its content.
const FRAME: usize = 16;
/// How many times the file's length may be read to verify contents. Once is enough for an undamaged
/// file. The limit stops a file made to cause many reads.
const EFFORT: usize = 8;

/// What a file contains.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Frames {
    /// Where the contents of the undamaged frames lie.
    pub(super) frames: Vec<Range<usize>>,
    /// Bytes that belong to no undamaged frame.
    pub(super) damaged: usize,
    /// Contiguous runs of such bytes.
    pub(super) places: usize,
}

/// Why a file is not read.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Foreign {
    /// A journal of another format version.
    Version(u32),
    /// Not a journal.
    Other,
}

/// Appends the head of a file.
pub(super) fn begin(out: &mut Vec<u8>) {
    let start = out.len();
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    let sum = sum_of(out.get(start..).unwrap_or_default());
    out.extend(sum);
}

/// Appends a frame. A content whose length does not fit in 32 bits is skipped.
pub(super) fn write(out: &mut Vec<u8>, content: &[u8]) {
    let Ok(length) = u32::try_from(content.len()) else {
        return;
    };
    let start = out.len();
    out.extend(MARK);
    out.extend(length.to_le_bytes());
    out.extend(sum_of(content));
    let sum = sum_of(out.get(start..).unwrap_or_default());
    out.extend(sum);
    out.extend(content);
}

/// Finds the frames of a file. Reads at most [`EFFORT`] times its length.
pub(super) fn read(file: &[u8]) -> Result<Frames, Foreign> {
    let mut found = Frames::default();
    let mut at = match head(file) {
        Some(VERSION) => HEAD,
        Some(version) => return Err(Foreign::Version(version)),
        None => 0,
    };
    let has_head = at > 0;
    let mut effort = file.len().saturating_mul(EFFORT);
    let mut was_whole = true;
    while at < file.len() {
        if let Some(content) = frame(file, at, &mut effort) {
            at = content.end;
            found.frames.push(content);
            was_whole = true;
        } else {
            found.places += usize::from(was_whole);
            was_whole = false;
            let next = following_mark(file, at + 1);
            found.damaged += next - at;
            at = next;
        }
    }
    if has_head || !found.frames.is_empty() || file.is_empty() {
        Ok(found)
    } else {
        Err(Foreign::Other)
    }
}

/// The version in the head; `None` if the head is damaged or missing.
fn head(file: &[u8]) -> Option<u32> {
    let (head, sum) = file.get(..HEAD)?.split_at(HEAD - 4);
    let version = head.strip_prefix(MAGIC)?;
    (sum_of(head) == sum).then(|| number(version))
}

/// Where the content lies of the frame that begins at `at`; `None` if there is no undamaged one.
fn frame(file: &[u8], at: usize, effort: &mut usize) -> Option<Range<usize>> {
    let (front, sum) = file.get(at..at.checked_add(FRAME)?)?.split_at(FRAME - 4);
    let rest = front.strip_prefix(MARK)?;
    if sum_of(front) != sum {
        return None;
    }
    let (length, content_sum) = rest.split_at(4);
    let start = at + FRAME;
    let end = start.checked_add(usize::try_from(number(length)).ok()?)?;
    let content = file.get(start..end)?;
    *effort = effort.checked_sub(content.len())?;
    (sum_of(content) == content_sum).then_some(start..end)
}

/// The offset of the next [`MARK`] from `from` on; the file's length if there is none.
fn following_mark(file: &[u8], from: usize) -> usize {
    let rest = file.get(from..).unwrap_or_default();
    let next = rest.windows(MARK.len()).position(|bytes| bytes == MARK);
    next.map_or(file.len(), |next| from + next)
}

fn number(bytes: &[u8]) -> u32 {
    let mut four = [0; 4];
    for (to, from) in four.iter_mut().zip(bytes) {
        *to = *from;
    }
    u32::from_le_bytes(four)
}

fn sum_of(bytes: &[u8]) -> [u8; 4] {
    crc32c(bytes).to_le_bytes()
}

/// CRC-32C (Castagnoli, reflected), four bits at a time. The table takes 64 bytes. A day of values
/// of an ordinary host takes milliseconds.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = table();
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..2 {
            let [low, ..] = sum.to_le_bytes();
            sum = TABLE[usize::from(low & 15)] ^ (sum >> 4);
        }
    }
    !sum
}

const fn table() -> [u32; 16] {
    let mut table = [0; 16];
    let mut at: u32 = 0;
    while at < 16 {
        let mut sum = at;
        let mut bit = 0;
        while bit < 4 {
            sum = if sum & 1 == 1 {
                0x82F6_3B78 ^ (sum >> 1)
            } else {
                sum >> 1
            };
            bit += 1;
        }
        table[at as usize] = sum;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENTS: [&[u8]; 4] = [b"first", b"", b"\xF1\x9Emk a mark inside", b"the last"];

    fn file() -> Vec<u8> {
        let mut file = Vec::new();
        begin(&mut file);
        CONTENTS
            .iter()
            .for_each(|content| write(&mut file, content));
        file
    }

    fn contents(file: &[u8]) -> Vec<&[u8]> {
        let found = read(file).unwrap();
        found.frames.into_iter().map(|at| &file[at]).collect()
    }

    /// RFC 3720, appendix B.4, and the catalogue of parametrised CRCs.
    #[test]
    fn crc32c_matches_the_published_vectors() {
        let ascending: Vec<u8> = (0..32).collect();
        let table: [(&[u8], u32); 5] = [
            (b"", 0),
            (b"123456789", 0xE306_9283),
            (&[0; 32], 0x8A91_36AA),
            (&[0xFF; 32], 0x62A8_AB43),
            (&ascending, 0x46DD_794E),
        ];
        for (bytes, sum) in table {
            assert_eq!(crc32c(bytes), sum, "{bytes:?}");
        }
    }

    #[test]
    fn frames_written_are_found() {
        let file = file();
        assert_eq!(contents(&file), CONTENTS);
        let found = read(&file).unwrap();
        assert_eq!((found.damaged, found.places), (0, 0));
        assert_eq!(read(b""), Ok(Frames::default()));
    }

    #[test]
    fn frame_with_a_changed_byte_is_the_only_one_lost() {
        let good = file();
        for at in 0..good.len() {
            for flip in [1, 0x80, 0xFF] {
                let mut file = good.clone();
                file[at] ^= flip;
                let found = contents(&file);
                let lost = CONTENTS.len() - found.len();
                assert!(lost <= usize::from(at >= HEAD), "byte {at}: {lost} lost");
                assert!(CONTENTS.iter().filter(|good| found.contains(good)).count() == found.len());
                let told = read(&file).unwrap();
                assert_eq!((told.places, told.damaged > 0), (1, true), "byte {at}");
            }
        }
    }

    #[test]
    fn frame_with_a_missing_or_extra_byte_is_the_only_one_lost() {
        let good = file();
        for at in 0..good.len() {
            let mut missing = good.clone();
            missing.remove(at);
            let mut more = good.clone();
            more.insert(at, 0x6D);
            for file in [missing, more] {
                assert!(contents(&file).len() >= CONTENTS.len() - 1, "byte {at}");
            }
        }
    }

    #[test]
    fn frames_before_a_torn_tail_are_found() {
        let good = file();
        let whole = read(&good).unwrap();
        for end in 0..good.len() {
            let torn = &good[..end];
            let expected = whole.frames.iter().filter(|at| at.end <= end).count();
            match read(torn) {
                Ok(found) => assert_eq!(found.frames.len(), expected, "cut at {end}"),
                Err(error) => assert!(end < HEAD && error == Foreign::Other, "cut at {end}"),
            }
            // Some file systems write a file's size before its content: the tail is zeros after a
            // crash.
            let mut zeros = torn.to_vec();
            zeros.resize(good.len(), 0);
            assert!(read(&zeros).map_or(0, |found| found.frames.len()) >= expected);
        }
    }

    #[test]
    fn frame_version_is_distinguished_from_other_files() {
        let mut later = MAGIC.to_vec();
        later.extend(7_u32.to_le_bytes());
        later.extend(sum_of(&later));
        later.extend(b"whatever it means");
        assert_eq!(read(&later), Err(Foreign::Version(7)));
        for other in [&b"#!/bin/sh\n"[..], &[0; 4096], MAGIC] {
            assert_eq!(read(other), Err(Foreign::Other));
        }
    }

    /// A malicious file: every sixteen bytes announce a long frame that is not there.
    #[test]
    fn frames_of_a_malicious_file_are_read_in_bounded_time() {
        let mut front = MARK.to_vec();
        front.extend((1_u32 << 15).to_le_bytes());
        front.extend([0; 4]);
        let sum = sum_of(&front);
        front.extend(sum);
        let mut file = Vec::new();
        begin(&mut file);
        file.extend(front.repeat((256 << 10) / FRAME));
        assert!(contents(&file).is_empty());
    }

    #[test]
    fn frames_of_damaged_files_never_panic() {
        let mut state = 1_u32;
        for _ in 0..2_000 {
            let mut file = file();
            for _ in 0..4 {
                state = state.wrapping_mul(0x0019_660D).wrapping_add(0x3C6E_F35F);
                let [value, a, b, _] = state.to_le_bytes();
                let at = usize::from(u16::from_le_bytes([a, b])) % file.len();
                file[at] = value;
            }
            drop(read(&file));
        }
    }
}
