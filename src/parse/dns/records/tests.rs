use super::*;
use crate::parse::dns::query;

/// The answer to a question for `a.example`, with these records: types and data.
fn packet(flags: u16, records: &[(u16, &[u8])]) -> Vec<u8> {
    let mut packet = query(7, "a.example", 1).unwrap();
    packet[2..4].copy_from_slice(&flags.to_be_bytes());
    packet[7] = u8::try_from(records.len()).unwrap();
    for (kind, data) in records {
        packet.extend([0xc0, 12]);
        packet.extend(kind.to_be_bytes());
        packet.extend([0, 1, 0, 0, 1, 0x2c]);
        packet.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        packet.extend(*data);
    }
    packet
}

#[test]
fn records_are_written_as_in_a_zone_file() {
    let soa = b"\x02ns\xc0\x0c\x04h.st\xc0\x0c\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05";
    // (type, data, text; why)
    let table: [(u16, &[u8], _, _); 17] = [
        (1, &[192, 0, 2, 1], "A\t192.0.2.1", "an address"),
        (
            28,
            &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            "AAAA\t2001:db8::1",
            "IPv6",
        ),
        (5, b"\xc0\x0e", "CNAME\texample.", "a link"),
        (2, b"\0", "NS\t.", "the root"),
        (
            15,
            b"\0\x0a\x04mail\xc0\x0c",
            "MX\t10 mail.a.example.",
            "a link in a name",
        ),
        (
            33,
            b"\0\x01\0\x02\x01\xbb\x01s\0",
            "SRV\t1 2 443 s.",
            "several numbers",
        ),
        (
            6,
            soa,
            "SOA\tns.a.example. h\\.st.a.example. 1 2 3 4 5",
            "a dot in a label",
        ),
        (
            16,
            b"\x03a\"\\\x02\xff ",
            "TXT\t\"a\\\"\\\\\" \"\\255 \"",
            "two texts",
        ),
        (16, b"", "TXT\t", "no text"),
        (
            257,
            b"\0\x05issueca.example",
            "CAA\t0 issue \"ca.example\"",
            "the rest is a text",
        ),
        (
            43,
            b"\x12\x34\x08\x02\xab\x01",
            "DS\t4660 8 2 AB01",
            "digits",
        ),
        (
            52,
            b"\x03\x01\x01\xab\x01",
            "TLSA\t3 1 1 ab01",
            "small digits",
        ),
        (
            65280,
            b"\xab\x01",
            "TYPE65280\t\\# 2 AB01",
            "an unknown type",
        ),
        (
            65,
            b"\xab\x01",
            "HTTPS\t\\# 2 AB01",
            "a type without a form",
        ),
        (1, b"\x01\x02\x03", "A\t\\# 3 010203", "too short"),
        (
            1,
            b"\x01\x02\x03\x04\x05",
            "A\t\\# 5 0102030405",
            "too long",
        ),
        (5, b"\xc0\x2b", "CNAME\t\\# 2 C02B", "a link to itself"),
    ];
    for (kind, data, expected, why) in table {
        let found = answer(&packet(0x8180, &[(kind, data)]), 7).unwrap();
        let record = &found.records[0];
        assert_eq!(record.kind, kind, "{why}");
        assert_eq!(
            record.line,
            format!("a.example.\t300\tIN\t{expected}"),
            "{why}"
        );
        assert!(record.line.ends_with(&record.data), "{why}");
    }
}

#[test]
fn head_names_status_and_flags() {
    // (flags, text)
    let table = [
        (0x8180, "QUERY, status: NOERROR, id: 7\n;; flags: qr rd ra;"),
        (
            0x8583,
            "QUERY, status: NXDOMAIN, id: 7\n;; flags: qr aa rd ra;",
        ),
        (
            0x8275,
            "QUERY, status: REFUSED, id: 7\n;; flags: qr tc z ad cd;",
        ),
        (0xa00f, "NOTIFY, status: , id: 7\n;; flags: qr;"),
    ];
    for (flags, expected) in table {
        let found = answer(&packet(flags, &[]), 7).unwrap();
        assert_eq!(found.head, format!(";; opcode: {expected}"));
        assert_eq!(u16::from(found.code), flags & 15);
    }
    assert!(answer(&packet(0x0100, &[]), 7).is_none(), "a question");
    assert!(answer(&packet(0x8180, &[]), 8).is_none(), "another answer");
}

#[test]
fn kinds_have_names() {
    // (name, number)
    let table = [
        ("A", Some(1)),
        ("aaaa", Some(28)),
        ("ANY", Some(255)),
        ("DLV", Some(32769)),
    ];
    for (name, expected) in table
        .into_iter()
        .chain([("", None), ("1", None), ("B", None)])
    {
        assert_eq!(kind(name), expected, "{name}");
    }
    for entry in TYPES.split(',') {
        let words: Vec<&str> = entry.split(' ').collect();
        let [name, number, form] = words[..] else {
            panic!("{entry}");
        };
        let number = number.parse().unwrap();
        assert_eq!(kind(name), Some(number));
        assert_eq!(named(number), Some((name, form)));
        assert!(
            form.bytes().all(|part| b"nbwlt46xXc".contains(&part)),
            "{entry}"
        );
    }
}

#[test]
fn answer_survives_damage() {
    let good = packet(
        0x8180,
        &[
            (6, b"\xc0\x0c\xc0\x0c01234567890123456789"),
            (16, b"\x01a"),
            (257, b"\0\x01ab"),
        ],
    );
    assert_eq!(answer(&good, 7).unwrap().records.len(), 3);
    for length in 0..good.len() {
        assert!(answer(&good[..length], 7).is_none(), "{length}");
    }
    for at in 0..good.len() {
        for bad in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
            let mut damaged = good.clone();
            damaged[at] = bad;
            answer(&damaged, 7);
        }
    }
}
