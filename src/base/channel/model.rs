//! Tests of the queue with loom's types: each case runs in all orders in which its threads can be
//! scheduled. A deadlock, a lost message or a message that is never dropped fails the case.

use std::sync::mpsc::{RecvError, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use self::queue::{Sender, channel};

#[allow(
    clippy::duplicate_mod,
    dead_code,
    unreachable_pub,
    reason = "the same code with other types"
)]
#[path = "queue.rs"]
mod queue;

/// Runs `case` in every schedule with at most three preemptions.
fn model(case: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(case);
}

/// A limit that expires when [`sync::pass`] is called. Before that, only a message ends the wait.
const SHORT: Duration = Duration::from_secs(1);

mod sync {
    use std::ops::{Deref, DerefMut};
    use std::sync::{LockResult, PoisonError};
    use std::time::Duration;

    pub(super) use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool;
    use loom::sync::atomic::Ordering::SeqCst;

    use super::queue::LONGEST;

    loom::lazy_static! {
        static ref PASSED: AtomicBool = AtomicBool::new(false);
    }

    /// Makes every limit of [`super::SHORT`] expire.
    pub(super) fn pass() {
        PASSED.store(true, SeqCst);
    }

    fn has_passed(limit: Duration) -> bool {
        limit < LONGEST && PASSED.load(SeqCst)
    }

    #[derive(Clone, Copy)]
    pub(super) struct Deadline(Duration);

    impl Deadline {
        pub(super) fn after(limit: Duration) -> Deadline {
            Deadline(limit)
        }

        pub(super) fn remaining(self) -> Duration {
            if has_passed(self.0) {
                Duration::ZERO
            } else {
                self.0
            }
        }
    }

    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    /// A guard with a reference to its mutex, which a wait that times out must release and lock
    /// again.
    pub(super) struct MutexGuard<'a, T>(&'a Mutex<T>, loom::sync::MutexGuard<'a, T>);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Mutex<T> {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(super) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(MutexGuard(self, guard))
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.1
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.1
        }
    }

    /// Adds timeouts to loom's condition variable, whose waits never time out.
    pub(super) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(super) fn new() -> Condvar {
            Condvar(loom::sync::Condvar::new())
        }

        pub(super) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(super) fn wait_timeout<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            left: Duration,
        ) -> LockResult<(MutexGuard<'a, T>, ())> {
            let MutexGuard(mutex, guard) = guard;
            if has_passed(left) {
                drop(guard);
                return mutex
                    .lock()
                    .map(|guard| (guard, ()))
                    .map_err(|_| unreachable!());
            }
            let guard = self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
            Ok((MutexGuard(mutex, guard), ()))
        }
    }
}

#[test]
fn model_messages_of_one_sender_arrive_in_order() {
    model(|| {
        let (sender, receiver) = channel();
        // Keeps a second sender: dropping the thread's sender wakes no receiver.
        let kept = sender.clone();
        let thread = thread::spawn(move || {
            for number in 1..=2 {
                sender.send(number).unwrap();
            }
        });
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(receiver.recv(), Ok(2));
        drop(kept);
        assert_eq!(receiver.recv(), Err(RecvError));
        thread.join().unwrap();
    });
}

#[test]
fn model_messages_of_two_senders_all_arrive() {
    model(|| {
        let (sender, receiver) = channel();
        for number in [1, 2] {
            let sender = sender.clone();
            thread::spawn(move || sender.send(number).unwrap());
        }
        drop(sender);
        let sum: Result<i32, _> = (0..2).map(|_| receiver.recv()).sum();
        assert_eq!(sum, Ok(3));
        assert_eq!(receiver.recv(), Err(RecvError));
    });
}

#[test]
fn model_last_sender_ends_the_wait() {
    model(|| {
        let (sender, receiver) = channel::<()>();
        let other = sender.clone();
        thread::spawn(move || drop(other.clone()));
        thread::spawn(move || drop(sender));
        assert_eq!(receiver.recv(), Err(RecvError));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn model_limited_wait_loses_no_message() {
    model(|| {
        let (sender, receiver) = channel();
        let clock = thread::spawn(sync::pass);
        thread::spawn(move || sender.send(1).unwrap());
        let mut found = receiver.recv_timeout(SHORT);
        if found == Err(RecvTimeoutError::Timeout) {
            found = receiver.recv().map_err(|_| RecvTimeoutError::Disconnected);
        }
        assert_eq!(found, Ok(1));
        let closed = receiver.recv_timeout(SHORT);
        assert!(matches!(
            closed,
            Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout)
        ));
        clock.join().unwrap();
    });
}

#[test]
fn model_try_recv_beside_a_sender_finds_a_message_once() {
    model(|| {
        let (sender, receiver) = channel();
        thread::spawn(move || sender.send(1).unwrap());
        let first = receiver.try_recv();
        let second = receiver.recv();
        match first {
            Ok(number) => assert_eq!((number, second), (1, Err(RecvError))),
            Err(error) => assert_eq!((error, second), (TryRecvError::Empty, Ok(1))),
        }
    });
}

#[test]
fn model_without_a_receiver_messages_come_back_or_are_dropped() {
    #[expect(dead_code, reason = "both are there to be dropped")]
    struct Message(Arc<()>, Sender<Message>);
    model(|| {
        let (sender, receiver) = channel();
        let held = Arc::new(());
        let message = Message(Arc::clone(&held), sender.clone());
        let thread = thread::spawn(move || sender.send(message).is_ok());
        drop(receiver);
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&held), 1);
    });
}
