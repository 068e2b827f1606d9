//! Unpacks archives: zip, and tar in gzip. Nothing that an archive says about sizes is relied on.

use crate::base::fault::Fault;
use std::mem;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_IGNORE_ADLER32,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use rawzip::{CompressionMethod, ZipArchive};
use tar::{EntryType, Header};

/// Maximum number of entries of an archive.
const ENTRIES: u32 = 10_000;
/// Maximum number of bytes that are unpacked of an archive.
const TOTAL: u64 = 256 << 20;
/// Maximum number of bytes of a long name in tar.
const LONG: usize = 64 << 10;
/// Bytes of a block of tar.
const BLOCK: u64 = 512;
/// Bytes that a repetition in DEFLATE reaches back at most.
const WINDOW: usize = 32 << 10;
/// DEFLATE without a head and a checksum of its own.
const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_IGNORE_ADLER32;
/// Bytes at the end of gzip: checksum and size.
const TRAILER: usize = 8;

/// An entry of an archive.
pub(super) struct Entry<'e, 'a> {
    /// The whole path, as the archive has it.
    pub(super) name: &'e [u8],
    pub(super) kind: Kind,
    pub(super) is_executable: bool,
    pub(super) content: &'e mut Content<'a>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    File,
    Directory,
    /// A link, a device or a FIFO, or a file that is encrypted or packed by another method.
    Other,
}

/// Handles one entry. Its error ends the unpacking.
pub(super) type Each<'a> = &'a mut dyn FnMut(Entry<'_, '_>) -> Result<(), Fault>;

/// Calls `each` with every entry.
///
/// Fails if `each` does, if the archive is damaged, and if it exceeds [`ENTRIES`] or [`TOTAL`].
pub(super) fn unpack(archive: &[u8], each: Each<'_>) -> Result<(), Fault> {
    unpack_within(archive, TOTAL, each)
}

fn unpack_within(archive: &[u8], total: u64, each: Each<'_>) -> Result<(), Fault> {
    let mut entries = 0;
    let mut counted = |entry: Entry<'_, '_>| {
        entries += 1;
        if entries > ENTRIES {
            return Err("more than 10,000 entries".into());
        }
        each(entry)
    };
    match archive {
        [b'P', b'K', ..] => unzip(archive, total, &mut counted),
        [0x1f, 0x8b, 8, flags, ..] => {
            let packed = after_header(archive, *flags);
            let parts = packed
                .and_then(|packed| packed.split_at_checked(packed.len().checked_sub(TRAILER)?));
            let (packed, trailer) = parts.ok_or("damaged gzip")?;
            let [crc, size] = [0, 4].map(|at| {
                let bytes = trailer.get(at..).and_then(<[u8]>::first_chunk);
                u32::from_le_bytes(*bytes.unwrap_or(&[0; 4]))
            });
            let mut content = Content::new(total);
            content.open(packed, true, (crc, size));
            untar(&mut content, &mut counted)
        }
        _ => Err("neither zip nor tar.gz".into()),
    }
}

fn unzip(archive: &[u8], total: u64, each: Each<'_>) -> Result<(), Fault> {
    let damaged = |_| "damaged zip".to_owned();
    let archive = ZipArchive::from_slice(archive).map_err(damaged)?;
    let mut content = Content::new(total);
    let mut entries = archive.entries();
    while let Some(entry) = entries.next_entry().map_err(damaged)? {
        let local = archive.get_entry(entry.wayfinder()).map_err(damaged)?;
        let mode = entry.mode().value();
        let method = entry.compression_method();
        let is_packed = method == CompressionMethod::DEFLATE;
        let is_readable = is_packed || method == CompressionMethod::STORE;
        let is_readable = is_readable && !entry.flags().is_encrypted();
        // The lower half of the size, as gzip has it. It is limited elsewhere.
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
        let size = entry.uncompressed_size_hint() as u32;
        content.open(local.data(), is_packed, (entry.crc32(), size));
        each(Entry {
            name: entry.file_path().as_ref(),
            kind: match mode & 0o170_000 {
                0o040_000 => Kind::Directory,
                // Zero: of a system whose modes are unknown.
                0 | 0o100_000 if is_readable => Kind::File,
                _ if entry.is_dir() => Kind::Directory,
                _ => Kind::Other,
            },
            is_executable: mode & 0o111 != 0,
            content: &mut content,
        })?;
    }
    Ok(())
}

