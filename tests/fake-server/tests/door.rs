//! A server that cannot be reached, comes back, or closes connections.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};

use crate::client::{Client, End};
use fake_server::{Door, FakeServer, Settings};

const TSDB: &str = "/api/v0/tsdb";
/// Longer than connecting on loopback takes.
const SHORT: Duration = Duration::from_millis(150);

fn connect(fake_server: &FakeServer) -> Result<(), ErrorKind> {
    let attempt = TcpStream::connect_timeout(&fake_server.address(), SHORT);
    attempt.map(drop).map_err(|error| error.kind())
}

/// Binds another socket to the server's address, as the kernel does that looks for a free port.
fn bind(fake_server: &FakeServer) -> Result<(), Errno> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &fake_server.address())
}

#[test]
fn a_server_that_died_refuses_and_comes_back_with_what_it_knew() {
    let fake_server = FakeServer::http();
    let mut client = Client::of(&fake_server);
    client.ask("POST", "/api/v0/hosts", r#"{"name":"h","meta":{}}"#);
    for _ in 0..3 {
        fake_server.door(Door::Refusing);
        assert_eq!(connect(&fake_server), Err(ErrorKind::ConnectionRefused));
        assert_eq!(bind(&fake_server), Err(Errno::ADDRINUSE), "free for others");
        assert!(matches!(client.rest(), End::Closed(_) | End::Reset));
        fake_server.door(Door::Open);
        client = Client::of(&fake_server);
        assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
    }
    assert_eq!(
        fake_server.seen(|seen| seen.model.only_host().name().to_owned()),
        "h"
    );
}

#[test]
fn behind_a_broken_network_nothing_is_answered() {
    let fake_server = FakeServer::http();
    let mut client = Client::of(&fake_server);
    assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
    client.lose_patience();
    fake_server.door(Door::Deaf);
    assert_eq!(connect(&fake_server), Err(ErrorKind::TimedOut));
    assert_eq!(client.end("POST", TSDB, "[]"), End::Silence);
    fake_server.door(Door::Open);
    let mut client = Client::of(&fake_server);
    assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
    fake_server.door(Door::Deaf);
}

#[test]
fn an_idle_connection_is_closed() {
    for tls in [false, true] {
        let fake_server = FakeServer::start(Settings {
            tls,
            idle: Duration::from_millis(300),
            ..Settings::default()
        })
        .unwrap();
        let mut client = Client::of(&fake_server);
        assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
        assert_eq!(client.rest(), End::Closed(0), "tls {tls}");
    }
}

#[test]
fn a_connection_is_closed_after_so_many_requests() {
    for announce_close in [false, true] {
        let fake_server = FakeServer::start(Settings {
            requests_per_connection: 2,
            announce_close,
            ..Settings::default()
        })
        .unwrap();
        let mut client = Client::of(&fake_server);
        let first = client.ask("POST", TSDB, "[]");
        assert_eq!(first.header("connection"), None);
        let second = client.ask("POST", TSDB, "[]");
        let announced = announce_close.then_some("close");
        assert_eq!(second.header("connection"), announced);
        assert_eq!(client.rest(), End::Closed(0));
    }
}

#[test]
fn a_client_that_wants_no_second_request_gets_none() {
    let fake_server = FakeServer::http();
    let mut client = Client::of(&fake_server);
    client
        .request_with("GET", "/", "Connection: close\r\n", "")
        .unwrap();
    let reply = client.reply().unwrap();
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(client.rest(), End::Closed(0));
}
