//! Messages between threads: a small replacement for `std::sync::mpsc`. The standard library has
//! three kinds of queue, and each message type adds the code of all three to the program.

#[cfg(all(test, not(target_env = "musl")))]
mod model;
mod queue;
#[cfg(test)]
mod tests;

pub(crate) use queue::{Receiver, Sender, channel};

/// The synchronisation types of the queue.
mod sync {
    pub(super) use std::sync::{Arc, Condvar, Mutex, MutexGuard};

    pub(super) use crate::base::clock::Deadline;
}
