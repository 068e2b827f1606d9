//! Event streams of a running agent: what they resume, whom they refuse, and what they cost.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::process::{Agent, Signal};
use crate::process_tree::poll_until;
use crate::sandbox::{Sandbox, free_address, limit};
use fake_server::FakeServer;

/// A socket of either kind.
trait Socket: Read + Write {
    fn limited(self: Box<Self>) -> Box<dyn Socket>;
}

impl Socket for TcpStream {
    fn limited(self: Box<Self>) -> Box<dyn Socket> {
        self.set_read_timeout(Some(limit(100))).unwrap();
        self
    }
}

impl Socket for UnixStream {
    fn limited(self: Box<Self>) -> Box<dyn Socket> {
        self.set_read_timeout(Some(limit(100))).unwrap();
        self
    }
}

/// An agent with a listener on loopback, and its own socket.
struct Place {
    fake_server: FakeServer,
    sandbox: Sandbox,
    address: SocketAddr,
}

impl Place {
    fn new(more: &str) -> Place {
        let address = free_address();
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::empty();
        let text = format!("listen = \"{address}\"\n{more}");
        sandbox.configure(&fake_server.base(), &text);
        Place {
            fake_server,
            sandbox,
            address,
        }
    }

    /// Starts the agent, and waits until it listens.
    fn start(&self) -> Agent<'_> {
        let agent = self.sandbox.start();
        poll_until(limit(100), "listener", || {
            UnixStream::connect(self.sandbox.path("root/agent.socket")).ok()?;
            TcpStream::connect(self.address).ok()
        });
        agent
    }

    fn own(&self) -> Box<dyn Socket> {
        Box::new(UnixStream::connect(self.sandbox.path("root/agent.socket")).unwrap())
    }

    fn tcp(&self) -> Box<dyn Socket> {
        Box::new(TcpStream::connect(self.address).unwrap())
    }

    fn posts(&self) -> usize {
        self.fake_server.seen(|seen| {
            let posts = seen.to("POST", "/api/v0/tsdb");
            posts.filter(|post| post.status == Some(200)).count()
        })
    }
}

/// One event.
#[derive(Debug, Default)]
struct Item {
    id: Option<String>,
    kind: String,
    data: String,
}

impl Item {
    /// The run and the number of its id.
    fn number(&self) -> (String, u64) {
        let (run, number) = self.id.as_ref().unwrap().split_once('-').unwrap();
        assert_eq!(run.len(), 8, "{run}");
        (run.to_owned(), number.parse().unwrap())
    }
}

/// A stream that is open.
struct Stream(BufReader<Box<dyn Socket>>);

impl Stream {
    /// Opens a stream, or fails with the head of the answer.
    fn open(socket: Box<dyn Socket>, path: &str, headers: &str) -> Result<Stream, String> {
        let mut socket = socket.limited();
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost{headers}\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        let mut stream = Stream(BufReader::new(socket));
        let mut head = String::new();
        loop {
            let line = stream.line();
            if line.is_empty() {
                break;
            }
            head.push_str(&[&line, "\n"].concat());
        }
        if head.starts_with("HTTP/1.1 200 OK\n") {
            assert!(
                head.contains("\nContent-Type: text/event-stream\n"),
                "{head}"
            );
            return Ok(stream);
        }
        Err(head)
    }

    /// The stream after the event with this id.
    fn resume(socket: Box<dyn Socket>, path: &str, id: &str) -> Stream {
        Stream::open(socket, path, &format!("\r\nLast-Event-ID: {id}")).unwrap()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(
            self.0.read_line(&mut line).unwrap() > 0,
            "the stream has ended"
        );
        line.trim_end().to_owned()
    }

    /// The next event, without `retry` and heartbeats.
    fn next(&mut self) -> Item {
        let mut item = Item::default();
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some(("id", id)) => item.id = Some(id.to_owned()),
                Some(("event", kind)) => item.kind = kind.to_owned(),
                Some(("data", data)) => item.data = data.to_owned(),
                Some(("retry", pause)) => assert_eq!(pause, "2000"),
                _ if line.is_empty() && !item.data.is_empty() => return item,
                _ => assert!(line.is_empty() || line == ":", "{line}"),
            }
        }
    }

    /// The next event that has an id, and the kinds of those before it.
    fn numbered(&mut self) -> (Item, Vec<String>) {
        let mut others = Vec::new();
        loop {
            let item = self.next();
            if item.id.is_some() {
                return (item, others);
            }
            others.push(item.kind);
        }
    }
}

