//! Numbers and texts as bytes. Numbers are LEB128: seven bits a byte, the lowest first.

/// Maximum number of bytes of a text. No name, message or identifier of the API is as long.
pub(super) const TEXT: usize = 8 << 10;

/// Bytes to which numbers and texts are appended.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    pub(super) fn number(&mut self, mut number: u64) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                return self.0.push(low & 0x7F);
            }
            self.0.push(low | 0x80);
        }
    }

    /// The signed difference between two numbers. It takes few bytes if they are close, whichever
    /// is greater.
    pub(super) fn step(&mut self, from: u64, to: u64) {
        let way = to.wrapping_sub(from).cast_signed();
        self.number(((way << 1) ^ (way >> 63)).cast_unsigned());
    }

    /// The text, of which at most [`TEXT`] bytes are written.
    pub(super) fn text(&mut self, text: &str) {
        let text = text.get(..text.floor_char_boundary(TEXT)).unwrap_or(text);
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    pub(super) fn destination(&mut self, destination: Option<&str>) {
        self.byte(u8::from(destination.is_some()));
        if let Some(identifier) = destination {
            self.text(identifier);
        }
    }
}

/// Bytes that are read from the front. The methods return `None` if something is missing or
/// malformed.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for at in 0..10 {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            let shifted = bits << (7 * at);
            if shifted >> (7 * at) != bits {
                return None;
            }
            number |= shifted;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// The number whose difference from `from` was written by [`Writer::step`].
    pub(super) fn step(&mut self, from: u64) -> Option<u64> {
        let folded = self.number()?;
        let way = (folded >> 1).cast_signed() ^ -(folded & 1).cast_signed();
        Some(from.wrapping_add(way.cast_unsigned()))
    }

    /// The number of things that follow, each of which takes at least `each` bytes.
    pub(super) fn count(&mut self, each: usize) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count.checked_mul(each)? <= self.left()).then_some(count)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let length = self.count(1)?;
        let text = std::str::from_utf8(self.bytes(length)?).ok()?;
        (length <= TEXT).then(|| text.to_owned())
    }

    pub(super) fn destination(&mut self) -> Option<Option<String>> {
        match self.byte()? {
            0 => Some(None),
            1 => self.text().map(Some),
            _ => None,
        }
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn boot(&mut self) -> Option<u128> {
        let bytes = self.bytes(size_of::<u128>())?;
        Some(u128::from_le_bytes(bytes.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_whatever_they_are() {
        let numbers = [0, 1, 127, 128, 300, 1_700_000_000, 1 << 63, u64::MAX];
        for number in numbers {
            let mut out = Writer::default();
            out.number(number);
            for from in numbers {
                out.step(from, number);
            }
            let bytes = out.done();
            let mut read = Reader::of(&bytes);
            assert_eq!(read.number(), Some(number));
            for from in numbers {
                assert_eq!(read.step(from), Some(number), "from {from}");
            }
            assert!(read.is_at_end());
        }
    }

    #[test]
    fn small_numbers_take_little() {
        let length = |write: fn(&mut Writer)| {
            let mut out = Writer::default();
            write(&mut out);
            out.done().len()
        };
        assert_eq!(length(|out| out.number(127)), 1);
        assert_eq!(length(|out| out.step(1_700_000_000, 1_700_000_060)), 1);
        assert_eq!(length(|out| out.step(1_700_000_060, 1_700_000_000)), 1);
        assert_eq!(length(|out| out.number(u64::MAX)), 10);
    }

    #[test]
    fn reader_rejects_lengths_beyond_its_input() {
        assert_eq!(Reader::of(&[0xFF; 11]).number(), None);
        assert_eq!(Reader::of(&[0xFF; 9]).number(), None);
        assert_eq!(
            Reader::of(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02").number(),
            None
        );
        assert_eq!(Reader::of(b"\x05abc").text(), None);
        assert_eq!(Reader::of(b"\x02\xff\xff").text(), None);
        assert_eq!(Reader::of(b"\x02").destination(), None);
        let mut out = Writer::default();
        out.text(&"あ".repeat(TEXT));
        let text = Reader::of(&out.done()).text().unwrap();
        assert!(text.len() <= TEXT && text.len() > TEXT - 3);
    }
}