fn untar(content: &mut Content<'_>, each: Each<'_>) -> Result<(), Fault> {
    let damaged = |why: Fault| ["damaged tar: ", &why].concat();
    let mut long = None;
    content.part = 0;
    while let Some(header) = header(content).map_err(damaged)? {
        let kind = header.entry_type();
        if matches!(kind, EntryType::GNULongName | EntryType::XHeader) {
            let mut record = vec![0; LONG];
            let length = content.fill(&mut record).map_err(damaged)?;
            record.truncate(length);
            if kind == EntryType::GNULongName {
                record.retain(|byte| *byte != 0);
                long = Some(record);
            } else {
                // A line is `LENGTH KEY=VALUE`.
                for line in record.split(|byte| *byte == b'\n') {
                    let at = line.iter().position(|byte| *byte == b' ');
                    let pair = line.get(at.unwrap_or_default()..).unwrap_or_default();
                    if let Some(path) = pair.strip_prefix(b" path=") {
                        long = Some(path.to_vec());
                    }
                }
            }
            continue;
        }
        let mode = number(&header.as_old().mode).unwrap_or_default();
        each(Entry {
            name: &long.take().map_or_else(|| header.path_bytes(), Into::into),
            kind: match kind {
                EntryType::Regular | EntryType::Continuous => Kind::File,
                EntryType::Directory | EntryType::XGlobalHeader => Kind::Directory,
                _ => Kind::Other,
            },
            is_executable: mode & 0o111 != 0,
            content,
        })?;
    }
    // The checksum is checked at the end.
    content.part = u64::MAX;
    Ok(content.skip().map_err(damaged)?)
}

/// Skips the rest of an entry of tar, and reads the header of the next one, whose content is the
/// part that can be read then; `None` at the end.
///
/// The crate's own reader of archives costs 6 kB more, with ways to read that are not used here.
fn header(content: &mut Content<'_>) -> Result<Option<Header>, Fault> {
    content.skip()?;
    if content.part > 0 {
        return Err("unexpected EOF during skip".into());
    }
    let mut header = Header::new_old();
    content.part = BLOCK;
    let length = content.fill(header.as_mut_bytes())?;
    let (mut sum, mut is_end) = (0, true);
    for (at, byte) in header.as_bytes().iter().enumerate() {
        is_end &= *byte == 0;
        // Those of the checksum count as blanks.
        let byte = if (148..156).contains(&at) {
            b' '
        } else {
            *byte
        };
        sum += u64::from(byte);
    }
    if length > 0 && content.part > 0 {
        return Err("failed to read entire block".into());
    }
    if length == 0 || is_end {
        return Ok(None);
    }
    let (expected, size) = (
        number(&header.as_old().cksum),
        number(&header.as_old().size),
    );
    if expected != Some(sum) {
        return Err("archive header checksum mismatch".into());
    }
    content.part = size.ok_or("numeric field was not a number")?;
    content.padding = content.part.wrapping_neg() % BLOCK;
    Ok(Some(header))
}

/// The number in a field of tar's header: octal digits, between blanks and NULs.
fn number(field: &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for byte in field.trim_ascii() {
        match byte {
            b'0'..=b'7' => number = number << 3 | u64::from(byte & 7),
            b'\0' | b' ' => break,
            _ => return None,
        }
    }
    Some(number)
}

/// The data behind the header of gzip (RFC 1952).
fn after_header(archive: &[u8], flags: u8) -> Option<&[u8]> {
    let mut rest = archive.get(10..)?;
    if flags & 4 != 0 {
        let length = u16::from_le_bytes(*rest.first_chunk()?);
        rest = rest.get(2 + usize::from(length)..)?;
    }
    // A name and a comment, each with a NUL at its end.
    for flag in [8, 16] {
        if flags & flag != 0 {
            rest = rest.get(rest.iter().position(|byte| *byte == 0)? + 1..)?;
        }
    }
    rest.get(usize::from(flags & 2)..)
}

/// Bytes of an archive, which are unpacked while they are read.
///
/// The methods of `std::io::Read` that are not used would cost 700 bytes.
#[derive(Default)]
pub(super) struct Content<'a> {
    packed: &'a [u8],
    /// Whether they are packed by DEFLATE. Otherwise they are stored as they are.
    is_packed: bool,
    state: Box<DecompressorOxide>,
    /// What was unpacked last, and which of it is not read yet: the first place, and the number.
    window: Vec<u8>,
    at: usize,
    ready: usize,
    /// Bytes that can be read before an end is reported.
    part: u64,
    /// Bytes behind the part that are skipped with it.
    padding: u64,
    /// Bytes that the archive may still be unpacked to.
    left: u64,
    /// Checksum and size so far, and as they must be at the end.
    crc: u32,
    size: u32,
    expected: (u32, u32),
}

