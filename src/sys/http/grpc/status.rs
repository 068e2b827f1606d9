//! What an answer says: the codes of gRPC, and the status that they come with.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;

use super::{Error, Kind, PREFIX, prefix};
use crate::base::base64;
use crate::sys::http::h2::{Answer, Field};
use crate::sys::log::excerpt;

/// Characters of a server's text that an error shows.
const TEXT: usize = 500;

/// A code of gRPC, by its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Code {
    Ok,
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

/// Every code and its name, by number.
const CODES: [(Code, &str); 17] = [
    (Code::Ok, "OK"),
    (Code::Cancelled, "CANCELLED"),
    (Code::Unknown, "UNKNOWN"),
    (Code::InvalidArgument, "INVALID_ARGUMENT"),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Code::NotFound, "NOT_FOUND"),
    (Code::AlreadyExists, "ALREADY_EXISTS"),
    (Code::PermissionDenied, "PERMISSION_DENIED"),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (Code::FailedPrecondition, "FAILED_PRECONDITION"),
    (Code::Aborted, "ABORTED"),
    (Code::OutOfRange, "OUT_OF_RANGE"),
    (Code::Unimplemented, "UNIMPLEMENTED"),
    (Code::Internal, "INTERNAL"),
    (Code::Unavailable, "UNAVAILABLE"),
    (Code::DataLoss, "DATA_LOSS"),
    (Code::Unauthenticated, "UNAUTHENTICATED"),
];

impl Code {
    /// The code of `grpc-status`; one that gRPC does not have is `Unknown`.
    fn of_status(text: &[u8]) -> Code {
        let number = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok());
        let code = number.and_then(|number: usize| CODES.get(number));
        code.map_or(Code::Unknown, |(code, _)| *code)
    }

    /// The code for the status of an answer that has none of gRPC (`http-grpc-status-mapping.md` of
    /// gRPC).
    fn of_http(status: u16) -> Code {
        match status {
            400 => Code::Internal,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            429 | 502..=504 => Code::Unavailable,
            _ => Code::Unknown,
        }
    }

    /// The code for an error of HTTP/2 that ended a call (`PROTOCOL-HTTP2.md` of gRPC).
    pub(super) fn of_reset(error: u32) -> Code {
        match error {
            7 => Code::Unavailable,
            8 => Code::Cancelled,
            11 => Code::ResourceExhausted,
            12 => Code::PermissionDenied,
            _ => Code::Internal,
        }
    }

    /// In capitals, as the documents of gRPC write it.
    pub(crate) fn name(self) -> &'static str {
        CODES.get(self as usize).map_or("", |(_, name)| *name)
    }
}

/// A status other than OK.
pub(super) struct Wrong {
    code: Code,
    text: String,
    details: Vec<u8>,
}

impl Wrong {
    fn new(code: Code, text: String) -> Wrong {
        Wrong {
            code,
            text,
            details: Vec::new(),
        }
    }

    /// The error of a call to `peer`.
    pub(super) fn error(self, peer: &dyn fmt::Display) -> Error {
        let Wrong {
            code,
            text,
            details,
        } = self;
        let colon = if text.is_empty() { "" } else { ": " };
        let (name, number) = (code.name(), code as u8);
        let message = format!("{peer} answers {name} ({number}){colon}{text}");
        Error {
            link: None,
            kind: Kind::Answered,
            code,
            message,
            details,
        }
    }
}

/// The message of an answer.
pub(super) fn read(answer: Answer) -> Result<Vec<u8>, Wrong> {
    let Answer {
        status,
        head,
        mut body,
        trailers,
    } = answer;
    // An answer without a body has no trailers: its head has all.
    let last = |name| find(&trailers, name).or_else(|| find(&head, name));
    let Some(code) = last("grpc-status").map(Code::of_status) else {
        let kind = find(&head, "content-type").map(shown).unwrap_or_default();
        let text = format!("HTTP status {status} of type \"{kind}\", without a status of gRPC");
        return Err(Wrong::new(Code::of_http(status), text));
    };
    if code != Code::Ok {
        let text: Cow<'_, [u8]> = percent_decode(last("grpc-message").unwrap_or_default()).into();
        // Both forms are in use: with padding, and without.
        let details = base64::decode(last("grpc-status-details-bin").unwrap_or_default());
        return Err(Wrong {
            code,
            text: shown(&text),
            details: details.unwrap_or_default(),
        });
    }
    let wrong = match body.split_first_chunk::<PREFIX>() {
        Some((found, message)) if *found == prefix(message) => {
            body.drain(..PREFIX);
            return Ok(body);
        }
        Some(([0, ..], _)) => "the answer is not one whole message",
        Some(_) => "the answer is compressed, which was not offered",
        None => "the answer has no message",
    };
    Err(Wrong::new(Code::Internal, wrong.to_owned()))
}

fn find<'a>(fields: &'a [Field], name: &str) -> Option<&'a [u8]> {
    let field = fields.iter().find(|field| field.name == name.as_bytes())?;
    Some(&field.value)
}

/// A server's text as a log can have it.
fn shown(text: &[u8]) -> String {
    excerpt(&String::from_utf8_lossy(text), TEXT)
}
