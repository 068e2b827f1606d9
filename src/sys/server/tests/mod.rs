//! The server against clients that misbehave. Time is that of a clock which the test moves.

mod streams;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use super::{
    Answer, Asked, Cursor, Door, Listener, OPEN, PENDING, Place, Reply, SERVED, Server, Topic, Via,
    Watchers,
};
use crate::base::clock::{Clock, FakeClock, Moment};

/// For events that come by themselves.
const SOON: Option<Duration> = Some(Duration::from_secs(10));

/// Answers with the first line of the head, with as many bytes as it says, or with a stream.
#[derive(Default)]
struct Echo {
    answered: usize,
    /// What streams consist of.
    items: Vec<String>,
    /// Streams end that have got fewer items.
    first: u64,
    /// What the server has said last.
    watchers: Watchers,
    due: Option<Moment>,
}

impl Answer for Echo {
    fn answer(&mut self, asked: &Asked<'_>, _: &dyn Clock) -> Reply {
        self.answered += 1;
        let line = asked.head.split(|byte| *byte == b'\r').next().unwrap();
        let line = str::from_utf8(line).unwrap();
        let topic = match line {
            "EVENTS" => Some(Topic::Events),
            "LOGS" => Some(Topic::Logs),
            _ => None,
        };
        if let Some(topic) = topic {
            return Reply {
                text: format!("{} others\n", asked.streams).into(),
                stream: Some(Cursor { topic, next: 0 }),
            };
        }
        match line.strip_prefix("BYTES ") {
            Some(count) => vec![b'x'; count.parse().unwrap()],
            None => line.as_bytes().to_vec(),
        }
        .into()
    }

    fn more(&mut self, cursor: &mut Cursor, out: &mut Vec<u8>) -> bool {
        let at = usize::try_from(cursor.next).unwrap();
        if let Some(item) = self.items.get(at) {
            out.extend(item.as_bytes());
            cursor.next += 1;
        }
        cursor.next >= self.first
    }

    fn turn(&mut self, watchers: Watchers, _: &dyn Clock) -> Option<Moment> {
        self.watchers = watchers;
        self.due
    }

    fn stranger(&self) -> Vec<u8> {
        b"stranger".to_vec()
    }

    fn too_long(&self) -> Vec<u8> {
        b"too long".to_vec()
    }

    fn busy(&self) -> Vec<u8> {
        b"busy".to_vec()
    }
}

struct Rig {
    server: Server,
    clock: FakeClock,
    echo: Echo,
    address: SocketAddr,
}

impl Rig {
    fn new() -> Rig {
        let place = Place::Tcp("127.0.0.1:0".parse().unwrap());
        let (listener, _) = Listener::bind(&place).unwrap();
        let address = listener.address().unwrap();
        Rig {
            server: Server::new(vec![Door::bound(Via::Listen, listener)]),
            clock: FakeClock::default(),
            echo: Echo::default(),
            address,
        }
    }

    fn connect(&mut self) -> TcpStream {
        // Those that have gone are not counted below.
        self.settle();
        let before = self.server.connections.len();
        let stream = TcpStream::connect(self.address).unwrap();
        while self.server.connections.len() == before {
            self.turn(SOON);
        }
        stream
    }

    fn turn(&mut self, wait: Option<Duration>) {
        self.server.turn(wait, &self.clock, &mut self.echo);
    }

    /// Turns until nothing is ready any more.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.turn(Some(Duration::ZERO));
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.clock.pass(Duration::from_secs(seconds));
        self.settle();
    }

    fn is_open(&self) -> bool {
        !self.server.connections.is_empty()
    }
}

