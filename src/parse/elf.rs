//! ELF programs: the machine that they are for.
//!
//! A 32-bit ARM program may need an ARMv7, which its header does not say. Go stores the GOARM that
//! it was built with ([`go`]); linkers of C store the architecture ([`attributes`]).

mod attributes;
mod go;
#[cfg(test)]
pub(crate) mod sample;

/// Reads so many bytes at an offset of a file; `None` if the file has fewer.
pub(crate) type Read<'a> = &'a dyn Fn(u64, usize) -> Option<Vec<u8>>;

/// First bytes of every ELF file.
pub(crate) const MAGIC: &[u8] = b"\x7fELF";
/// Bytes of the longer one of the two kinds of header.
const HEADER: usize = 64;
/// Maximum number of sections.
const SECTIONS: usize = 1024;
/// Maximum number of bytes that are read of one section.
const CONTENT: u64 = 1 << 20;
/// Kinds of file that can be run: `ET_EXEC` and `ET_DYN`.
const PROGRAMS: [u64; 2] = [2, 3];

/// An ELF program.
pub(crate) struct Elf<'a> {
    read: Read<'a>,
    /// Whether addresses have 64 bits.
    pub(crate) is_wide: bool,
    /// Whether numbers begin with their highest byte.
    pub(crate) is_big: bool,
    /// The number of the machine, `EM_…`.
    pub(crate) machine: u64,
    sections: Vec<Section>,
}

struct Section {
    /// Position of the name in the table of names.
    name: usize,
    address: u64,
    offset: u64,
    size: u64,
}

impl<'a> Elf<'a> {
    /// Reads the header and the table of sections.
    ///
    /// Fails if this is no ELF program. A program without sections is fine.
    pub(crate) fn parse(read: Read<'a>) -> Result<Elf<'a>, &'static str> {
        // The header of 32 bits is 12 bytes shorter, but no program is that short.
        let header = read(0, HEADER).ok_or("shorter than an ELF header")?;
        let (class, order) = match header.get(..6) {
            Some([0x7f, b'E', b'L', b'F', class @ 1..=2, order @ 1..=2]) => (*class, *order),
            _ => return Err("no ELF header"),
        };
        let mut elf = Elf {
            read,
            is_wide: class == 2,
            is_big: order == 2,
            machine: 0,
            sections: Vec::new(),
        };
        let field = |at, bytes| elf.number(&header, at, bytes).unwrap_or_default();
        if !PROGRAMS.contains(&field(16, 2)) {
            return Err("an ELF file, but no program");
        }
        elf.machine = field(18, 2);
        elf.sections = elf.table(&header).unwrap_or_default();
        Ok(elf)
    }

    /// Reads the table of sections and replaces the positions of names in it by those in the file.
    fn table(&self, header: &[u8]) -> Option<Vec<Section>> {
        let word = self.word();
        let (offset, sizes) = if self.is_wide { (40, 58) } else { (32, 46) };
        let offset = self.number(header, offset, word)?;
        let field = |number: usize| {
            let value = self.number(header, sizes + 2 * number, 2)?;
            usize::try_from(value).ok()
        };
        let (size, count, names) = (field(0)?, field(1)?, field(2)?);
        if count > SECTIONS {
            return None;
        }
        let table = (self.read)(offset, size.checked_mul(count)?)?;
        let mut sections = Vec::new();
        for row in table.chunks_exact(size.max(1)) {
            let field = |number: usize| self.number(row, 8 + number * word, word);
            sections.push(Section {
                name: usize::try_from(self.number(row, 0, 4)?).ok()?,
                address: field(1)?,
                offset: field(2)?,
                size: field(3)?,
            });
        }
        // The section of names is the last one, so that it is found again.
        let names = names.min(sections.len().checked_sub(1)?);
        let names = sections.remove(names);
        sections.push(names);
        Some(sections)
    }

    /// Bytes of an address.
    fn word(&self) -> usize {
        if self.is_wide { 8 } else { 4 }
    }

    /// The number of so many bytes at a position; `None` if there are fewer.
    fn number(&self, bytes: &[u8], at: usize, length: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(length)?)?;
        let mut value = 0;
        for index in 0..length {
            let at = if self.is_big {
                index
            } else {
                length - 1 - index
            };
            value = value << 8 | u64::from(*bytes.get(at)?);
        }
        Some(value)
    }

    /// The content of a section, at most [`CONTENT`] bytes; `None` if no section has the name.
    fn content(&self, name: &[u8]) -> Option<Vec<u8>> {
        let names = self.bytes(self.sections.last()?)?;
        let section = self.sections.iter().find(|section| {
            let rest = names.get(section.name..).unwrap_or_default();
            rest.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(b"\0"))
        });
        self.bytes(section?)
    }

    fn bytes(&self, section: &Section) -> Option<Vec<u8>> {
        (self.read)(
            section.offset,
            usize::try_from(section.size.min(CONTENT)).ok()?,
        )
    }

    /// The bytes that a running program has at an address.
    fn memory(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        let section = self.sections.iter().find(|section| {
            let inside = address.checked_sub(section.address);
            section.address > 0 && inside.is_some_and(|inside| inside < section.size)
        })?;
        let offset = section.offset.checked_add(address - section.address)?;
        (self.read)(offset, usize::try_from(length.min(CONTENT)).ok()?)
    }

    /// The version of ARM that a 32-bit ARM program needs, 5 to 8; `None` if it does not say.
    pub(crate) fn arm(&self) -> Option<u32> {
        let go = self.content(b".go.buildinfo");
        let own = || attributes::arm(&self.content(b".ARM.attributes")?, self);
        go.and_then(|info| go::arm(&info, self)).or_else(own)
    }
}

