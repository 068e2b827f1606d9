//! Streams, and several listeners.

use super::*;

/// Reads `length` bytes as text.
fn part(stream: &mut TcpStream, length: usize) -> String {
    stream.set_read_timeout(SOON).unwrap();
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A stream whose beginning has been read.
fn follow(rig: &mut Rig, topic: &str) -> TcpStream {
    let mut stream = rig.connect();
    stream
        .write_all(format!("{topic}\r\n\r\n").as_bytes())
        .unwrap();
    rig.turn(SOON);
    rig.settle();
    assert!(part(&mut stream, 9).ends_with(" others\n"));
    stream
}

#[test]
fn server_sends_each_stream_what_follows_and_heartbeats() {
    let mut rig = Rig::new();
    let mut first = follow(&mut rig, "EVENTS");
    rig.echo
        .items
        .extend(["one\n".to_owned(), "two\n".to_owned()]);
    rig.settle();
    let mut second = follow(&mut rig, "LOGS");
    assert_eq!(rig.echo.watchers, Watchers { events: 1, logs: 1 });
    for stream in [&mut first, &mut second] {
        assert_eq!(part(stream, 8), "one\ntwo\n");
    }
    // The next thing that happens by itself is a heartbeat.
    let wait = rig.server.wait(rig.clock.moment());
    assert_eq!(wait, Some(Duration::from_secs(15)));
    rig.pass(14);
    rig.echo.items.push("three\n".to_owned());
    rig.settle();
    rig.pass(14);
    rig.pass(1);
    for stream in [&mut first, &mut second] {
        assert_eq!(part(stream, 9), "three\n:\n\n");
    }
    // The limit for answers is none for streams.
    rig.pass(120);
    assert_eq!(rig.server.connections.len(), 2);
    rig.echo.due = Some(Moment(rig.clock.moment().0 + Duration::from_secs(1)));
    rig.settle();
    let wait = rig.server.wait(rig.clock.moment());
    assert_eq!(
        wait,
        Some(Duration::from_secs(1)),
        "the answer's own deadline"
    );
}

#[test]
fn server_drops_readers_of_streams_who_read_too_slowly() {
    let mut rig = Rig::new();
    // A Unix socket: by TCP, the kernel takes a little more from time to time.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let (listener, _file) = Listener::bind(&Place::Unix(path.clone())).unwrap();
    rig.server.doors.push(Door::bound(Via::Listen, listener));
    let mut slow = UnixStream::connect(&path).unwrap();
    slow.write_all(b"EVENTS\r\n\r\n").unwrap();
    rig.turn(SOON);
    rig.settle();
    let mut quick = follow(&mut rig, "EVENTS");
    // More than the kernel takes for a reader.
    rig.echo.items.extend(vec!["x".repeat(64 << 10); 200]);
    quick.set_nonblocking(true).unwrap();
    let (mut taken, mut buffer) = (0, vec![0; 1 << 20]);
    while taken < 200 * (64 << 10) {
        taken += quick.read(&mut buffer).unwrap_or(0);
        rig.turn(Some(Duration::from_millis(1)));
    }
    quick.set_nonblocking(false).unwrap();
    rig.pass(4);
    assert_eq!(rig.server.connections.len(), 2);
    rig.pass(1);
    assert_eq!(rig.server.connections.len(), 1);
    rig.echo.items.push("end".to_owned());
    rig.settle();
    assert_eq!(part(&mut quick, 3), "end");
    drop(slow);
    // One whose next item is lost is dropped as well.
    rig.echo.first = 1000;
    rig.settle();
    assert!(!rig.is_open());
}

#[test]
fn server_drops_readers_of_streams_who_have_gone() {
    type Act = fn(TcpStream) -> Option<TcpStream>;
    // (why this row exists, what the client does)
    let table: [(&str, Act); 3] = [
        ("closed", |_| None),
        ("half-closed", |stream| {
            stream.shutdown(Shutdown::Write).unwrap();
            Some(stream)
        }),
        ("sends what nobody asked for", |mut stream| {
            stream.write_all(&[b'x'; 70_000]).unwrap();
            Some(stream)
        }),
    ];
    for (why, act) in table {
        let mut rig = Rig::new();
        let stream = follow(&mut rig, "EVENTS");
        let stream = act(stream);
        for _ in 0..100 {
            if rig.is_open() {
                rig.turn(Some(Duration::from_millis(100)));
            }
        }
        assert!(!rig.is_open(), "{why}");
        assert_eq!(rig.echo.watchers, Watchers::default(), "{why}");
        drop(stream);
    }
}

#[test]
fn server_says_how_many_streams_are_open() {
    let mut rig = Rig::new();
    let streams: Vec<_> = (0..8).map(|_| follow(&mut rig, "EVENTS")).collect();
    let mut last = rig.connect();
    last.write_all(b"EVENTS\r\n\r\n").unwrap();
    rig.turn(SOON);
    rig.settle();
    assert_eq!(part(&mut last, 9), "8 others\n");
    drop(streams);
}

#[test]
fn server_keeps_the_clients_of_its_listeners_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let (own, _file) = Listener::bind(&Place::Unix(path.clone())).unwrap();
    let mut rig = Rig::new();
    rig.server.doors.push(Door::bound(Via::Agent, own));
    // As many as fit, and more.
    let silent: Vec<_> = (0..OPEN).map(|_| rig.connect()).collect();
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /health\r\n\r\n").unwrap();
    rig.turn(SOON);
    rig.settle();
    let mut answer = [0; 11];
    stream.set_read_timeout(SOON).unwrap();
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"GET /health");
    // The next client of that socket is accepted a little later.
    let _next = UnixStream::connect(&path).unwrap();
    let open = rig.server.open(Via::Agent);
    rig.settle();
    assert_eq!(rig.server.open(Via::Agent), open);
    rig.clock.pass(Duration::from_millis(5));
    let now = rig.clock.moment();
    rig.server
        .doors
        .iter_mut()
        .for_each(|door| door.prepare(now));
    rig.settle();
    assert_eq!(rig.server.open(Via::Agent), open + 1);
    drop(silent);
}

#[test]
fn server_tries_to_listen_once_a_minute() {
    let mut attempts = 0;
    let (tell, heard) = std::sync::mpsc::channel();
    let bind = move || {
        attempts += 1;
        tell.send(attempts).unwrap();
        let place = Place::Tcp("127.0.0.1:0".parse().unwrap());
        (attempts == 3).then(|| Listener::bind(&place).unwrap().0)
    };
    let mut door = Door::binding(Via::Listen, Box::new(bind));
    // (second, number of attempts so far, whether it accepts)
    for (second, attempts, accepts) in [
        (0, 1, false),
        (59, 1, false),
        (60, 2, false),
        (119, 2, false),
        (120, 3, true),
        (500, 3, true),
    ] {
        door.prepare(Moment(Duration::from_secs(second)));
        assert_eq!(door.accepts(), accepts, "{second}");
        let so_far = heard.try_iter().last().unwrap_or(attempts);
        assert_eq!(so_far, attempts, "{second}");
    }
}