fn all_of(mut stream: TcpStream) -> String {
    stream.set_read_timeout(SOON).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn server_answers_each_request_and_ends_the_connection() {
    let mut rig = Rig::new();
    for end in ["\r\n\r\n", "\r\nHost: x\r\n\r\n", "\r\n\n\n"] {
        let mut stream = rig.connect();
        // In two parts, with the end of the head cut.
        let request = ["GET /", end].concat();
        let (first, second) = request.split_at(request.len() - 2);
        stream.write_all(first.as_bytes()).unwrap();
        rig.turn(SOON);
        stream.write_all(second.as_bytes()).unwrap();
        rig.turn(SOON);
        rig.settle();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(all_of(stream), "GET /");
        rig.turn(SOON);
        assert!(!rig.is_open());
    }
    assert_eq!(rig.server.wait(rig.clock.moment()), None, "no wake-up");
}

#[test]
fn server_ends_connections_that_do_not_proceed() {
    type Act = fn(&mut Rig, &mut TcpStream);
    // (why this row exists, what the client does, seconds until it is dropped)
    let table: [(&str, Act, u64); 4] = [
        ("sends nothing", |_, _| {}, 5),
        (
            "one byte each second",
            |rig, stream| {
                for _ in 0..4 {
                    stream.write_all(b"G").unwrap();
                    rig.turn(SOON);
                    rig.pass(1);
                }
            },
            1,
        ),
        (
            "does not read",
            |rig, stream| {
                stream.write_all(b"BYTES 50000000\r\n\r\n").unwrap();
                rig.turn(SOON);
                rig.settle();
            },
            5,
        ),
        (
            "does not end after the answer",
            |rig, stream| {
                stream.write_all(b"GET /\r\n\r\n").unwrap();
                rig.turn(SOON);
                rig.settle();
            },
            2,
        ),
    ];
    for (why, act, seconds) in table {
        let mut rig = Rig::new();
        let mut stream = rig.connect();
        act(&mut rig, &mut stream);
        rig.pass(seconds - 1);
        assert!(rig.is_open(), "{why}");
        rig.pass(1);
        assert!(!rig.is_open(), "{why}");
    }
}

#[test]
fn server_drops_connections_that_have_gone() {
    // (why this row exists, what was sent before)
    for (why, sent) in [
        ("before its request", ""),
        ("in the midst of its head", "GET / HTTP/1.1\r\n"),
    ] {
        let mut rig = Rig::new();
        let mut stream = rig.connect();
        stream.write_all(sent.as_bytes()).unwrap();
        drop(stream);
        rig.turn(SOON);
        rig.settle();
        assert!(!rig.is_open(), "{why}");
        assert_eq!(rig.echo.answered, 0);
    }
}

#[test]
fn server_refuses_long_heads_without_keeping_them() {
    for line in ["x", "x: y\r\n"] {
        let mut rig = Rig::new();
        let mut stream = rig.connect();
        let megabyte = line.repeat((1 << 20) / line.len());
        let mut sender = stream.try_clone().unwrap();
        // The server reads no more than it has to, so that this may fail.
        let send = std::thread::spawn(move || drop(sender.write_all(megabyte.as_bytes())));
        let mut answer = [0; 8];
        stream.set_nonblocking(true).unwrap();
        while stream.read(&mut answer).is_err() {
            rig.turn(Some(Duration::from_millis(10)));
        }
        assert_eq!(&answer, b"too long");
        for _ in 0..500 {
            rig.turn(Some(Duration::ZERO));
        }
        rig.pass(2);
        assert!(!rig.is_open());
        drop(stream);
        send.join().unwrap();
        assert_eq!(rig.echo.answered, 0);
    }
}

#[test]
fn server_serves_a_limited_number_and_refuses_more() {
    let mut rig = Rig::new();
    let served: Vec<_> = (0..SERVED).map(|_| rig.connect()).collect();
    for _ in SERVED..OPEN {
        let stream = rig.connect();
        rig.settle();
        assert_eq!(all_of(stream), "busy");
    }
    rig.pass(2);
    assert_eq!(rig.server.connections.len(), SERVED);
    // One of those that are served goes, and another one takes its place.
    let mut served = served.into_iter();
    drop(served.next());
    rig.turn(SOON);
    rig.settle();
    let mut stream = rig.connect();
    stream.write_all(b"GET /\r\n\r\n").unwrap();
    rig.turn(SOON);
    rig.settle();
    assert_eq!(all_of(stream), "GET /");
}

#[test]
fn server_holds_a_limited_number_of_bytes_for_slow_readers() {
    let mut rig = Rig::new();
    let mut streams: Vec<_> = (0..4).map(|_| rig.connect()).collect();
    // Each answer is larger than what the kernel takes of it.
    let request = format!("BYTES {}\r\n\r\n", PENDING + (16 << 20));
    for stream in &mut streams {
        stream.write_all(request.as_bytes()).unwrap();
        rig.settle();
    }
    assert_eq!(rig.echo.answered, 1, "the others are refused");
    let last = streams.pop().unwrap();
    assert_eq!(all_of(last), "busy");
}

#[test]
fn server_on_a_unix_socket_replaces_a_file_that_was_left_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    drop(UnixListener::bind(&path).unwrap());
    let place = Place::Unix(path.clone());
    let (listener, file) = Listener::bind(&place).unwrap();
    // The peer is there.
    assert!(Listener::bind(&place).is_err());
    let mut server = Server::new(vec![Door::bound(Via::Listen, listener)]);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /\r\n\r\n").unwrap();
    let (clock, mut echo) = (FakeClock::default(), Echo::default());
    for _ in 0..5 {
        server.turn(Some(Duration::from_millis(10)), &clock, &mut echo);
    }
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"GET /");
    drop(file);
    assert!(!path.exists());
    std::fs::write(&path, "a file").unwrap();
    assert!(Listener::bind(&place).is_err());
    assert!(path.exists());
}
