//! Requests that another thread can cut short. A separate thread sends them. When a request is cut
//! short, that thread is abandoned. So a hanging request does not delay the agent's exit.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::{Answer, Exchange, Http, Kind, LinkError, Method, Request};
use crate::base::channel::{Receiver, Sender, channel};
use crate::base::clock::Deadline;
use crate::sys::crash;
use crate::sys::thread;

/// Bytes of stack of the thread that sends requests. A TLS handshake needs a tenth of it.
const STACK: usize = 512 << 10;
/// Interval at which a waiting request checks whether it must be cut short.
const LOOK: Duration = Duration::from_millis(100);
/// Time limit of a whole request, counted from its start, while the token is on.
const WHOLE: Duration = Duration::from_secs(3);
/// Shortest time that is left for a request after the token is turned on. If the previous request
/// had no answer, it is also the longest.
const REST: Duration = Duration::from_millis(600);

/// Cuts requests short while it is on.
#[derive(Clone, Default)]
pub(crate) struct CancelToken(Arc<State>);

#[derive(Default)]
struct State {
    is_on: AtomicBool,
    /// Whether a request has been cut short.
    has_cut: AtomicBool,
}

impl CancelToken {
    /// Turns the token on: shortens the current request and all that follow.
    pub(crate) fn cancel(&self) {
        self.0.is_on.store(true, Ordering::Relaxed);
    }

    /// Whether a request has been cut short.
    pub(crate) fn has_cut(&self) -> bool {
        self.0.has_cut.load(Ordering::Relaxed)
    }

    /// Turns the token off: requests have their full time again.
    pub(crate) fn clear(&self) {
        self.0.is_on.store(false, Ordering::Relaxed);
    }
}

/// An [`Http`] whose requests end early while a token is on.
pub(crate) struct Cancellable {
    http: Arc<Http>,
    token: CancelToken,
    /// The thread that sends requests. `None` before the first request, and after one was cut
    /// short.
    worker: Option<Worker>,
    /// Whether the last request had no answer.
    has_failed: bool,
}

struct Worker {
    requests: Sender<Owned>,
    answers: Receiver<Result<Answer, LinkError>>,
}

/// A [`Request`] that owns its data, for use by another thread.
struct Owned {
    method: Method,
    path: String,
    body: Option<String>,
    is_repeatable: bool,
}

impl Cancellable {
    /// Cuts the requests of `http` short while `token` is on.
    pub(crate) fn new(http: Http, token: CancelToken) -> Cancellable {
        Cancellable {
            http: Arc::new(http),
            token,
            worker: None,
            has_failed: false,
        }
    }

    /// Waits for the answer. `None` if the request is cut short.
    fn wait(&self, worker: &Worker) -> Option<Result<Answer, LinkError>> {
        let whole = Deadline::after(WHOLE);
        let mut by: Option<Deadline> = None;
        loop {
            if by.is_none() && self.token.0.is_on.load(Ordering::Relaxed) {
                let left = if self.has_failed {
                    REST
                } else {
                    whole.remaining().max(REST)
                };
                by = Some(Deadline::after(left));
            }
            let left = by.map_or(LOOK, Deadline::remaining);
            match worker.answers.recv_timeout(left) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Timeout) if by.is_none() => {}
                Err(_) => return None,
            }
        }
    }
}

impl Exchange for Cancellable {
    fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, LinkError> {
        let started = || Worker::start(Arc::clone(&self.http)).ok();
        let Some(worker) = self.worker.take().or_else(started) else {
            // If no thread can be started, the request is sent here and cannot be cut short.
            return self.http.say(request, None);
        };
        let owned = Owned {
            method: request.method,
            path: request.path.to_owned(),
            body: request.body.map(str::to_owned),
            is_repeatable: request.is_repeatable,
        };
        // Sending does not fail. The worker ends only when its channel closes, or by a panic, which
        // ends the process.
        drop(worker.requests.send(owned));
        let answer = self.wait(&worker);
        self.has_failed = !matches!(answer, Some(Ok(_)));
        match answer {
            Some(answer) => {
                self.worker = Some(worker);
                answer
            }
            None => {
                self.token.0.has_cut.store(true, Ordering::Relaxed);
                let doing = format!("wait for the answer of {}", self.http.peer);
                let why = io::Error::other("the agent is about to end");
                Err(LinkError::new(Kind::Timeout, doing, why))
            }
        }
    }
}

impl Worker {
    fn start(http: Arc<Http>) -> io::Result<Worker> {
        let (requests, inbox) = channel::<Owned>();
        let (outbox, answers) = channel();
        let run = move || {
            let _stack = crash::watch_stack();
            while let Ok(request) = inbox.recv() {
                let answer = http.say(
                    &Request {
                        method: request.method,
                        path: &request.path,
                        body: request.body.as_deref(),
                        is_repeatable: request.is_repeatable,
                    },
                    None,
                );
                if outbox.send(answer).is_err() {
                    break;
                }
            }
        };
        thread::start("request", STACK, run)?;
        Ok(Worker { requests, answers })
    }
}
