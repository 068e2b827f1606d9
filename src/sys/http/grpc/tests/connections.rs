//! TLS and proxies.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use fake_server::h2::with_alpn;
use fake_server::steps::{Authority, Scratch, YEARS};
use rustls::version::TLS13;

use super::*;
use crate::sys::http::{self, Http};

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

/// A proxy that connects its client to `port`, and the head of the request to it.
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
            proxy: Rules::read(&|name| {
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
