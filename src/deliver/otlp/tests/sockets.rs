//! Requests over sockets of this machine, with the clients of the program.

use std::sync::Arc;

use fake_server::h2::{Answer, Server, with_alpn};
use fake_server::steps::{Authority, Scratch, Step, YEARS, serve};
use rustls::version::TLS13;

use super::*;
use crate::config::{NamedFile, OtlpProtocol, Secret};
use crate::wire::otlp::EXPORT;

/// A `partial_success` of three points.
const PARTIAL: &str = "\x0a\x0c\x08\x03\x12\x08no label";
/// A `google.rpc.Status` with a text.
const STATUS: &str = "\x08\x03\x12\x03bad";
/// `google.rpc.RetryInfo` of two seconds, in a `google.rpc.Status`.
const RETRY: &[u8] =
    b"\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x02";
const WARNING: &str = "data points rejected by the server: 3: no label; not sent again";

fn config(protocol: OtlpProtocol, endpoint: String) -> Otlp {
    Otlp {
        endpoint,
        protocol,
        headers: vec![("x-key".to_owned(), Secret::new("s3cret"))],
        ..Otlp::default()
    }
}

fn prepared(config: &Otlp) -> Result<Destination<Pairs>, String> {
    Destination::new(config, Rules::default(), Pairs, CancelToken::default())
}

/// The warning about a message that was sent; verdict, requested pause and text of an error.
fn told(destination: &mut Destination<Pairs>, port: u16) -> String {
    let limit = Duration::from_secs(20);
    match destination.transport.export(b"\x00\xff\x80message", limit) {
        Ok(accepted) => accepted.warning.unwrap_or_else(|| "taken".to_owned()),
        Err(failure) => {
            let Failure { asked, text, .. } = failure;
            let (name, text) = (
                codes::name(failure.verdict),
                text.replace(&format!(":{port}"), ":PORT"),
            );
            assert!(!text.contains("s3cret"), "{text}");
            let asked = asked.map_or(0, |asked| asked.as_secs());
            format!("{name} {asked}: {text}")
        }
    }
}

#[test]
fn otlp_over_grpc_is_sent_with_and_without_tls() {
    let authority = Authority::new("known");
    let trust = Scratch::new(&authority.pem());
    let tls = with_alpn(&authority.server("localhost", YEARS, &TLS13), &["h2"]);
    for (server, insecure) in [(Server::plain(), true), (Server::tls(tls), false)] {
        let port = server.port;
        let mut config = config(OtlpProtocol::Grpc, format!("localhost:{port}"));
        config.insecure = insecure;
        config.ca_file = Some(NamedFile {
            path: trust.0.clone(),
            ..NamedFile::default()
        });
        let mut destination = prepared(&config).unwrap();
        // (the answer, what comes of it)
        let table = [
            (Answer::ok(""), "taken"),
            (Answer::ok(PARTIAL), WARNING),
            (
                Answer::status(16, "no such key"),
                "key 0: localhost:PORT answers UNAUTHENTICATED (16): no such key",
            ),
            (
                Answer::status(8, "slow down").details(RETRY),
                "later 2: localhost:PORT answers RESOURCE_EXHAUSTED (8): slow down",
            ),
            (
                Answer::status(8, "too large"),
                "smaller 0: localhost:PORT answers RESOURCE_EXHAUSTED (8): too large",
            ),
        ];
        let count = table.len();
        for (answer, expected) in table {
            server.answer(answer);
            assert_eq!(told(&mut destination, port), expected);
        }
        let calls = server.calls();
        assert_eq!((calls.len(), server.connections()), (count, 1));
        assert_eq!(calls[0].path, EXPORT);
        assert_eq!(calls[0].header("x-key"), Some("s3cret"));
        assert_eq!(calls[0].message, b"\x00\xff\x80message");
    }
}

