//! A small server: short requests, one answer each, then the connection ends. An answer may be
//! followed by a stream, which ends with the connection. One thread serves all listeners and
//! connections by poll(2), so that it sleeps while nobody is connected.
//!
//! What a request means is up to an [`Answer`]. Here are the limits: number of connections, bytes
//! and seconds of a head, and seconds for which a slow reader holds an answer. Each listener has
//! connections of its own, so that clients of one do not keep those of another one out.

mod connection;
mod door;
mod listener;
#[cfg(test)]
mod tests;

use std::os::fd::RawFd;
use std::time::Duration;

use crate::base::clock::{Clock, Moment};
use connection::Connection;
pub(crate) use door::{Bind, Door};
pub(crate) use listener::{Listener, Place, SocketPath};

/// Connections of a listener that are served at a time.
const SERVED: usize = 16;
/// Connections of a listener that are open at a time. Those above [`SERVED`] get [`Answer::busy`];
/// more wait in the kernel.
const OPEN: usize = 32;
/// Bytes of answers that wait to be written to clients of one listener. While there are more,
/// requests get [`Answer::busy`].
const PENDING: usize = 4 << 20;
/// The longest wait that poll(2) takes in milliseconds; used as "until a deadline".
const LONGEST: Duration = Duration::from_secs(3600);

/// The listener by which a client came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Via {
    /// The agent's own socket: the client is root, or the user of the agent.
    Agent,
    /// The listener of the setting `listen`.
    Listen,
}

/// What a stream consists of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Topic {
    Events,
    Logs,
}

/// How much of a topic a client has got.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cursor {
    pub(crate) topic: Topic,
    /// Number of the next item.
    pub(crate) next: u64,
}

/// A request.
pub(crate) struct Asked<'a> {
    pub(crate) via: Via,
    /// It ends with an empty line.
    pub(crate) head: &'a [u8],
    /// Streams that are open to clients of the same listener.
    pub(crate) streams: usize,
}

/// What is sent for a request: head and body. A stream follows if there is a cursor.
pub(crate) struct Reply {
    pub(crate) text: Vec<u8>,
    pub(crate) stream: Option<Cursor>,
}

impl From<Vec<u8>> for Reply {
    fn from(text: Vec<u8>) -> Reply {
        Reply { text, stream: None }
    }
}

/// Number of open streams by topic.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Watchers {
    pub(crate) events: usize,
    pub(crate) logs: usize,
}

/// Answers requests. Each method that returns bytes returns the whole answer, head and body.
pub(crate) trait Answer {
    fn answer(&mut self, asked: &Asked<'_>, clock: &dyn Clock) -> Reply;

    /// The answer to a request whose head is too long.
    fn too_long(&self) -> Vec<u8>;

    /// The answer while too many connections are open.
    fn busy(&self) -> Vec<u8>;

    /// The answer to a client of the agent's socket that is another user.
    fn stranger(&self) -> Vec<u8>;

    /// Appends what follows for a stream, and moves its cursor. What is left out because it is too
    /// much comes with the next call. Returns whether the stream goes on.
    fn more(&mut self, _: &mut Cursor, _: &mut Vec<u8>) -> bool {
        false
    }

    /// Called after each wake-up. Returns when to be called at the latest, if nothing else happens.
    fn turn(&mut self, _: Watchers, _: &dyn Clock) -> Option<Moment> {
        None
    }

    /// A descriptor that becomes readable when streams have more.
    fn waker(&self) -> Option<RawFd> {
        None
    }

    /// Called when [`Answer::waker`] is readable.
    fn woken(&mut self) {}
}

/// Listeners and their connections.
pub(crate) struct Server {
    doors: Vec<Door>,
    connections: Vec<Connection>,
    /// When [`Answer::turn`] is called at the latest.
    due: Option<Moment>,
}

impl Server {
    /// Serves nobody yet.
    pub(crate) fn new(doors: Vec<Door>) -> Server {
        Server {
            doors,
            connections: Vec::new(),
            due: None,
        }
    }

