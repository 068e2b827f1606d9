//! The queue. It uses the types of `super::sync`, which `model.rs` replaces.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError};
use std::time::Duration;

use super::sync::{Arc, Condvar, Deadline, Mutex, MutexGuard};

/// Maximum wait; longer limits are reduced to it.
pub(super) const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Creates an unbounded queue. Senders must limit the number of queued messages.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            queue: VecDeque::new(),
            senders: 1,
            is_received: true,
            is_waiting: false,
        }),
        news: Condvar::new(),
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

/// The sending end; it can be cloned.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// The receiving end. Messages arrive in the order in which they were sent.
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    news: Condvar,
}

struct State<T> {
    queue: VecDeque<T>,
    senders: usize,
    is_received: bool,
    /// Whether the receiver must be woken.
    is_waiting: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code that holds the lock panics, so a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State<T>>) {
        if std::mem::take(&mut state.is_waiting) {
            drop(state);
            self.news.notify_one();
        }
    }
}

impl<T> State<T> {
    fn take(&mut self) -> Result<T, TryRecvError> {
        match self.queue.pop_front() {
            Some(message) => Ok(message),
            None if self.senders == 0 => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }
}

impl<T> Sender<T> {
    /// Sends a message; never waits. Returns the message in the error if the receiver was dropped.
    pub(crate) fn send(&self, message: T) -> Result<(), SendError<T>> {
        let mut state = self.0.lock();
        if !state.is_received {
            return Err(SendError(message));
        }
        state.queue.push_back(message);
        self.0.wake(state);
        Ok(())
    }
}

impl<T> Receiver<T> {
    /// Returns the next message. Fails if the queue is empty, or if it is also closed.
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.lock().take()
    }

    /// Waits for a message. Fails once the queue is empty and all senders were dropped.
    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        loop {
            match self.recv_timeout(LONGEST) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Disconnected) => return Err(RecvError),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Like [`Receiver::recv`], but waits at most `limit`.
    pub(crate) fn recv_timeout(&self, limit: Duration) -> Result<T, RecvTimeoutError> {
        let mut state = self.0.lock();
        let mut by = None;
        loop {
            match state.take() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => {}
            }
            let by = *by.get_or_insert_with(|| Deadline::after(limit.min(LONGEST)));
            let left = by.remaining();
            if left.is_zero() {
                return Err(RecvTimeoutError::Timeout);
            }
            state.is_waiting = true;
            (state, _) = self
                .0
                .news
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
            state.is_waiting = false;
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.0.lock().senders += 1;
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        if state.senders == 0 {
            self.0.wake(state);
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_received = false;
        let unread = std::mem::take(&mut state.queue);
        drop(state);
        // The lock is released first: a message may contain a sender of this channel.
        drop(unread);
    }
}
