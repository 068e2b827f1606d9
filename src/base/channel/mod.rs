//! Messages from thread to thread: `std::sync::mpsc` in small. std's has three kinds of queue, and all of them
//! in the program once more for each type of message.

#[cfg(all(test, not(target_env = "musl")))]
mod model;
mod queue;
#[cfg(test)]
mod tests;

pub(crate) use queue::{Receiver, Sender, channel};

/// What the queue is made of.
mod sync {
    pub(super) use std::sync::{Arc, Condvar, Mutex, MutexGuard};

    pub(super) use crate::base::clock::Deadline;
}
