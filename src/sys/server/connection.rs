//! One connection: a head is read, an answer is written, the rest is thrown away. A stream goes on
//! until the client ends it, or reads too slowly.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use super::{Answer, Asked, Cursor, Reply, Topic, Via};
use crate::base::clock::{Clock, Moment};

/// Bytes of a head of a client of `listen`.
const HEAD: usize = 4 << 10;
/// Bytes of a head of a client of the agent's socket, which may hold a job's report.
const HEAD_OF_AGENT: usize = 16 << 10;
/// From the connection to the end of the head.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// For which a reader may take nothing of its answer.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// From the connection to the end of the answer.
const WHOLE_LIMIT: Duration = Duration::from_secs(60);
/// From the answer to the peer's end of the connection.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Time without anything to write after which a stream gets [`HEARTBEAT`].
const HEARTBEAT_PAUSE: Duration = Duration::from_secs(15);
/// A comment of an event stream. It keeps proxies from ending the connection, and finds clients that
/// have gone.
const HEARTBEAT: &[u8] = b":\n\n";
/// Bytes of a stream that the kernel holds for a slow reader, who is dropped when they are full for
/// [`WRITE_LIMIT`].
const STREAM_BUFFER: libc::c_int = 32 << 10;
/// Bytes that are thrown away after an answer. A connection that is closed with bytes unread is
/// reset, and the peer may lose the answer.
const THROWN: usize = 64 << 10;

/// A socket that does not block, and where it is in its life.
pub(super) struct Connection {
    /// Read and written like a file.
    stream: File,
    via: Via,
    state: State,
    deadline: Moment,
    /// The end of [`WHOLE_LIMIT`]. Streams have none.
    end: Option<Moment>,
    /// Bytes that were read after the head.
    thrown: usize,
}

enum State {
    Reading(Vec<u8>),
    Writing {
        text: Vec<u8>,
        written: usize,
        stream: Option<Cursor>,
    },
    /// A stream that waits for more. The deadline is that of the next heartbeat.
    Following(Cursor),
    Closing,
    Ended,
}

impl Connection {
    /// A connection whose head is yet to be read.
    pub(super) fn new(stream: File, via: Via, now: Moment) -> Connection {
        Connection {
            stream,
            via,
            state: State::Reading(Vec::new()),
            deadline: Moment(now.0 + HEAD_LIMIT),
            end: Some(Moment(now.0 + WHOLE_LIMIT)),
            thrown: 0,
        }
    }

    /// A connection that gets `text`, whatever its head is.
    pub(super) fn refused(stream: File, via: Via, text: Vec<u8>, now: Moment) -> Connection {
        Connection {
            state: State::Writing {
                text,
                written: 0,
                stream: None,
            },
            ..Connection::new(stream, via, now)
        }
    }

