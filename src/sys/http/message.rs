//! What a request says besides its path and body, and what an answer says.

use std::io::Read;
use std::time::Duration;

use ureq::http::header::{
    AUTHORIZATION, CONNECTION, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    USER_AGENT,
};
use ureq::{Body, http};

use super::error::SetupError;
use super::url::Origin;
use super::{Answer, Settings, date};
use crate::base::text::percent_encoded;

/// Bytes kept of an answer's body.
const BODY_LIMIT: u64 = 1 << 20;

/// The headers of every request.
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

/// Takes what is of use from an answer.
pub(super) fn read(answer: http::Response<Body>) -> Result<Answer, ureq::Error> {
    let (head, body) = answer.into_parts();
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let retry_after = header(RETRY_AFTER).and_then(|value| value.parse().ok());
    let location = header(LOCATION).map(str::to_owned);
    let date = header(DATE).and_then(date::parse);
    let mut text = Vec::new();
    let body = body.into_reader().take(BODY_LIMIT).read_to_end(&mut text);
    body.map_err(ureq::Error::from)?;
    Ok(Answer {
        status: head.status.as_u16(),
        body: String::from_utf8(text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        retry_after: retry_after.map(Duration::from_secs),
        location,
        date,
    })
}

/// A path in which everything that cannot stand in a URL is percent-encoded.
pub(super) fn encoded(path: &str) -> String {
    percent_encoded(path, |byte| {
        matches!(
            byte,
            b'!' | b'$'..=b';' | b'=' | b'?'..=b'[' | b']' | b'_' | b'a'..=b'z' | b'~'
        )
    })
}
