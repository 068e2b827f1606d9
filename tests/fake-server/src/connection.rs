//! The requests of one connection, and their faults by the script.

use std::io;
use std::net::TcpStream;

use super::http::{self, Answer, Broken, Request};
use super::link::{GARBAGE, Link, discard, finish, open, reset};
use super::script::{Act, Fault};
use super::shared::Shared;
use super::table;

/// Bytes after the end of a body by its `Content-Length`.
const SURPLUS: &[u8] = b"}}surplus";

/// Serves the connection until either side ends it, or the server stops.
pub(super) fn serve(shared: &Shared, socket: TcpStream, number: usize, fault: Option<Fault>) {
    // An error ends only this connection.
    let Ok(Some(link)) = open(shared, socket, fault) else {
        return;
    };
    let mut connection = Connection {
        shared,
        number,
        link,
        ahead: Vec::new(),
        served: 0,
    };
    while connection.exchange().unwrap_or(false) {}
}

struct Connection<'a> {
    shared: &'a Shared,
    number: usize,
    link: Link,
    /// Bytes that have been read and not yet parsed.
    ahead: Vec<u8>,
    served: usize,
}

impl Connection<'_> {
    /// Reads one request and answers it. Returns whether another may follow.
    fn exchange(&mut self) -> io::Result<bool> {
        let head = match http::read_head(&mut self.link, &mut self.ahead) {
            Ok(head) => head,
            Err(broken) => return self.refuse(broken),
        };
        let act = self.shared.act(&head);
        if let Some(Act::Unread(answer)) = act {
            let request = self.shared.note(self.number, head, Vec::new());
            self.shared.answered(&request, &answer);
            self.link.send(&answer.encode())?;
            self.link.say_goodbye()?;
            finish(self.link.socket())?;
            return Ok(false);
        }
        let body = match http::read_body(&mut self.link, &mut self.ahead, &head) {
            Ok(body) => body,
            Err(broken) => return self.refuse(broken),
        };
        self.served += 1;
        let asked = !head.keeps_alive();
        let last = asked || self.served >= self.shared.settings.requests_per_connection;
        let announce = asked || (last && self.shared.settings.announce_close);
        let request = self.shared.note(self.number, head, body);
        let goes_on = self.play(act, &request, announce)? && !last;
        if !goes_on {
            self.link.say_goodbye()?;
        }
        Ok(goes_on)
    }

    fn refuse(&mut self, broken: Broken) -> io::Result<bool> {
        if let Broken::Malformed(answer) = broken {
            self.link.send(&answer.encode())?;
        }
        self.link.say_goodbye()?;
        Ok(false)
    }

    /// Answers as `act` says, or with the right answer. Returns whether the connection is still
    /// usable.
    fn play(&mut self, act: Option<Act>, request: &Request, announce: bool) -> io::Result<bool> {
        let shared = self.shared;
        match act {
            None => {
                let answer = self.take(request, announce);
                self.link.send(&answer.encode())?;
            }
            Some(Act::Answer(answer) | Act::Unread(answer)) => {
                shared.answered(request, &answer);
                self.link.send(&answer.encode())?;
            }
            Some(Act::Partial(answer)) => {
                shared.answered(request, &answer);
                let bytes = answer.encode();
                self.link.send(&bytes[..half_way(&bytes)])?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Some(Act::Hang) => {
                shared.print(request, None);
                return self.hang();
            }
            Some(Act::HangMidway) => {
                let bytes = self.take(request, announce).encode();
                self.link.send(&bytes[..half_way(&bytes)])?;
                return self.hang();
            }
            Some(Act::Drip(pause)) => {
                for byte in self.take(request, announce).encode() {
                    if !shared.pause(pause) {
                        return Ok(false);
                    }
                    self.link.send(&[byte])?;
                }
            }
            Some(Act::Delay(pause)) => {
                let answer = self.take(request, announce);
                if !shared.pause(pause) {
                    return Ok(false);
                }
                self.link.send(&answer.encode())?;
            }
            Some(Act::Reset) => {
                shared.print(request, None);
                reset(self.link.socket())?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Some(Act::Close) => {
                shared.print(request, None);
                return Ok(false);
            }
            Some(Act::Lost) => {
                shared.take(request);
                shared.print(request, None);
                return Ok(false);
            }
            Some(Act::Cut) => {
                let bytes = self.take(request, announce).encode();
                self.link.send(&bytes[..half_way(&bytes)])?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Some(Act::Surplus) => {
                let mut bytes = self.take(request, announce).encode();
                bytes.extend_from_slice(SURPLUS);
                self.link.send(&bytes)?;
            }
            Some(Act::Garbage) => {
                shared.print(request, None);
                self.link.send(GARBAGE)?;
                return Ok(false);
            }
            Some(Act::Instead(answer)) => {
                shared.take(request);
                shared.answered(request, &answer);
                self.link.send(&answer.encode())?;
            }
            Some(Act::Dated(time)) => {
                let answer = self
                    .take(request, announce)
                    .header("Date", &table::http_date(time));
                self.link.send(&answer.encode())?;
            }
            Some(Act::Huge(length)) => self.send_huge(request, length)?,
            Some(Act::Chunked) => {
                let answer = self.take(request, announce);
                let mut bytes = answer.head(None);
                for chunk in answer.body.chunks(7) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
                self.link.send(&bytes)?;
            }
            Some(Act::OddHead) => {
                let answer = self.take(request, announce);
                self.link.send(&answer.odd())?;
            }
            Some(Act::Interim) => {
                self.link.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                let answer = self.take(request, announce);
                self.link.send(&answer.encode())?;
            }
        }
        Ok(true)
    }

    /// Applies the request to the model. Returns the right answer.
    fn take(&self, request: &Request, announce: bool) -> Answer {
        let mut answer = self.shared.take(request);
        if announce {
            answer = answer.header("Connection", "close");
        }
        self.shared.answered(request, &answer);
        answer
    }

    fn hang(&mut self) -> io::Result<bool> {
        discard(self.link.socket());
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn send_huge(&mut self, request: &Request, length: usize) -> io::Result<()> {
        const START: &[u8] = b"{\"success\":true";
        let answer = Answer::new(200, "").header("Content-Type", "application/json");
        self.shared.answered(request, &answer);
        let length = length.max(START.len() + 1);
        self.link.send(&answer.head(Some(length)))?;
        self.link.send(START)?;
        let blanks = vec![b' '; 64 << 10];
        let mut left = length - START.len() - 1;
        while left > 0 {
            let some = left.min(blanks.len());
            self.link.send(&blanks[..some])?;
            left -= some;
        }
        self.link.send(b"}")
    }
}

/// The index of the middle of an encoded answer's body.
fn half_way(bytes: &[u8]) -> usize {
    let body = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let start = body.map_or(0, |at| at + 4);
    start + (bytes.len() - start) / 2
}
