//! HPACK (RFC 7541): decodes whole header blocks; encodes fields as literals that are never
//! indexed.

use super::huffman;

/// Bytes of the dynamic table. HTTP/2 begins with it, and no other size is announced.
const TABLE: usize = 4_096;
/// Bytes of a decoded block, counted as the table counts them. It is announced to servers.
pub(crate) const LIST_LIMIT: usize = 16_384;
/// Bytes that a field counts besides its name and value (RFC 7541, 4.1).
const OVERHEAD: usize = 32;
/// Entries of the static table.
const STATIC: usize = 61;

/// The static table (RFC 7541, appendix A): an entry a line.
const STATIC_TABLE: &str = "\
:authority\n:method=GET\n:method=POST\n:path=/\n:path=/index.html\n:scheme=http\n:scheme=https\n\
:status=200\n:status=204\n:status=206\n:status=304\n:status=400\n:status=404\n:status=500\n\
accept-charset\naccept-encoding=gzip, deflate\naccept-language\naccept-ranges\naccept\n\
access-control-allow-origin\nage\nallow\nauthorization\ncache-control\ncontent-disposition\n\
content-encoding\ncontent-language\ncontent-length\ncontent-location\ncontent-range\n\
content-type\ncookie\ndate\netag\nexpect\nexpires\nfrom\nhost\nif-match\nif-modified-since\n\
if-none-match\nif-range\nif-unmodified-since\nlast-modified\nlink\nlocation\nmax-forwards\n\
proxy-authenticate\nproxy-authorization\nrange\nreferer\nrefresh\nretry-after\nserver\n\
set-cookie\nstrict-transport-security\ntransfer-encoding\nuser-agent\nvary\nvia\n\
www-authenticate";

/// `:method POST` of the static table.
pub(crate) const METHOD_POST: u8 = 0x83;
/// `:scheme http` of the static table.
pub(crate) const SCHEME_HTTP: u8 = 0x86;
/// `:scheme https` of the static table.
pub(crate) const SCHEME_HTTPS: u8 = 0x87;
/// The place of the name `:authority` in the static table.
pub(crate) const AUTHORITY: u8 = 1;
/// The place of the name `:path` in the static table.
pub(crate) const PATH: u8 = 4;
/// Sets the table of the side that encodes to zero bytes. A block that begins with it meets every
/// limit that the server may have announced (RFC 7541, 4.2).
pub(crate) const NO_TABLE: u8 = 0x20;
/// A literal that is never indexed; the place of its name is added.
const NEVER_INDEXED: u8 = 0x10;

/// A header field.
#[derive(Clone, Eq, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Field {
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Field {
    /// Bytes that it counts in a table or a list.
    fn size(&self) -> usize {
        self.name.len() + self.value.len() + OVERHEAD
    }
}

/// Why a block cannot be decoded. The table is of no more use then.
#[derive(Clone, Copy, Eq, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Wrong {
    /// It is no HPACK.
    Coding,
    /// It has more than [`LIST_LIMIT`] bytes.
    TooLarge,
}

/// The dynamic table of a connection.
pub(crate) struct Decoder {
    /// The newest is the last one.
    entries: Vec<Field>,
    /// Bytes of the entries, as [`Field::size`] counts.
    size: usize,
    /// Bytes that the entries may have: what the peer has chosen, at most [`TABLE`].
    limit: usize,
}

impl Decoder {
    pub(crate) fn new() -> Decoder {
        Decoder {
            entries: Vec::new(),
            size: 0,
            limit: TABLE,
        }
    }

