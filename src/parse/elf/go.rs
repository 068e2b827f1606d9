//! Go's build information: `debug/buildinfo` of Go's library documents its two forms.

use super::{CONTENT, Elf};

/// First bytes of the section.
const MAGIC: &[u8] = b"\xff Go buildinf:";
/// Bytes of what comes before the texts.
const HEADER: usize = 32;
/// The flag of numbers that begin with their highest byte.
const BIG: u8 = 1;
/// The flag of texts in the section itself, since Go 1.18.
const INLINE: u8 = 2;
/// Bytes that mark the begin of the second text.
const MARK: usize = 16;
/// The line with the version of ARM, up to its value.
const LINE: &[u8] = b"build\tGOARM=";

/// The version of ARM in the build information `info` of `elf`; `None` if it does not say.
pub(super) fn arm(info: &[u8], elf: &Elf<'_>) -> Option<u32> {
    let [width, flags] = *info.strip_prefix(MAGIC)?.first_chunk()?;
    let modules = if flags & INLINE != 0 {
        // The version of Go comes first.
        let (_, rest) = text(info.get(HEADER..)?)?;
        text(rest)?.0.to_vec()
    } else {
        // Addresses of two strings of Go, each an address and a length.
        let word = elf.word();
        if usize::from(width) != word || (flags & BIG != 0) != elf.is_big {
            return None;
        }
        let string = elf.memory(elf.number(info, 16 + word, word)?, 2 * u64::from(width))?;
        elf.memory(
            elf.number(&string, 0, word)?,
            elf.number(&string, word, word)?,
        )?
    };
    let mut lines = modules.get(MARK..)?.split(|byte| *byte == b'\n');
    let digit = lines.find_map(|line| line.strip_prefix(LINE)?.first())?;
    char::from(*digit).to_digit(10)
}

/// A text with its length before it, as a number of seven bits a byte, and what follows it.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = super::attributes::number(bytes)?;
    let length = usize::try_from(length.min(CONTENT)).ok()?;
    rest.split_at_checked(length)
}
