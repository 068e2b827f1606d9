//! A small server: short requests, one answer each, then the connection ends. One thread serves the
//! listener and all connections by poll(2), so that it sleeps while nobody is connected.
//!
//! What a request means is up to an [`Answer`]. Here are the limits: number of connections, bytes
//! and seconds of a head, and seconds for which a slow reader holds an answer.

mod connection;
mod listener;
#[cfg(test)]
mod tests;

use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use crate::base::clock::{Clock, Moment};
use connection::Connection;
pub(crate) use listener::{Listener, Place, SocketPath};

/// Connections that are served at a time.
const SERVED: usize = 16;
/// Connections that are open at a time. Those above [`SERVED`] get [`Answer::busy`]; more wait in
/// the kernel.
const OPEN: usize = 32;
/// Bytes of answers that wait to be written. While there are more, requests get [`Answer::busy`].
const PENDING: usize = 4 << 20;
/// Pause after a connection could not be accepted: out of descriptors, for example.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest wait that poll(2) takes in milliseconds; used as "until a deadline".
const LONGEST: Duration = Duration::from_secs(3600);

/// Answers requests. Each method returns the whole answer, head and body.
pub(crate) trait Answer {
    /// The answer to the request with this head, which ends with an empty line.
    fn answer(&mut self, head: &[u8], now: Moment) -> Vec<u8>;
    /// The answer to a request whose head is too long.
    fn too_long(&self) -> Vec<u8>;
    /// The answer while too many connections are open.
    fn busy(&self) -> Vec<u8>;
}

/// A listener and its connections.
pub(crate) struct Server {
    listener: Listener,
    connections: Vec<Connection>,
    /// Nothing is accepted before.
    accepts_from: Option<Moment>,
}

impl Server {
    /// Serves nobody yet.
    pub(crate) fn new(listener: Listener) -> Server {
        Server {
            listener,
            connections: Vec::new(),
            accepts_from: None,
        }
    }

    /// Serves until the process ends.
    pub(crate) fn run(mut self, clock: &dyn Clock, answer: &mut dyn Answer) {
        loop {
            let wait = self.wait(clock.moment());
            self.turn(wait, clock, answer);
        }
    }

    /// Time until the next deadline; `None` while there is none.
    fn wait(&self, now: Moment) -> Option<Duration> {
        let deadlines = self.connections.iter().map(Connection::deadline);
        let next = deadlines.chain(self.accepts_from).min();
        next.map(|deadline| deadline.since(now))
    }

    /// Waits up to `wait`, then reads, answers and writes what is ready, and ends the connections
    /// whose time is up.
    fn turn(&mut self, wait: Option<Duration>, clock: &dyn Clock, answer: &mut dyn Answer) {
        let is_accepting = self.connections.len() < OPEN && self.accepts_from.is_none();
        let mut polled: Vec<libc::pollfd> = self
            .connections
            .iter()
            .map(|one| entry(one.descriptor(), one.events()))
            .collect();
        if is_accepting {
            polled.push(entry(self.listener.as_raw_fd(), libc::POLLIN));
        }
        poll(&mut polled, wait);
        let ready: Vec<bool> = polled.iter().map(|entry| entry.revents != 0).collect();
        let mut pending: usize = self.connections.iter().map(Connection::pending).sum();
        let all = self.connections.iter_mut().zip(&ready);
        for (connection, _) in all.filter(|(_, is_ready)| **is_ready) {
            pending -= connection.pending();
            connection.proceed(clock, answer, pending > PENDING);
            pending += connection.pending();
        }
        let now = clock.moment();
        if is_accepting && ready.last() == Some(&true) {
            self.accept(now, answer);
        }
        self.accepts_from = self.accepts_from.filter(|from| *from > now);
        self.connections
            .retain(|connection| !connection.has_ended(now));
    }

    /// Accepts one connection.
    fn accept(&mut self, now: Moment, answer: &dyn Answer) {
        let Ok(stream) = self.listener.accept() else {
            self.accepts_from = Some(Moment(now.0 + PAUSE));
            return;
        };
        self.connections.push(if self.connections.len() < SERVED {
            Connection::new(stream, now)
        } else {
            Connection::refused(stream, answer.busy(), now)
        });
    }
}

fn entry(fd: RawFd, events: libc::c_short) -> libc::pollfd {
    libc::pollfd {
        fd,
        events,
        revents: 0,
    }
}

/// Waits until a descriptor is ready, or up to `wait`. A signal or an error ends it early.
fn poll(polled: &mut [libc::pollfd], wait: Option<Duration>) {
    // Rounded up: a deadline is not looked at before it has passed.
    let wait = wait.map_or(-1, |wait| {
        let milliseconds = wait.min(LONGEST).as_millis() + 1;
        i32::try_from(milliseconds).unwrap_or(i32::MAX)
    });
    let count = libc::nfds_t::try_from(polled.len()).unwrap_or_default();
    // SAFETY: the pointer is to `count` entries that outlive the call.
    let ended = unsafe { libc::poll(polled.as_mut_ptr(), count, wait) };
    if ended < 0 {
        for entry in polled {
            entry.revents = 0;
        }
    }
}
