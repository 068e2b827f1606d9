//! The examples of RFC 7541, appendix C, whole.

use super::hex;
use crate::sys::http::h2::hpack::{self, Decoder, Field, Input, LIST_LIMIT, Wrong};

/// Sets the table to 256 bytes, which the examples of C.5 and C.6 presume.
const SMALL_TABLE: &str = "3fe101";

fn lines(fields: &[Field]) -> Vec<String> {
    let line = |field: &Field| {
        let (name, value) = (&field.name, &field.value);
        format!(
            "{}: {}",
            String::from_utf8_lossy(name),
            String::from_utf8_lossy(value)
        )
    };
    fields.iter().map(line).collect()
}

#[test]
fn hpack_number_is_that_of_the_examples() {
    // (example, number, bits of the prefix, encoded)
    let table = [
        ("C.1.1", 10, 5, "0a"),
        ("C.1.2", 1337, 5, "1f9a0a"),
        ("C.1.3", 42, 8, "2a"),
        ("the largest without a further byte", 30, 5, "1e"),
        ("one more", 31, 5, "1f00"),
        (
            "the largest that is read",
            31 + (1 << 28) - 1,
            5,
            "1fffffff7f",
        ),
    ];
    for (why, number, bits, encoded) in table {
        let mut block = Vec::new();
        hpack::put_number(&mut block, 0, bits, number);
        assert_eq!(block, hex(encoded), "{why}");
        let mut input = Input(&block[1..]);
        assert_eq!(input.number(block[0], bits), Some(number), "{why}");
        assert!(input.0.is_empty(), "{why}");
    }
    for (why, rest) in [("cut short", "ffff"), ("too large", "8080808001")] {
        assert_eq!(Input(&hex(rest)).number(0x1f, 5), None, "{why}");
    }
}

#[test]
fn hpack_blocks_are_those_of_the_examples() {
    const REQUEST: [&str; 4] = [
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
    ];
    const NO_CACHE: &str = "cache-control: no-cache";
    const CUSTOM: [&str; 5] = [
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ];
    const PRIVATE: &str = "cache-control: private";
    const DATE: &str = "date: Mon, 21 Oct 2013 20:13:21 GMT";
    const LATER: &str = "date: Mon, 21 Oct 2013 20:13:22 GMT";
    const LOCATION: &str = "location: https://www.example.com";
    const COOKIE: &str = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    let second: Vec<&str> = REQUEST.into_iter().chain([NO_CACHE]).collect();
    let requests = |blocks: [&'static str; 3]| {
        vec![
            (blocks[0], REQUEST.to_vec(), vec![REQUEST[3]], 57),
            (blocks[1], second.clone(), vec![NO_CACHE, REQUEST[3]], 110),
            (
                blocks[2],
                CUSTOM.to_vec(),
                vec![CUSTOM[4], NO_CACHE, REQUEST[3]],
                164,
            ),
        ]
    };
    let responses = |blocks: [&'static str; 3]| {
        vec![
            (SMALL_TABLE, vec![], vec![], 0),
            (
                blocks[0],
                vec![":status: 302", PRIVATE, DATE, LOCATION],
                vec![LOCATION, DATE, PRIVATE, ":status: 302"],
                222,
            ),
            (
                blocks[1],
                vec![":status: 307", PRIVATE, DATE, LOCATION],
                vec![":status: 307", LOCATION, DATE, PRIVATE],
                222,
            ),
            (
                blocks[2],
                vec![
                    ":status: 200",
                    PRIVATE,
                    LATER,
                    LOCATION,
                    "content-encoding: gzip",
                    COOKIE,
                ],
                vec![COOKIE, "content-encoding: gzip", LATER],
                215,
            ),
        ]
    };
    // (example, its blocks: bytes, fields, the table after it, and the table's size)
    let table = [
        (
            "C.2.1",
            vec![(
                "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
                vec!["custom-key: custom-header"],
                vec!["custom-key: custom-header"],
                55,
            )],
        ),
        (
            "C.2.2",
            vec![(
                "040c 2f73 616d 706c 652f 7061 7468",
                vec![":path: /sample/path"],
                vec![],
                0,
            )],
        ),
        (
            "C.2.3",
            vec![(
                "1008 7061 7373 776f 7264 0673 6563 7265 74",
                vec!["password: secret"],
                vec![],
                0,
            )],
        ),
        ("C.2.4", vec![("82", vec![":method: GET"], vec![], 0)]),
        (
            "C.3",
            requests([
                "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                "8286 84be 5808 6e6f 2d63 6163 6865",
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
            ]),
        ),
        (
            "C.4",
            requests([
                "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
                "8286 84be 5886 a8eb 1064 9cbf",
                "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
            ]),
        ),
        (
            "C.5",
            responses([
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 \
                 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 \
                 6c65 2e63 6f6d",
                "4803 3330 37c1 c0bf",
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d \
                 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 \
                 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e \
                 3d31",
            ]),
        ),
        (
            "C.6",
            responses([
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 \
                 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                "4883 640e ffc1 c0bf",
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab \
                 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f \
                 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
            ]),
        ),
    ];
    for (example, blocks) in table {
        let mut decoder = Decoder::new();
        for (number, (block, fields, entries, size)) in blocks.into_iter().enumerate() {
            let found = decoder.block(&hex(block)).unwrap();
            assert_eq!(lines(&found), fields, "{example}, block {number}");
            let (table, bytes) = decoder.table();
            assert_eq!(lines(&table), entries, "{example}, table {number}");
            assert_eq!(bytes, size, "{example}, table {number}");
        }
    }
}