impl<'a> Content<'a> {
    /// Nothing yet. At most `left` bytes can be read.
    fn new(left: u64) -> Content<'a> {
        Content {
            left,
            window: vec![0; WINDOW],
            ..Content::default()
        }
    }

    /// Begins with other bytes, which have this checksum and size.
    fn open(&mut self, packed: &'a [u8], is_packed: bool, expected: (u32, u32)) {
        self.packed = packed;
        self.is_packed = is_packed;
        self.state.init();
        (self.at, self.ready, self.part) = (0, 0, u64::MAX);
        (self.crc, self.size, self.expected) = (!0, 0, expected);
    }

    /// Reads the next bytes to the begin of `to`. Returns their number, which is 0 at the end.
    ///
    /// Fails if they are damaged or too many, and at the end if checksum or size are wrong.
    pub(super) fn read(&mut self, to: &mut [u8]) -> Result<usize, Fault> {
        let room = usize::try_from(self.part).unwrap_or(usize::MAX);
        let room = room.min(to.len());
        if room == 0 {
            return Ok(0);
        }
        if self.is_packed && self.ready == 0 {
            self.inflate()?;
        }
        let ready = match self.is_packed {
            true => self.window.get(self.at..self.at + self.ready),
            false => Some(self.packed),
        };
        let mut length = 0;
        for (place, byte) in to.iter_mut().take(room).zip(ready.unwrap_or_default()) {
            *place = *byte;
            self.crc = crc(self.crc, *byte);
            length += 1;
        }
        if self.is_packed {
            self.at = (self.at + length) % WINDOW;
            self.ready -= length;
        } else {
            self.packed = self.packed.get(length..).unwrap_or_default();
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most the window's size")]
        let read = length as u32;
        self.size = self.size.wrapping_add(read);
        self.part -= u64::from(read);
        if length == 0 && (!self.crc, self.size) != self.expected {
            return Err("its checksum or its size is wrong".into());
        }
        let left = self.left.checked_sub(u64::from(read));
        self.left = left.ok_or("unpacks to more than 256 MiB")?;
        Ok(length)
    }

    /// Unpacks the next bytes into the window. Fails if the data is damaged or ends too early.
    fn inflate(&mut self) -> Result<(), Fault> {
        let (status, taken, ready) = decompress(
            &mut self.state,
            self.packed,
            &mut self.window,
            self.at,
            FLAGS,
        );
        self.packed = self.packed.get(taken..).unwrap_or_default();
        self.ready = ready;
        match status {
            TINFLStatus::Done => Ok(()),
            TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput if ready > 0 => Ok(()),
            _ => Err("damaged or cut off".into()),
        }
    }

    /// Reads until `to` is full or the end is reached. Returns the number of bytes.
    fn fill(&mut self, to: &mut [u8]) -> Result<usize, Fault> {
        let mut length = 0;
        loop {
            match self.read(to.get_mut(length..).unwrap_or_default())? {
                0 => return Ok(length),
                read => length += read,
            }
        }
    }

    /// Skips the rest of the part and its padding, up to the end of the archive.
    fn skip(&mut self) -> Result<(), Fault> {
        self.part = self.part.saturating_add(mem::take(&mut self.padding));
        while self.read(&mut [0; 512])? > 0 {}
        Ok(())
    }
}

/// CRC-32 after one more byte. rawzip's has a table of 16 KiB, for speed.
fn crc(crc: u32, byte: u8) -> u32 {
    const TABLE: [u32; 16] = table();
    let mut crc = crc ^ u32::from(byte);
    for _ in 0..2 {
        crc = TABLE[(crc & 15) as usize] ^ crc >> 4;
    }
    crc
}

/// What four bits do to a checksum.
const fn table() -> [u32; 16] {
    let mut table = [0; 16];
    let (mut at, mut number) = (0, 0_u32);
    while at < 16 {
        let mut value = number;
        let mut bits = 4;
        while bits > 0 {
            let odd = value & 1 != 0;
            value >>= 1;
            if odd {
                value ^= 0xedb8_8320;
            }
            bits -= 1;
        }
        table[at] = value;
        at += 1;
        number += 1;
    }
    table
}

#[cfg(test)]
mod tests;
