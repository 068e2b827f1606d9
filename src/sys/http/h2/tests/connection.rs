//! The connection, byte by byte. What hostile servers do is in the tests of calls.

use super::hex;
use crate::sys::http::h2::frame::{self, Head};
use crate::sys::http::h2::{Connection, Outcome, hpack};

/// A server's empty SETTINGS.
const SETTINGS: &str = "000000 04 00 00000000";
/// The head of an answer: status 200, and nothing else.
const HEAD: &str = "000001 01 04 00000001 88";

fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let pairs = pairs.iter().flat_map(|(id, value)| {
        let (id, value) = (id.to_be_bytes().to_vec(), value.to_be_bytes().to_vec());
        [id, value].concat()
    });
    let mut bytes = Vec::new();
    let content: Vec<u8> = pairs.collect();
    frame::put(&mut bytes, frame::SETTINGS, 0, 0, &content);
    bytes
}

fn window(stream: u32, by: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::put(
        &mut bytes,
        frame::WINDOW_UPDATE,
        0,
        stream,
        &by.to_be_bytes(),
    );
    bytes
}

/// Type, flags, stream and length of each frame; the preface, if it is there, is left out.
fn frames(output: &[u8]) -> Vec<(u8, u8, u32, usize)> {
    let mut rest = output.strip_prefix(frame::PREFACE).unwrap_or(output);
    let mut found = Vec::new();
    while let Some((head, behind)) = rest.split_first_chunk() {
        let Head {
            length,
            kind,
            flags,
            stream,
        } = Head::read(head);
        found.push((kind, flags, stream, length));
        rest = &behind[length..];
    }
    assert!(rest.is_empty());
    found
}

/// The lengths of the frames of DATA.
fn data(output: &[u8]) -> Vec<usize> {
    let data = frames(output)
        .into_iter()
        .filter(|frame| frame.0 == frame::DATA);
    data.map(|frame| frame.3).collect()
}

#[test]
fn h2_connection_begins_with_everything_that_needs_no_answer() {
    let mut connection = Connection::new();
    connection.begin(&[0x83], 100_000);
    assert!(!connection.send(&[0; 100_000]));
    let output = connection.take_output();
    let begin = [
        frame::PREFACE,
        &hex("00000c 04 00 00000000 0002 00000000 0006 00004000"),
        &hex("000001 01 04 00000001 83"),
    ]
    .concat();
    assert!(output.starts_with(&begin));
    assert_eq!(data(&output), [16_384, 16_384, 16_384, 16_383]);
    assert!(!connection.send(&[0; 100_000]));
    assert!(connection.take_output().is_empty());
}

#[test]
fn h2_body_stays_within_windows_frames_and_the_room_for_output() {
    const LARGE: usize = 300_000;
    // (why this row exists, what the server sends, frames of DATA, whether only room was missing)
    type Row = (&'static str, Vec<Vec<u8>>, Vec<usize>, bool);
    let table: [Row; 8] = [
        ("nothing", vec![], vec![], false),
        ("the stream's alone", vec![window(1, 9)], vec![], false),
        ("the connection's alone", vec![window(0, 9)], vec![], false),
        (
            "the smaller one",
            vec![window(1, 5), window(0, 9)],
            vec![5],
            false,
        ),
        (
            "a larger first window",
            vec![settings(&[(4, 65_545)]), window(0, 100)],
            vec![10],
            false,
        ),
        (
            "a first window that gets smaller, and is negative",
            vec![settings(&[(4, 0)]), window(1, 65_535), window(0, 100)],
            vec![],
            false,
        ),
        (
            "the room for output",
            vec![window(1, 200_000), window(0, 200_000)],
            vec![16_384, 16_384, 16_384, 16_384, 16_348],
            true,
        ),
        (
            "larger frames",
            vec![
                settings(&[(5, 1 << 20)]),
                window(1, 200_000),
                window(0, 200_000),
            ],
            vec![65_536, 16_366],
            true,
        ),
    ];
    for (why, server, expected, is_full) in table {
        let mut connection = Connection::new();
        connection.begin(&[0x83], LARGE);
        connection.send(&[0; LARGE]);
        drop(connection.take_output());
        assert!(connection.receive(&hex(SETTINGS)).is_ok());
        drop(connection.take_output());
        for bytes in server {
            assert!(connection.receive(&bytes).is_ok(), "{why}");
        }
        assert_eq!(connection.send(&[0; LARGE]), is_full, "{why}");
        assert_eq!(data(&connection.take_output()), expected, "{why}");
    }
}

#[test]
fn h2_answer_is_the_same_however_it_is_divided() {
    let mut server = hex(SETTINGS);
    server.extend(hex("000008 06 00 00000000 0102030405060708"));
    server.extend(hex(HEAD));
    server.extend(hex("000003 00 00 00000001 616263"));
    let mut block = Vec::new();
    hpack::put(&mut block, "grpc-status", "0");
    hpack::put(&mut block, "x", "y");
    frame::put(&mut server, frame::HEADERS, 5, 1, &block);
    for size in 1..server.len() {
        let mut connection = Connection::new();
        connection.begin(&[0x83], 0);
        drop(connection.take_output());
        for part in server.chunks(size) {
            assert!(connection.receive(part).is_ok());
        }
        let Some(Outcome::Answer(answer)) = connection.take_outcome() else {
            panic!("no answer in parts of {size}");
        };
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, b"abc");
        assert_eq!(answer.trailers.len(), 2);
        let said = frames(&connection.take_output());
        let expected = [
            (frame::SETTINGS, frame::ACK, 0, 0),
            (frame::PING, frame::ACK, 0, 8),
            (frame::WINDOW_UPDATE, 0, 0, 4),
        ];
        assert_eq!(said, expected);
        assert!(connection.is_usable());
    }
}

