//! Floods, and header blocks that are none.

use super::{after, block_of, flood, goaway, of};
use crate::h2::evil::{End, HEAD, Scenario, TRAILERS};
use crate::h2::wire::{
    self, ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, SETTINGS,
    WINDOW_UPDATE, block, field,
};

/// By name.
pub(super) const ALL: &[Scenario] = &[
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
];
