//! What a server may do, from the slightly unusual to the hostile.

use std::io;
use std::thread;
use std::time::Duration;

use super::evil::{End, HEAD, MESSAGE, Scenario, Script, TRAILERS, good, message};
use super::wire::{
    self, ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HAS_PRIORITY, HEADERS, PADDED,
    PING, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, field,
};

/// More than the first window: not all of such a message can be sent at once.
const LARGE: usize = 100_000;
/// More than what two kernels keep of a connection.
const HUGE: usize = 32 << 20;

const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;

const fn of(name: &'static str, end: End, run: fn(&mut Script) -> io::Result<()>) -> Scenario {
    let needs = 0;
    Scenario {
        name,
        end,
        needs,
        run,
    }
}

const fn large(name: &'static str, end: End, run: fn(&mut Script) -> io::Result<()>) -> Scenario {
    let needs = LARGE;
    Scenario {
        name,
        end,
        needs,
        run,
    }
}

/// A frame behind a whole request.
fn after(
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
fn only(s: &mut Script, fields: &[(&str, &str)]) -> io::Result<()> {
    let stream = s.request()?;
    s.headers(stream, END_STREAM, fields)?;
    s.wait()
}

/// An answer with this body behind a whole request.
fn body(s: &mut Script, content: &[u8]) -> io::Result<()> {
    let stream = s.request()?;
    s.headers(stream, 0, &HEAD)?;
    for part in content.chunks(16_384) {
        s.frame(DATA, 0, stream, part)?;
    }
    s.headers(stream, END_STREAM, &TRAILERS)?;
    s.wait()
}

/// A header block behind a whole request.
fn block_of(s: &mut Script, block: &[u8]) -> io::Result<()> {
    after(s, HEADERS, END_HEADERS, None, block)
}

/// A flood behind the head of an answer.
fn flood(s: &mut Script, kind: u8, on_stream: bool, content: &[u8]) -> io::Result<()> {
    let stream = s.request()?;
    s.headers(stream, 0, &HEAD)?;
    s.flood(kind, 0, if on_stream { stream } else { 0 }, content)
}

/// Takes part of a request and answers before its end.
fn early(s: &mut Script, fields: &[(&str, &str)]) -> io::Result<()> {
    s.greet(&[])?;
    let stream = s.head()?;
    s.headers(stream, END_STREAM, fields)?;
    s.wait()
}

fn goaway(last: u32) -> Vec<u8> {
    [last.to_be_bytes(), [0; 4]].concat()
}

/// Refuses the first connection's request by `frame`, and answers that of the second.
fn refuse_once(s: &mut Script, kind: u8, stream: u32, content: &[u8]) -> io::Result<()> {
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

/// Every scenario, by name.
pub const SCENARIOS: &[Scenario] = &[
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
        s.good(stream)?;
        s.frame(GOAWAY, 0, 0, &goaway(stream))?;
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
    // Answers that are not OK.
    of("status_alone", End::Code(8), |s| {
        let text = "too%20much%2c%20%E9%81%85%E3%81%84%0aforged: line %zz %";
        let fields = [
            HEAD[0],
            HEAD[1],
            ("grpc-status", "8"),
            ("grpc-message", text),
        ];
        only(s, &fields)
    }),
    of("status_behind_a_body", End::Code(14), |s| {
        let stream = s.request()?;
        s.headers(stream, 0, &HEAD)?;
        s.frame(DATA, 0, stream, &message(0, MESSAGE))?;
        s.headers(stream, END_STREAM, &[("grpc-status", "14")])?;
        s.wait()
    }),
    of("status_that_gRPC_has_not", End::Code(2), |s| {
        only(s, &[HEAD[0], HEAD[1], ("grpc-status", "99")])
    }),
    of("status_that_is_no_number", End::Code(2), |s| {
        only(s, &[HEAD[0], HEAD[1], ("grpc-status", "OK")])
    }),
    of("long_text", End::Code(3), |s| {
        let text = "%00%1b[31m\u{202e}x".repeat(500);
        only(
            s,
            &[
                HEAD[0],
                HEAD[1],
                ("grpc-status", "3"),
                ("grpc-message", &text),
            ],
        )
    }),
    of("details_that_are_not_base64", End::Code(8), |s| {
        let details = ("grpc-status-details-bin", "!\u{7f}=");
        only(s, &[HEAD[0], HEAD[1], ("grpc-status", "8"), details])
    }),
    of("html_of_a_proxy", End::Code(2), |s| {
        let stream = s.request()?;
        s.headers(
            stream,
            0,
            &[(":status", "200"), ("content-type", "text/html")],
        )?;
        s.frame(DATA, END_STREAM, stream, b"<html>Sign in</html>")?;
        s.wait()
    }),
    of("http_400", End::Code(13), |s| {
        only(s, &[(":status", "400")])
    }),
    of("http_401", End::Code(16), |s| {
        only(s, &[(":status", "401")])
    }),
    of("http_403", End::Code(7), |s| only(s, &[(":status", "403")])),
    of("http_404", End::Code(12), |s| {
        only(s, &[(":status", "404")])
    }),
    of("http_429", End::Code(14), |s| {
        only(s, &[(":status", "429")])
    }),
    of("http_502", End::Code(14), |s| {
        only(s, &[(":status", "502")])
    }),
    of("http_500", End::Code(2), |s| only(s, &[(":status", "500")])),
    of("no_status_of_gRPC", End::Code(2), |s| {
        let stream = s.request()?;
        s.headers(stream, 0, &HEAD)?;
        s.frame(DATA, END_STREAM, stream, &message(0, MESSAGE))?;
        s.wait()
    }),
    of("compressed", End::Code(13), |s| {
        body(s, &message(1, MESSAGE))
    }),
    of("two_messages", End::Code(13), |s| {
        body(s, &message(0, MESSAGE).repeat(2))
    }),
    of("message_cut_short", End::Code(13), |s| {
        body(s, &message(0, MESSAGE)[..7])
    }),
    of("prefix_cut_short", End::Code(13), |s| {
        body(s, &message(0, b"")[..4])
    }),
    of("no_message", End::Code(13), |s| body(s, b"")),
    large("early_refusal", End::Code(8), |s| {
        early(
            s,
            &[
                HEAD[0],
                HEAD[1],
                ("grpc-status", "8"),
                ("grpc-message", "too large"),
            ],
        )
    }),
    large("early_413", End::Code(2), |s| {
        early(s, &[(":status", "413")])
    }),
    of("reset", End::Reset(1), |s| {
        after(s, RST_STREAM, 0, None, &8_u32.to_be_bytes())
    }),
    of("reset_without_error", End::Reset(13), |s| {
        after(s, RST_STREAM, 0, None, &[0; 4])
    }),
    of("reset_inside_the_answer", End::Reset(8), |s| {
        let stream = s.request()?;
        s.headers(stream, 0, &HEAD)?;
        s.frame(RST_STREAM, 0, stream, &11_u32.to_be_bytes())?;
        s.wait()
    }),
    // Floods.
    of("continuation_flood", End::Broken, |s| {
        let stream = s.request()?;
        s.frame(HEADERS, 0, stream, &block(&HEAD))?;
        s.flood(CONTINUATION, 0, stream, &field("a", "b"))
    }),
    of("empty_continuation_flood", End::Broken, |s| {
        let stream = s.request()?;
        s.frame(HEADERS, 0, stream, &[])?;
        s.flood(CONTINUATION, 0, stream, &[])
    }),
    of("ping_flood", End::Broken, |s| {
        flood(s, PING, false, &[0; 8])
    }),
    of("settings_flood", End::Broken, |s| {
        flood(s, SETTINGS, false, &[])
    }),
    of("empty_data_flood", End::Broken, |s| {
        flood(s, DATA, true, &[])
    }),
    of("window_update_flood", End::Broken, |s| {
        flood(s, WINDOW_UPDATE, true, &[0, 0, 0, 1])
    }),
    of("unknown_frame_flood", End::Broken, |s| {
        flood(s, 0xfa, true, &[0; 1_000])
    }),
    of("interim_answer_flood", End::Broken, |s| {
        let stream = s.request()?;
        s.flood(HEADERS, END_HEADERS, stream, &field(":status", "103"))
    }),
    of("goaway_flood", End::Broken, |s| {
        let stream = s.request()?;
        s.flood(GOAWAY, 0, 0, &goaway(stream))
    }),
    of("flood_before_the_answer", End::Broken, |s| {
        s.greet(&[])?;
        s.flood(PING, ACK, 0, &[0; 8])
    }),
    // Header blocks.
    of("hpack_bomb", End::Broken, |s| {
        let large = "x".repeat(4_000);
        let entry = wire::literal(0x40, "a", &large);
        block_of(s, &[entry, vec![0xbe; 10_000]].concat())
    }),
    of("hpack_index_behind_the_tables", End::Broken, |s| {
        block_of(s, &[0xbe])
    }),
    of("hpack_huffman_padding", End::Broken, |s| {
        block_of(s, &[0, 1, b'a', 0x83, 0, 0xff, 0xff])
    }),
    of("hpack_table_too_large", End::Broken, |s| {
        block_of(s, &[0x3f, 0xe2, 0x1f])
    }),
    of("hpack_number_without_end", End::Broken, |s| {
        block_of(s, &[0xff; 20])
    }),
    of("hpack_cut_short", End::Broken, |s| {
        block_of(s, &[0x88, 0, 5, b'a'])
    }),
    of("header_too_long", End::Broken, |s| {
        let long = "x".repeat(300);
        let fields = field("a", &long).repeat(50);
        let stream = s.request()?;
        s.frame(HEADERS, 0, stream, &block(&HEAD))?;
        s.frame(CONTINUATION, 0, stream, &fields)?;
        s.frame(CONTINUATION, END_HEADERS, stream, &fields)?;
        s.wait()
    }),
    of("no_status", End::Broken, |s| {
        block_of(s, &field("content-type", "application/grpc"))
    }),
    of("status_101", End::Broken, |s| {
        block_of(s, &field(":status", "101"))
    }),
    of("status_of_two_digits", End::Broken, |s| {
        block_of(s, &field(":status", "20"))
    }),
    of("status_in_trailers", End::Broken, |s| {
        let stream = s.request()?;
        s.headers(stream, 0, &HEAD)?;
        s.headers(stream, END_STREAM, &HEAD)?;
        s.wait()
    }),
    of("second_header_without_an_end", End::Broken, |s| {
        let stream = s.request()?;
        s.headers(stream, 0, &HEAD)?;
        s.headers(stream, 0, &TRAILERS)?;
        s.wait()
    }),
    of("interrupted_header", End::Broken, |s| {
        let stream = s.request()?;
        s.frame(HEADERS, 0, stream, &block(&HEAD))?;
        s.frame(PING, 0, 0, &[0; 8])?;
        s.frame(CONTINUATION, END_HEADERS, stream, &[])?;
        s.wait()
    }),
    of("header_goes_on_elsewhere", End::Broken, |s| {
        let stream = s.request()?;
        s.frame(HEADERS, 0, stream, &block(&HEAD))?;
        s.frame(CONTINUATION, END_HEADERS, stream + 2, &[])?;
        s.wait()
    }),
    of("continuation_of_nothing", End::Broken, |s| {
        after(s, CONTINUATION, END_HEADERS, None, &block(&HEAD))
    }),
    // Frames.
    of("data_before_its_header", End::Broken, |s| {
        after(s, DATA, 0, None, b"x")
    }),
    of("data_on_no_stream", End::Broken, |s| {
        after(s, DATA, 0, Some(0), b"x")
    }),
    of("data_on_an_idle_stream", End::Broken, |s| {
        after(s, DATA, 0, Some(3), b"x")
    }),
    of("header_on_an_idle_stream", End::Broken, |s| {
        after(s, HEADERS, END_HEADERS, Some(9), &block(&HEAD))
    }),
    of("header_on_a_stream_of_the_server", End::Broken, |s| {
        after(s, HEADERS, END_HEADERS, Some(2), &block(&HEAD))
    }),
    of("reset_of_an_idle_stream", End::Broken, |s| {
        after(s, RST_STREAM, 0, Some(5), &[0; 4])
    }),
    of("push", End::Broken, |s| {
        let content = [&[0, 0, 0, 2], block(&HEAD).as_slice()].concat();
        after(s, PUSH_PROMISE, END_HEADERS, None, &content)
    }),
    of("padding_longer_than_its_frame", End::Broken, |s| {
        after(s, HEADERS, END_HEADERS | PADDED, None, &[2, 0x88])
    }),
    of("padding_of_nothing", End::Broken, |s| {
        after(s, HEADERS, END_HEADERS | PADDED, None, &[])
    }),
    of("priority_cut_short", End::Broken, |s| {
        after(s, HEADERS, END_HEADERS | HAS_PRIORITY, None, &[0; 4])
    }),
    of("frame_too_long", End::Broken, |s| {
        after(s, 0xfa, 0, None, &[0; 16_385])
    }),
    of("frame_of_16_megabytes", End::Broken, |s| {
        s.request()?;
        s.wire.send(&[0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1])?;
        s.wait()
    }),
    of("ping_of_seven_bytes", End::Broken, |s| {
        after(s, PING, 0, Some(0), &[0; 7])
    }),
    of("ping_on_a_stream", End::Broken, |s| {
        after(s, PING, 0, None, &[0; 8])
    }),
    of("reset_of_three_bytes", End::Broken, |s| {
        after(s, RST_STREAM, 0, None, &[0; 3])
    }),
    of("goaway_cut_short", End::Broken, |s| {
        after(s, GOAWAY, 0, Some(0), &[0; 7])
    }),
    of("goaway_on_a_stream", End::Broken, |s| {
        after(s, GOAWAY, 0, None, &[0; 8])
    }),
    of("settings_of_seven_bytes", End::Broken, |s| {
        after(s, SETTINGS, 0, Some(0), &[0; 7])
    }),
    of("settings_on_a_stream", End::Broken, |s| {
        after(s, SETTINGS, 0, None, &[])
    }),
    of("settings_acknowledged_with_more", End::Broken, |s| {
        after(s, SETTINGS, ACK, Some(0), &[0; 6])
    }),
    of("frame_size_too_small", End::Broken, |s| {
        s.greet(&[(MAX_FRAME_SIZE, 16_383)])?;
        s.wait()
    }),
    of("frame_size_too_large", End::Broken, |s| {
        s.greet(&[(MAX_FRAME_SIZE, 1 << 24)])?;
        s.wait()
    }),
    // Windows.
    of("first_window_too_large", End::Broken, |s| {
        s.greet(&[(INITIAL_WINDOW_SIZE, 0x8000_0000)])?;
        s.wait()
    }),
    of("window_of_the_stream_overflows", End::Broken, |s| {
        after(s, WINDOW_UPDATE, 0, None, &0x7fff_ffff_u32.to_be_bytes())
    }),
    of("window_of_the_connection_overflows", End::Broken, |s| {
        after(s, WINDOW_UPDATE, 0, Some(0), &0x7fff_ffff_u32.to_be_bytes())
    }),
    of("settings_make_a_window_overflow", End::Broken, |s| {
        let stream = s.request()?;
        s.wire.send(&wire::window_update(stream, 0x7fff_0000))?;
        s.wire
            .send(&wire::settings(&[(INITIAL_WINDOW_SIZE, 0x7fff_ffff)]))?;
        s.wait()
    }),
    of("window_update_of_nothing", End::Broken, |s| {
        after(s, WINDOW_UPDATE, 0, None, &[0; 4])
    }),
    of("window_update_of_three_bytes", End::Broken, |s| {
        after(s, WINDOW_UPDATE, 0, Some(0), &[0; 3])
    }),
    of("window_update_of_an_idle_stream", End::Broken, |s| {
        after(s, WINDOW_UPDATE, 0, Some(3), &[0, 0, 0, 1])
    }),
    large("window_never_opens", End::Deadline, |s| {
        s.greet(&[])?;
        s.wait()
    }),
    large("window_of_the_connection_never_opens", End::Deadline, |s| {
        s.greet(&[])?;
        let stream = s.head()?;
        s.wire.send(&wire::window_update(stream, 1 << 20))?;
        s.wait()
    }),
    Scenario {
        name: "never_reads",
        end: End::Deadline,
        needs: HUGE,
        run: |s| {
            s.greet(&[(INITIAL_WINDOW_SIZE, 0x7fff_ffff)])?;
            s.wire.send(&wire::window_update(0, 0x7fff_0000))?;
            // The client closes once its time is over.
            while s.wire.socket().take_error()?.is_none() && !is_closed(s) {
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        },
    },
    // Bodies.
    of("answer_too_long", End::Broken, |s| {
        body(s, &message(0, &[0; 40_000]))
    }),
    // Other protocols, and none.
    of("http_1", End::Broken, |s| {
        s.wire.preface()?;
        s.wire
            .send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
        s.wait()
    }),
    of("ssh", End::Broken, |s| {
        s.wire.preface()?;
        s.wire.send(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")?;
        s.wait()
    }),
    of("alert_of_TLS_and_close", End::Broken, |s| {
        s.wire.preface()?;
        s.wire.send(&[21, 3, 1, 0, 2, 2, 10])
    }),
    of("no_settings", End::Broken, |s| {
        s.wire.preface()?;
        let stream = s.head()?;
        s.good(stream)?;
        s.wait()
    }),
    of("acknowledgement_in_place_of_settings", End::Broken, |s| {
        s.wire.preface()?;
        s.frame(SETTINGS, ACK, 0, &[])?;
        s.wait()
    }),
    of("closed_at_once", End::Broken, |_| Ok(())),
    of("closed_behind_the_head", End::Broken, |s| {
        let stream = s.request()?;
        s.headers(stream, 0, &HEAD)
    }),
    of("closed_inside_a_frame", End::Broken, |s| {
        let stream = s.request()?;
        let all = good(stream);
        s.wire.send(&all[..all.len() - 1])
    }),
    of("silence", End::Deadline, |s| s.wait()),
    of("silence_behind_settings", End::Deadline, |s| {
        s.greet(&[])?;
        s.wait()
    }),
    of("silence_inside_a_frame", End::Deadline, |s| {
        let stream = s.request()?;
        let all = good(stream);
        s.wire.send(&all[..all.len() - 1])?;
        s.wait()
    }),
    of("drip", End::Deadline, |s| {
        s.request()?;
        loop {
            s.frame(PING, 0, 0, &[0; 8])?;
            thread::sleep(Duration::from_millis(20));
        }
    }),
];

/// Whether the client has closed the connection; what it has sent before is not read.
fn is_closed(s: &Script) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut watched = [PollFd::new(s.wire.socket(), PollFlags::RDHUP)];
    let now = rustix::event::Timespec::default();
    matches!(poll(&mut watched, Some(&now)), Ok(1..))
}
