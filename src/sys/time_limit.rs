//! The time limit of a whole command, for calls that no other limit ends, such as those on a mount
//! that hangs.

use std::io;
use std::process;
use std::time::Duration;

use super::thread;
use crate::base::channel::{Sender, channel};
use crate::base::clock::Deadline;

/// Bytes of stack of the thread.
const STACK: usize = 64 << 10;

/// Ends the process when its time is over. Dropping it ends the limit.
pub(crate) struct TimeLimit(Sender<String>);

impl TimeLimit {
    /// Calls `last` with the current task after `limit`, and ends the process with code 1.
    ///
    /// Fails if the kernel cannot create another thread.
    pub(crate) fn start(limit: Duration, last: fn(&str)) -> io::Result<TimeLimit> {
        let (task, tasks) = channel::<String>();
        let by = Deadline::after(limit);
        thread::start("limit", STACK, move || {
            let mut current = String::new();
            loop {
                match tasks.recv_timeout(by.remaining()) {
                    Ok(next) => current = next,
                    Err(_) if by.remaining().is_zero() => {
                        last(&current);
                        process::exit(1);
                    }
                    Err(_) => return,
                }
            }
        })?;
        Ok(TimeLimit(task))
    }

    /// Names the current task.
    pub(crate) fn task(&self, name: String) {
        // Fails only if the thread has ended the process.
        drop(self.0.send(name));
    }
}
