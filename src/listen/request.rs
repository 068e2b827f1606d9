//! The head of a request.

use crate::config::Secret;
use crate::sys::digest::sha256;

use super::response::Status;

/// Headers of a request.
const HEADERS: usize = 64;
/// Headers that may occur once.
const NAMES: [&str; 7] = [
    "content-length",
    "transfer-encoding",
    "host",
    "sec-fetch-site",
    "last-event-id",
    "authorization",
    "report",
];

/// What counts of a head.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Without the query.
    pub(super) path: &'a str,
    /// Whether the method is HEAD, not GET.
    pub(super) is_head: bool,
    /// Whether the method is POST.
    pub(super) is_post: bool,
    /// Name and port that the client means; `None` in HTTP/1.0.
    pub(super) host: Option<&'a str>,
    /// What a browser says of the page that asks.
    pub(super) site: Option<&'a str>,
    /// Id of the last event that a client has got of a stream that it resumes.
    pub(super) last_event_id: Option<&'a str>,
    /// The report of a job, as [`super::report`] writes it.
    pub(super) report: Option<&'a str>,
    /// Whether the client understands gzip.
    pub(super) takes_gzip: bool,
    authorization: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Parses a whole head. Fails with the status of the answer.
    pub(super) fn parse(head: &'a [u8]) -> Result<Request<'a>, Status> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(Status::HeadTooLong),
            Err(httparse::Error::Version) => return Err(Status::VersionNotSupported),
            Ok(httparse::Status::Partial) | Err(_) => return Err(Status::BadRequest),
        }
        let (is_head, is_post) = match parsed.method {
            Some("GET") => (false, false),
            Some("HEAD") => (true, false),
            Some("POST") => (false, true),
            _ => return Err(Status::MethodNotAllowed),
        };
        let target = parsed.path.filter(|target| target.starts_with('/'));
        let target = target.ok_or(Status::BadRequest)?;
        let mut values = [None; NAMES.len()];
        let mut takes_gzip = false;
        for header in parsed.headers.iter() {
            if header.name.eq_ignore_ascii_case("accept-encoding") {
                takes_gzip |= has_gzip(header.value);
            }
            for (name, value) in NAMES.iter().zip(&mut values) {
                if header.name.eq_ignore_ascii_case(name) {
                    let text = str::from_utf8(header.value).map_err(|_| Status::BadRequest)?;
                    // Twice the same header: what the one sees need not be what the other one does.
                    if value.replace(text).is_some() {
                        return Err(Status::BadRequest);
                    }
                }
            }
        }
        let [
            length,
            coding,
            host,
            site,
            last_event_id,
            authorization,
            report,
        ] = values;
        if coding.is_some() || length.is_some_and(|length| length != "0") {
            return Err(Status::BodyNotAllowed);
        }
        if host.is_none() && parsed.version == Some(1) {
            return Err(Status::BadRequest);
        }
        Ok(Request {
            path: target.split('?').next().unwrap_or_default(),
            is_head,
            is_post,
            report,
            host,
            site,
            last_event_id,
            takes_gzip,
            authorization,
        })
    }

    /// Whether the request has this bearer token.
    pub(super) fn has_token(&self, token: &Secret) -> bool {
        let words = self.authorization.and_then(|value| value.split_once(' '));
        let given = words.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        // The time that comparing digests takes says nothing of the token.
        given.is_some_and(|(_, given)| {
            sha256(given.trim_ascii().as_bytes()) == sha256(token.as_bytes())
        })
    }
}

/// Whether a value of Accept-Encoding names gzip, and not with the weight zero.
fn has_gzip(value: &[u8]) -> bool {
    let value = str::from_utf8(value).unwrap_or_default();
    value.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim_ascii().strip_prefix("q=");
        let is_zero = weight.is_some_and(|weight| weight.bytes().all(|byte| b"0.".contains(&byte)));
        name.trim_ascii().eq_ignore_ascii_case("gzip") && !is_zero
    })
}