    pub(super) fn via(&self) -> Via {
        self.via
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// What poll(2) is to wait for.
    pub(super) fn events(&self) -> libc::c_short {
        match self.state {
            State::Reading(_) | State::Following(_) | State::Closing => libc::POLLIN,
            State::Writing { .. } => libc::POLLOUT,
            State::Ended => 0,
        }
    }

    pub(super) fn deadline(&self) -> Moment {
        self.end.map_or(self.deadline, |end| self.deadline.min(end))
    }

    /// Whether nothing is left to do, or the time is up.
    pub(super) fn has_ended(&self, now: Moment) -> bool {
        match self.state {
            State::Ended => true,
            State::Following(_) => false,
            _ => self.deadline() <= now,
        }
    }

    /// Bytes of the answer that wait to be written.
    pub(super) fn pending(&self) -> usize {
        match &self.state {
            State::Writing { text, .. } => text.len(),
            _ => 0,
        }
    }

    /// What the stream consists of; `None` if there is no stream.
    pub(super) fn topic(&self) -> Option<Topic> {
        match &self.state {
            State::Writing { stream, .. } => stream.map(|cursor| cursor.topic),
            State::Following(cursor) => Some(cursor.topic),
            _ => None,
        }
    }

    /// Does what the socket is ready for. A request is refused if the server `is_full`. `streams`
    /// are open to other clients of the same listener.
    pub(super) fn proceed(
        &mut self,
        clock: &dyn Clock,
        answer: &mut dyn Answer,
        is_full: bool,
        streams: usize,
    ) {
        let via = self.via;
        let mut reply = |head: Option<&[u8]>| match head {
            None => answer.too_long().into(),
            Some(_) if is_full => answer.busy().into(),
            Some(head) => answer.answer(&Asked { via, head, streams }, clock),
        };
        let state = mem::replace(&mut self.state, State::Ended);
        self.state = match state {
            State::Reading(head) => self.read(head, clock, &mut reply),
            State::Writing {
                text,
                written,
                stream,
            } => self.write(text, written, stream, clock.moment()),
            State::Following(cursor) => self.throw_away(State::Following(cursor)),
            State::Closing => self.throw_away(State::Closing),
            State::Ended => State::Ended,
        };
    }

    /// Writes what follows for a stream that waits for it, and the heartbeat if that is due.
    pub(super) fn feed(&mut self, now: Moment, answer: &mut dyn Answer) {
        while let State::Following(mut cursor) = self.state {
            let mut text = Vec::new();
            if !answer.more(&mut cursor, &mut text) {
                self.state = State::Ended;
                return;
            }
            if text.is_empty() && self.deadline <= now {
                text.extend_from_slice(HEARTBEAT);
            }
            if text.is_empty() {
                return;
            }
            self.deadline = Moment(now.0 + WRITE_LIMIT);
            self.state = self.write(text, 0, Some(cursor), now);
        }
    }

    /// Reads more of the head, and gets the answer once it is whole; that to `None` if it is too
    /// long.
    fn read(
        &mut self,
        mut head: Vec<u8>,
        clock: &dyn Clock,
        answer: &mut dyn FnMut(Option<&[u8]>) -> Reply,
    ) -> State {
        let most = match self.via {
            Via::Agent => HEAD_OF_AGENT,
            Via::Listen => HEAD,
        };
        let reply = match read_head(&mut self.stream, &mut head, most) {
            Ok(Head::Part) => return State::Reading(head),
            Ok(Head::TooLong) => answer(None),
            Ok(Head::Whole) => answer(Some(&head)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return State::Reading(head),
            Err(_) => return State::Ended,
        };
        // The answer may have taken a while.
        self.deadline = Moment(clock.moment().0 + WRITE_LIMIT);
        if reply.stream.is_some() {
            self.end = None;
            limit_buffer(&self.stream);
        }
        State::Writing {
            text: reply.text,
            written: 0,
            stream: reply.stream,
        }
    }

    /// Writes what the socket takes.
    fn write(
        &mut self,
        text: Vec<u8>,
        mut written: usize,
        stream: Option<Cursor>,
        now: Moment,
    ) -> State {
        let rest = text.get(written..).unwrap_or_default();
        match retried(|| self.stream.write(rest)) {
            Ok(more) => {
                written += more;
                if more > 0 {
                    self.deadline = Moment(now.0 + WRITE_LIMIT);
                }
                if written < text.len() {
                    return State::Writing {
                        text,
                        written,
                        stream,
                    };
                }
                if let Some(cursor) = stream {
                    self.deadline = Moment(now.0 + HEARTBEAT_PAUSE);
                    return State::Following(cursor);
                }
                // SAFETY: this call takes two numbers and touches no memory.
                unsafe { libc::shutdown(self.descriptor(), libc::SHUT_WR) };
                self.deadline = Moment(now.0 + CLOSE_LIMIT);
                State::Closing
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => State::Writing {
                text,
                written,
                stream,
            },
            Err(_) => State::Ended,
        }
    }

    /// Reads what is left, up to the peer's end. Returns `state` until then.
    fn throw_away(&mut self, state: State) -> State {
        let mut buffer = [0; 1024];
        match retried(|| self.stream.read(&mut buffer)) {
            Ok(more) if more > 0 && self.thrown + more <= THROWN => {
                self.thrown += more;
                state
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => state,
            _ => State::Ended,
        }
    }
}

/// Limits what the kernel holds of a stream for a slow reader.
fn limit_buffer(stream: &File) {
    let bytes = STREAM_BUFFER;
    let length = libc::socklen_t::try_from(size_of_val(&bytes)).unwrap_or_default();
    // SAFETY: the option is a number of that length, and outlives the call. Without the limit, a
    // slow reader is noticed later.
    unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_SNDBUF,
            (&raw const bytes).cast(),
            length,
        )
    };
}

/// How much of a head there is.
enum Head {
    Part,
    Whole,
    TooLong,
}

/// Reads what is there of a head. Fails if the peer has ended.
fn read_head(stream: &mut File, head: &mut Vec<u8>, most: usize) -> io::Result<Head> {
    let mut buffer = [0; 1024];
    let length = retried(|| stream.read(&mut buffer))?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // The empty line may have begun in what was there before.
    let from = head.len().saturating_sub(3);
    head.extend_from_slice(buffer.get(..length).unwrap_or_default());
    let new = head.get(from..).unwrap_or_default();
    let ends = |mark: &[u8]| new.windows(mark.len()).any(|window| window == mark);
    Ok(if ends(b"\r\n\r\n") || ends(b"\n\n") {
        if head.len() > most {
            Head::TooLong
        } else {
            Head::Whole
        }
    } else if head.len() >= most {
        Head::TooLong
    } else {
        Head::Part
    })
}

/// Repeats a call that a signal has interrupted.
fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            ended => return ended,
        }
    }
}
