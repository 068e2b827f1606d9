//! Damaged copies of good inputs.

/// Largest number of bytes of an input.
const LONGEST: usize = 64 << 10;
/// Largest number of changes to one input.
const CHANGES: usize = 8;
/// Largest number of bytes that one change affects.
const SPAN: usize = 24;
/// Texts that are difficult for parsers of any kind.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r\n",
    b"\"",
    b"'",
    b"\\",
    b" ",
    b"\t",
    b"-",
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b"0x",
    b"1_0",
    b"18446744073709551616",
    b"99999999999999999999",
    b"-9223372036854775809",
    b"\xff",
    b"\xc3",
    b"\xe3\x81\x82",
    b"\xe2\x80\xa8",
    b"\x80\x80\x80\x80",
    b"/",
    b":",
    b"%",
    b"\\040",
];

/// Makes inputs. Equal seeds make equal inputs.
pub(crate) struct Mutator {
    state: u64,
    corpus: Vec<Vec<u8>>,
    pieces: &'static [&'static [u8]],
}

impl Mutator {
    pub(crate) fn new(
        seed: u64,
        name: &str,
        corpus: Vec<Vec<u8>>,
        pieces: &'static [&'static [u8]],
    ) -> Mutator {
        assert!(
            !corpus.is_empty(),
            "{name}: run this in the project's directory"
        );
        // FNV-1a of the name, so that each target gets its own changes.
        let mut state = seed ^ 0xcbf2_9ce4_8422_2325;
        for byte in name.bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        Mutator {
            state: state | 1,
            corpus,
            pieces,
        }
    }

    /// A number below `limit`, by Marsaglia's xorshift. It needs no crate, and its quality is
    /// sufficient.
    fn random(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).unwrap() % limit.max(1)
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        let which = self.random(self.corpus.len());
        let mut input = self.corpus[which].clone();
        for _ in 0..=self.random(CHANGES) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.random(input.len() + 1);
        let span = self.random(SPAN);
        let end = (at + span).min(input.len());
        match self.random(11) {
            0 => drop(input.drain(at..end)),
            1 => input.truncate(at),
            2 | 3 => {
                let piece = self.piece();
                drop(input.splice(at..end, piece));
            }
            4 | 5 => {
                let piece = self.piece();
                drop(input.splice(at..at, piece));
            }
            6 => {
                // A repeated piece: a counter may overflow, or a stack may grow.
                let again = input[at..end].repeat(1 << self.random(9));
                drop(input.splice(at..at, again));
            }
            7 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.random(8);
                }
            }
            8 => {
                let random = u8::try_from(self.random(256)).unwrap();
                if let Some(byte) = input.get_mut(at) {
                    *byte = random;
                }
            }
            9 => {
                // A piece of another good input, or of this one.
                let which = self.random(self.corpus.len());
                let from = self.random(self.corpus[which].len() + 1);
                let length = self.random(400);
                let other = &self.corpus[which];
                let part = other[from..(from + length).min(other.len())].to_vec();
                drop(input.splice(at..end, part));
            }
            _ => {
                if let Some(digit) = input.iter().skip(at).position(u8::is_ascii_digit) {
                    let piece = self.piece();
                    drop(input.splice(at + digit..=at + digit, piece));
                }
            }
        }
    }

    fn piece(&mut self) -> Vec<u8> {
        let own = self.pieces.len();
        let which = self.random(own + PIECES.len());
        match which.checked_sub(own) {
            None => self.pieces[which].to_vec(),
            Some(which) => PIECES[which].to_vec(),
        }
    }
}
