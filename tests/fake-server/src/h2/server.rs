//! A server of gRPC that follows the rules: it receives unary calls and sends the answers that it
//! is given.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::wire::{self, Frame, Wire};

/// How long a client may be silent.
const IDLE: Duration = Duration::from_secs(600);
/// What `grpc-message` cannot have, besides what is not ASCII.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// A call that has come.
#[derive(Clone, Debug)]
pub struct Call {
    /// Counts from 0.
    pub connection: usize,
    pub path: String,
    /// All but those that begin with `:`, and these too.
    pub headers: Vec<(String, String)>,
    /// Without its prefix.
    pub message: Vec<u8>,
}

impl Call {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(have, _)| have == name)?;
        Some(&found.1)
    }
}

/// What to answer to a call.
#[derive(Clone, Debug)]
pub struct Answer {
    code: u32,
    text: String,
    message: Vec<u8>,
    details: Vec<u8>,
    delay: Duration,
    goes_away: bool,
    refuses: bool,
    is_cut: bool,
}

impl Answer {
    /// OK and a message.
    pub fn ok(message: impl Into<Vec<u8>>) -> Answer {
        Answer {
            code: 0,
            text: String::new(),
            message: message.into(),
            details: Vec::new(),
            delay: Duration::ZERO,
            goes_away: false,
            refuses: false,
            is_cut: false,
        }
    }

    /// A code and its text.
    pub fn status(code: u32, text: &str) -> Answer {
        Answer {
            code,
            text: text.to_owned(),
            ..Answer::ok("")
        }
    }

    /// The same with a `google.rpc.Status` in Protocol Buffers.
    pub fn details(self, details: &[u8]) -> Answer {
        let details = details.to_vec();
        Answer { details, ..self }
    }

    /// The same after a while.
    pub fn delay(self, delay: Duration) -> Answer {
        Answer { delay, ..self }
    }

    /// The same behind GOAWAY that lets this call be the last one; the connection is closed then.
    pub fn goaway(self) -> Answer {
        Answer {
            goes_away: true,
            ..self
        }
    }

    /// No answer: the connection is closed.
    pub fn cut() -> Answer {
        Answer {
            is_cut: true,
            ..Answer::ok("")
        }
    }

    /// No answer: the call is refused without being looked at, and the connection closed.
    pub fn refused() -> Answer {
        Answer {
            refuses: true,
            ..Answer::ok("")
        }
    }
}

type Handler = Box<dyn Fn(&Call) -> Option<Answer> + Send + Sync>;

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    calls: Vec<Call>,
    connections: usize,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    tls: Option<Arc<ServerConfig>>,
    handler: Handler,
}

/// The server; its threads end with the process.
pub struct Server {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Server {
    /// Without TLS, on a port of its own.
    pub fn plain() -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Server::start(listener, None, |_| None)
    }

    /// With TLS, on a port of its own; [`with_alpn`] makes a configuration that chooses HTTP/2.
    pub fn tls(config: Arc<ServerConfig>) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Server::start(listener, Some(config), |_| None)
    }

    /// With answers that depend on the call. Those of [`Server::answer`] come before them, and OK
    /// without a message in place of `None`.
    pub fn start(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static,
    ) -> Server {
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            tls,
            handler: Box::new(handler),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (shared, socket) = (Arc::clone(&accepting), socket?);
                thread::spawn(move || drop(serve(&shared, socket)));
            }
            io::Result::Ok(())
        });
        Server { port, shared }
    }

    /// What to answer to the next call that has no answer yet.
    pub fn answer(&self, answer: Answer) {
        let mut state = self.shared.state.lock().unwrap();
        state.answers.push_back(answer);
    }

    /// All calls so far, those that were refused too.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state.lock().unwrap().calls.clone()
    }

    /// The same once there are `count`, or after 20 seconds.
    pub fn wait_for_calls(&self, count: usize) -> Vec<Call> {
        let state = self.shared.state.lock().unwrap();
        let limit = Duration::from_secs(20);
        let waits = |state: &mut State| state.calls.len() < count;
        let waited = self.shared.changed.wait_timeout_while(state, limit, waits);
        waited.unwrap().0.calls.clone()
    }

    /// How many connections have come.
    pub fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().connections
    }
}

/// The same configuration, which chooses one of these protocols (ALPN); none if there are none.
pub fn with_alpn(config: &ServerConfig, protocols: &[&str]) -> Arc<ServerConfig> {
    let mut config = config.clone();
    let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
    config.alpn_protocols = protocols.collect();
    Arc::new(config)
}

/// The socket, encrypted if need be.
pub(super) fn open(socket: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Wire> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(IDLE))?;
    Ok(match tls {
        None => Wire::Plain(socket),
        Some(config) => {
            let session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
            Wire::Tls(Box::new(StreamOwned::new(session, socket)))
        }
    })
}

/// A request that is under way.
#[derive(Default)]
struct Request {
    block: Vec<u8>,
    body: Vec<u8>,
}

