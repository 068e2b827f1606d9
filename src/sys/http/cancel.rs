//! Requests that another thread can cut short: they are made by a thread that is left behind where it
//! gets no answer, so that one that hangs does not keep the agent from ending.

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

/// Bytes of stack for the thread that makes requests: a TLS handshake needs a tenth of it.
const STACK: usize = 512 << 10;
/// Between two looks whether a request that is under way is to be cut short.
const LOOK: Duration = Duration::from_millis(100);
/// What a request gets in all once there is no time left.
const WHOLE: Duration = Duration::from_secs(3);
/// What it gets from then on: if it has had its time already, and if the one before had no answer.
const REST: Duration = Duration::from_millis(600);

/// Cuts requests short as long as it is on.
#[derive(Clone, Default)]
pub(crate) struct CancelToken(Arc<State>);

#[derive(Default)]
struct State {
    is_on: AtomicBool,
    /// Whether a request has been cut short.
    has_cut: AtomicBool,
}

impl CancelToken {
    /// From now on a request gets little time: the one that is under way and those that follow.
    pub(crate) fn cancel(&self) {
        self.0.is_on.store(true, Ordering::Relaxed);
    }

    /// Whether a request has been cut short.
    pub(crate) fn has_cut(&self) -> bool {
        self.0.has_cut.load(Ordering::Relaxed)
    }

    /// Requests get all their time again.
    pub(crate) fn clear(&self) {
        self.0.is_on.store(false, Ordering::Relaxed);
    }
}

/// An [`Http`] whose requests end early while a token is on.
pub(crate) struct Cancellable {
    http: Arc<Http>,
    token: CancelToken,
    /// The thread that makes requests, unless there is none yet or the last one was left behind.
    worker: Option<Worker>,
    /// Whether the last request had no answer.
    has_failed: bool,
}

struct Worker {
    requests: Sender<Owned>,
    answers: Receiver<Result<Answer, LinkError>>,
}

/// A request that belongs to another thread.
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

    /// Waits for the answer; `None` if it is cut short.
    fn wait(&self, worker: &Worker) -> Option<Result<Answer, LinkError>> {
        let whole = Deadline::after(WHOLE);
        let mut by: Option<Deadline> = None;
        loop {
            if by.is_none() && self.token.0.is_on.load(Ordering::Relaxed) {
                let left = match self.has_failed {
                    true => REST,
                    false => whole.remaining().max(REST),
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
            // Without a thread to spare it cannot be cut short.
            return self.http.say(request, None);
        };
        let owned = Owned {
            method: request.method,
            path: request.path.to_owned(),
            body: request.body.map(str::to_owned),
            is_repeatable: request.is_repeatable,
        };
        // It ends only if its requests end, or by a panic, which ends the process.
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