#[test]
fn live_stream_is_resumed_after_a_cut_without_gap_and_repeat() {
    let place = Place::new("[plugin.checks.c]\ncommand = \"echo all is well\"\n");
    let agent = place.start();
    let mut last = String::new();
    for (round, by_tcp) in [true, false, true].into_iter().enumerate() {
        let socket = || if by_tcp { place.tcp() } else { place.own() };
        let mut stream = if last.is_empty() {
            Stream::open(socket(), "/events", "").unwrap()
        } else {
            Stream::resume(socket(), "/events", &last)
        };
        let (mut item, others) = stream.numbered();
        assert_eq!(others, ["host"], "{round}: no reset");
        for _ in 0..3 {
            let (run, number) = item.number();
            if !last.is_empty() {
                assert_eq!(format!("{run}-{}", number - 1), last, "{round}");
            }
            assert!(item.data.starts_with("{\"time\":"), "{}", item.data);
            last = item.id.unwrap();
            item = stream.numbered().0;
        }
        last = item.id.unwrap();
        // Here the connection is cut.
    }
    // What another client has missed: all, or nothing after the newest one.
    let all = Stream::open(place.tcp(), "/events", "")
        .unwrap()
        .numbered()
        .0;
    assert_eq!(all.number().1, 1);
    // Another run: exactly one reset, and then all that is kept.
    let mut stream = Stream::resume(place.tcp(), "/events", "00000000-3");
    let (item, others) = stream.numbered();
    assert_eq!(others, ["host", "reset"]);
    assert_eq!(item.number().1, 1);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_exit(limit(100)).code, Some(0));
}

#[test]
fn live_stream_shows_checks_plugins_and_destinations() {
    let place = Place::new(
        "[plugin.checks.c]\ncommand = \"echo all is well\"\n\
         [plugin.metrics.n]\ncommand = \"printf 'a.b\\\\t7\\\\t0\\\\n'\"\n",
    );
    let _agent = place.start();
    let mut stream = Stream::open(place.own(), "/events", "").unwrap();
    // Each tenth event has them, and the first one of a watch.
    let begin = Instant::now();
    loop {
        let data = stream.numbered().0.data;
        let has_all = [
            "[\"c\",\"OK\",\"all is well",
            "[\"custom.a.b\",7]",
            "[\"main organization\",true,\"registered as ",
            "\"memory\":{\"total\":",
        ];
        if has_all.iter().all(|part| data.contains(part)) {
            break;
        }
        assert!(begin.elapsed() < limit(100), "{data}");
    }
}

#[test]
fn live_streams_have_a_limit_and_refuse_before_the_first_byte() {
    let place = Place::new("");
    let _agent = place.start();
    let mut eight: Vec<Stream> = (0..8)
        .map(|_| Stream::open(place.tcp(), "/events", "").unwrap())
        .collect();
    for path in ["/events", "/logs"] {
        let head = Stream::open(place.tcp(), path, "").err().unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(head.contains("\nRetry-After: 5\n"), "{head}");
    }
    for stream in &mut eight {
        stream.numbered();
    }
    // The agent's own socket has streams of its own.
    Stream::open(place.own(), "/events", "").unwrap().numbered();
    drop(eight.pop());
    poll_until(limit(100), "a free stream", || {
        Stream::open(place.tcp(), "/events", "").ok()
    });
    // (why this row exists, headers, status)
    let table = [
        ("DNS rebinding", "Host: evil.example", "421"),
        ("DNS rebinding with a port", "Host: evil.example:80", "421"),
        (
            "a foreign origin",
            "Host: localhost\r\nSec-Fetch-Site: cross-site",
            "403",
        ),
        ("no name", "Accept: */*", "400"),
        ("two names", "Host: localhost\r\nHost: evil.example", "400"),
        ("a body", "Host: localhost\r\nContent-Length: 5", "413"),
    ];
    for (why, headers, status) in table {
        for path in ["/", "/events", "/logs", "/status"] {
            let mut socket = place.tcp().limited();
            let head = format!("GET {path} HTTP/1.1\r\n{headers}\r\n\r\n");
            socket.write_all(head.as_bytes()).unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            let expected = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&expected), "{why}: {path}: {answer}");
        }
    }
}

