//! What a good server may do, and refusals that a new connection makes good.

use super::{INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, goaway, large, of, refuse_once};
use crate::h2::evil::{End, HEAD, MESSAGE, Scenario, TRAILERS, good, message};
use crate::h2::wire::{
    self, ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HAS_PRIORITY, HEADERS, PADDED,
    PING, PRIORITY, RST_STREAM, block,
};

/// By name.
pub(super) const ALL: &[Scenario] = &[
    // What a good server may do.
    of("good", End::Ok, |s| {
        let stream = s.request()?;
        s.good(stream)?;
        s.wait()
    }),
    of("one_byte_at_a_time", End::Ok, |s| {
        s.wire.preface()?;
        let all = [wire::settings(&[]), good(1)].concat();
        for byte in all {
            s.wire.send(&[byte])?;
        }
        s.wait()
    }),
    large("small_window", End::Ok, |s| {
        s.greet(&[(INITIAL_WINDOW_SIZE, 65_535)])?;
        let stream = s.head()?;
        loop {
            let frame = s.wire.frame()?;
            if frame.kind == DATA {
                if frame.flags & END_STREAM != 0 {
                    break;
                }
                let count = u32::try_from(frame.content.len()).unwrap();
                for part in [count / 2, count - count / 2] {
                    for stream in [0, stream] {
                        s.wire.send(&wire::window_update(stream, part.max(1)))?;
                    }
                }
            }
        }
        s.good(stream)?;
        s.wait()
    }),
    large("shrinking_window", End::Ok, |s| {
        s.greet(&[])?;
        let stream = s.head()?;
        let mut count = 0;
        while count < 65_535 {
            count += u32::try_from(s.wire.frame()?.content.len()).unwrap();
        }
        s.wire.send(&wire::settings(&[(INITIAL_WINDOW_SIZE, 10)]))?;
        for stream in [0, stream] {
            s.wire.send(&wire::window_update(stream, count + 50))?;
        }
        s.body(stream)?;
        s.good(stream)?;
        s.wait()
    }),
    of("large_frames_allowed", End::Ok, |s| {
        s.greet(&[
            (MAX_FRAME_SIZE, 16_777_215),
            (INITIAL_WINDOW_SIZE, 0x7fff_ffff),
        ])?;
        let stream = s.head()?;
        s.body(stream)?;
        s.good(stream)?;
        s.wait()
    }),
    of("padding_and_priority", End::Ok, |s| {
        let stream = s.request()?;
        let head = [&[3, 0, 0, 0, 0, 16], block(&HEAD).as_slice(), &[0; 3]].concat();
        let flags = END_HEADERS | PADDED | HAS_PRIORITY;
        s.frame(HEADERS, flags, stream, &head)?;
        s.frame(DATA, PADDED, stream, &[0])?;
        let content = [&[9], message(0, MESSAGE).as_slice(), &[0; 9]].concat();
        s.frame(DATA, PADDED, stream, &content)?;
        s.headers(stream, END_STREAM, &TRAILERS)?;
        s.wait()
    }),
    of("continuations", End::Ok, |s| {
        let stream = s.request()?;
        let head = block(&HEAD);
        s.frame(HEADERS, 0, stream, &head[..1])?;
        for byte in &head[1..] {
            s.frame(CONTINUATION, 0, stream, &[*byte])?;
        }
        s.frame(CONTINUATION, END_HEADERS, stream, &[])?;
        s.frame(DATA, 0, stream, &message(0, MESSAGE))?;
        s.headers(stream, END_STREAM, &TRAILERS)?;
        s.wait()
    }),
    of("unknown_frames_and_settings", End::Ok, |s| {
        s.greet(&[(0x1234, 1), (0, 0), (1, 0), (6, 1)])?;
        let stream = s.head()?;
        s.body(stream)?;
        s.frame(0xfa, 0xff, 77, b"grease")?;
        s.frame(PRIORITY, 0, 9, &[0; 5])?;
        s.good(stream)?;
        s.wait()
    }),
    of("interim_answers", End::Ok, |s| {
        let stream = s.request()?;
        for status in ["100", "103"] {
            s.headers(stream, 0, &[(":status", status), ("link", "x")])?;
        }
        s.good(stream)?;
        s.wait()
    }),
    of("reset_behind_the_answer", End::Ok, |s| {
        let stream = s.request()?;
        s.good(stream)?;
        s.frame(RST_STREAM, 0, stream, &[0; 4])?;
        s.wait()
    }),
    of("goaway_behind_the_answer", End::Ok, |s| {
        let stream = s.request()?;
        // At once, so that the client has both before its next call.
        let goaway = wire::frame(GOAWAY, 0, 0, &goaway(stream));
        s.wire.send(&[good(stream), goaway].concat())?;
        s.wait()
    }),
    of("goaway_that_lets_it_end", End::Ok, |s| {
        s.greet(&[])?;
        let stream = s.head()?;
        s.frame(GOAWAY, 0, 0, &goaway(0x7fff_ffff))?;
        s.frame(GOAWAY, 0, 0, &goaway(stream))?;
        s.body(stream)?;
        s.good(stream)?;
        s.wait()
    }),
    of("no_more_streams", End::Ok, |s| {
        s.greet(&[(3, 0)])?;
        let stream = s.head()?;
        s.body(stream)?;
        s.good(stream)?;
        s.wait()
    }),
    of("ping_between_calls", End::Ok, |s| {
        let mut stream = s.request()?;
        loop {
            s.good(stream)?;
            s.frame(PING, 0, 0, b"are you?")?;
            let (mut is_answered, mut is_whole) = (false, false);
            while !is_answered || !is_whole {
                let frame = s.wire.frame()?;
                match frame.kind {
                    HEADERS => stream = frame.stream,
                    DATA => is_whole = frame.flags & END_STREAM != 0,
                    PING => is_answered = frame.flags == ACK && frame.content == b"are you?",
                    _ => {}
                }
            }
        }
    }),
    of("closed_between_calls", End::Ok, |s| {
        let stream = s.request()?;
        s.good(stream)
    }),
    // Refusals that a new connection makes good.
    of("goaway_before_it", End::Ok, |s| {
        refuse_once(s, GOAWAY, 0, &goaway(0))
    }),
    of("goaway_with_an_error", End::Ok, |s| {
        let content = [goaway(0).as_slice(), b"too_many_pings"].concat();
        refuse_once(s, GOAWAY, 0, &content)
    }),
    of("goaway_and_close", End::Ok, |s| {
        if s.number == 0 {
            s.greet(&[])?;
            s.head()?;
            // What has come and is not read makes this an RST.
            return s.frame(GOAWAY, 0, 0, &goaway(0));
        }
        let stream = s.request()?;
        s.good(stream)?;
        s.wait()
    }),
    of("refused_stream", End::Ok, |s| {
        refuse_once(s, RST_STREAM, 1, &7_u32.to_be_bytes())
    }),
    of("goaway_always", End::Refused, |s| {
        s.greet(&[])?;
        s.head()?;
        s.frame(GOAWAY, 0, 0, &goaway(0))?;
        s.wait()
    }),
    of("refused_always", End::Refused, |s| {
        s.greet(&[])?;
        let stream = s.head()?;
        s.frame(RST_STREAM, 0, stream, &7_u32.to_be_bytes())?;
        s.wait()
    }),
];
