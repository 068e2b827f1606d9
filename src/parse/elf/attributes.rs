//! The section `.ARM.attributes`: "Addenda to, and Errata in, the ABI for the Arm Architecture",
//! section 3.

use super::Elf;

/// First byte of the section.
const FORMAT: u8 = b'A';
/// Name of the public attributes, with the NUL at its end.
const PUBLIC: &[u8] = b"aeabi\0";
/// The tag of attributes of the whole file.
const FILE: u64 = 1;
/// `Tag_CPU_arch`
const ARCH: u64 = 6;
/// Tags below 32 whose value is a text.
const TEXTS: [u64; 2] = [4, 5];
/// `Tag_compatibility`, whose value is a number and a text.
const BOTH: u64 = 32;

/// The version of ARM that the attributes in `section` name; `None` if they do not.
pub(super) fn arm(section: &[u8], elf: &Elf<'_>) -> Option<u32> {
    let mut rest = section.strip_prefix(&[FORMAT])?;
    loop {
        let length = usize::try_from(elf.number(rest, 0, 4)?).ok()?;
        let (vendor, after) = rest.split_at_checked(length.max(4))?;
        rest = after;
        if let Some(blocks) = vendor.get(4..)?.strip_prefix(PUBLIC) {
            return version(arch(blocks, elf)?);
        }
    }
}

/// The value of [`ARCH`] of the whole file.
fn arch(mut blocks: &[u8], elf: &Elf<'_>) -> Option<u64> {
    loop {
        let (tag, after) = number(blocks)?;
        let length = usize::try_from(elf.number(after, 0, 4)?).ok()?;
        // The length counts the tag and itself.
        let (block, next) = blocks.split_at_checked(length.max(5))?;
        blocks = next;
        if tag != FILE {
            continue;
        }
        let mut rest = block.get(5..)?;
        loop {
            let (tag, value) = number(rest)?;
            rest = value;
            let is_text = TEXTS.contains(&tag) || tag > BOTH && tag % 2 == 1;
            if !is_text {
                let (value, after) = number(rest)?;
                if tag == ARCH {
                    return Some(value);
                }
                rest = after;
            }
            if is_text || tag == BOTH {
                let end = rest.iter().position(|byte| *byte == 0)?;
                rest = rest.get(end + 1..)?;
            }
        }
    }
}

/// The version of ARM for application processors on which code of this `Tag_CPU_arch` runs.
fn version(arch: u64) -> Option<u32> {
    Some(match arch {
        0..=5 => 5,
        // v6, v6KZ, v6K, and v6-M, whose instructions v6 has.
        6 | 7 | 9 | 11 | 12 => 6,
        // v6T2 is not on the Pi 1, and v7 has it.
        8 | 10 | 13 => 7,
        _ => 8,
    })
}

/// A number of seven bits a byte, the lowest ones first, and what follows it.
pub(super) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}
