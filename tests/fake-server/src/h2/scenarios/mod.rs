//! What a server may do, from the slightly unusual to the hostile.

mod answers;
mod ends;
mod frames;
mod good;
mod headers;

use std::io;

use super::evil::{End, HEAD, Scenario, Script, TRAILERS};
use super::wire::{DATA, END_HEADERS, END_STREAM, HEADERS};

/// Every scenario; no two have the same name.
pub fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    let all = [
        good::ALL,
        answers::ALL,
        headers::ALL,
        frames::ALL,
        ends::ALL,
    ];
    all.into_iter().flatten()
}

/// More than the first window: not all of such a message can be sent at once.
pub(super) const LARGE: usize = 100_000;
/// More than what two kernels keep of a connection.
pub(super) const HUGE: usize = 32 << 20;

pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(super) const MAX_FRAME_SIZE: u16 = 5;

pub(super) const fn of(
    name: &'static str,
    end: End,
    run: fn(&mut Script) -> io::Result<()>,
) -> Scenario {
    let needs = 0;
    Scenario {
        name,
        end,
        needs,
        run,
    }
}

pub(super) const fn large(
    name: &'static str,
    end: End,
    run: fn(&mut Script) -> io::Result<()>,
) -> Scenario {
    let needs = LARGE;
    Scenario {
        name,
        end,
        needs,
        run,
    }
}

/// A frame behind a whole request.
pub(super) fn after(
    s: &mut Script,
    kind: u8,
    flags: u8,
    stream: Option<u32>,
    content: &[u8],
) -> io::Result<()> {
    let own = s.request()?;
    s.frame(kind, flags, stream.unwrap_or(own), content)?;
    s.wait()
}

/// Trailers alone, or an answer of another program, behind a whole request.
pub(super) fn only(s: &mut Script, fields: &[(&str, &str)]) -> io::Result<()> {
    let stream = s.request()?;
    s.headers(stream, END_STREAM, fields)?;
    s.wait()
}

/// An answer with this body behind a whole request.
pub(super) fn body(s: &mut Script, content: &[u8]) -> io::Result<()> {
    let stream = s.request()?;
    s.headers(stream, 0, &HEAD)?;
    for part in content.chunks(16_384) {
        s.frame(DATA, 0, stream, part)?;
    }
    s.headers(stream, END_STREAM, &TRAILERS)?;
    s.wait()
}

/// A header block behind a whole request.
pub(super) fn block_of(s: &mut Script, block: &[u8]) -> io::Result<()> {
    after(s, HEADERS, END_HEADERS, None, block)
}

/// A flood behind the head of an answer.
pub(super) fn flood(s: &mut Script, kind: u8, on_stream: bool, content: &[u8]) -> io::Result<()> {
    let stream = s.request()?;
    s.headers(stream, 0, &HEAD)?;
    s.flood(kind, 0, if on_stream { stream } else { 0 }, content)
}

/// Takes part of a request and answers before its end.
pub(super) fn early(s: &mut Script, fields: &[(&str, &str)]) -> io::Result<()> {
    s.greet(&[])?;
    let stream = s.head()?;
    s.headers(stream, END_STREAM, fields)?;
    s.wait()
}

pub(super) fn goaway(last: u32) -> Vec<u8> {
    [last.to_be_bytes(), [0; 4]].concat()
}

/// Refuses the first connection's request by `frame`, and answers that of the second.
pub(super) fn refuse_once(s: &mut Script, kind: u8, stream: u32, content: &[u8]) -> io::Result<()> {
    if s.number == 0 {
        s.greet(&[])?;
        s.head()?;
        s.frame(kind, 0, stream, content)?;
    } else {
        let stream = s.request()?;
        s.good(stream)?;
    }
    s.wait()
}