fn serve(shared: &Shared, socket: TcpStream) -> io::Result<()> {
    let connection = {
        let mut state = shared.state.lock().unwrap();
        state.connections += 1;
        state.connections - 1
    };
    let mut wire = open(socket, shared.tls.as_ref())?;
    wire.preface()?;
    wire.send(&wire::settings(&[]))?;
    let mut requests = BTreeMap::<u32, Request>::new();
    loop {
        let frame = wire.frame()?;
        let stream = frame.stream;
        match (frame.kind, frame.flags & wire::ACK) {
            (wire::SETTINGS, 0) => wire.send(&wire::frame(wire::SETTINGS, wire::ACK, 0, &[]))?,
            (wire::PING, 0) => {
                wire.send(&wire::frame(wire::PING, wire::ACK, 0, &frame.content))?;
            }
            (wire::GOAWAY, _) => return Ok(()),
            (wire::RST_STREAM, _) => drop(requests.remove(&stream)),
            (wire::HEADERS | wire::CONTINUATION, _) => {
                requests
                    .entry(stream)
                    .or_default()
                    .block
                    .extend(&frame.content);
            }
            (wire::DATA, _) if !frame.content.is_empty() => {
                let count = u32::try_from(frame.content.len()).unwrap();
                let updates = [0, stream].map(|stream| wire::window_update(stream, count));
                wire.send(&updates.concat())?;
                if let Some(request) = requests.get_mut(&stream) {
                    request.body.extend(&frame.content);
                }
            }
            _ => {}
        }
        if is_last(&frame)
            && let Some(request) = requests.remove(&stream)
            && answer(shared, &mut wire, connection, stream, &request)?
        {
            return Ok(());
        }
    }
}

fn is_last(frame: &Frame) -> bool {
    let has_end = matches!(frame.kind, wire::DATA | wire::HEADERS);
    has_end && frame.flags & wire::END_STREAM != 0
}

/// Answers a request. `true`: the connection has come to its end.
fn answer(
    shared: &Shared,
    wire: &mut Wire,
    connection: usize,
    stream: u32,
    request: &Request,
) -> io::Result<bool> {
    let invalid = || io::Error::other("the request is not understood");
    let headers = wire::fields(&request.block).ok_or_else(invalid)?;
    let path = headers.iter().find(|(name, _)| name == ":path");
    let (prefix, message) = request.body.split_at_checked(5).ok_or_else(invalid)?;
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    if prefix != [&[0], &length[..]].concat() {
        return Err(invalid());
    }
    let call = Call {
        connection,
        path: path.ok_or_else(invalid)?.1.clone(),
        headers,
        message: message.to_vec(),
    };
    let queued = {
        let mut state = shared.state.lock().unwrap();
        state.calls.push(call.clone());
        state.answers.pop_front()
    };
    shared.changed.notify_all();
    let answer = queued.or_else(|| (shared.handler)(&call));
    let answer = answer.unwrap_or_else(|| Answer::ok(""));
    if answer.is_cut {
        return Ok(true);
    }
    if answer.refuses {
        wire.send(&goaway(0))?;
        return Ok(true);
    }
    thread::sleep(answer.delay);
    let mut bytes = Vec::new();
    if answer.goes_away {
        bytes.extend(goaway(stream));
    }
    bytes.extend(answered(stream, &answer));
    wire.send(&bytes)?;
    if answer.goes_away {
        wire.wait();
    }
    Ok(answer.goes_away)
}

fn goaway(last: u32) -> Vec<u8> {
    let content = [last.to_be_bytes(), [0; 4]].concat();
    wire::frame(wire::GOAWAY, 0, 0, &content)
}

fn answered(stream: u32, answer: &Answer) -> Vec<u8> {
    let head = [(":status", "200"), ("content-type", "application/grpc")];
    let code = answer.code.to_string();
    let text = utf8_percent_encode(&answer.text, ESCAPED).to_string();
    let details = BASE64_STANDARD_NO_PAD.encode(&answer.details);
    let mut trailers = vec![("grpc-status", code.as_str())];
    let rest = [
        ("grpc-message", &text),
        ("grpc-status-details-bin", &details),
    ];
    let rest = rest.into_iter().filter(|(_, value)| !value.is_empty());
    trailers.extend(rest.map(|(name, value)| (name, value.as_str())));
    let last = wire::END_HEADERS | wire::END_STREAM;
    if answer.code != 0 {
        let fields = [&head[..], &trailers].concat();
        return wire::frame(wire::HEADERS, last, stream, &wire::block(&fields));
    }
    let head = wire::frame(
        wire::HEADERS,
        wire::END_HEADERS,
        stream,
        &wire::block(&head),
    );
    let length = u32::try_from(answer.message.len()).unwrap().to_be_bytes();
    let body = [&[0], &length[..], &answer.message].concat();
    let body = body
        .chunks(16_384)
        .map(|part| wire::frame(wire::DATA, 0, stream, part));
    let body = body.collect::<Vec<_>>().concat();
    let trailers = wire::frame(wire::HEADERS, last, stream, &wire::block(&trailers));
    [head, body, trailers].concat()
}
