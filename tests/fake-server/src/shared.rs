//! The shared state of the fake server's threads: one state, one lock, one condition.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::api;
use super::http::{Answer, Head, Request};
use super::model::Model;
use super::script::{Act, Fault, Script};
use super::server::Settings;
use super::tls::Certificates;

/// Largest number of requests kept for tests. The newest ones are kept.
const REQUESTS: usize = 10_000;
/// Largest number of connections at a time. One more is closed at once.
const CONNECTIONS: usize = 256;
/// Largest number of kept reasons of failed handshakes. The first ones are kept.
const HANDSHAKE_ERRORS: usize = 1000;

/// Whether the server can be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    Open,
    /// As after a crash: connections are closed, new ones refused.
    Refusing,
    /// As behind a broken network: new connections and requests on existing ones are not answered.
    Deaf,
}

/// How clients connected.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// TCP connections accepted.
    pub connections: usize,
    /// Full TLS handshakes.
    pub full_handshakes: usize,
    /// TLS handshakes that resumed an earlier session.
    pub resumptions: usize,
    /// TLS handshakes that failed on either side.
    pub failed_handshakes: usize,
    /// Connections that are being served.
    pub open: usize,
}

/// Everything that has been received.
#[derive(Default)]
pub struct Seen {
    pub counts: Counts,
    /// Why each failed handshake failed, as the server saw it.
    pub handshake_errors: Vec<String>,
    pub requests: VecDeque<Request>,
    pub model: Model,
    total: usize,
}

impl Seen {
    /// The requests with this method and path, oldest first.
    pub fn to<'a>(&'a self, method: &'a str, path: &'a str) -> impl Iterator<Item = &'a Request> {
        let requests = self.requests.iter();
        requests.filter(move |request| request.is(method, path))
    }

    /// One line a request, for the message of a failed test.
    pub fn summary(&self) -> String {
        let mut text = format!("{:?}", self.counts);
        for request in &self.requests {
            let Request { number, status, .. } = request;
            let Head { method, path, .. } = &request.head;
            let status = status.map_or("unanswered".to_owned(), |status| status.to_string());
            text.push_str(&format!("\n  #{number} {method} {path} -> {status}"));
        }
        for error in &self.handshake_errors {
            text.push_str(&format!("\n  handshake: {error}"));
        }
        text
    }
}

pub(super) struct State {
    pub(super) stopping: bool,
    /// The requested state of the door.
    pub(super) door: Door,
    /// The present state of the door.
    pub(super) door_is: Door,
    pub(super) script: Script,
    pub(super) seen: Seen,
    /// Connections being served, so that stopping can end them.
    open: BTreeMap<usize, TcpStream>,
}

pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) certificates: Option<Certificates>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(settings: Settings, certificates: Option<Certificates>) -> Shared {
        Shared {
            settings,
            certificates,
            state: Mutex::new(State {
                stopping: false,
                door: Door::Open,
                door_is: Door::Open,
                script: Script::default(),
                seen: Seen::default(),
                open: BTreeMap::new(),
            }),
            changed: Condvar::new(),
        }
    }

    /// The state.
    ///
    /// A test that panicked while it read has changed nothing, so a poisoned lock is used all the
    /// same.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes all waiting threads.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits until `look` finds something or `limit` has passed.
    pub(super) fn wait<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut(&State) -> Option<T>,
    ) -> Option<T> {
        let end = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&state) {
                return Some(found);
            }
            let left = end.checked_duration_since(Instant::now())?;
            let woken = self.changed.wait_timeout(state, left);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for `time`, or until the server stops. Returns whether it still runs.
    pub(super) fn pause(&self, time: Duration) -> bool {
        self.wait(time, |state| state.stopping.then_some(()))
            .is_none()
    }

    /// Waits until the server stops.
    pub(super) fn pause_for_good(&self) {
        while self.pause(Duration::from_secs(3600)) {}
    }

    /// Records a connection. Returns its number and its fault, if any. `None` if there are too many
    /// connections, or if the server stops.
    pub(super) fn admit(&self, socket: &TcpStream) -> Option<(usize, Option<Fault>)> {
        let copy = socket.try_clone().ok()?;
        self.change(|state| {
            if state.stopping || state.open.len() >= CONNECTIONS {
                return None;
            }
            state.seen.counts.connections += 1;
            let number = state.seen.counts.connections;
            state.open.insert(number, copy);
            state.seen.counts.open = state.open.len();
            Some((number, state.script.fault()))
        })
    }

    /// Removes a connection.
    pub(super) fn dismiss(&self, number: usize) {
        self.change(|state| {
            state.open.remove(&number);
            state.seen.counts.open = state.open.len();
        });
    }

    /// The script's fault for a request. [`Act::Hang`] behind a deaf door.
    pub(super) fn act(&self, head: &Head) -> Option<Act> {
        self.change(|state| match state.door {
            Door::Deaf => Some(Act::Hang),
            _ => state.script.act(head),
        })
    }

    /// Records a failed handshake.
    pub(super) fn note_failure(&self, reason: String) {
        self.change(|state| {
            state.seen.counts.failed_handshakes += 1;
            if state.seen.handshake_errors.len() < HANDSHAKE_ERRORS {
                state.seen.handshake_errors.push(reason);
            }
        });
    }

    /// Records a received request and returns it with its number.
    pub(super) fn note(&self, connection: usize, head: Head, body: Vec<u8>) -> Request {
        self.change(|state| {
            let seen = &mut state.seen;
            seen.total += 1;
            if seen.requests.len() == REQUESTS {
                seen.requests.pop_front();
            }
            let request = Request {
                number: seen.total,
                connection,
                at: Instant::now(),
                time: now(),
                head,
                body,
                status: None,
            };
            seen.requests.push_back(request.clone());
            request
        })
    }

    /// Applies a request to the model and returns the right answer.
    pub(super) fn take(&self, request: &Request) -> Answer {
        self.change(|state| {
            let key = self.settings.key.as_deref();
            api::answer(&mut state.seen.model, key, request)
        })
    }

    /// Records the answer that is about to be sent, and prints it.
    pub(super) fn answered(&self, request: &Request, answer: &Answer) {
        self.change(|state| {
            let mut requests = state.seen.requests.iter_mut().rev();
            let noted = requests.find(|noted| noted.number == request.number);
            if let Some(noted) = noted {
                noted.status = Some(answer.status);
            }
        });
        if let Some(recorder) = &self.settings.recorder
            && answer.status < 300
        {
            recorder.keep(&request.head.path, &request.body);
        }
        self.print(request, Some(answer));
    }

    /// Prints a request if there is a printer.
    pub(super) fn print(&self, request: &Request, answer: Option<&Answer>) {
        if let Some(printer) = &self.settings.printer {
            printer.show(request, answer, &self.lock().seen.model);
        }
    }

    /// Ends every connection that is being served.
    pub(super) fn cut_all(&self) {
        for socket in self.lock().open.values() {
            // A connection may have ended by itself.
            drop(socket.shutdown(Shutdown::Both));
        }
    }
}

/// Seconds since the epoch.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
