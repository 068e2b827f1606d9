//! Messages from thread to thread: `std::sync::mpsc` in small. std's has three kinds of queue, and all of them
//! in the program once more for each type of message.

use std::collections::VecDeque;
use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock::Deadline;

/// The longest wait: longer ones end after it.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A queue without bounds: whoever sends sees to it that not too much is on its way.
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

/// Where messages go in; there may be several.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// Where messages come out, in the order in which they went in.
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    news: Condvar,
}

struct State<T> {
    queue: VecDeque<T>,
    senders: usize,
    is_received: bool,
    /// Whether the receiver has to be woken.
    is_waiting: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics half-way.
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
    /// Never waits. Fails, and gives the message back, if the receiver has gone.
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
    /// What has come. Fails if nothing has, or nothing ever will.
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.lock().take()
    }

    /// Waits for a message. Fails once there is none and all senders have gone.
    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        loop {
            match self.recv_timeout(LONGEST) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Disconnected) => return Err(RecvError),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// As [`Receiver::recv`], for `limit` at most.
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
        // Without the lock: a message may hold a sender of this channel.
        drop(unread);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn messages_come_in_order_and_from_all() {
        let (tell, told) = channel();
        let other = tell.clone();
        tell.send(1).unwrap();
        other.send(2).unwrap();
        assert_eq!(told.try_recv(), Ok(1));
        assert_eq!(told.recv(), Ok(2));
        assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
        tell.send(3).unwrap();
        drop(tell);
        assert_eq!(told.recv_timeout(Duration::ZERO), Ok(3));
        let nothing = told.recv_timeout(Duration::ZERO);
        assert_eq!(nothing, Err(RecvTimeoutError::Timeout));
        drop(other);
        assert_eq!(told.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(told.recv(), Err(RecvError));
        let nothing = told.recv_timeout(LONG);
        assert_eq!(nothing, Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_waiting_receiver_is_woken_by_messages_and_by_the_last_sender() {
        let (tell, told) = channel();
        let (answer, answers) = channel();
        let thread = thread::spawn(move || {
            while let Ok(number) = told.recv() {
                answer.send(number * 2).unwrap();
            }
        });
        for number in 0..1_000 {
            tell.send(number).unwrap();
            assert_eq!(answers.recv_timeout(LONG), Ok(number * 2));
        }
        drop(tell);
        assert_eq!(
            answers.recv_timeout(LONG),
            Err(RecvTimeoutError::Disconnected)
        );
        thread.join().unwrap();
    }

    #[test]
    fn many_senders_lose_nothing() {
        let (tell, told) = channel();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let tell = tell.clone();
                thread::spawn(move || (0..1_000).for_each(|number| tell.send(number).unwrap()))
            })
            .collect();
        drop(tell);
        let sum: i32 = std::iter::from_fn(|| told.recv().ok()).sum();
        assert_eq!(sum, 4 * 499_500);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn without_a_receiver_messages_come_back_and_what_waits_is_dropped() {
        struct Message(
            Arc<()>,
            #[expect(dead_code, reason = "it is there to be dropped")] Option<Sender<Message>>,
        );
        let (tell, told) = channel();
        let held = Arc::new(());
        let message = |tell| Message(Arc::clone(&held), tell);
        tell.send(message(Some(tell.clone()))).ok().unwrap();
        drop(told);
        assert_eq!(Arc::strong_count(&held), 1);
        let back = tell.send(message(None)).unwrap_err();
        assert!(Arc::ptr_eq(&back.0.0, &held));
    }

    #[test]
    fn a_limit_of_any_length_is_one() {
        let (tell, told) = channel();
        tell.send(()).unwrap();
        assert_eq!(told.recv_timeout(Duration::MAX), Ok(()));
        drop(tell);
        assert!(told.recv_timeout(Duration::MAX).is_err());
    }
}
