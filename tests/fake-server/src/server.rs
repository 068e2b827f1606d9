//! Starting, watching and stopping the fake server.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, socket_with};

use super::connection;
use super::print::Printer;
use super::record::Recorder;
use super::script::Rule;
use super::shared::{Door, Seen, Shared};
use super::tls::{Certificates, KeyKind};

/// The key that is accepted unless a test sets another.
pub const KEY: &str = "stand-in-key-of-the-tests";

/// How long a change of the door may take.
const DOOR_LIMIT: Duration = Duration::from_secs(5);
/// Connections that wait to be accepted while the door is open.
const BACKLOG: i32 = 128;
/// Pause after an attempt to open the door that failed.
const TURN_AGAIN: Duration = Duration::from_millis(5);

/// The settings of the server. [`Settings::default`] is plain HTTP on a free port of 127.0.0.1.
pub struct Settings {
    pub listen: SocketAddr,
    pub tls: bool,
    /// Whether the certificate is its own authority, as `openssl req -x509` makes it.
    pub self_signed: bool,
    /// The TLS versions spoken.
    pub versions: &'static [&'static rustls::SupportedProtocolVersion],
    /// The kind of all keys, the authority's and the server's.
    pub keys: KeyKind,
    /// The only group for key exchange; all that ring has if `None`.
    pub group: Option<rustls::NamedGroup>,
    /// Whether TLS sessions may be resumed.
    pub resume: bool,
    /// The accepted key. With `None`, any key is accepted.
    pub key: Option<String>,
    /// A connection without a request for this time is closed.
    pub idle: Duration,
    /// A connection is closed after this number of requests.
    pub requests_per_connection: usize,
    /// Whether the last answer on a connection has the header `Connection: close`.
    pub announce_close: bool,
    /// Shows what arrives.
    pub printer: Option<Printer>,
    /// Keeps what is accepted.
    pub recorder: Option<Recorder>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: false,
            self_signed: false,
            versions: rustls::ALL_VERSIONS,
            keys: KeyKind::P256,
            group: None,
            resume: true,
            key: Some(KEY.to_owned()),
            idle: Duration::from_secs(120),
            requests_per_connection: usize::MAX,
            announce_close: false,
            printer: None,
            recorder: None,
        }
    }
}

/// A running server. Dropping it ends every connection and every thread.
pub struct FakeServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Arc<Listener>,
    thread: Option<JoinHandle<()>>,
}

impl FakeServer {
    /// Plain HTTP.
    pub fn http() -> FakeServer {
        FakeServer::start(Settings::default()).unwrap()
    }

    /// HTTPS, with a certificate by its own authority: [`FakeServer::ca`].
    pub fn https() -> FakeServer {
        let tls = true;
        FakeServer::start(Settings {
            tls,
            ..Settings::default()
        })
        .unwrap()
    }

