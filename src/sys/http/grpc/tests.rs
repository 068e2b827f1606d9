//! Calls to servers on loopback, good and evil.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use fake_server::h2::{Answer, End, MESSAGE, SCENARIOS, Server, evil, with_alpn};
use fake_server::steps::{Authority, Scratch, YEARS};
use rustls::version::TLS13;

use super::*;
use crate::sys::http::proxy::Rules;
use crate::sys::http::{self, Http, SetupError};

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
fn grpc_call_ends_at_its_deadline() {
    let server = Server::plain();
    let channel = plain(server.port);
    server.answer(Answer::ok("late").delay(Duration::from_secs(5)));
    let answer = channel.call(PATH, b"", Deadline::after(Duration::from_millis(100)));
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
fn grpc_call_survives_every_evil_server() {
    for scenario in SCENARIOS {
        let server = evil(scenario.name);
        let channel = plain(server.port);
        let limit = if scenario.end == End::Deadline {
            400
        } else {
            20_000
        };
        let limit = Duration::from_millis(limit);
        let message = vec![b'x'; scenario.needs + 10];
        let begin = Instant::now();
        let answer = channel.call(PATH, &message, Deadline::after(limit));
        let took = begin.elapsed();
        let end = match &answer {
            Ok(message) => {
                assert_eq!(message, MESSAGE, "{}", scenario.name);
                End::Ok
            }
            Err(Error { kind, code, .. }) => match (kind, code) {
                (Kind::Answered, code) => End::Code(*code as u32),
                (Kind::Unsent, Code::Unavailable) => End::Refused,
                (Kind::Unknown, Code::DeadlineExceeded) => End::Deadline,
                (Kind::Unknown, Code::Unavailable) => End::Broken,
                (Kind::Unknown, code) => End::Reset(*code as u32),
                _ => panic!("{}", scenario.name),
            },
        };
        let line = told(answer, server.port);
        assert!(end == scenario.end, "{}: {line}", scenario.name);
        assert!(
            line.len() < 4_000 && !line.contains('\n'),
            "{}: {line}",
            scenario.name
        );
        if scenario.end == End::Deadline {
            assert!(
                took >= limit && took < limit * 10,
                "{}: {took:?}",
                scenario.name
            );
        } else {
            // What a server that keeps silent would cost is not lost to one that does not.
            assert!(took < limit / 2, "{}: {took:?}", scenario.name);
        }
        assert!(server.connections() <= 2, "{}", scenario.name);
    }
    assert!(SCENARIOS.len() >= 39);
}

#[test]
fn grpc_connection_is_looked_after_between_calls() {
    // (what happens between the calls, connections)
    let table = [
        ("ping_between_calls", 1),
        ("closed_between_calls", 2),
        ("goaway_behind_the_answer", 2),
        ("no_more_streams", 2),
        ("unknown_frames_and_settings", 1),
    ];
    for (name, connections) in table {
        let server = evil(name);
        let channel = plain(server.port);
        assert_eq!(channel.call(PATH, b"", soon()).unwrap(), MESSAGE, "{name}");
        // What the server does next has come: the loopback delivers before write returns.
        thread::sleep(Duration::from_millis(50));
        let limit = Deadline::after(Duration::from_millis(500));
        drop(channel.call(PATH, b"", limit));
        assert_eq!(server.connections(), connections, "{name}");
    }
    let server = evil("ping_between_calls");
    let channel = plain(server.port);
    for _ in 0..20 {
        assert_eq!(channel.call(PATH, b"x", soon()).unwrap(), MESSAGE);
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn grpc_over_tls_asks_for_http_2_and_takes_nothing_else() {
    let (authority, other) = (Authority::new("known"), Authority::new("unknown"));
    let config = |authority: &Authority, alpn: &[&str]| {
        with_alpn(&authority.server("127.0.0.1", YEARS, &TLS13), alpn)
    };
    let refused = "Unsent UNAVAILABLE: TLS with 127.0.0.1:PORT: ";
    // (the server, what the call ends with)
    let table = [
        (config(&authority, &["h2"]), "ok".to_owned()),
        (config(&authority, &["http/1.1", "h2"]), "ok".to_owned()),
        (
            config(&authority, &[]),
            format!("{refused}the peer does not choose HTTP/2 (ALPN h2); "),
        ),
        (config(&authority, &["http/1.1"]), refused.to_owned()),
        (
            config(&other, &["h2"]),
            format!("{refused}the certificate's issuer is unknown"),
        ),
    ];
    let trust = Scratch::new(&authority.pem());
    for (config, expected) in table {
        let server = Server::tls(config);
        let channel = channel(Settings {
            ca_file: Some(trust.0.clone()),
            insecure: false,
            ..settings(format!("127.0.0.1:{}", server.port))
        });
        for _ in 0..2 {
            server.answer(Answer::ok("ok"));
            let line = told(channel.call(PATH, &[1; 200_000], soon()), server.port);
            assert!(line.starts_with(&expected), "{line}");
        }
        if expected == "ok" {
            assert_eq!(server.connections(), 1);
            assert_eq!(server.calls()[1].header(":scheme"), Some("https"));
        }
    }
}

#[test]
fn grpc_roots_are_shared_with_the_client_of_the_api() {
    let authority = Authority::new("known");
    let config = with_alpn(&authority.server("127.0.0.1", YEARS, &TLS13), &["h2"]);
    let server = Server::tls(config);
    let trust = Scratch::new(&authority.pem());
    let api = Http::new(http::Settings {
        base: "https://api.example".to_owned(),
        key: String::new(),
        user_agent: String::new(),
        version: String::new(),
        revision: String::new(),
        keep_alive: true,
        proxy: Rules::default(),
        ca_file: Some(trust.0.clone()),
        limit: Duration::from_secs(20),
    });
    // The file is gone: nothing is read again.
    drop(trust);
    let channel = channel(Settings {
        roots: api.ok().unwrap().roots(),
        ..settings(format!("https://127.0.0.1:{}/ignored", server.port))
    });
    assert_eq!(told(channel.call(PATH, b"", soon()), server.port), "");
}

/// A proxy that connects everybody to `port`, and the heads of the requests to it.
fn proxy(port: u16) -> (u16, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let mut up = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut up.0, &mut up.1));
        thread::spawn(move || io::copy(&mut server, &mut client));
        String::from_utf8(head).unwrap()
    });
    (own, served)
}

