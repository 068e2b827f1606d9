//! A connection below its requests: faults of the whole connection, TLS, and its end.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

use super::script::Fault;
use super::shared::Shared;

/// How long a client may be silent during a handshake.
const HANDSHAKE: Duration = Duration::from_secs(60);
/// The greeting of a server with another protocol.
pub(super) const GARBAGE: &[u8] = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";

/// Performs the fault, if any, or prepares the connection for requests.
pub(super) fn open(
    shared: &Shared,
    mut socket: TcpStream,
    fault: Option<Fault>,
) -> io::Result<Option<Link>> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(HANDSHAKE))?;
    let flaw = match fault {
        None => None,
        Some(Fault::Certificate(flaw)) => Some(flaw),
        Some(Fault::Silence) => {
            shared.pause_for_good();
            return Ok(None);
        }
        Some(Fault::Stall(after)) => {
            if let Some(certificates) = &shared.certificates {
                stall(&mut socket, certificates.config(None), after)?;
            }
            discard(&mut socket);
            return Ok(None);
        }
        Some(Fault::Reset) => {
            reset(&socket)?;
            return Ok(None);
        }
        Some(Fault::Close) => {
            finish(&mut socket)?;
            return Ok(None);
        }
        Some(Fault::Garbage) => {
            socket.write_all(GARBAGE)?;
            finish(&mut socket)?;
            return Ok(None);
        }
    };
    let idle = Some(shared.settings.idle);
    let Some(certificates) = &shared.certificates else {
        socket.set_read_timeout(idle)?;
        return Ok(Some(Link::Plain(socket)));
    };
    match shake_hands(&mut socket, certificates.config(flaw)) {
        Ok((session, resumed)) => {
            shared.change(|state| {
                if resumed {
                    state.seen.counts.resumptions += 1;
                } else {
                    state.seen.counts.full_handshakes += 1;
                }
            });
            socket.set_read_timeout(idle)?;
            let stream = StreamOwned::new(session, socket);
            Ok(Some(Link::Tls(Box::new(stream))))
        }
        Err(error) => {
            shared.note_failure(error.to_string());
            Err(error)
        }
    }
}

/// Performs a handshake. Returns the session, and whether it was resumed.
fn shake_hands(
    socket: &mut TcpStream,
    config: Arc<ServerConfig>,
) -> io::Result<(ServerConnection, bool)> {
    let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(socket)?;
    }
    let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    Ok((session, resumed))
}

/// Reads the client's hello and sends the first `after` bytes of the answer.
fn stall(socket: &mut TcpStream, config: Arc<ServerConfig>, after: usize) -> io::Result<()> {
    let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
    while !session.wants_write() {
        if session.read_tls(socket)? == 0 {
            return Ok(());
        }
        session.process_new_packets().map_err(io::Error::other)?;
    }
    let mut flight = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut flight)?;
    }
    socket.write_all(flight.get(..after).unwrap_or(&flight))
}

/// Reads until the client or the stopping server ends the connection.
pub(super) fn discard(from: &mut impl Read) {
    let mut chunk = [0; 4096];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {}
                _ => return,
            },
        }
    }
}

/// Makes the kernel send RST when the connection is closed.
pub(super) fn reset(socket: &TcpStream) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_linger(
        socket,
        Some(Duration::ZERO),
    )?)
}

/// Ends the connection by FIN.
///
/// Closing it with unread bytes would send RST instead, and might discard sent data.
pub(super) fn finish(socket: &mut TcpStream) -> io::Result<()> {
    socket.shutdown(Shutdown::Write)?;
    discard(socket);
    Ok(())
}

/// A connection on which requests can be read.
pub(super) enum Link {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Link {
    /// The socket below.
    pub(super) fn socket(&mut self) -> &mut TcpStream {
        match self {
            Link::Plain(socket) => socket,
            Link::Tls(stream) => &mut stream.sock,
        }
    }

    /// Sends all of it.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Link::Plain(socket) => socket.write_all(bytes),
            Link::Tls(stream) => {
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }

    /// Sends close_notify over TLS. Plain TCP has no such message.
    pub(super) fn say_goodbye(&mut self) -> io::Result<()> {
        if let Link::Tls(stream) = self {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        Ok(())
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Link::Plain(socket) => socket.read(buffer),
            Link::Tls(stream) => stream.read(buffer),
        }
    }
}
