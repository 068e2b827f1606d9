//! One connection: a head is read, an answer is written, the rest is thrown away.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use super::Answer;
use crate::base::clock::{Clock, Moment};

/// Bytes of a head.
const HEAD: usize = 4 << 10;
/// From the connection to the end of the head.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// For which a reader may take nothing of its answer.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// From the connection to the end of the answer.
const WHOLE_LIMIT: Duration = Duration::from_secs(60);
/// From the answer to the peer's end of the connection.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Bytes that are thrown away after an answer. A connection that is closed with bytes unread is
/// reset, and the peer may lose the answer.
const THROWN: usize = 64 << 10;

/// A socket that does not block, and where it is in its life.
pub(super) struct Connection {
    /// Read and written like a file.
    stream: File,
    state: State,
    deadline: Moment,
    /// The end of [`WHOLE_LIMIT`].
    end: Moment,
}

enum State {
    Reading(Vec<u8>),
    Writing { answer: Vec<u8>, written: usize },
    Closing { thrown: usize },
    Ended,
}

impl Connection {
    /// A connection whose head is yet to be read.
    pub(super) fn new(stream: File, now: Moment) -> Connection {
        Connection {
            stream,
            state: State::Reading(Vec::new()),
            deadline: Moment(now.0 + HEAD_LIMIT),
            end: Moment(now.0 + WHOLE_LIMIT),
        }
    }

    /// A connection that gets `answer`, whatever its head is.
    pub(super) fn refused(stream: File, answer: Vec<u8>, now: Moment) -> Connection {
        Connection {
            state: State::Writing { answer, written: 0 },
            ..Connection::new(stream, now)
        }
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// What poll(2) is to wait for.
    pub(super) fn events(&self) -> libc::c_short {
        match self.state {
            State::Reading(_) | State::Closing { .. } => libc::POLLIN,
            State::Writing { .. } => libc::POLLOUT,
            State::Ended => 0,
        }
    }

    pub(super) fn deadline(&self) -> Moment {
        self.deadline.min(self.end)
    }

    /// Whether nothing is left to do, or the time is up.
    pub(super) fn has_ended(&self, now: Moment) -> bool {
        matches!(self.state, State::Ended) || self.deadline() <= now
    }

    /// Bytes of the answer that wait to be written.
    pub(super) fn pending(&self) -> usize {
        match &self.state {
            State::Writing { answer, .. } => answer.len(),
            _ => 0,
        }
    }

    /// Does what the socket is ready for. A request is refused if the server `is_full`.
    pub(super) fn proceed(&mut self, clock: &dyn Clock, answer: &mut dyn Answer, is_full: bool) {
        let state = mem::replace(&mut self.state, State::Ended);
        self.state = match state {
            State::Reading(head) => self.read(head, clock, answer, is_full),
            State::Writing { answer, written } => self.write(answer, written, clock.moment()),
            State::Closing { thrown } => self.throw_away(thrown),
            State::Ended => State::Ended,
        };
    }

    /// Reads more of the head, and gets the answer once it is whole.
    fn read(
        &mut self,
        mut head: Vec<u8>,
        clock: &dyn Clock,
        answer: &mut dyn Answer,
        is_full: bool,
    ) -> State {
        let answer = match read_head(&mut self.stream, &mut head) {
            Ok(Head::Part) => return State::Reading(head),
            Ok(Head::TooLong) => answer.too_long(),
            Ok(Head::Whole) if is_full => answer.busy(),
            Ok(Head::Whole) => answer.answer(&head, clock.moment()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return State::Reading(head),
            Err(_) => return State::Ended,
        };
        // The answer may have taken a while.
        self.deadline = Moment(clock.moment().0 + WRITE_LIMIT);
        State::Writing { answer, written: 0 }
    }

    /// Writes what the socket takes.
    fn write(&mut self, answer: Vec<u8>, mut written: usize, now: Moment) -> State {
        let rest = answer.get(written..).unwrap_or_default();
        match retried(|| self.stream.write(rest)) {
            Ok(more) => {
                written += more;
                if more > 0 {
                    self.deadline = Moment(now.0 + WRITE_LIMIT);
                }
                if written < answer.len() {
                    return State::Writing { answer, written };
                }
                // SAFETY: this call takes two numbers and touches no memory.
                unsafe { libc::shutdown(self.descriptor(), libc::SHUT_WR) };
                self.deadline = Moment(now.0 + CLOSE_LIMIT);
                State::Closing { thrown: 0 }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                State::Writing { answer, written }
            }
            Err(_) => State::Ended,
        }
    }

    /// Reads what is left, up to the peer's end.
    fn throw_away(&mut self, thrown: usize) -> State {
        let mut buffer = [0; 1024];
        match retried(|| self.stream.read(&mut buffer)) {
            Ok(more) if more > 0 && thrown + more <= THROWN => State::Closing {
                thrown: thrown + more,
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => State::Closing { thrown },
            _ => State::Ended,
        }
    }
}

/// How much of a head there is.
enum Head {
    Part,
    Whole,
    TooLong,
}

/// Reads what is there of a head. Fails if the peer has ended.
fn read_head(stream: &mut File, head: &mut Vec<u8>) -> io::Result<Head> {
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
        if head.len() > HEAD {
            Head::TooLong
        } else {
            Head::Whole
        }
    } else if head.len() >= HEAD {
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
