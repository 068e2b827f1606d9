use std::net::UdpSocket;
use std::thread;

use crate::applets::testing::Tree;

/// A name server that answers each question with these records, of type and data, and this code.
/// Names that begin with `silent` get another answer first, which is not for them.
fn server(code: u8, records: &'static [(u16, &'static [u8])]) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut packet = [0; 512];
        let (length, from) = socket.recv_from(&mut packet).unwrap();
        let mut answer = packet[..length].to_vec();
        answer[2] |= 0x80;
        answer[3] = code;
        answer[7] = u8::try_from(records.len()).unwrap();
        for (kind, data) in records {
            answer.extend([0xc0, 12, 0]);
            answer.push(u8::try_from(*kind).unwrap());
            answer.extend([0, 1, 0, 0, 0, 60, 0]);
            answer.push(u8::try_from(data.len()).unwrap());
            answer.extend(*data);
        }
        let mut other = answer.clone();
        other[0] ^= 1;
        socket.send_to(&other, from).unwrap();
        socket.send_to(&answer, from).unwrap();
    });
    port
}

const ONE: (u16, &[u8]) = (1, &[1, 1, 1, 1]);
const TWO: (u16, &[u8]) = (1, &[2, 2, 2, 2]);
const ALIAS: (u16, &[u8]) = (5, b"\x01b\0");

#[test]
fn check_dns_compares_addresses() {
    // (code, records, arguments, exit code; why)
    let table: [(_, &'static [_], _, _, _); 14] = [
        (0, &[ONE, TWO], "", 0, "any"),
        (0, &[], "", 0, "none"),
        (0, &[ONE, TWO], "-e 1.1.1.1 -e 2.2.2.2", 0, "these"),
        (
            0,
            &[ONE, TWO],
            "-e 2.2.2.2 -e 1.1.1.1",
            0,
            "these in any order",
        ),
        (
            0,
            &[ONE, TWO],
            "-e 1.1.1.1 -e 2.2.2.2 -e 3.3.3.3",
            1,
            "one is missing",
        ),
        (0, &[ONE, TWO], "-e 1.1.1.1", 1, "one more"),
        (0, &[ONE, TWO], "-e 1.1.1.1 -e 3.3.3.3", 1, "another one"),
        (0, &[ONE, TWO], "-e 3.3.3.3", 2, "others"),
        (
            0,
            &[ONE, TWO],
            "-e 3.3.3.3 -e 4.4.4.4 -e 5.5.5.5",
            2,
            "others, and more",
        ),
        (0, &[], "-e 1.1.1.1", 1, "nothing"),
        (0, &[ALIAS, ONE], "-e 1.1.1.1", 0, "an alias is no address"),
        (3, &[], "", 2, "no such name"),
        (2, &[ONE], "-e 1.1.1.1", 2, "failed"),
        (0, &[ONE], "--norec", 0, "not recursive"),
    ];
    for (code, records, arguments, expected, why) in table {
        let port = server(code, records);
        let arguments = format!("-H a.example -s 127.0.0.1 -p {port} {arguments}");
        let found = Tree::new(&[]).run("check-dns", &arguments);
        assert_eq!(found.code, expected, "{why}: {}", found.output);
        let count = found
            .output
            .matches("\nANSWER-> a.example.\t60\tIN\t")
            .count();
        assert_eq!(count, records.len(), "{why}: {}", found.output);
        let is_recursive = found.output.contains(" rd");
        assert_eq!(is_recursive, !arguments.contains("norec"), "{why}");
    }
}

#[test]
fn check_dns_prints_the_whole_answer() {
    let port = server(0, &[ALIAS, ONE]);
    let tree = Tree::new(&[("etc/resolv.conf", "nameserver 127.0.0.1\n")]);
    let found = tree.run("check-dns", &format!("-H a.example -p {port}"));
    let (begin, rest) = found.output.split_once(", id: ").unwrap();
    assert_eq!(begin, "DNS OK: HEADER-> ;; opcode: QUERY, status: NOERROR");
    let (_, rest) = rest.split_once('\n').unwrap();
    let expected = ";; flags: qr rd;\nANSWER-> a.example.\t60\tIN\tCNAME\tb.\nANSWER-> \
                    a.example.\t60\tIN\tA\t1.1.1.1\n\n";
    assert_eq!(rest, expected);
}

#[test]
fn check_dns_is_critical_without_an_answer() {
    let tree = Tree::new(&[]);
    let unused = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    let place = format!("-s 127.0.0.1 -p {port}");
    // (arguments, message)
    let table = [
        (
            format!("-H a.example {place} -q X"),
            "X is invalid query type\n".to_owned(),
        ),
        (
            format!("-H a.example {place} -q MX -e 1.1.1.1"),
            "MX is not supported query type. Only A, AAAA is supported for expectation.\n"
                .to_owned(),
        ),
        (format!("-H a..b {place}"), "a..b: is no name\n".to_owned()),
        (
            format!("-H a.example {place}"),
            format!("no answer from 127.0.0.1:{port}: Connection refused (os error 111)\n"),
        ),
    ];
    for (arguments, message) in table {
        let found = tree.run("check-dns", &arguments);
        assert_eq!(
            (found.code, found.output),
            (2, format!("DNS CRITICAL: {message}"))
        );
    }
    assert_eq!(
        tree.run("check-dns", "-H a.example").code,
        2,
        "no resolv.conf"
    );
    assert_eq!(tree.run("check-dns", "").code, 1);
}
