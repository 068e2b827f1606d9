//! Requests of checks: any header, any address, and an answer of which only the beginning is kept.

use std::io::Read;
use std::time::Duration;

use ureq::Body;
use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, LOCATION, TRANSFER_ENCODING};

use super::url::basic;
use super::wire::STATUS_LINE;
use super::{Http, Method, Request, Roots, Settings, Via, proxy};
use crate::base::clock::Deadline;
use crate::base::fault::Fault;

/// Maximum number of bytes kept of an answer's body.
const KEPT: usize = 1 << 20;
/// Bytes of a body that are read at a time.
const PIECE: usize = 16 << 10;

/// A request.
pub(crate) struct Visit<'a> {
    pub(crate) method: Method,
    /// Empty: none, or one of zero bytes if the method needs one.
    pub(crate) body: &'a str,
    /// Names and values. They replace those that would be sent otherwise.
    pub(crate) headers: Vec<(String, String)>,
    /// `user:password`, or `user` for an empty password; empty: that of the URL, if any.
    pub(crate) login: &'a str,
    pub(crate) user_agent: &'a str,
    pub(crate) proxy: &'a proxy::Rules,
    pub(crate) via: &'a Via,
    /// What is trusted; `None`: what the agent trusts, if that is needed for a proxy.
    pub(crate) roots: Option<Roots>,
}

/// The head of an answer, and its body, which is not read yet.
pub(crate) struct Visited {
    /// The status line, e.g. `HTTP/1.1 200 OK`.
    pub(crate) line: String,
    pub(crate) status: u16,
    /// Value of `Location`: the target of a redirect.
    pub(crate) location: Option<String>,
    /// Value of `Content-Length`.
    length: Option<u64>,
    body: Body,
}

impl Visit<'_> {
    /// Sends the request to the host of `url`, for this path and query, and waits for the head of the
    /// answer.
    ///
    /// Fails with the step, the peer and the reason.
    pub(crate) fn make(
        &self,
        url: &str,
        path: &str,
        limit: Duration,
    ) -> Result<Box<Visited>, Fault> {
        let settings = Settings {
            base: url.to_owned(),
            key: String::new(),
            user_agent: self.user_agent.to_owned(),
            version: String::new(),
            revision: String::new(),
            keep_alive: false,
            proxy: self.proxy.clone(),
            ca_file: None,
            limit,
        };
        let (via, roots) = (self.via.clone(), self.roots.clone());
        let mut http =
            Http::with("the URL", settings, via, roots).map_err(|error| Fault::of(&error))?;
        if !self.login.is_empty()
            && let Ok(value) = basic(self.login).parse()
        {
            http.headers.insert(AUTHORIZATION, value);
        }
        let mut given: Vec<HeaderName> = Vec::new();
        for (name, value) in &self.headers {
            let (Ok(key), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) else {
                let why = ": no header can have this name or this value";
                return Err([name, why].concat().into());
            };
            if given.contains(&key) {
                http.headers.append(key, value);
            } else {
                http.headers.insert(key.clone(), value);
                given.push(key);
            }
        }
        let needs_body = matches!(self.method, Method::Post | Method::Put);
        let has_body = self.method != Method::Head && (needs_body || !self.body.is_empty());
        let request = Request {
            method: self.method,
            path,
            body: has_body.then_some(self.body.as_bytes()),
            content_type: "",
            is_repeatable: false,
        };
        let answer = http.send(&request, None, Deadline::after(limit));
        let answer = answer.map_err(|error| Fault::of(&http.failure(error)))?;
        let (head, body) = answer.into_parts();
        let text = |name: &HeaderName| {
            let value = head.headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let status = head.status.as_u16();
        // An answer of this status has no body, whatever its headers say (RFC 9112, 6.3).
        let is_empty = matches!(status, 204 | 304) && self.method != Method::Head;
        let length = if is_empty {
            Some(0)
        } else if text(&TRANSFER_ENCODING).is_some() {
            None
        } else {
            text(&CONTENT_LENGTH).and_then(|length| length.parse().ok())
        };
        Ok(Box::new(Visited {
            line: text(&HeaderName::from_static(STATUS_LINE)).unwrap_or_default(),
            status,
            location: text(&LOCATION),
            length,
            body,
        }))
    }
}

impl Visited {
    /// The number of bytes of the body, and its first bytes, at most 1 MiB. What does not arrive in
    /// time is missing.
    pub(crate) fn content(self) -> (u64, Vec<u8>) {
        let mut reader = self.body.into_reader();
        let (mut piece, mut kept, mut count) = (vec![0; PIECE], Vec::new(), 0);
        while let Ok(length) = reader.read(&mut piece)
            && length > 0
        {
            count += length as u64;
            let room = length.min(KEPT - kept.len());
            kept.extend_from_slice(piece.get(..room).unwrap_or_default());
            // The rest is only of interest if its number is not known.
            if kept.len() == KEPT && self.length.is_some() {
                break;
            }
        }
        (self.length.unwrap_or(count), kept)
    }
}
