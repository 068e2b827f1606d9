//! HTTP/1.1 by hand, over TCP or TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use fake_server::{FakeServer, KEY};

/// Time of silence after which the server counts as hanging.
const PATIENCE: Duration = Duration::from_millis(150);
/// Time limit for an expected answer.
const LIMIT: Duration = Duration::from_secs(20);

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// One connection.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    socket: TcpStream,
    ahead: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }
}

/// How an exchange ended.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum End {
    Status(u16),
    /// Nothing more came, and the connection stayed open.
    Silence,
    /// FIN, after this number of bytes. Over TLS with a close_notify before it.
    Closed(usize),
    /// FIN without a close_notify.
    Truncated,
    /// RST.
    Reset,
    /// Bytes that are not HTTP.
    NoHttp,
}

/// A TLS client that trusts the fake server's authority.
pub(crate) fn trusting(fake_server: &FakeServer) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(fake_server.ca().as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

impl Client {
    /// A client over plain HTTP or TLS, as the fake server needs it.
    pub(crate) fn of(fake_server: &FakeServer) -> Client {
        match fake_server.ca() {
            "" => Client::plain(fake_server).unwrap(),
            _ => Client::tls(fake_server, &trusting(fake_server)).unwrap(),
        }
    }

    pub(crate) fn plain(fake_server: &FakeServer) -> io::Result<Client> {
        let socket = TcpStream::connect_timeout(&fake_server.address(), LIMIT)?;
        socket.set_read_timeout(Some(LIMIT))?;
        Ok(Client {
            stream: Box::new(socket.try_clone()?),
            socket,
            ahead: Vec::new(),
        })
    }

    /// A TLS client. Performs the handshake at once.
    pub(crate) fn tls(fake_server: &FakeServer, config: &Arc<ClientConfig>) -> io::Result<Client> {
        let mut socket = TcpStream::connect_timeout(&fake_server.address(), LIMIT)?;
        socket.set_read_timeout(Some(LIMIT))?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut session = ClientConnection::new(config.clone(), name).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        let copy = socket.try_clone()?;
        Ok(Client {
            stream: Box::new(StreamOwned::new(session, socket)),
            socket: copy,
            ahead: Vec::new(),
        })
    }

    /// From now on, silence counts as a hanging server.
    pub(crate) fn lose_patience(&self) {
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends a request with the right key, as an agent does.
    pub(crate) fn request(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        self.request_with(method, path, &format!("X-Api-Key: {KEY}\r\n"), body)
    }

    /// Sends a request with these header lines, each with its line end.
    pub(crate) fn request_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> io::Result<()> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: stand-in\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        self.send(format!("{head}{body}").as_bytes())
    }

    /// Sends a request and returns its answer. Panics if none comes.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &str) -> Reply {
        self.request(method, path, body).unwrap();
        self.reply()
            .unwrap_or_else(|end| panic!("{method} {path}: {end:?}"))
    }

    /// Sends a request and returns how the exchange ends.
    pub(crate) fn end(&mut self, method: &str, path: &str, body: &str) -> End {
        if self.request(method, path, body).is_err() {
            return End::Reset;
        }
        match self.reply() {
            Ok(reply) => End::Status(reply.status),
            Err(end) => end,
        }
    }

    /// The next answer. Interim answers are skipped, chunks are joined.
    pub(crate) fn reply(&mut self) -> Result<Reply, End> {
        loop {
            let reply = self.one_reply()?;
            if reply.status != 100 {
                return Ok(reply);
            }
        }
    }

    fn one_reply(&mut self) -> Result<Reply, End> {
        let end = self.until(b"\r\n\r\n")?;
        let head = self.take(end + 4)?;
        let head = String::from_utf8(head).map_err(|_| End::NoHttp)?;
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok())
            .ok_or(End::NoHttp)?;
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        });
        let mut reply = Reply {
            status,
            headers: headers.collect(),
            body: Vec::new(),
        };
        if let Some(length) = reply.header("content-length") {
            let length = length.parse().unwrap();
            reply.body = self.take(length)?;
        } else if reply.header("transfer-encoding") == Some("chunked") {
            loop {
                let end = self.until(b"\r\n")?;
                let size = String::from_utf8(self.take(end + 2)?).unwrap();
                let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
                reply.body.extend(self.take(size)?);
                self.take(2)?;
                if size == 0 {
                    break;
                }
            }
        }
        Ok(reply)
    }

    /// Waits for the end of a connection on which no answer is due.
    pub(crate) fn rest(&mut self) -> End {
        loop {
            if let Err(end) = self.more() {
                return end;
            }
        }
    }

    fn until(&mut self, mark: &[u8]) -> Result<usize, End> {
        loop {
            let mut windows = self.ahead.windows(mark.len());
            if let Some(at) = windows.position(|window| window == mark) {
                return Ok(at);
            }
            if !b"HTTP/1.1".starts_with(&self.ahead[..self.ahead.len().min(8)]) && mark.len() == 4 {
                return Err(End::NoHttp);
            }
            self.more()?;
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, End> {
        while self.ahead.len() < length {
            self.more()?;
        }
        let rest = self.ahead.split_off(length);
        Ok(std::mem::replace(&mut self.ahead, rest))
    }

    fn more(&mut self) -> Result<(), End> {
        let mut chunk = [0; 64 << 10];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(End::Closed(self.ahead.len())),
            Ok(some) => {
                self.ahead.extend_from_slice(&chunk[..some]);
                Ok(())
            }
            Err(error) => Err(match error.kind() {
                io::ErrorKind::WouldBlock => End::Silence,
                io::ErrorKind::UnexpectedEof => End::Truncated,
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => End::Reset,
                _ => panic!("{error}"),
            }),
        }
    }
}