#[cfg(test)]
mod tests {
    use super::sample::{Sample, read_of};
    use super::*;

    /// What is found in a file: the machine and the version of ARM.
    fn found(bytes: &[u8]) -> Result<(u64, Option<u32>), &'static str> {
        Elf::parse(&read_of(bytes)).map(|elf| (elf.machine, elf.arm()))
    }

    #[test]
    fn elf_names_machine_and_version_of_arm() {
        let go = |text: &str| Sample::arm().go(text).bytes();
        let pointers = |text: &str| Sample::arm().go_by_pointers(text).bytes();
        let c = |arch: u8| Sample::arm().attributes(arch).bytes();
        // (why this row exists, file, version of ARM)
        let table = [
            (
                "Go for a Pi 1",
                go("path\tx\nbuild\tGOARCH=arm\nbuild\tGOARM=6\n"),
                Some(6),
            ),
            ("Go for a Pi 2", go("build\tGOARM=7\n"), Some(7)),
            (
                "with its floats, since Go 1.22",
                go("build\tGOARM=7,hardfloat\n"),
                Some(7),
            ),
            ("the oldest", go("build\tGOARM=5,softfloat\n"), Some(5)),
            (
                "Go before 1.18, which does not say it",
                go("path\tx\n"),
                None,
            ),
            ("part of a word", go("build\tXGOARM=7\n"), None),
            ("no number", go("build\tGOARM=x\n"), None),
            ("the other form", pointers("build\tGOARM=6\n"), Some(6)),
            (
                "the other form, ARMv7",
                pointers("build\tGOARM=7\n"),
                Some(7),
            ),
            ("C, ARMv5TE", c(4), Some(5)),
            ("C, ARMv6", c(6), Some(6)),
            ("C, ARMv6KZ, the Pi 1", c(7), Some(6)),
            ("C, ARMv6T2, whose Thumb the Pi 1 lacks", c(8), Some(7)),
            ("C, ARMv6K", c(9), Some(6)),
            ("C, ARMv7", c(10), Some(7)),
            ("C, ARMv8", c(14), Some(8)),
            ("nothing says it", Sample::arm().bytes(), None),
            ("no sections", Sample::arm().bare().bytes(), None),
            (
                "Go's word counts, not that of the C in it",
                Sample::arm().go("build\tGOARM=6\n").attributes(10).bytes(),
                Some(6),
            ),
        ];
        for (why, bytes, expected) in table {
            assert_eq!(found(&bytes), Ok((40, expected)), "{why}");
        }
        let amd64 = Sample::of(62, true, false)
            .go("build\tGOAMD64=v1\n")
            .bytes();
        assert_eq!(found(&amd64), Ok((62, None)));
        let mips = Sample::of(8, false, true).bytes();
        let read = read_of(&mips);
        let elf = Elf::parse(&read).ok().unwrap();
        assert_eq!((elf.machine, elf.is_wide, elf.is_big), (8, false, true));
        let big = Sample::of(40, false, true)
            .go("build\tGOARM=7\n")
            .attributes(9)
            .bytes();
        assert_eq!(found(&big), Ok((40, Some(7))));
        let big = Sample::of(40, false, true).attributes(10).bytes();
        assert_eq!(found(&big), Ok((40, Some(7))));
    }

    #[test]
    fn elf_that_is_no_program_is_refused() {
        let mut object = Sample::arm().bytes();
        object[16] = 1;
        // (file, error)
        let table = [
            (b"".to_vec(), "shorter than an ELF header"),
            (vec![b'#'; 100], "no ELF header"),
            (b"\x7fELF\x03\x01".repeat(20), "no ELF header"),
            (object, "an ELF file, but no program"),
        ];
        for (bytes, expected) in table {
            assert_eq!(found(&bytes), Err(expected));
        }
    }

    #[test]
    fn elf_damaged_anywhere_never_panics() {
        let samples = [
            Sample::arm().go("build\tGOARM=7\n").attributes(6).bytes(),
            Sample::arm().go_by_pointers("build\tGOARM=7\n").bytes(),
            Sample::of(183, true, false)
                .go_by_pointers("build\tx=y\n")
                .bytes(),
        ];
        for good in samples {
            for end in 0..good.len() {
                let _ = found(&good[..end]);
            }
            for at in 0..good.len() {
                for bad in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut bytes = good.clone();
                    bytes[at] = bad;
                    let _ = found(&bytes);
                }
            }
        }
    }
}