#[test]
fn otlp_over_http_is_sent_with_and_without_tls() {
    let authority = Authority::new("known");
    let trust = Scratch::new(&authority.pem());
    let tls = authority.server("localhost", YEARS, &TLS13);
    let answer = |status, headers, body: &str| {
        let length = body.len();
        Step::Answer(format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ))
    };
    for scheme in ["http", "https"] {
        let mut steps = vec![
            answer("200 OK", "Date: Sun, 22 Nov 2026 15:00:00 GMT\r\n", ""),
            answer("200 OK", "", PARTIAL),
            answer("200 OK", "", "<html>"),
            answer("400 Bad Request", "", STATUS),
            answer("401 Unauthorized", "", ""),
            answer("503 Service Unavailable", "Retry-After: 7\r\n", STATUS),
            answer("413 Content Too Large", "", ""),
        ];
        if scheme == "https" {
            steps.insert(0, Step::Encrypt(Arc::clone(&tls)));
        }
        let (port, served) = serve(vec![steps]);
        let url = format!("{scheme}://u:s3cret@localhost:{port}/v1/metrics");
        let mut config = config(OtlpProtocol::Http, url);
        config.ca_file = Some(NamedFile {
            path: trust.0.clone(),
            ..NamedFile::default()
        });
        let mut destination = prepared(&config).unwrap();
        let limit = Duration::from_secs(20);
        let accepted = destination.transport.export(b"message", limit).unwrap();
        assert_eq!(accepted.date, Some(Unix(1_795_359_600)));
        let failed =
            |rest| format!("POST {scheme}://localhost:PORT/v1/metrics failed (status {rest}");
        let table = [
            (WARNING.to_owned(), ""),
            (
                "the server reports success, but its answer is not one of OTLP; check endpoint"
                    .to_owned(),
                "",
            ),
            (failed("400): bad"), "dropped 0: "),
            (failed("401): 401 Unauthorized"), "key 0: "),
            (failed("503): bad"), "later 7: "),
            (failed("413): 413 Content Too Large"), "smaller 0: "),
        ];
        for (text, begin) in table {
            let sent = destination.transport.export(b"message", limit);
            let found = match sent {
                Ok(accepted) => accepted.warning.unwrap_or_default(),
                Err(failure) => {
                    let asked = failure.asked.map_or(0, |asked| asked.as_secs());
                    let text = failure.text.replace(&format!(":{port}"), ":PORT");
                    format!("{} {asked}: {text}", codes::name(failure.verdict))
                }
            };
            assert_eq!(found, format!("{begin}{text}"));
        }
        drop(destination);
        let requests = served.join().unwrap();
        assert_eq!(requests.len(), 7);
        let expected = format!(
            "0 POST /v1/metrics HTTP/1.1\r\ncontent-length: 7\r\nhost: localhost:{port}\r\n\
             accept-encoding: identity\r\nuser-agent: {}\r\nauthorization: Basic dTpzM2NyZXQ=\r\n\
             x-key: s3cret\r\ncontent-type: application/x-protobuf\r\n\r\nmessage",
            crate::base::program::agent_name()
        );
        assert_eq!(requests[0], expected);
    }
}

#[test]
fn destination_reports_settings_that_cannot_work() {
    let name = |name: &str| vec![(name.to_owned(), Secret::new("s3cret"))];
    let value = |value: &str| vec![("x-key".to_owned(), Secret::new(value))];
    // (headers, CA file, the error behind the place)
    let table = [
        (
            name("Content-Type"),
            None,
            "otlp: header content-type: the client itself sets this one, or HTTP/2 has none such",
        ),
        (
            value("s3cret\r\nx: y"),
            None,
            "otlp: header x-key: its value has a character other than those of printable ASCII",
        ),
        (
            Vec::new(),
            Some("/nonexistent/ca.pem"),
            "ca_file /nonexistent/ca.pem: cannot trust: ",
        ),
    ];
    for (headers, ca_file, expected) in table {
        let ends = [
            (OtlpProtocol::Grpc, "localhost:1"),
            (OtlpProtocol::Http, "https://localhost:1/v1/metrics"),
        ];
        for (protocol, endpoint) in ends {
            let mut config = config(protocol, endpoint.to_owned());
            config.headers.clone_from(&headers);
            config.place.by = "agent.conf".into();
            config.place.line = 7;
            config.ca_file = ca_file.map(|path| NamedFile {
                path: path.into(),
                by: "agent.conf".into(),
                line: 7,
            });
            let error = prepared(&config).map(drop).unwrap_err();
            let begin = format!("agent.conf:7: {expected}");
            assert!(error.starts_with(&begin), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
