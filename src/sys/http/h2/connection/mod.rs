//! A connection: frames of the server in, frames of the client out, one stream at a time.

mod frames;

use super::frame::{self, Head};
use super::hpack::{Decoder, Field, LIST_LIMIT};

/// Bytes of an answer's body.
const BODY: usize = 32 << 10;
/// Bytes of a header block, before it is decoded.
const BLOCK: usize = 16 << 10;
/// Frames from one answer to the end of the next. A server may return its windows in small parts:
/// one more is allowed for each KiB of a request's body, and two for each frame that it is sent in.
const FRAMES: usize = 1_000;
/// Bytes that wait to be written; more of a body is added when they are gone.
const OUTPUT: usize = 80 << 10;
/// Bytes of content of the frames that are sent, even if the server accepts more.
const LARGEST: usize = 64 << 10;
/// Bytes of both windows before the server says something else (RFC 9113, 6.9.2).
const WINDOW: i32 = 65_535;

/// A server's answer, whole.
#[derive(Default)]
pub(crate) struct Answer {
    /// 200 and above.
    pub(crate) status: u16,
    /// What came before the body; `:status` is left in it.
    pub(crate) head: Vec<Field>,
    /// At most 32 KiB.
    pub(crate) body: Vec<u8>,
    /// What came after the body; empty if nothing did.
    pub(crate) trailers: Vec<Field>,
}

/// How an exchange has ended.
pub(crate) enum Outcome {
    Answer(Answer),
    /// The server has not processed the request and will not: it can be sent again on a new
    /// connection (RFC 9113, 8.7).
    Refused,
    /// The server has ended the stream with this error code.
    Reset(u32),
}

/// What the server did against the rules, or beyond a limit: the connection is of no more use.
#[derive(Clone, Copy)]
pub(crate) struct Violation {
    code: u32,
    pub(crate) text: &'static str,
}

type Done = Result<(), Violation>;

/// The client's side of a connection.
pub(crate) struct Connection {
    /// What has come of the next frame.
    input: Vec<u8>,
    /// What is to be written.
    output: Vec<u8>,
    decoder: Decoder,
    /// Bytes of DATA that the server takes, of all streams and of a new one. Negative after the
    /// server has made the windows of open streams smaller.
    window: i32,
    initial_window: i32,
    /// Bytes of content of a frame that is sent.
    frame_limit: usize,
    /// Of the next stream: odd, and only ever higher.
    next: u32,
    stream: Option<Stream>,
    /// The header block that is under way.
    block: Option<Block>,
    /// Frames that may yet come before the answer is whole.
    frames_left: usize,
    /// Whether the server's first SETTINGS have come.
    is_greeted: bool,
    /// Whether the server takes no new stream.
    is_closing: bool,
    outcome: Option<Outcome>,
}

/// The exchange that is under way.
struct Stream {
    id: u32,
    window: i32,
    /// Bytes of the request's body: in all, and sent.
    length: usize,
    sent: usize,
    answer: Answer,
}

/// HEADERS whose END_HEADERS has not come yet.
struct Block {
    stream: u32,
    bytes: Vec<u8>,
    is_end: bool,
}

fn violation<T>(code: u32, text: &'static str) -> Result<T, Violation> {
    Err(Violation { code, text })
}

fn protocol<T>(text: &'static str) -> Result<T, Violation> {
    violation(frame::PROTOCOL_ERROR, text)
}

fn wrong_size<T>() -> Result<T, Violation> {
    violation(frame::FRAME_SIZE_ERROR, "a frame has a wrong size")
}

const TOO_WIDE: Violation = Violation {
    code: frame::FLOW_CONTROL_ERROR,
    text: "a window is too large",
};

/// A window after one of its changes, which may be negative.
fn widened(window: i32, by: i32) -> Result<i32, Violation> {
    window.checked_add(by).ok_or(TOO_WIDE)
}

impl Connection {
    /// A new connection, whose output begins with the preface and SETTINGS.
    pub(crate) fn new() -> Connection {
        let mut output = frame::PREFACE.to_vec();
        let list = u32::try_from(LIST_LIMIT).unwrap_or(0);
        let mut settings = Vec::new();
        for (id, value) in [(frame::ENABLE_PUSH, 0), (frame::MAX_HEADER_LIST_SIZE, list)] {
            settings.extend_from_slice(&id.to_be_bytes());
            settings.extend_from_slice(&value.to_be_bytes());
        }
        frame::put(&mut output, frame::SETTINGS, 0, 0, &settings);
        Connection {
            input: Vec::new(),
            output,
            decoder: Decoder::new(),
            window: WINDOW,
            initial_window: WINDOW,
            frame_limit: frame::CONTENT,
            next: 1,
            stream: None,
            block: None,
            frames_left: FRAMES,
            is_greeted: false,
            is_closing: false,
            outcome: None,
        }
    }

    /// Whether another exchange can begin.
    pub(crate) fn is_usable(&self) -> bool {
        let has_ids = self.next < 1 << 31;
        has_ids && !self.is_closing && self.stream.is_none() && self.outcome.is_none()
    }

