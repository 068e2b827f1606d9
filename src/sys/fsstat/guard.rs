//! The thread that asks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::TryRecvError;

use super::{Answers, Ask, Point, Wait};
use crate::base::channel::{Receiver, Sender, channel};
use crate::sys::thread;

/// Bytes. Only what is used of them takes memory.
const STACK: usize = 64 << 10;

/// A thread that asks, and how far it has come in the paths that it was given. It ends once this
/// is dropped, as soon as it can.
pub(super) struct Guard {
    requests: Sender<Request>,
    answers: Receiver<Answers>,
    at: Arc<AtomicUsize>,
}

/// Mount points, and which of them to ask.
type Request = (Arc<[Point]>, Vec<usize>);

impl Guard {
    pub(super) fn start(ask: Arc<Ask>) -> io::Result<Guard> {
        let (requests, inbox) = channel();
        let (outbox, answers) = channel();
        let at = Arc::new(AtomicUsize::new(0));
        let progress = Arc::clone(&at);
        let body = move || serve(&inbox, &outbox, &progress, &*ask);
        thread::start("fsstat", STACK, body)?;
        Ok(Guard {
            requests,
            answers,
            at,
        })
    }

    /// The answers of those of `points` that are `asked`; `None` if they take longer than `wait`
    /// waits.
    pub(super) fn answers(
        &self,
        points: &Arc<[Point]>,
        asked: &[usize],
        wait: &Wait,
    ) -> Option<Answers> {
        self.at.store(0, Ordering::Relaxed);
        let request = (Arc::clone(points), asked.to_vec());
        self.requests.send(request).ok()?;
        wait(&self.answers, &self.at)
    }

    /// Gives the thread up: which path it has come to, and what closes when it has returned.
    pub(super) fn leave(self) -> (usize, Receiver<Answers>) {
        (self.at.load(Ordering::Relaxed), self.answers)
    }
}

/// The thread's life.
fn serve(inbox: &Receiver<Request>, outbox: &Sender<Answers>, progress: &AtomicUsize, ask: &Ask) {
    while let Ok((points, asked)) = inbox.recv() {
        let mut answers = Vec::with_capacity(asked.len());
        let asked = asked.iter().filter_map(|at| points.get(*at));
        for (at, point) in asked.enumerate() {
            progress.store(at, Ordering::Relaxed);
            let answer = ask(point);
            // Given up meanwhile? Another thread asks for the rest.
            if matches!(inbox.try_recv(), Err(TryRecvError::Disconnected)) {
                return;
            }
            answers.push(answer);
        }
        progress.store(answers.len(), Ordering::Relaxed);
        if outbox.send(answers).is_err() {
            return;
        }
    }
}
