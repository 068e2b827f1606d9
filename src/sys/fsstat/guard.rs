//! The thread that calls statvfs(3).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::TryRecvError;

use super::{Answers, Ask, Point, Wait};
use crate::base::channel::{Receiver, Sender, channel};
use crate::sys::thread;

/// Bytes of the thread's stack. Only pages that are used take memory.
const STACK: usize = 64 << 10;

/// The thread and its progress. Once this is dropped, the thread ends after its current call.
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

    /// The answers of the points whose indices are `asked`, in that order; `None` if `wait` gives
    /// up.
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

    /// Abandons the thread. Returns the position in `asked` of the path that it is asking, and a
    /// channel that closes when the thread ends.
    pub(super) fn leave(self) -> (usize, Receiver<Answers>) {
        (self.at.load(Ordering::Relaxed), self.answers)
    }
}

/// The thread's loop; returns when the guard is dropped.
fn serve(inbox: &Receiver<Request>, outbox: &Sender<Answers>, progress: &AtomicUsize, ask: &Ask) {
    while let Ok((points, asked)) = inbox.recv() {
        let mut answers = Vec::with_capacity(asked.len());
        let asked = asked.iter().filter_map(|at| points.get(*at));
        for (at, point) in asked.enumerate() {
            progress.store(at, Ordering::Relaxed);
            let answer = ask(point);
            // The guard has been dropped: another thread asks the rest.
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
