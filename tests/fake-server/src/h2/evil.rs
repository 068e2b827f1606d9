//! A server that does one of [`scenarios`], and what a scenario is made of.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use super::scenarios::scenarios;
use super::server::open;
use super::wire::{self, Wire};

/// How a call to it has to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// With the message of the answer, which is [`MESSAGE`].
    Ok,
    /// With a status of the server's, or one that its answer stands for.
    Code(u32),
    /// With an error of HTTP/2 that stands for this code.
    Reset(u32),
    /// At once, with a connection that is of no more use.
    Broken,
    /// At once, unprocessed.
    Refused,
    /// At the call's own deadline, and not before.
    Deadline,
}

/// Something that a server may do.
pub struct Scenario {
    pub name: &'static str,
    pub end: End,
    /// Bytes that the message of a call must have for it to happen.
    pub needs: usize,
    pub(super) run: fn(&mut Script) -> io::Result<()>,
}

/// The message of every good answer.
pub const MESSAGE: &[u8] = b"good";

/// The server; its threads end with the process.
pub struct Evil {
    pub port: u16,
    pub end: End,
    pub needs: usize,
    connections: Arc<AtomicUsize>,
    spans: Arc<Mutex<Vec<Duration>>>,
}

impl Evil {
    /// Waits until it has closed a connection; false if it has not after 20 seconds.
    pub fn wait_for_close(&self) -> bool {
        let is_closed = || !self.spans().is_empty();
        (0..2_000).any(|_| {
            thread::sleep(Duration::from_millis(10));
            is_closed()
        })
    }

    /// How many connections have come.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How long each connection lasted that is closed.
    pub fn spans(&self) -> Vec<Duration> {
        self.spans.lock().unwrap().clone()
    }
}

/// Starts a server without TLS that does what the scenario of this name does, on each connection.
pub fn evil(name: &str) -> Evil {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    evil_on(listener, None, name)
}

/// The same with a listener and TLS of choice.
pub fn evil_on(listener: TcpListener, tls: Option<Arc<ServerConfig>>, name: &str) -> Evil {
    let scenario = scenarios().find(|scenario| scenario.name == name);
    let scenario = scenario.unwrap_or_else(|| panic!("no scenario {name}"));
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::<AtomicUsize>::default();
    let spans = Arc::<Mutex<Vec<Duration>>>::default();
    let (counted, measured) = (Arc::clone(&connections), Arc::clone(&spans));
    let run = scenario.run;
    thread::spawn(move || {
        for socket in listener.incoming() {
            let begin = Instant::now();
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let (socket, tls, spans) = (socket?, tls.clone(), Arc::clone(&measured));
            // A client that closes ends the scenario.
            thread::spawn(move || {
                let wire = open(socket, tls.as_ref())?;
                let done = run(&mut Script { number, wire });
                spans.lock().unwrap().push(begin.elapsed());
                done
            });
        }
        io::Result::Ok(())
    });
    Evil {
        port,
        end: scenario.end,
        needs: scenario.needs,
        connections,
        spans,
    }
}

/// What a scenario can do on its connection.
pub(super) struct Script {
    /// Of the connection, from 0.
    pub(super) number: usize,
    pub(super) wire: Wire,
}

impl Script {
    /// Sends a frame.
    pub(super) fn frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        content: &[u8],
    ) -> io::Result<()> {
        self.wire.send(&wire::frame(kind, flags, stream, content))
    }

    /// Reads the preface and announces these settings.
    pub(super) fn greet(&mut self, settings: &[(u16, u32)]) -> io::Result<()> {
        self.wire.preface()?;
        self.wire.send(&wire::settings(settings))
    }

    /// The stream of the next request, once its header is there.
    pub(super) fn head(&mut self) -> io::Result<u32> {
        loop {
            let frame = self.wire.frame()?;
            if frame.kind == wire::HEADERS {
                return Ok(frame.stream);
            }
        }
    }

    /// Waits until the request on `stream` is whole, and returns what it takes of its window at
    /// once.
    pub(super) fn body(&mut self, stream: u32) -> io::Result<()> {
        loop {
            let frame = self.wire.frame()?;
            if frame.kind == wire::DATA {
                if frame.flags & wire::END_STREAM != 0 {
                    return Ok(());
                }
                let count = u32::try_from(frame.content.len()).unwrap();
                for stream in [0, stream] {
                    self.wire.send(&wire::window_update(stream, count))?;
                }
            }
        }
    }

    /// Greets and waits for a whole request.
    pub(super) fn request(&mut self) -> io::Result<u32> {
        self.greet(&[])?;
        let stream = self.head()?;
        self.body(stream)?;
        Ok(stream)
    }

    /// Sends the fields of a header.
    pub(super) fn headers(
        &mut self,
        stream: u32,
        flags: u8,
        fields: &[(&str, &str)],
    ) -> io::Result<()> {
        let block = wire::block(fields);
        self.frame(wire::HEADERS, wire::END_HEADERS | flags, stream, &block)
    }

    /// Sends a good answer.
    pub(super) fn good(&mut self, stream: u32) -> io::Result<()> {
        self.wire.send(&good(stream))
    }

    /// Sends a frame again and again, until the client closes.
    pub(super) fn flood(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        content: &[u8],
    ) -> io::Result<()> {
        let many = wire::frame(kind, flags, stream, content).repeat(50);
        loop {
            self.wire.send(&many)?;
        }
    }

    /// Does nothing more until the client closes.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        self.wire.wait();
        Ok(())
    }
}

/// The head of every good answer.
pub(super) const HEAD: [(&str, &str); 2] =
    [(":status", "200"), ("content-type", "application/grpc")];

/// The trailers of every good answer.
pub(super) const TRAILERS: [(&str, &str); 1] = [("grpc-status", "0")];

/// The frames of a good answer.
pub(super) fn good(stream: u32) -> Vec<u8> {
    let (head, trailers) = (wire::block(&HEAD), wire::block(&TRAILERS));
    let last = wire::END_HEADERS | wire::END_STREAM;
    [
        wire::frame(wire::HEADERS, wire::END_HEADERS, stream, &head),
        wire::frame(wire::DATA, 0, stream, &message(0, MESSAGE)),
        wire::frame(wire::HEADERS, last, stream, &trailers),
    ]
    .concat()
}

/// A message with its prefix.
pub(super) fn message(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag], &length[..], message].concat()
}
