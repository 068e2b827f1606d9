//! Blocks that another program has encoded, whole and damaged.

#![expect(clippy::disallowed_methods, reason = "a file of the tests")]

use std::fs;

use super::hex;
use crate::sys::http::h2::hpack::{Decoder, Field};

/// What `tests/peers/hpack_blocks.py` printed.
const BLOCKS: &str = include_str!("../../../../../tests/peers/hpack_blocks.txt");

/// The blocks of each connection, and the fields in them.
fn connections() -> Vec<Vec<(Vec<u8>, Vec<Field>)>> {
    let other = std::env::var_os("HPACK_BLOCKS");
    let text = other.map_or(BLOCKS.to_owned(), |path| fs::read_to_string(path).unwrap());
    let mut found: Vec<Vec<(Vec<u8>, Vec<Field>)>> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["connection"] => found.push(Vec::new()),
            ["block", block] => found.last_mut().unwrap().push((hex(block), Vec::new())),
            ["field", name, value] => {
                let (name, value) = (hex(name), hex(value));
                let block = found.last_mut().unwrap().last_mut().unwrap();
                block.1.push(Field { name, value });
            }
            _ => panic!("{line}"),
        }
    }
    found
}

#[test]
fn hpack_blocks_of_another_encoder_are_decoded() {
    let (mut blocks, mut evictions) = (0, 0);
    for connection in connections() {
        let mut decoder = Decoder::new();
        for (block, fields) in connection {
            let before = decoder.table().0.len();
            assert_eq!(
                decoder.block(&block),
                Ok(fields),
                "block {blocks}: {block:02x?}"
            );
            blocks += 1;
            evictions += usize::from(decoder.table().0.len() < before);
            assert!(decoder.table().1 <= 4_096);
        }
    }
    assert!(blocks >= 150, "{blocks} blocks");
    assert!(evictions >= 10, "the table got smaller {evictions} times");
}

#[test]
fn hpack_blocks_that_are_damaged_do_no_harm() {
    for connection in connections() {
        for (block, _) in connection {
            for end in 0..block.len().min(60) {
                drop(Decoder::new().block(&block[..end]));
            }
            for at in 0..block.len().min(60) {
                let mut block = block.clone();
                block[at] ^= 0x81;
                drop(Decoder::new().block(&block));
            }
        }
    }
}