    /// The fields of a whole block, in order.
    pub(crate) fn block(&mut self, block: &[u8]) -> Result<Vec<Field>, Wrong> {
        let mut fields = Vec::new();
        let mut left = LIST_LIMIT;
        let mut input = Input(block);
        while let Some(first) = input.byte() {
            if first & 0xe0 == 0x20 {
                let size = input.number(first, 5).ok_or(Wrong::Coding)?;
                if !fields.is_empty() || size > TABLE {
                    return Err(Wrong::Coding);
                }
                self.limit = size;
                self.evict();
                continue;
            }
            let field = self.field(first, &mut input).ok_or(Wrong::Coding)?;
            left = left.checked_sub(field.size()).ok_or(Wrong::TooLarge)?;
            fields.push(field);
        }
        Ok(fields)
    }

    /// The field that begins with `first`.
    fn field(&mut self, first: u8, input: &mut Input<'_>) -> Option<Field> {
        if first & 0x80 != 0 {
            return self.entry(input.number(first, 7)?);
        }
        let is_indexed = first & 0x40 != 0;
        let name = match input.number(first, if is_indexed { 6 } else { 4 })? {
            0 => input.string()?,
            place => self.entry(place)?.name,
        };
        let value = input.string()?;
        let field = Field { name, value };
        if is_indexed {
            self.size += field.size();
            self.entries.push(field.clone());
            self.evict();
        }
        Some(field)
    }

    /// The entry at `place`, which begins with 1 in the static table and continues in the dynamic
    /// one.
    fn entry(&self, place: usize) -> Option<Field> {
        let place = place.checked_sub(1)?;
        if let Some(back) = place.checked_sub(STATIC) {
            return self.entries.iter().rev().nth(back).cloned();
        }
        let line = STATIC_TABLE.split('\n').nth(place)?;
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        Some(Field {
            name: name.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
        })
    }

    /// Removes the oldest entries until the others fit. One that is larger than the table leaves it
    /// empty (RFC 7541, 4.4).
    fn evict(&mut self) {
        let mut gone = 0;
        for entry in &self.entries {
            if self.size <= self.limit {
                break;
            }
            self.size -= entry.size();
            gone += 1;
        }
        self.entries.drain(..gone);
    }

    /// Entries, newest first, and their bytes.
    #[cfg(test)]
    pub(super) fn table(&self) -> (Vec<Field>, usize) {
        (self.entries.iter().rev().cloned().collect(), self.size)
    }
}

/// What is left of a block.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl Input<'_> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// The number that begins in the last `bits` of `first`, at most 28 bits longer (RFC 7541,
    /// 5.1).
    pub(super) fn number(&mut self, first: u8, bits: u32) -> Option<usize> {
        let most = (1 << bits) - 1;
        let mut number = usize::from(first) & most;
        if number < most {
            return Some(number);
        }
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            number += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        let first = self.byte()?;
        let length = self.number(first, 7)?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        if first & 0x80 == 0 {
            Some(text.to_vec())
        } else {
            huffman::decode(text)
        }
    }
}

/// Appends a field. `name` is in lower case.
pub(crate) fn put(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(NEVER_INDEXED);
    put_text(block, name);
    put_text(block, value);
}

/// Appends a field whose name is at `place` of the static table, one of the first 14.
pub(crate) fn put_known(block: &mut Vec<u8>, place: u8, value: &str) {
    block.push(NEVER_INDEXED | place);
    put_text(block, value);
}

fn put_text(block: &mut Vec<u8>, text: &str) {
    put_number(block, 0, 7, text.len());
    block.extend_from_slice(text.as_bytes());
}

/// Appends a number that begins in the last `bits` of `first` (RFC 7541, 5.1).
pub(super) fn put_number(block: &mut Vec<u8>, first: u8, bits: u32, number: usize) {
    let most = (1 << bits) - 1;
    // The mask keeps what is cut off at zero.
    let low = |number: usize| u8::try_from(number & 0xff).unwrap_or(0);
    let Some(mut rest) = number.checked_sub(most) else {
        return block.push(first | low(number));
    };
    block.push(first | low(most));
    while rest > 0x7f {
        block.push(0x80 | low(rest & 0x7f));
        rest >>= 7;
    }
    block.push(low(rest));
}
