//! The Huffman code of HPACK (RFC 7541, appendix B).
//!
//! The code is canonical: codes of one length are consecutive numbers, in the order of their bytes,
//! and the first code of a length follows from the last one of the length before. So the bytes in
//! order of their codes and the number of codes of each length are the whole table, 286 bytes.

/// How many codes have 1, 2, ... 30 bits, the code for the end of a text among them.
#[rustfmt::skip]
const COUNTS: [u8; 30] = [
    0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0,
    0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4,
];

/// The bytes in the order of their codes. The end of a text, which is the last code, is left out.
#[rustfmt::skip]
const BYTES: [u8; 256] = [
    48, 49, 50, 97, 99, 101, 105, 111, 115, 116, 32, 37, 45, 46, 47, 51,
    52, 53, 54, 55, 56, 57, 61, 65, 95, 98, 100, 102, 103, 104, 108, 109,
    110, 112, 114, 117, 58, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76,
    77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89, 106, 107, 113, 118,
    119, 120, 121, 122, 38, 42, 44, 59, 88, 90, 33, 34, 40, 41, 63, 39,
    43, 124, 35, 62, 0, 36, 64, 91, 93, 126, 94, 125, 60, 96, 123, 92,
    195, 208, 128, 130, 131, 162, 184, 194, 224, 226, 153, 161, 167, 172, 176, 177,
    179, 209, 216, 217, 227, 229, 230, 129, 132, 133, 134, 136, 146, 154, 156, 160,
    163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232,
    233, 1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157,
    158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239, 9, 142,
    144, 145, 148, 159, 171, 206, 215, 225, 236, 237, 199, 207, 234, 235, 192, 193,
    200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255, 203, 204, 211,
    212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254,
    2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20,
    21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249, 10, 13, 22,
];

/// The text that `coded` stands for, at most 8/5 as long.
///
/// `None` if it has the code for the end of a text, or does not end with the first bits of that
/// code, at most seven (RFC 7541, 5.2).
pub(super) fn decode(coded: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(coded.len());
    let mut code = Code::default();
    for byte in coded {
        for shift in (0..8).rev() {
            if let Some(at) = code.with(byte >> shift & 1) {
                text.push(*BYTES.get(at)?);
                code = Code::default();
            }
        }
    }
    let is_padding = code.length < 8 && code.bits + 1 == 1 << code.length;
    is_padding.then_some(text)
}

/// The bits since the last whole code.
#[derive(Default)]
struct Code {
    bits: u32,
    length: u32,
    /// The first code of this length.
    first: u32,
    /// How many codes are shorter.
    shorter: u32,
}

impl Code {
    /// Takes one more bit. The place of the code among all codes, once it is whole.
    fn with(&mut self, bit: u8) -> Option<usize> {
        // No code is longer than the table, so that this is 0 for none.
        let count = COUNTS.get(self.length as usize).copied().unwrap_or(0);
        let count = u32::from(count);
        self.bits = self.bits << 1 | u32::from(bit);
        self.length += 1;
        let above = self.bits.wrapping_sub(self.first);
        if above < count {
            return Some((self.shorter + above) as usize);
        }
        self.first = (self.first + count) << 1;
        self.shorter += count;
        None
    }
}
