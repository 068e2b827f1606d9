//! Calls to servers on loopback, good and evil.

mod connections;
mod evil;
mod peers;
mod settings;

use std::net::TcpListener;

use fake_server::h2::{Answer, Server};

use super::*;
use crate::base::clock::{Clock, HostClock};
use crate::sys::http::proxy::Rules;

const PATH: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

fn settings(target: String) -> Settings {
    Settings {
        target,
        insecure: true,
        headers: vec![("Mackerel-Api-Key".to_owned(), " s3cret ".to_owned())],
        user_agent: "mackerel-agent/1.2".to_owned(),
        proxy: Rules::default(),
        ca_file: None,
        roots: None,
    }
}

fn channel(settings: Settings) -> Channel {
    match Channel::new(settings) {
        Ok(channel) => channel,
        Err(error) => panic!("{}", base::report(&error)),
    }
}

fn plain(port: u16) -> Channel {
    channel(settings(format!("127.0.0.1:{port}")))
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

/// The message, or kind, code and text of the error.
fn told(answer: Result<Vec<u8>, Error>, port: u16) -> String {
    match answer {
        Ok(message) => String::from_utf8(message).unwrap(),
        Err(error) => {
            let kind = match error.kind {
                Kind::Unsent => "Unsent",
                Kind::Unknown => "Unknown",
                Kind::Answered => "Answered",
            };
            let text = error.to_string().replace(&format!(":{port}"), ":PORT");
            format!("{kind} {}: {text}", error.code.name())
        }
    }
}

#[test]
fn grpc_call_sends_what_the_protocol_asks_for() {
    let server = Server::plain();
    let channel = plain(server.port);
    let large = vec![7; 1 << 20];
    for message in [&b""[..], b"one", &large] {
        server.answer(Answer::ok(format!("{} bytes", message.len())));
        let answer = channel.call(PATH, message, soon());
        let expected = format!("{} bytes", message.len());
        assert_eq!(told(answer, server.port), expected);
    }
    let calls = server.calls();
    assert_eq!(server.connections(), 1);
    assert_eq!(calls.len(), 3);
    assert!(calls[2].message == large);
    let names: Vec<&str> = calls[1].headers.iter().map(|(name, _)| &**name).collect();
    let authority = format!("127.0.0.1:{}", server.port);
    let expected = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", PATH),
        (":authority", &authority),
        ("te", "trailers"),
        ("grpc-timeout", ""),
        ("content-type", "application/grpc"),
        ("user-agent", "mackerel-agent/1.2"),
        ("mackerel-api-key", "s3cret"),
    ];
    assert_eq!(names, expected.map(|(name, _)| name));
    for (name, value) in expected {
        let found = calls[1].header(name).unwrap();
        if name == "grpc-timeout" {
            let millis: u32 = found.strip_suffix('m').unwrap().parse().unwrap();
            assert!((1..=20_000).contains(&millis), "{found}");
        } else {
            assert_eq!(found, value, "{name}");
        }
    }
}

#[test]
fn grpc_status_comes_with_its_text_and_details() {
    let server = Server::plain();
    let channel = plain(server.port);
    let details = b"\x08\x08\x12\x01x";
    let text = "too much, 50 %,\n\u{9045}\u{3044}";
    server.answer(Answer::status(8, text).details(details));
    let error = channel.call(PATH, b"", soon()).unwrap_err();
    assert_eq!(error.details, details);
    let expected = "Answered RESOURCE_EXHAUSTED: 127.0.0.1:PORT answers RESOURCE_EXHAUSTED (8): \
        too much, 50 %,\\n\u{9045}\u{3044}";
    assert_eq!(told(Err(error), server.port), expected);
    server.answer(Answer::status(16, ""));
    let answer = channel.call(PATH, b"", soon());
    let expected = "Answered UNAUTHENTICATED: 127.0.0.1:PORT answers UNAUTHENTICATED (16)";
    assert_eq!(told(answer, server.port), expected);
    assert_eq!(server.connections(), 1, "an error keeps its connection");
}

#[test]
fn grpc_connection_that_goes_away_is_replaced() {
    let server = Server::plain();
    let channel = plain(server.port);
    let answers = [
        // (answer, connection that is used last)
        (Answer::ok("a"), 0),
        (Answer::ok("a").goaway(), 0),
        (Answer::ok("a"), 1),
        (Answer::refused(), 2),
    ];
    for (answer, connection) in answers {
        server.answer(answer);
        channel.call(PATH, b"", soon()).unwrap();
        assert_eq!(server.calls().last().unwrap().connection, connection);
    }
    server.answer(Answer::refused());
    server.answer(Answer::refused());
    let answer = channel.call(PATH, b"", soon());
    let expected = "Unsent UNAVAILABLE: call 127.0.0.1:PORT: refused unprocessed, twice";
    assert_eq!(told(answer, server.port), expected);
}

#[test]
fn grpc_call_on_a_kept_connection_that_ends_is_repeated_once() {
    let server = Server::plain();
    let channel = plain(server.port);
    server.answer(Answer::ok("a"));
    channel.call(PATH, b"", soon()).unwrap();
    server.answer(Answer::cut());
    server.answer(Answer::ok("b"));
    assert_eq!(channel.call(PATH, b"", soon()).unwrap(), b"b");
    assert_eq!(server.calls().last().unwrap().connection, 1);
    server.answer(Answer::cut());
    server.answer(Answer::cut());
    assert_eq!(
        channel.call(PATH, b"", soon()).unwrap_err().kind,
        Kind::Unknown
    );
    // A new connection is not the cause.
    server.answer(Answer::cut());
    assert_eq!(
        channel.call(PATH, b"", soon()).unwrap_err().kind,
        Kind::Unknown
    );
    assert_eq!(server.calls().len(), 6);
}

#[test]
fn grpc_call_ends_at_its_deadline() {
    let server = Server::plain();
    let channel = plain(server.port);
    server.answer(Answer::ok("late").delay(Duration::from_secs(5)));
    let answer = channel.call(PATH, b"", Deadline::after(Duration::from_secs(1)));
    let expected = "Unknown DEADLINE_EXCEEDED: call 127.0.0.1:PORT: timed out";
    assert_eq!(told(answer, server.port), expected);
    // Its answer is not taken for that of the next.
    server.answer(Answer::ok("next"));
    assert_eq!(told(channel.call(PATH, b"", soon()), server.port), "next");
}

#[test]
fn grpc_call_is_unsent_where_there_is_no_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let line = told(plain(port).call(PATH, b"", soon()), port);
    let expected = "Unsent UNAVAILABLE: connect to 127.0.0.1:PORT: ";
    assert!(line.starts_with(expected), "{line}");
}

#[test]
fn grpc_call_is_cut_short() {
    let server = Server::plain();
    let token = CancelToken::default();
    let mut cancellable = Cancellable::new(plain(server.port), token.clone());
    assert_eq!(told(cancellable.unary(PATH, b"", soon()), server.port), "");
    server.answer(Answer::ok("late").delay(Duration::from_secs(10)));
    let clock = HostClock::new();
    token.cancel();
    let answer = cancellable.unary(PATH, b"", soon());
    let expected = "Unknown CANCELLED: call 127.0.0.1:PORT: the agent is about to end";
    assert_eq!(told(answer, server.port), expected);
    assert!(clock.moment().0 < Duration::from_secs(8));
    assert!(token.has_cut());
    // The next one is not delayed by it, and has a connection of its own.
    token.clear();
    server.answer(Answer::ok("next"));
    assert_eq!(
        told(cancellable.unary(PATH, b"", soon()), server.port),
        "next"
    );
}
