//! Answers that are not OK.

use super::{after, body, early, large, of, only};
use crate::h2::evil::{End, HEAD, MESSAGE, Scenario, message};
use crate::h2::wire::{DATA, END_STREAM, RST_STREAM};

/// By name.
pub(super) const ALL: &[Scenario] = &[
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
];
