//! What an error of a server means for the rounds of the request: the lists of the OTLP
//! specification.

use std::time::Duration;

use crate::base;
use crate::base::url::without_secrets;
use crate::deliver::failed_step::FailedStep;
use crate::sys::http::grpc::{self, Code};
use crate::sys::http::{Answer, Kind as LinkKind, LinkError};
use crate::sys::log::excerpt;
use crate::wire::otlp::{self, PartialSuccess};
use crate::wire::{error, rpc_status};

/// Characters of a server's text that a message shows.
const TEXT: usize = 500;
const KEY: &str = "check the API key, or headers and headers_file";
const SEE: &str = "see what the log of that server says";
/// The remedy for a single round that is too large.
pub(super) const SIZE: &str = "raise the server's limit for a message, or request fewer metrics";
const PATH: &str = "check the path of endpoint, which is /v1/metrics as a rule, and protocol";

/// What happens to the rounds of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// They are sent again later.
    Later,
    /// They are sent again as smaller messages; a single one is dropped.
    TooLarge,
    /// They are sent again as fewer rounds a message; a single one is dropped. The text is the remedy.
    Refused(&'static str),
}

/// The error of a request.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) verdict: Verdict,
    /// Time that the server asks for until the next request.
    pub(super) asked: Option<Duration>,
    /// Server, code and reason, in one line.
    pub(super) text: String,
    /// The step that failed.
    pub(super) step: FailedStep,
}

impl Failure {
    /// The failure of a call of gRPC.
    pub(super) fn of_call(error: grpc::Error) -> Failure {
        let asked = rpc_status::retry_delay(&error.details);
        let verdict = match error.code {
            _ if error.kind != grpc::Kind::Answered => Verdict::Later,
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => Verdict::Later,
            Code::ResourceExhausted if asked.is_some() => Verdict::Later,
            Code::ResourceExhausted => Verdict::TooLarge,
            Code::Unauthenticated | Code::PermissionDenied => Verdict::Refused(KEY),
            Code::Unimplemented => Verdict::Refused("check endpoint and protocol"),
            _ => Verdict::Refused(SEE),
        };
        let step = match (error.link, error.code) {
            (Some(kind), _) => FailedStep::Link(kind),
            (None, Code::Unauthenticated | Code::PermissionDenied) if verdict != Verdict::Later => {
                FailedStep::Key
            }
            (None, Code::DeadlineExceeded) => FailedStep::Link(LinkKind::Timeout),
            _ if verdict == Verdict::Later => FailedStep::Server,
            _ => FailedStep::Status,
        };
        Failure {
            verdict,
            asked,
            text: error.message,
            step,
        }
    }

    /// The failure of a request of HTTP that has no answer.
    pub(super) fn of_link(error: &LinkError) -> Failure {
        Failure {
            verdict: Verdict::Later,
            asked: None,
            text: base::report(error),
            step: error.into(),
        }
    }

    /// The failure that an answer of `url` reports; `None` if it is a success.
    pub(super) fn of_answer(url: &str, answer: &Answer<Vec<u8>>) -> Option<Failure> {
        let verdict = match answer.status {
            200..=299 => return None,
            429 | 502 | 503 | 504 => Verdict::Later,
            413 => Verdict::TooLarge,
            401 | 403 => Verdict::Refused(KEY),
            300..=399 => Verdict::Refused("set endpoint to the URL of the server itself"),
            404 | 405 | 415 => Verdict::Refused(PATH),
            _ => Verdict::Refused(SEE),
        };
        let said = match &answer.location {
            Some(to) if answer.status < 400 => format!("redirected to {}", without_secrets(to)),
            _ => rpc_status::message(&answer.body).unwrap_or_else(|| {
                error::message(answer.status, &String::from_utf8_lossy(&answer.body))
            }),
        };
        Some(Failure {
            verdict,
            asked: answer.retry_after,
            text: format!(
                "POST {url} failed (status {}): {}",
                answer.status,
                excerpt(&said, TEXT)
            ),
            step: match answer.status {
                300..=399 => FailedStep::Foreign,
                status => FailedStep::of_status(status),
            },
        })
    }
}

/// The warning about a success whose answer is `answer`; `None` if the server has taken all of it
/// without a remark.
pub(super) fn warning(answer: &[u8]) -> Option<String> {
    let Ok(partial) = otlp::partial_success(answer) else {
        let text = "the server reports success, but its answer is not one of OTLP; check endpoint";
        return Some(text.to_owned());
    };
    let PartialSuccess { rejected, message } = partial?;
    let text = excerpt(&message, TEXT);
    Some(match rejected {
        0 => format!("the server warns: {text}"),
        _ => format!("data points rejected by the server: {rejected}: {text}; not sent again"),
    })
}