    /// Starts a server. Fails if the address cannot be bound.
    pub fn start(settings: Settings) -> io::Result<FakeServer> {
        let listener = TcpListener::bind(settings.listen)?;
        let address = listener.local_addr()?;
        let certificates = settings.tls.then(|| Certificates::make(&settings));
        let shared = Arc::new(Shared::new(settings, certificates));
        let slot = Arc::new(Listener(Mutex::new(Some(Arc::new(listener)))));
        let thread = {
            let (shared, slot) = (shared.clone(), slot.clone());
            thread::spawn(move || accept(&shared, &slot, address))
        };
        Ok(FakeServer {
            address,
            shared,
            listener: slot,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without a trailing slash.
    pub fn base(&self) -> String {
        let scheme = if self.shared.settings.tls {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// The certificate of its authority as PEM; empty without TLS.
    pub fn ca(&self) -> &str {
        let certificates = self.shared.certificates.as_ref();
        certificates.map_or("", |certificates| certificates.ca.as_str())
    }

    /// Adds a rule given as text: [`Rule::parse`]. Panics if it is invalid.
    pub fn script(&self, text: &str) {
        self.rule(Rule::parse(text).unwrap());
    }

    /// Adds a rule. Of several rules that apply, the one added first is used.
    pub fn rule(&self, rule: Rule) {
        self.shared.change(|state| state.script.add(rule));
    }

    /// Removes all rules. Requests that hang go on hanging.
    pub fn clear_script(&self) {
        self.shared.change(|state| state.script.clear());
    }

    /// Changes whether the server can be reached. Returns after the change.
    pub fn door(&self, door: Door) {
        // Read first: the accepting thread may have the next one ready before it is woken.
        let listener = self.listener.get();
        self.shared.change(|state| state.door = door);
        wake(listener);
        let so = |is| {
            self.shared
                .wait(DOOR_LIMIT, |state| (state.door_is == is).then_some(()))
        };
        so(door).expect("the door moves");
        if door == Door::Refusing {
            self.shared.cut_all();
        }
    }

    /// Reads or changes what has been received so far.
    pub fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        self.shared.change(|state| look(&mut state.seen))
    }

    /// Waits until `look` finds something. Panics after `limit`, with a list of what was received.
    #[track_caller]
    pub fn wait<T>(
        &self,
        limit: Duration,
        wanted: &str,
        mut look: impl FnMut(&Seen) -> Option<T>,
    ) -> T {
        match self.shared.wait(limit, |state| look(&state.seen)) {
            Some(found) => found,
            None => panic!(
                "no {wanted} within {limit:?}; seen: {}",
                self.seen(|seen| seen.summary())
            ),
        }
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.shared.change(|state| state.stopping = true);
        wake(self.listener.get());
        self.shared.cut_all();
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed. A second one here would hide it.
            drop(thread.join());
        }
    }
}

/// The listening socket, if there is one. Other threads than the accepting one can wake it.
struct Listener(Mutex<Option<Arc<TcpListener>>>);

impl Listener {
    fn get(&self) -> Option<Arc<TcpListener>> {
        self.0.lock().unwrap().clone()
    }

    fn set(&self, listener: Option<TcpListener>) {
        *self.0.lock().unwrap() = listener.map(Arc::new);
    }
}

/// Ends `accept`, now and in future.
fn wake(listener: Option<Arc<TcpListener>>) {
    if let Some(listener) = listener {
        // It fails only if the socket no longer listens. Then no thread is in `accept`.
        let _ = rustix::net::shutdown(&*listener, Shutdown::Both);
    }
}

/// The accepting thread. Each connection has a thread of its own; all are joined at the end.
fn accept(shared: &Arc<Shared>, slot: &Listener, address: SocketAddr) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    let mut filler = None;
    let mut held = None;
    loop {
        let (stopping, door, door_is) = {
            let state = shared.lock();
            (state.stopping, state.door, state.door_is)
        };
        if stopping {
            break;
        }
        if door != door_is {
            match turn(slot, address, &mut held, door) {
                Ok(new) => {
                    filler = new;
                    shared.change(|state| state.door_is = door);
                }
                // The thread that woke this one may still hold the old socket for an instant.
                Err(_) => drop(shared.pause(TURN_AGAIN)),
            }
            continue;
        }
        let Some(listener) = slot.get().filter(|_| filler.is_none()) else {
            shared.wait(DOOR_LIMIT, |state| {
                (state.stopping || state.door != door).then_some(())
            });
            continue;
        };
        threads.retain(|thread| !thread.is_finished());
        if let Ok((socket, _)) = listener.accept()
            && let Some((number, fault)) = shared.admit(&socket)
        {
            let shared = shared.clone();
            threads.push(thread::spawn(move || {
                connection::serve(&shared, socket, number, fault);
                shared.dismiss(number);
            }));
        }
    }
    for thread in threads {
        // Its panic, if any, has been printed.
        drop(thread.join());
    }
}

/// Closes the listening socket and opens the one that the door needs. Returns the connection that
/// keeps a deaf door shut. `held` has the port while connections are refused.
fn turn(
    slot: &Listener,
    address: SocketAddr,
    held: &mut Option<OwnedFd>,
    door: Door,
) -> io::Result<Option<TcpStream>> {
    slot.set(None);
    let socket = match held.take() {
        Some(socket) => socket,
        None => hold(address)?,
    };
    let backlog = match door {
        Door::Open => BACKLOG,
        Door::Refusing => {
            *held = Some(socket);
            return Ok(None);
        }
        // With no backlog and one connection waiting, the kernel ignores further attempts.
        Door::Deaf => 0,
    };
    rustix::net::listen(&socket, backlog)?;
    slot.set(Some(TcpListener::from(socket)));
    match door {
        Door::Deaf => TcpStream::connect_timeout(&address, DOOR_LIMIT).map(Some),
        _ => Ok(None),
    }
}

/// A socket that has the address and does not listen: connections are refused, and no other server
/// gets the port meanwhile.
fn hold(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Connections of the former listener may still have the port.
    set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}
