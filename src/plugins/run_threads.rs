//! The threads in which plugins run, one for each run. When a run ends, its thread waits for the
//! next one, unless another thread waits already: most runs need no new thread, which costs 15
//! system calls.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::base::channel::{Sender, channel};
use crate::sys::{crash, thread};

/// Bytes of stack for a plugin's thread. Running a command takes 24 KiB, a nested document 80 KiB,
/// a pattern of the configuration the rest. Code that is not optimised takes a multiple of it.
pub(crate) const STACK: usize = if cfg!(debug_assertions) {
    1 << 20
} else {
    256 << 10
};

/// What a thread does: one run of a plugin.
type Run = Box<dyn FnOnce() + Send>;

/// Wakes the thread that waits. `None` if no thread waits.
type Waiting = Mutex<Option<Sender<Run>>>;

/// Starts runs. When this is dropped, the thread that waits ends.
#[derive(Default)]
pub(super) struct RunThreads(Arc<Waiting>);

impl RunThreads {
    /// Calls `run` in another thread, without waiting for anything.
    ///
    /// Fails if the kernel cannot create another thread.
    pub(super) fn start(&self, run: Run) -> io::Result<()> {
        let run = match lock(&self.0).take() {
            None => run,
            Some(thread) => match thread.send(run) {
                Ok(()) => return Ok(()),
                Err(unsent) => unsent.0,
            },
        };
        let waiting = Arc::downgrade(&self.0);
        thread::start("plugin", STACK, move || serve(&waiting, run))
    }
}

/// Calls `run`, and those that arrive later. Returns if another thread waits already.
fn serve(waiting: &Weak<Waiting>, mut run: Run) {
    let _stack = crash::watch_stack();
    loop {
        run();
        let (sender, inbox) = channel();
        match waiting.upgrade().as_deref().map(lock) {
            Some(mut place) if place.is_none() => *place = Some(sender),
            _ => return,
        }
        match inbox.recv() {
            Ok(next) => run = next,
            Err(_) => return,
        }
    }
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, Option<Sender<Run>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::mpsc;
    use std::thread::{ThreadId, current, yield_now};

    use super::*;

    /// Sends a message when the thread that has it ends.
    struct End(mpsc::Sender<()>);

    impl Drop for End {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    /// Starts a run that says its thread, and ends as soon as the returned sender is dropped.
    fn begin(threads: &RunThreads) -> (ThreadId, mpsc::Sender<()>) {
        let (hold, held) = mpsc::channel::<()>();
        let (say, said) = mpsc::channel();
        let run = move || {
            say.send(current().id()).unwrap();
            assert!(held.recv().is_err());
        };
        threads.start(Box::new(run)).unwrap();
        (said.recv().unwrap(), hold)
    }

    fn until_one_waits(threads: &RunThreads) {
        while lock(&threads.0).is_none() {
            yield_now();
        }
    }

    #[test]
    fn runs_at_the_same_time_have_threads_of_their_own() {
        let threads = RunThreads::default();
        let (first, _hold) = begin(&threads);
        let (second, _hold) = begin(&threads);
        assert_ne!(first, second);
    }

    #[test]
    fn runs_one_after_the_other_have_the_same_thread() {
        let threads = RunThreads::default();
        let (first, hold) = begin(&threads);
        drop(hold);
        for _ in 0..3 {
            until_one_waits(&threads);
            let (next, hold) = begin(&threads);
            assert_eq!(next, first);
            drop(hold);
        }
    }

    #[test]
    fn one_thread_waits_and_ends_with_its_owner() {
        thread_local!(static END: RefCell<Option<End>> = const { RefCell::new(None) });
        let threads = RunThreads::default();
        let (say, said) = mpsc::channel();
        let mut holds = Vec::new();
        for _ in 0..3 {
            let end = End(say.clone());
            let (hold, held) = mpsc::channel::<()>();
            let run = move || {
                END.with(|place| *place.borrow_mut() = Some(end));
                assert!(held.recv().is_err());
            };
            threads.start(Box::new(run)).unwrap();
            holds.push(hold);
        }
        drop(holds);
        for _ in 0..2 {
            said.recv().unwrap();
        }
        until_one_waits(&threads);
        assert!(said.try_recv().is_err(), "one of three waits");
        drop(threads);
        said.recv().unwrap();
    }
}
