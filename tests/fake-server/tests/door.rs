//! A server that cannot be reached, comes back, or tires of a connection.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use crate::client::{Client, End};
use fake_server::{Door, Settings, Standin};

const TSDB: &str = "/api/v0/tsdb";
/// Longer than a connection on loopback takes.
const SHORT: Duration = Duration::from_millis(150);

fn connect(standin: &Standin) -> Result<(), ErrorKind> {
    let attempt = TcpStream::connect_timeout(&standin.address(), SHORT);
    attempt.map(drop).map_err(|error| error.kind())
}

#[test]
fn a_server_that_died_refuses_and_comes_back_with_what_it_knew() {
    let standin = Standin::http();
    let mut client = Client::of(&standin);
    client.ask("POST", "/api/v0/hosts", r#"{"name":"h","meta":{}}"#);
    for _ in 0..3 {
        standin.door(Door::Refusing);
        assert_eq!(connect(&standin), Err(ErrorKind::ConnectionRefused));
        assert!(matches!(client.rest(), End::Closed(_) | End::Reset));
        standin.door(Door::Open);
        client = Client::of(&standin);
        assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
    }
    assert_eq!(
        standin.seen(|seen| seen.model.only_host().name().to_owned()),
        "h"
    );
}

#[test]
fn behind_a_broken_network_nothing_is_answered() {
    let standin = Standin::http();
    let mut client = Client::of(&standin);
    assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
    client.lose_patience();
    standin.door(Door::Deaf);
    assert_eq!(connect(&standin), Err(ErrorKind::TimedOut));
    assert_eq!(client.end("POST", TSDB, "[]"), End::Silence);
    standin.door(Door::Open);
    let mut client = Client::of(&standin);
    assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
    standin.door(Door::Deaf);
}

#[test]
fn an_idle_connection_is_closed() {
    for tls in [false, true] {
        let standin = Standin::start(Settings {
            tls,
            idle: Duration::from_millis(300),
            ..Settings::default()
        });
        let standin = standin.unwrap();
        let mut client = Client::of(&standin);
        assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
        assert_eq!(client.rest(), End::Closed(0), "tls {tls}");
    }
}

#[test]
fn a_connection_is_closed_after_so_many_requests() {
    for announce_close in [false, true] {
        let standin = Standin::start(Settings {
            requests_per_connection: 2,
            announce_close,
            ..Settings::default()
        });
        let standin = standin.unwrap();
        let mut client = Client::of(&standin);
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
    let standin = Standin::http();
    let mut client = Client::of(&standin);
    client
        .request_with("GET", "/", "Connection: close\r\n", "")
        .unwrap();
    let reply = client.reply().unwrap();
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(client.rest(), End::Closed(0));
}