#[test]
fn grpc_goes_through_a_proxy() {
    let authority = Authority::new("known");
    let config = with_alpn(
        &authority.server("collector.example", YEARS, &TLS13),
        &["h2"],
    );
    let trust = Scratch::new(&authority.pem());
    for (server, insecure) in [(Server::plain(), true), (Server::tls(config), false)] {
        let (port, served) = proxy(server.port);
        let channel = channel(Settings {
            insecure,
            ca_file: Some(trust.0.clone()),
            proxy: Rules::read(|name| {
                name.ends_with("_PROXY")
                    .then(|| format!("http://u:p@127.0.0.1:{port}"))
                    .filter(|_| name != "NO_PROXY")
            }),
            ..settings("collector.example:4317".to_owned())
        });
        assert_eq!(told(channel.call(PATH, b"", soon()), port), "");
        let calls = server.calls();
        assert_eq!(
            calls[0].header(":authority"),
            Some("collector.example:4317")
        );
        let head = served.join().unwrap();
        assert!(
            head.starts_with("CONNECT collector.example:4317 HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(!head.contains("s3cret"), "{head}");
    }
}

#[test]
fn grpc_call_is_cut_short() {
    let server = Server::plain();
    let token = CancelToken::default();
    let mut cancellable = Cancellable::new(plain(server.port), token.clone());
    assert_eq!(told(cancellable.unary(PATH, b"", soon()), server.port), "");
    server.answer(Answer::ok("late").delay(Duration::from_secs(10)));
    let begin = Instant::now();
    token.cancel();
    let answer = cancellable.unary(PATH, b"", soon());
    let expected = "Unknown CANCELLED: call 127.0.0.1:PORT: the agent is about to end";
    assert_eq!(told(answer, server.port), expected);
    assert!(begin.elapsed() < Duration::from_secs(8));
    assert!(token.has_cut());
    // The next one waits for nobody, and has a connection of its own.
    token.clear();
    server.answer(Answer::ok("next"));
    assert_eq!(
        told(cancellable.unary(PATH, b"", soon()), server.port),
        "next"
    );
}

#[test]
fn grpc_settings_with_which_no_call_can_succeed_are_refused() {
    let error = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings("collector.example:4317".to_owned());
        change(&mut settings);
        let error = Channel::new(settings).err().unwrap();
        assert!(matches!(
            error,
            SetupError::Url { .. } | SetupError::Metadata { .. }
        ));
        base::report(&error)
    };
    // (target, what is wrong)
    let table = [
        ("ftp://collector.example", "scheme"),
        ("socks5://collector.example", "scheme"),
        ("collector.example:99999", "port"),
        ("", "host"),
    ];
    for (target, wrong) in table {
        let line = error(&|settings| settings.target = target.to_owned());
        assert!(line.starts_with("endpoint is no usable URL: "), "{line}");
        assert!(line.contains(wrong), "{line}");
    }
    // (name, value, what is wrong)
    let table = [
        ("a b", "secret", "header 1: its name has a character"),
        ("", "secret", "header 1: its name has a character"),
        (":path", "secret", "header 1: its name has a character"),
        (
            "Content-Type",
            "secret",
            "header content-type: the client itself",
        ),
        (
            "grpc-timeout",
            "secret",
            "header grpc-timeout: the client itself",
        ),
        ("TE", "secret", "header te: the client itself"),
        ("x", "secret\n", "header x: its value has a character"),
        ("x", "secret\u{e9}", "header x: its value has a character"),
    ];
    for (name, value, wrong) in table {
        let line = error(&|settings| settings.headers = vec![(name.into(), value.into())]);
        assert!(line.starts_with(wrong), "{line}");
        assert!(!line.contains("secret"), "{line}");
    }
    let line = error(&|settings| settings.headers = vec![("x".into(), "y".repeat(8 << 10))]);
    assert_eq!(line, "headers: all together are longer than 8 kB");
}

#[test]
fn grpc_target_decides_on_tls_and_port() {
    // (target, insecure, scheme, authority, address)
    let table = [
        ("h:4317", true, hpack::SCHEME_HTTP, "h:4317", "h:4317"),
        ("h:4317", false, hpack::SCHEME_HTTPS, "h:4317", "h:4317"),
        (
            "http://h:4317/x",
            false,
            hpack::SCHEME_HTTP,
            "h:4317",
            "h:4317",
        ),
        (
            "https://h:4317",
            true,
            hpack::SCHEME_HTTPS,
            "h:4317",
            "h:4317",
        ),
        ("h", false, hpack::SCHEME_HTTPS, "h", "h:443"),
        ("[::1]", true, hpack::SCHEME_HTTP, "[::1]", "[::1]:80"),
    ];
    for (target, insecure, scheme, authority, address) in table {
        let channel = channel(Settings {
            insecure,
            ..settings(target.to_owned())
        });
        assert_eq!(channel.scheme, scheme, "{target}");
        assert_eq!(channel.authority, authority, "{target}");
        assert_eq!(channel.dialer.peer.to_string(), address, "{target}");
        assert_eq!(
            channel.dialer.peer.tls.is_some(),
            scheme == hpack::SCHEME_HTTPS
        );
    }
}
