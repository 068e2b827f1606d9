//! What a server says over HTTP/2, and what it says in header blocks.

use std::fs;

use crate::sys::http::h2::hpack::Decoder;
use crate::sys::http::h2::{Answer, Connection, Outcome};

/// Bytes of the body of the request that is answered: more than the windows have at first.
const BODY: usize = 100_000;
/// Bytes that a connection may have to send at a time.
const OUTPUT: usize = 128 << 10;

/// Frames that mean something: SETTINGS, windows, PING, GOAWAY, RST_STREAM, END_STREAM.
pub(crate) const FRAMES: &[&[u8]] = &[
    b"\0\0\0\x04\0\0\0\0\0",
    b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\x0a",
    b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\x01\0\0",
    b"\0\0\x04\x08\0\0\0\0\0\0\0\x10\0",
    b"\0\0\x04\x08\0\0\0\0\x01\0\0\x10\0",
    b"\0\0\x08\x06\0\0\0\0\0abcdefgh",
    b"\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0",
    b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x07",
    b"\0\0\x01\x01\x04\0\0\0\x01\x88",
    b"\0\0\0\x09\x04\0\0\0\x01",
    b"\0\0\0\0\x01\0\0\0\x01",
];

/// Instructions of HPACK.
pub(crate) const INSTRUCTIONS: &[&[u8]] = &[
    b"\x88",
    b"\xbe",
    b"\x20",
    b"\x3f\xe1\x1f",
    b"\x40\x01a\x01b",
    b"\x7f\x00",
    b"\x10\x81\x1f",
    b"\x0f\x00",
    b"\xff\x80\x80\x80",
    b"\x7f\xff\xff\x7f",
];

/// Answers: good, with everything that frames can have, and one that ends early.
pub(crate) fn answers() -> Vec<Vec<u8>> {
    let settings = FRAMES[0];
    let message = b"\0\0\x09\0\0\0\0\0\x01\0\0\0\0\x04good";
    let trailers = b"\0\0\x10\x01\x05\0\0\0\x01\x40\x0bgrpc-status\x010\x90";
    let padded = b"\0\0\x0a\0\x08\0\0\0\x01\x03\0\0\0\0\0\0\0\0\0";
    let priority = b"\0\0\x06\x01\x20\0\0\0\x01\0\0\0\0\x10\x88\0\0\0\x09\x04\0\0\0\x01";
    vec![
        [settings, FRAMES[8], message, trailers].concat(),
        [&FRAMES[..7].concat(), priority.as_slice(), padded, trailers].concat(),
        [settings, b"\0\0\x01\x01\x05\0\0\0\x01\x8c"].concat(),
        [settings, FRAMES[7]].concat(),
    ]
}

/// Takes the input in parts, and sends what windows allow.
pub(crate) fn connection(input: &[u8]) {
    let body = vec![0; BODY];
    for size in [1, 7, input.len().max(1)] {
        let mut connection = Connection::new();
        connection.begin(&[0x83], BODY);
        for part in input.chunks(size) {
            connection.send(&body);
            assert!(connection.take_output().len() <= OUTPUT);
            if connection.receive(part).is_err() {
                break;
            }
            if let Some(Outcome::Answer(Answer { status, body, .. })) = connection.take_outcome() {
                assert!(status >= 200 && body.len() <= 32 << 10);
                if connection.is_usable() {
                    connection.begin(&[0x83], BODY);
                }
            }
        }
    }
}

/// The blocks that another encoder has made.
pub(crate) fn blocks() -> Vec<Vec<u8>> {
    let text = fs::read_to_string("tests/peers/hpack_blocks.txt").unwrap();
    let blocks = text.lines().filter_map(|line| line.strip_prefix("block "));
    let blocks = blocks.filter(|block| block.len() < 400);
    blocks.map(unhex).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> = digits.chars().filter_map(|c| c.to_digit(16)).collect();
    let bytes = digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap());
    bytes.collect()
}

/// Takes the input as two blocks, so that the second one can use the table of the first.
pub(crate) fn block(input: &[u8]) {
    let mut decoder = Decoder::new();
    let (first, second) = input.split_at(input.len() / 2);
    for block in [first, second, input] {
        let Ok(fields) = decoder.block(block) else {
            return;
        };
        let sizes = fields
            .iter()
            .map(|field| field.name.len() + field.value.len() + 32);
        assert!(sizes.sum::<usize>() <= 16_384);
    }
}