    /// Begins an exchange: `block` is the encoded header, at most 16,384 bytes, and `length` counts
    /// the bytes of the body, which [`Connection::send`] takes.
    pub(crate) fn begin(&mut self, block: &[u8], length: usize) {
        let end = if length == 0 { frame::END_STREAM } else { 0 };
        let flags = frame::END_HEADERS | end;
        frame::put(&mut self.output, frame::HEADERS, flags, self.next, block);
        self.stream = Some(Stream {
            id: self.next,
            window: self.initial_window,
            length,
            sent: 0,
            answer: Answer::default(),
        });
        self.next += 2;
        self.outcome = None;
        self.frames_left = FRAMES + length / 1024;
    }

    /// Adds to the output as much of the body of the exchange as the server takes, and as the
    /// output has room for. `true`: only the latter was the limit.
    pub(crate) fn send(&mut self, body: &[u8]) -> bool {
        while let Some(stream) = &mut self.stream {
            let rest = body.get(stream.sent..stream.length).unwrap_or_default();
            let window = usize::try_from(self.window.min(stream.window)).unwrap_or(0);
            let allowed = window.min(rest.len()).min(self.frame_limit);
            let room = OUTPUT.saturating_sub(self.output.len());
            let part = rest.get(..allowed.min(room)).unwrap_or_default();
            if part.is_empty() {
                return allowed > 0;
            }
            let is_last = part.len() == rest.len();
            let flags = if is_last { frame::END_STREAM } else { 0 };
            frame::put(&mut self.output, frame::DATA, flags, stream.id, part);
            // Both windows have at least these bytes.
            let count = i32::try_from(part.len()).unwrap_or(0);
            stream.sent += part.len();
            self.frames_left += 2;
            stream.window -= count;
            self.window -= count;
        }
        false
    }

    /// What is to be written now.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// How the exchange has ended, once.
    pub(crate) fn take_outcome(&mut self) -> Option<Outcome> {
        let outcome = self.outcome.take()?;
        self.frames_left = FRAMES;
        Some(outcome)
    }

    /// Takes what has been read.
    ///
    /// Fails if the server breaks the protocol, or a limit. The output has what is left to say.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Done {
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let (taken, done) = self.frames(&input);
        input.drain(..taken);
        if !input.is_empty() {
            self.input = input;
        }
        if let Err(Violation { code, .. }) = done {
            let content = u64::from(code).to_be_bytes();
            frame::put(&mut self.output, frame::GOAWAY, 0, 0, &content);
        }
        done
    }

    /// Takes the whole frames in `input`, and counts their bytes.
    fn frames(&mut self, input: &[u8]) -> (usize, Done) {
        let mut rest = input;
        let mut done = Ok(());
        while done.is_ok() {
            if !self.is_greeted && rest.starts_with(b"HTTP/1.") {
                done = protocol("it answers in HTTP/1; is this its port for gRPC?");
                break;
            }
            let Some((head, behind)) = rest.split_first_chunk() else {
                break;
            };
            let head = Head::read(head);
            if head.length > frame::CONTENT {
                done = wrong_size();
                break;
            }
            let Some((content, behind)) = behind.split_at_checked(head.length) else {
                break;
            };
            rest = behind;
            done = self.frame(head, content);
        }
        (input.len() - rest.len(), done)
    }

    fn frame(&mut self, head: Head, content: &[u8]) -> Done {
        let Some(left) = self.frames_left.checked_sub(1) else {
            return violation(
                frame::ENHANCE_YOUR_CALM,
                "too many frames without an answer",
            );
        };
        self.frames_left = left;
        if let Some(block) = &self.block
            && (head.kind != frame::CONTINUATION || head.stream != block.stream)
        {
            return protocol("another frame interrupts a header");
        }
        if !self.is_greeted {
            if head.kind != frame::SETTINGS || head.has(frame::ACK) {
                return protocol("it does not begin with SETTINGS; is this its port for gRPC?");
            }
            self.is_greeted = true;
        }
        let is_of_stream = head.stream % 2 == 1 && head.stream < self.next;
        let has_stream = match head.kind {
            frame::SETTINGS | frame::PING | frame::GOAWAY => head.stream == 0,
            frame::WINDOW_UPDATE => head.stream == 0 || is_of_stream,
            frame::DATA | frame::HEADERS | frame::RST_STREAM => is_of_stream,
            _ => true,
        };
        if !has_stream {
            return protocol("a frame is for a stream that is not open");
        }
        match head.kind {
            frame::DATA => self.data(head, content),
            frame::HEADERS => self.headers(head, content),
            frame::CONTINUATION => self.continuation(head, content),
            frame::RST_STREAM => self.reset(head, content),
            frame::SETTINGS => self.settings(head, content),
            frame::PING => self.ping(head, content),
            frame::GOAWAY => self.goaway(content),
            frame::WINDOW_UPDATE => self.window_update(head, content),
            frame::PUSH_PROMISE => protocol("it pushes"),
            // PRIORITY, and what is not known here.
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
impl Connection {
    /// Leaves a single stream.
    pub(super) fn use_up_streams(&mut self) {
        self.next = 0x7fff_ffff;
    }
}
