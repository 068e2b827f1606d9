//! Requests that another thread can cut short. A separate thread sends them. When a request is cut
//! short, that thread is abandoned. So a hanging request does not delay the agent's exit.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Answer, Exchange, Http, Kind, LinkError, Request};
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

/// Runs requests in a thread, which is left behind with one that is cut short.
pub(super) struct Runner {
    token: CancelToken,
    /// The thread that sends requests. `None` before the first request, and after one was cut
    /// short.
    worker: Option<Worker>,
    /// Whether the last request had no answer.
    has_failed: bool,
}

/// Makes a request and puts the answer where it is looked for.
type Job = Box<dyn FnOnce() + Send>;

struct Worker {
    jobs: Sender<Job>,
    done: Receiver<()>,
}

impl Runner {
    pub(super) fn new(token: CancelToken) -> Runner {
        Runner {
            token,
            worker: None,
            has_failed: false,
        }
    }

    /// Waits for the answer to `request`; `None` if it is cut short.
    pub(super) fn run<T: Send + 'static, E: Send + 'static>(
        &mut self,
        request: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Option<Result<T, E>> {
        let place = Arc::new(Mutex::new(None));
        let there = Arc::clone(&place);
        let job = move || {
            let answer = request();
            *there.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        };
        let is_done = self.finish(Box::new(job));
        let answer = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let answer = answer.filter(|_| is_done);
        self.has_failed = !matches!(answer, Some(Ok(_)));
        answer
    }

    /// Runs `job`. False if it is cut short.
    fn finish(&mut self, job: Job) -> bool {
        let Some(worker) = self.worker.take().or_else(|| Worker::start().ok()) else {
            // Without a thread to spare it cannot be cut short.
            job();
            return true;
        };
        // It ends only if its jobs end, or by a panic, which ends the process.
        drop(worker.jobs.send(job));
        let is_done = self.wait(&worker);
        if is_done {
            self.worker = Some(worker);
        } else {
            self.token.0.has_cut.store(true, Ordering::Relaxed);
        }
        is_done
    }

    /// Waits for the end of a job. False if it is cut short.
    fn wait(&self, worker: &Worker) -> bool {
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
            match worker.done.recv_timeout(left) {
                Ok(()) => return true,
                Err(RecvTimeoutError::Timeout) if by.is_none() => {}
                Err(_) => return false,
            }
        }
    }
}

impl Worker {
    fn start() -> io::Result<Worker> {
        let (jobs, inbox) = channel::<Job>();
        let (outbox, done) = channel();
        let run = move || {
            let _stack = crash::watch_stack();
            while let Ok(job) = inbox.recv() {
                job();
                if outbox.send(()).is_err() {
                    break;
                }
            }
        };
        thread::start("request", STACK, run)?;
        Ok(Worker { jobs, done })
    }
}

/// An [`Http`] whose requests end early while a token is on.
pub(crate) struct Cancellable {
    http: Arc<Http>,
    runner: Runner,
}

impl Cancellable {
    /// Cuts the requests of `http` short while `token` is on.
    pub(crate) fn new(http: Http, token: CancelToken) -> Cancellable {
        Cancellable {
            http: Arc::new(http),
            runner: Runner::new(token),
        }
    }
}

impl Cancellable {
    /// Sends `request` and waits for the answer, at most for `limit`. The body of the answer is that
    /// of the server, byte by byte.
    ///
    /// Fails only if there is no answer or only a part of one.
    pub(crate) fn exchange_within(
        &mut self,
        request: &Request<'_>,
        limit: Duration,
    ) -> Result<Answer<Vec<u8>>, LinkError> {
        let http = Arc::clone(&self.http);
        let Request {
            method,
            content_type,
            is_repeatable,
            ..
        } = *request;
        let path = request.path.to_owned();
        let body = request.body.map(<[u8]>::to_vec);
        let by = Deadline::after(limit);
        let say = move || {
            let request = Request {
                method,
                path: &path,
                body: body.as_deref(),
                content_type,
                is_repeatable,
            };
            http.say(&request, None, by)
        };
        self.runner.run(say).unwrap_or_else(|| {
            let doing = format!("wait for the answer of {}", self.http.peer);
            let why = io::Error::other("the agent is about to end");
            Err(LinkError::new(Kind::Timeout, doing, why))
        })
    }
}

impl Exchange for Cancellable {
    fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, LinkError> {
        let answer = self.exchange_within(request, self.http.limit);
        answer.map(Answer::into_text)
    }
}
