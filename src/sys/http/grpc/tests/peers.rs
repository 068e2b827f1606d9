//! Calls to a server by others: grpcio, by `tests/peers/grpcio_server.py`.
//!
//! Ignored by default, since it needs what `pip install grpcio opentelemetry-proto
//! googleapis-common-protos` brings: `cargo test peers_ -- --ignored`. `PEERS_PYTHON` names the
//! python3 that has it.

#![expect(clippy::disallowed_methods, reason = "starts a server by others")]

use std::env;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use fake_server::steps::{Authority, Scratch, YEARS};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;
use crate::base::clock::pause;

/// The server; it ends with its standard input.
struct Grpcio {
    child: Child,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Grpcio {
    fn start(arguments: &[&str]) -> Grpcio {
        let python = env::var("PEERS_PYTHON").unwrap_or("python3".to_owned());
        let mut child = Command::new(python)
            .arg("tests/peers/grpcio_server.py")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let port = first
            .trim_start_matches("{\"port\": ")
            .trim_end_matches('}');
        let port = port.parse().unwrap();
        Grpcio {
            child,
            orders,
            lines,
            port,
        }
    }

    fn order(&mut self, line: &str) {
        writeln!(self.orders, "{line}").unwrap();
    }

    /// What came of the next call.
    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    fn end(mut self) {
        drop(self.orders);
        self.child.wait().unwrap();
    }
}

/// An unknown field of so many bytes: a good message of any kind.
fn message(length: u32) -> Vec<u8> {
    let mut message = vec![0xfa, 0x3f];
    let mut rest = length;
    while rest >= 128 {
        message.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    message.push(u8::try_from(rest).unwrap());
    message.resize(message.len() + length as usize, 7);
    message
}

fn calls(server: &mut Grpcio, channel: &Channel) {
    // What the server answers, and how the call ends.
    let table = [
        ("", "".to_owned()),
        (
            r#"{"code": 8, "message": "slow\ndown, 50 %", "retry": 7.5}"#,
            "Answered RESOURCE_EXHAUSTED: 127.0.0.1:PORT answers RESOURCE_EXHAUSTED (8): \
             slow\\ndown, 50 %"
                .to_owned(),
        ),
        (
            r#"{"code": 16, "message": "no key"}"#,
            "Answered UNAUTHENTICATED: 127.0.0.1:PORT answers UNAUTHENTICATED (16): no key"
                .to_owned(),
        ),
        (
            r#"{"rejected": 3, "message": "old"}"#,
            "\n\u{7}\u{8}\u{3}\u{12}\u{3}old".to_owned(),
        ),
    ];
    for (order, expected) in table {
        if !order.is_empty() {
            server.order(order);
            // The server reads its orders in a thread of its own.
            pause(Duration::from_millis(300));
        }
        let answer = channel.call(PATH, &message(1_000), soon());
        if let Err(error) = &answer {
            assert_eq!(error.details.is_empty(), !order.contains("retry"));
        }
        assert_eq!(told(answer, server.port), expected);
        let line = server.line();
        assert!(line.contains("\"mackerel-api-key\": \"s3cret\""), "{line}");
        assert!(
            line.contains("\"timeout\": 19.") || line.contains("\"timeout\": 2"),
            "{line}"
        );
    }
    let answer = channel.call(PATH, &message(1 << 20), soon());
    assert_eq!(told(answer, server.port), "");
    assert!(server.line().contains("\"bytes\": 1048581"));
    let answer = channel.call(PATH, &message(5 << 20), soon());
    let line = told(answer, server.port);
    assert!(line.starts_with("Answered RESOURCE_EXHAUSTED: "), "{line}");
    let answer = channel.call("/no/Such", b"", soon());
    let line = told(answer, server.port);
    assert!(line.starts_with("Answered UNIMPLEMENTED: "), "{line}");
    server.order(r#"{"delay": 3}"#);
    pause(Duration::from_millis(300));
    let answer = channel.call(PATH, b"", Deadline::after(Duration::from_secs(1)));
    let line = told(answer, server.port);
    assert!(line.contains("DEADLINE_EXCEEDED: "), "{line}");
    let line = server.line();
    assert!(line.contains("\"timeout\": 0.9"), "{line}");
}

#[test]
#[ignore = "needs grpcio"]
fn peers_grpcio_understands_calls() {
    let mut server = Grpcio::start(&[]);
    let channel = plain(server.port);
    calls(&mut server, &channel);
    server.end();
}

#[test]
#[ignore = "needs grpcio"]
fn peers_grpcio_understands_calls_over_tls() {
    let authority = Authority::new("known");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.not_before = date_time_ymd(YEARS.0, 1, 1);
    params.not_after = date_time_ymd(YEARS.1, 1, 1);
    let certificate = Scratch::new(&authority.sign(&params, &key).pem());
    let key = Scratch::new(&key.serialize_pem());
    let trust = Scratch::new(&authority.pem());
    let paths = [&key, &certificate].map(|file| file.0.to_str().unwrap());
    let mut server = Grpcio::start(&["--tls", paths[0], paths[1]]);
    let channel = channel(Settings {
        insecure: false,
        ca_file: Some(trust.0.clone()),
        ..settings(format!("127.0.0.1:{}", server.port))
    });
    calls(&mut server, &channel);
    server.end();
}