#[test]
fn h2_answer_before_the_end_of_the_request_ends_it() {
    let mut connection = Connection::new();
    connection.begin(&[0x83], 100_000);
    connection.send(&[0; 100_000]);
    drop(connection.take_output());
    let answer = [hex(SETTINGS), hex("000001 01 05 00000001 88")].concat();
    assert!(connection.receive(&answer).is_ok());
    assert!(matches!(
        connection.take_outcome(),
        Some(Outcome::Answer(_))
    ));
    let said = connection.take_output();
    assert!(said.ends_with(&hex("000004 03 00 00000001 00000008")));
    assert!(!connection.send(&[0; 100_000]));
    assert!(connection.take_output().is_empty());
    // What is on its way for that stream does no harm.
    let late = hex("000000 00 01 00000001 000004 08 00 00000001 00000001");
    assert!(connection.receive(&late).is_ok());
    assert!(connection.is_usable());
}

#[test]
fn h2_connection_is_not_used_again_at_its_end() {
    let whole = hex("000001 01 05 00000001 88");
    // (why this row exists, what the server sends besides, whether it can be used)
    let table = [
        ("nothing", vec![], true),
        (
            "GOAWAY",
            hex("000008 07 00 00000000 7fffffff 00000000"),
            false,
        ),
        ("no more streams", settings(&[(3, 0)]), false),
        ("one stream is enough", settings(&[(3, 1)]), true),
    ];
    for (why, server, is_usable) in table {
        let mut connection = Connection::new();
        connection.begin(&[0x83], 0);
        let server = [hex(SETTINGS), whole.clone(), server].concat();
        assert!(connection.receive(&server).is_ok(), "{why}");
        assert!(
            !connection.is_usable(),
            "{why}: the answer is not taken yet"
        );
        assert!(connection.take_outcome().is_some(), "{why}");
        assert_eq!(connection.is_usable(), is_usable, "{why}");
    }
}

#[test]
fn h2_connection_has_a_last_stream() {
    let mut connection = Connection::new();
    connection.use_up_streams();
    assert!(connection.is_usable());
    connection.begin(&[0x83], 0);
    assert_eq!(frames(&connection.take_output())[1].2, 0x7fff_ffff);
    let answer = [hex(SETTINGS), hex("000001 01 05 7fffffff 88")].concat();
    assert!(connection.receive(&answer).is_ok());
    assert!(connection.take_outcome().is_some());
    assert!(!connection.is_usable());
}

#[test]
fn h2_violation_is_reported_to_the_server() {
    let mut connection = Connection::new();
    connection.begin(&[0x83], 0);
    drop(connection.take_output());
    let push = hex("000004 05 04 00000001 00000002");
    assert!(connection.receive(&[hex(SETTINGS), push].concat()).is_err());
    let goaway = hex("000008 07 00 00000000 00000000 00000001");
    assert!(connection.take_output().ends_with(&goaway));
}

/// A generator of numbers, the same in each run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

#[test]
fn h2_connection_survives_damaged_bytes() {
    let mut good = [hex(SETTINGS), hex(HEAD)].concat();
    good.extend(settings(&[(4, 20), (5, 16_384), (1, 100)]));
    good.extend(window(0, 70_000));
    good.extend(window(1, 70_000));
    good.extend(hex("000008 06 00 00000000 0102030405060708"));
    good.extend(hex("000009 00 08 00000001 03 6162636465 000000"));
    good.extend(hex(
        "000006 01 21 00000001 00000000 10 90 000000 09 04 00000001",
    ));
    good.extend(hex(
        "000004 03 00 00000001 00000007 000001 01 05 00000001 88",
    ));
    good.extend(hex("000008 07 00 00000000 00000005 00000000"));
    let body = [0; 100_000];
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    let (mut refused, mut answered) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=chance.below(3) {
            let (at, to) = (chance.below(bytes.len()), chance.below(256));
            match chance.below(4) {
                0 => bytes[at] = u8::try_from(to).unwrap(),
                1 => bytes.truncate(at + 1),
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, u8::try_from(to).unwrap()),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let mut connection = Connection::new();
        connection.begin(&[0x83], body.len());
        let part = 1 + chance.below(40);
        for part in bytes.chunks(part) {
            connection.send(&body);
            assert!(connection.take_output().len() <= 100_000);
            if connection.receive(part).is_err() {
                refused += 1;
                break;
            }
            answered += usize::from(connection.take_outcome().is_some());
        }
    }
    assert!(refused > 1_000 && answered > 1_000, "{refused}, {answered}");
}