    /// Serves until the process ends.
    pub(crate) fn run(mut self, clock: &dyn Clock, answer: &mut dyn Answer) {
        loop {
            let now = clock.moment();
            self.doors.iter_mut().for_each(|door| door.prepare(now));
            let wait = self.wait(clock.moment());
            self.turn(wait, clock, answer);
        }
    }

    /// Time until the next deadline; `None` while there is none.
    fn wait(&self, now: Moment) -> Option<Duration> {
        let mut next = self.due;
        let mut add = |deadline: Moment| {
            next = Some(next.map_or(deadline, |next| next.min(deadline)));
        };
        for connection in &self.connections {
            add(connection.deadline());
        }
        for door in &self.doors {
            door.deadline().map(&mut add);
        }
        next.map(|deadline| deadline.since(now))
    }

    /// Waits up to `wait`, then reads, answers and writes what is ready, and ends the connections
    /// whose time is up.
    fn turn(&mut self, wait: Option<Duration>, clock: &dyn Clock, answer: &mut dyn Answer) {
        // Connections, then doors, then what streams wait for.
        let mut polled = Vec::new();
        for connection in &self.connections {
            polled.push(entry(connection.descriptor(), connection.events()));
        }
        for door in &self.doors {
            let accepts = door.accepts() && self.open(door.via()) < OPEN;
            // poll(2) passes over negative descriptors.
            let descriptor = if accepts { door.descriptor() } else { -1 };
            polled.push(entry(descriptor, libc::POLLIN));
        }
        polled.push(entry(answer.waker().unwrap_or(-1), libc::POLLIN));
        poll(&mut polled, wait);
        let connections = self.connections.len();
        for (at, _) in (0..).zip(&polled).filter(|(_, entry)| entry.revents != 0) {
            if at < connections {
                self.proceed(at, clock, answer);
            } else if at - connections < self.doors.len() {
                self.accept(at - connections, clock.moment(), answer);
            } else {
                answer.woken();
            }
        }
        self.due = answer.turn(self.watchers(), clock);
        let now = clock.moment();
        for connection in &mut self.connections {
            connection.feed(now, answer);
        }
        self.connections
            .retain(|connection| !connection.has_ended(now));
    }

    /// Does what the connection `at` is ready for.
    fn proceed(&mut self, at: usize, clock: &dyn Clock, answer: &mut dyn Answer) {
        let Some(via) = self.connections.get(at).map(Connection::via) else {
            return;
        };
        let (mut pending, mut streams) = (0, 0);
        for (other, connection) in self.connections.iter().enumerate() {
            if other != at && connection.via() == via {
                pending += connection.pending();
                streams += usize::from(connection.topic().is_some());
            }
        }
        if let Some(connection) = self.connections.get_mut(at) {
            connection.proceed(clock, answer, pending > PENDING, streams);
        }
    }

    /// Accepts a connection at the door `at`.
    fn accept(&mut self, at: usize, now: Moment, answer: &dyn Answer) {
        let Some(door) = self.doors.get_mut(at) else {
            return;
        };
        let Some(stream) = door.accept(now, &|| answer.stranger()) else {
            return;
        };
        let via = door.via();
        self.connections.push(if self.open(via) < SERVED {
            Connection::new(stream, via, now)
        } else {
            Connection::refused(stream, via, answer.busy(), now)
        });
    }

    /// Number of open connections of a listener.
    fn open(&self, via: Via) -> usize {
        let all = self.connections.iter();
        all.filter(|connection| connection.via() == via).count()
    }

    fn watchers(&self) -> Watchers {
        let mut watchers = Watchers::default();
        for topic in self.connections.iter().filter_map(Connection::topic) {
            match topic {
                Topic::Events => watchers.events += 1,
                Topic::Logs => watchers.logs += 1,
            }
        }
        watchers
    }
}

pub(in crate::sys) fn entry(fd: RawFd, events: libc::c_short) -> libc::pollfd {
    libc::pollfd {
        fd,
        events,
        revents: 0,
    }
}

/// Waits until a descriptor is ready, or up to `wait`. A signal or an error ends it early.
pub(in crate::sys) fn poll(polled: &mut [libc::pollfd], wait: Option<Duration>) {
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
