//! Frames that break a rule.

use super::{MAX_FRAME_SIZE, after, of};
use crate::h2::evil::{End, HEAD, Scenario};
use crate::h2::wire::{
    ACK, DATA, END_HEADERS, GOAWAY, HAS_PRIORITY, HEADERS, PADDED, PING, PUSH_PROMISE, RST_STREAM,
    SETTINGS, block,
};

/// By name.
pub(super) const ALL: &[Scenario] = &[
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
];