#[test]
fn live_streams_for_a_thousand_watchers_disturb_no_post_and_no_question() {
    let place = Place::new("");
    let mut agent = place.start();
    poll_until(limit(100), "a post", || (place.posts() > 0).then_some(()));
    // Half-closed sockets: the answer comes, and a stream ends.
    let mut half = TcpStream::connect(place.address).unwrap();
    half.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    half.set_read_timeout(Some(limit(100))).unwrap();
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    // A head of a megabyte.
    let mut long = TcpStream::connect(place.address).unwrap();
    let head = ["GET /events HTTP/1.1\r\nX: ", &"a".repeat(1 << 20)].concat();
    let _ = long.write_all(head.as_bytes());
    let mut answer = Vec::new();
    let _ = long.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "));
    let before = place.posts();
    let mut many = Vec::new();
    for _ in 0..1000 {
        let stream = TcpStream::connect_timeout(&place.address, Duration::from_millis(100));
        let Ok(mut stream) = stream else { continue };
        let _ = stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        many.push(stream);
    }
    assert!(many.len() > 32, "{}", many.len());
    poll_until(limit(200), "a post meanwhile", || {
        let health = place.sandbox.run(&["health"], &[]);
        assert_eq!(health.code, Some(0), "{}", health.stderr);
        (place.posts() > before).then_some(())
    });
    let descriptors = fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap();
    assert!(descriptors.count() < 100);
    agent.assert_running();
    drop(many);
    poll_until(limit(100), "a free stream", || {
        Stream::open(place.tcp(), "/events", "").ok()
    });
}

/// How often the listener's thread has slept and was woken.
fn wake_ups(agent: &Agent<'_>) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    for task in tasks {
        let path = task.unwrap().path();
        let name = fs::read_to_string(path.join("comm")).unwrap();
        if name.trim_end() == "listener" {
            let status = fs::read_to_string(path.join("status")).unwrap();
            let line = status.lines();
            let mut line = line.filter_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            return line.next().unwrap().trim().parse().unwrap();
        }
    }
    panic!("no thread");
}

/// Wake-ups in that many seconds.
fn wake_ups_in(agent: &Agent<'_>, seconds: u64) -> u64 {
    let (begin, before) = (Instant::now(), wake_ups(agent));
    poll_until(limit(100), "the end of a while", || {
        (begin.elapsed() > Duration::from_secs(seconds)).then_some(())
    });
    wake_ups(agent) - before
}

#[test]
fn live_streams_cost_no_wake_up_while_nobody_watches() {
    let place = Place::new("");
    let agent = place.start();
    // The connections of the start end by themselves.
    poll_until(limit(100), "quiet", || {
        (wake_ups_in(&agent, 3) == 0).then_some(())
    });
    assert_eq!(wake_ups_in(&agent, 6), 0);
    let mut events = Stream::open(place.own(), "/events", "").unwrap();
    events.numbered();
    let watched = wake_ups_in(&agent, 4);
    assert!((2..40).contains(&watched), "{watched}");
    drop(events);
    // Logs wake it with each line alone, and every 15 seconds.
    let logs = Stream::open(place.own(), "/logs", "").unwrap();
    poll_until(limit(100), "quiet", || {
        (wake_ups_in(&agent, 3) == 0).then_some(())
    });
    drop(logs);
    poll_until(limit(100), "quiet", || {
        (wake_ups_in(&agent, 5) == 0).then_some(())
    });
}

#[test]
fn live_logs_are_resumed_after_a_cut_without_loss() {
    let place = Place::new("");
    let agent = place.start();
    let mut stream = Stream::open(place.own(), "/logs", "").unwrap();
    let mut numbers = Vec::new();
    let reloads = |stream: &mut Stream, numbers: &mut Vec<u64>, count: usize| {
        let mut last = String::new();
        let mut found = 0;
        while found < count {
            let item = stream.next();
            assert_eq!(item.kind, "");
            assert!(item.data.starts_with("{\"time\":"), "{}", item.data);
            found += usize::from(item.data.contains("configuration reloaded"));
            numbers.push(item.number().1);
            last = item.id.unwrap();
        }
        last
    };
    agent.signal(Signal::HUP);
    let last = reloads(&mut stream, &mut numbers, 1);
    drop(stream);
    // While nobody follows.
    for _ in 0..3 {
        agent.signal(Signal::HUP);
        // Two signals that come together are one.
        let before = place.posts();
        let begin = Instant::now();
        poll_until(limit(100), "the reload", || {
            (begin.elapsed() > Duration::from_secs(1) || place.posts() > before).then_some(())
        });
    }
    let mut stream = Stream::resume(place.own(), "/logs", &last);
    reloads(&mut stream, &mut numbers, 2);
    let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, expected);
    let mut stream = Stream::resume(place.tcp(), "/logs", "00000000-1");
    let reset = stream.next();
    assert_eq!((reset.kind.as_str(), reset.data.as_str()), ("reset", "{}"));
    assert_eq!(stream.next().number().1, 1);
}
