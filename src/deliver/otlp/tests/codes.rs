//! Which errors of a server mean that rounds are sent again.

use super::*;
use crate::sys::http::Answer;
use crate::sys::http::grpc::{self, Code, Kind};

/// `google.rpc.Status` with a RetryInfo of 7.5 s, as Python's protobuf writes it.
const RETRY: &[u8] = b"\x08\x08\x12\x09slow down\x1a\x36\x0a\x28type.googleapis.com/google.rpc.\
    RetryInfo\x12\x0a\x0a\x08\x08\x07\x10\x80\xca\xb5\xee\x01";

/// Whether rounds are sent again, sent as smaller messages, or dropped.
pub(super) fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Later => "later",
        Verdict::TooLarge => "smaller",
        Verdict::Refused(remedy) if remedy.contains("key") => "key",
        Verdict::Refused(_) => "dropped",
    }
}

#[test]
fn code_of_grpc_decides_what_is_sent_again() {
    // (code, without RetryInfo, with it)
    let table = [
        (Code::Cancelled, "later", "later"),
        (Code::Unknown, "dropped", "dropped"),
        (Code::InvalidArgument, "dropped", "dropped"),
        (Code::DeadlineExceeded, "later", "later"),
        (Code::NotFound, "dropped", "dropped"),
        (Code::AlreadyExists, "dropped", "dropped"),
        (Code::PermissionDenied, "key", "key"),
        (Code::ResourceExhausted, "smaller", "later"),
        (Code::FailedPrecondition, "dropped", "dropped"),
        (Code::Aborted, "later", "later"),
        (Code::OutOfRange, "later", "later"),
        (Code::Unimplemented, "dropped", "dropped"),
        (Code::Internal, "dropped", "dropped"),
        (Code::Unavailable, "later", "later"),
        (Code::DataLoss, "later", "later"),
        (Code::Unauthenticated, "key", "key"),
    ];
    for (number, (code, without, with)) in table.into_iter().enumerate() {
        assert_eq!(code as usize, number + 1);
        let plain = Failure::of_call(grpc::Error::new(Kind::Answered, code, "why"));
        assert_eq!(
            (name(plain.verdict), plain.asked),
            (without, None),
            "{number}"
        );
        let mut error = grpc::Error::new(Kind::Answered, code, "why");
        error.details = RETRY.to_vec();
        let asked = Failure::of_call(error);
        assert_eq!(name(asked.verdict), with, "{number}");
        assert_eq!(asked.asked, Some(Duration::from_millis(7_500)), "{number}");
        assert_eq!(asked.text, "why");
    }
}

#[test]
fn code_of_a_stream_that_ended_without_an_answer_drops_nothing() {
    for code in [
        Code::Internal,
        Code::ResourceExhausted,
        Code::PermissionDenied,
    ] {
        for kind in [Kind::Unsent, Kind::Unknown] {
            let failure = Failure::of_call(grpc::Error::new(kind, code, "why"));
            assert_eq!(name(failure.verdict), "later", "{code:?}");
            assert_eq!(failure.step, FailedStep::Server);
        }
    }
}

#[test]
fn status_of_http_decides_what_is_sent_again() {
    // (status, what happens)
    let table = [
        (200, ""),
        (202, ""),
        (301, "dropped"),
        (400, "dropped"),
        (401, "key"),
        (403, "key"),
        (404, "dropped"),
        (405, "dropped"),
        (408, "dropped"),
        (413, "smaller"),
        (415, "dropped"),
        (429, "later"),
        (500, "dropped"),
        (501, "dropped"),
        (502, "later"),
        (503, "later"),
        (504, "later"),
        (505, "dropped"),
    ];
    for (status, expected) in table {
        let answer = Answer {
            status,
            body: Vec::new(),
            encoding: None,
            retry_after: Some(Duration::from_secs(9)),
            location: None,
            date: None,
        };
        let failure = Failure::of_answer("http://host/v1/metrics", &answer);
        let found = failure.as_ref().map_or("", |failure| name(failure.verdict));
        assert_eq!(found, expected, "{status}");
        if let Some(failure) = failure {
            assert_eq!(failure.asked, Some(Duration::from_secs(9)), "{status}");
            let begin = format!("POST http://host/v1/metrics failed (status {status}): ");
            assert!(failure.text.starts_with(&begin), "{}", failure.text);
        }
    }
}

#[test]
fn text_of_an_error_comes_from_its_body() {
    type Row = (
        &'static str,
        u16,
        Option<&'static str>,
        &'static [u8],
        &'static str,
    );
    let long = [b"\x12\x81\x01", &[b'x'; 129][..]].concat().leak();
    // (why this row exists, status, location, body, the end of the text)
    let table: [Row; 6] = [
        ("protobuf", 400, None, RETRY, "(status 400): slow down"),
        (
            "protobuf of more than 127 bytes, which is not UTF-8",
            400,
            None,
            long,
            "xxx",
        ),
        ("JSON", 400, None, br#"{"error":{"message":"no"}}"#, ": no"),
        ("HTML", 502, None, b"<html>", ": 502 Bad Gateway"),
        ("nothing", 404, None, b"", ": 404 Not Found"),
        (
            "a redirect",
            308,
            Some("https://u:secret@host/x"),
            b"",
            ": redirected to https://host/x",
        ),
    ];
    for (why, status, location, body, end) in table {
        let answer = Answer {
            status,
            body: body.to_vec(),
            encoding: None,
            retry_after: None,
            location: location.map(str::to_owned),
            date: None,
        };
        let failure = Failure::of_answer("https://host/v1/metrics", &answer).unwrap();
        assert!(failure.text.ends_with(end), "{why}: {}", failure.text);
    }
}