#[test]
fn hpack_field_of_a_request_is_a_literal_that_is_never_indexed() {
    let mut block = vec![hpack::NO_TABLE, hpack::METHOD_POST, hpack::SCHEME_HTTPS];
    hpack::put_known(&mut block, hpack::PATH, "/a");
    hpack::put_known(&mut block, hpack::AUTHORITY, "h:1");
    hpack::put(&mut block, "password", "secret");
    assert_eq!(
        block,
        hex("20 83 87 14022f61 1103683a31 100870617373776f726406736563726574")
    );
    let mut decoder = Decoder::new();
    let fields = decoder.block(&block).unwrap();
    let expected = [
        ":method: POST",
        ":scheme: https",
        ":path: /a",
        ":authority: h:1",
        "password: secret",
    ];
    assert_eq!(lines(&fields), expected);
    assert!(decoder.table().0.is_empty());
}

#[test]
fn hpack_block_that_is_none_is_refused() {
    // (why this row exists, block)
    let table = [
        ("index 0", "80"),
        ("an index behind both tables", "be"),
        ("a literal whose name is behind both tables", "7e0161"),
        ("a number cut short", "ff"),
        ("a number without end", "ffffffffffff00"),
        ("a name cut short", "400561"),
        ("no value", "400161"),
        ("a table larger than announced", "3fe21f"),
        ("a change of the table behind a field", "8220"),
        ("more than seven bits of padding", "0001618300ffff"),
        ("padding that is not all ones", "000161811e"),
        ("the end of a text inside it", "00016184ffffffff"),
        ("a byte cut short", "00016181fe"),
    ];
    for (why, block) in table {
        let found = Decoder::new().block(&hex(block));
        assert_eq!(found, Err(Wrong::Coding), "{why}");
    }
}

#[test]
fn hpack_block_decodes_to_no_more_than_its_limit() {
    // One entry of nearly the whole table, and references of one byte to it.
    let mut block = vec![0x40, 1, b'a'];
    hpack::put_number(&mut block, 0, 7, 4_000);
    block.resize(block.len() + 4_000, b'x');
    let size = 1 + 4_000 + 32;
    let mut decoder = Decoder::new();
    assert_eq!(decoder.block(&block).unwrap().len(), 1);
    let fits = LIST_LIMIT / size;
    assert_eq!(decoder.block(&vec![0xbe; fits]).unwrap().len(), fits);
    assert_eq!(decoder.block(&vec![0xbe; 16_384]), Err(Wrong::TooLarge));
}
