//! Headers of requests, and conversion of answers.

use std::io::Read;
use std::time::Duration;

use ureq::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, DATE, HeaderMap, HeaderName,
    HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT,
};
use ureq::{Body, http};

use super::error::SetupError;
use super::url::Origin;
use super::{Answer, Settings, date};
use crate::sys::log::escaped;

/// Maximum number of bytes kept of an answer's body.
const BODY_LIMIT: u64 = 1 << 20;
/// Maximum number of bytes of a `Content-Encoding` in an error.
const ENCODING_LIMIT: usize = 20;

/// The headers of every request.
///
/// Fails if a value has a control character.
pub(super) fn headers(settings: Settings, origin: &Origin) -> Result<HeaderMap, SetupError> {
    let lines = [
        (USER_AGENT, Some(settings.user_agent)),
        (HeaderName::from_static("x-api-key"), Some(settings.key)),
        (
            HeaderName::from_static("x-agent-version"),
            Some(settings.version),
        ),
        (
            HeaderName::from_static("x-revision"),
            Some(settings.revision),
        ),
        (AUTHORIZATION, origin.basic()),
        (
            CONNECTION,
            (!settings.keep_alive).then(|| "close".to_owned()),
        ),
    ];
    let mut headers = HeaderMap::new();
    // Without this header, a server may choose an encoding (RFC 9110, 12.5.3).
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in lines {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            continue;
        };
        let value = HeaderValue::try_from(value).map_err(|_| SetupError::Header {
            what: name.to_string(),
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Value of `Content-Encoding`, escaped and in quotes; `None` if the body is not compressed.
pub(super) fn encoding(headers: &HeaderMap) -> Option<String> {
    let encoding = headers.get(CONTENT_ENCODING)?.as_bytes().trim_ascii();
    let is_none = encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity");
    let shown = encoding.get(..ENCODING_LIMIT).unwrap_or(encoding);
    (!is_none).then(|| format!("\"{}\"", escaped(&String::from_utf8_lossy(shown))))
}

impl Answer<Vec<u8>> {
    /// The answer with its body as text.
    pub(super) fn into_text(self) -> Answer {
        Answer {
            status: self.status,
            body: String::from_utf8(self.body)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            encoding: self.encoding,
            retry_after: self.retry_after,
            location: self.location,
            date: self.date,
        }
    }
}

/// Converts an answer of ureq and reads its body.
pub(super) fn read(answer: http::Response<Body>) -> Result<Answer<Vec<u8>>, ureq::Error> {
    let (head, body) = answer.into_parts();
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let retry_after = header(RETRY_AFTER).and_then(|value| value.parse().ok());
    let location = header(LOCATION).map(str::to_owned);
    let date = header(DATE).and_then(date::parse);
    let encoding = encoding(&head.headers);
    let mut text = Vec::new();
    let body = body.into_reader().take(BODY_LIMIT).read_to_end(&mut text);
    // A status that says what is wrong counts, however much of the page has arrived.
    if head.status.is_success() {
        body.map_err(ureq::Error::from)?;
    }
    if encoding.is_some() {
        text.clear();
    }
    Ok(Answer {
        status: head.status.as_u16(),
        body: text,
        encoding,
        retry_after: retry_after.map(Duration::from_secs),
        location,
        date,
    })
}
