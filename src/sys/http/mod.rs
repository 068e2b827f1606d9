//! HTTP/1.1 client for the API. It keeps one connection open, limits every wait and follows no
//! redirect.

mod authorities;
pub(crate) mod cancel;
mod crypto;
mod date;
mod dial;
pub(crate) mod download;
mod error;
pub(crate) mod fetch;
mod field;
pub(crate) mod grpc;
pub(crate) mod h2;
pub(crate) mod head;
mod link;
mod lookup;
mod message;
pub(crate) mod probe;
pub(crate) mod proxy;
mod roots;
pub(crate) mod route;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
mod tls;
mod tunnel;
mod url;
mod verify;
pub(crate) mod visit;
mod wire;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::AutoHeaderValue;
use ureq::http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use ureq::{Agent, AsSendBody, Body, http};

use self::dial::{Access, Dialer, Peer};
pub(crate) use self::dial::{Detour, Via};
pub(crate) use self::error::{Kind, LinkError, SetupError};
use self::message::{headers, read};
pub(crate) use self::roots::Roots;
use self::wire::{Dial, NotHere, Progress, Stage};
use crate::base::clock::{Deadline, Unix};
use crate::base::url::encoded_path;

/// Longest time for which an unused connection is kept. After that, a device on the path, such as a
/// NAT router, may have dropped its state.
const IDLE_LIMIT: Duration = Duration::from_secs(5 * 60);

/// `Content-Type` of JSON.
pub(crate) const JSON: &str = "application/json";
/// `Content-Type` of Protocol Buffers, as OTLP names it.
pub(crate) const PROTOBUF: &str = "application/x-protobuf";

/// Method of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
}

impl Method {
    /// The method's name in HTTP.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
        }
    }
}

/// One request to the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Begins with `/` and includes the query.
    pub(crate) path: &'a str,
    /// Empty: a body of zero bytes, without a type. `None`: no body.
    pub(crate) body: Option<&'a [u8]>,
    /// Value of `Content-Type` of a body that is not empty.
    pub(crate) content_type: &'static str,
    /// Whether the request is idempotent. Only such a request may be sent twice.
    pub(crate) is_repeatable: bool,
}

impl<'a> Request<'a> {
    /// The body as text; empty if there is none, or if it is not UTF-8.
    pub(crate) fn text(&self) -> &'a str {
        let body = self.body.unwrap_or_default();
        str::from_utf8(body).unwrap_or_default()
    }
}

/// The server's answer with any status. Redirects are returned like other answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer<Body = String> {
    /// 101, or at least 200: interim answers are dropped.
    pub(crate) status: u16,
    /// At most 1 MiB; the rest is dropped. Empty if `encoding` is set. In a `String`, bytes that
    /// are not UTF-8 become U+FFFD.
    pub(crate) body: Body,
    /// Value of `Content-Encoding`, in quotes; `None` if the body is not compressed. The request
    /// asks for a body without compression.
    pub(crate) encoding: Option<String>,
    /// Value of `Retry-After`; `None` if the header is missing or not in seconds.
    pub(crate) retry_after: Option<Duration>,
    /// Value of `Location`: the target of a redirect.
    pub(crate) location: Option<String>,
    /// Value of `Date`: the server's time. `None` if the header is missing or invalid.
    pub(crate) date: Option<Unix>,
}

/// Network access of a client of the API. Tests use an implementation of their own.
pub(crate) trait Exchange: Send {
    /// Sends `request` and waits for the answer.
    ///
    /// Fails only if there is no answer or only a part of one.
    fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, LinkError>;
}

/// Network access of a reader of plain texts, such as a cloud's metadata about its machine. Tests
/// use an implementation of their own.
pub(crate) trait Fetch {
    /// Sends a request with an empty body and at most one more header, and waits for the answer.
    ///
    /// Fails only if there is no answer or only a part of one, or if the header's value cannot be
    /// sent.
    fn fetch(
        &mut self,
        method: Method,
        path: &str,
        header: Option<(&'static str, &str)>,
    ) -> Result<Answer, LinkError>;
}

/// Settings of a client. A header with an empty value is not sent. Not `Debug`, since it holds
/// secrets.
#[derive(Clone)]
pub(crate) struct Settings {
    /// URL of the server: `scheme://user:password@host:port`. All but scheme and host is optional.
    pub(crate) base: String,
    /// Sent as `X-Api-Key` unless it is empty. Never appears in a log or an error.
    pub(crate) key: String,
    /// Sent as `User-Agent`.
    pub(crate) user_agent: String,
    /// Sent as `X-Agent-Version`.
    pub(crate) version: String,
    /// Sent as `X-Revision`.
    pub(crate) revision: String,
    /// Whether one connection serves several requests.
    pub(crate) keep_alive: bool,
    pub(crate) proxy: proxy::Rules,
    /// PEM file of certificates that are trusted in addition to the built-in ones.
    pub(crate) ca_file: Option<PathBuf>,
    /// Time limit of a whole request.
    pub(crate) limit: Duration,
}

/// HTTP client of one server. Sends one request at a time.
pub(crate) struct Http {
    agent: Agent,
    /// Scheme, host and port: the part of every URL before the path.
    base: String,
    headers: HeaderMap,
    peer: Arc<Peer>,
    progress: Arc<Progress>,
    /// `None` if neither the server nor a proxy is one of https.
    roots: Option<Roots>,
    /// Time limit of a whole request.
    limit: Duration,
}

impl Http {
    /// A client with these settings. Makes no connection yet.
    ///
    /// Fails on settings with which no request can succeed.
    pub(crate) fn new(settings: Settings) -> Result<Http, SetupError> {
        Http::with("apibase", settings, Via::default(), None)
    }

    /// The same for a client of a check. `what` is the URL in errors. Its trust is `roots`, which are
    /// loaded if they are needed and `None`.
    pub(super) fn with(
        what: &'static str,
        settings: Settings,
        via: Via,
        mut roots: Option<Roots>,
    ) -> Result<Http, SetupError> {
        let access = Access {
            what,
            url: &settings.base,
            protocol: tls::HTTP_1,
            user_agent: &settings.user_agent,
            proxy: &settings.proxy,
            ca_file: settings.ca_file.as_deref(),
            via,
        };
        let peer = access.peer(&mut roots)?;
        let base = [peer.origin.scheme.prefix(), &peer.origin.authority()].concat();
        let limit = settings.limit;
        let headers = headers(settings, &peer.origin)?;
        let progress = Arc::<Progress>::default();
        let dial = Dial {
            dialer: Dialer::new(Arc::clone(&peer)),
            progress: Arc::clone(&progress),
        };
        let none = || AutoHeaderValue::None;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .accept(none())
            .accept_encoding(none())
            .user_agent(none())
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .max_idle_age(IDLE_LIMIT)
            .build();
        Ok(Http {
            agent: Agent::with_parts(config, dial, NotHere),
            base,
            headers,
            peer,
            progress,
            roots,
            limit,
        })
    }

    /// Adds a header to those of every request. `at` is its position in the configuration, from 0.
    ///
    /// Fails on a header that the client itself sets, or that cannot be sent.
    pub(crate) fn add_header(
        &mut self,
        at: usize,
        name: &str,
        value: &str,
    ) -> Result<(), SetupError> {
        let name = field::checked(at, name, value)?;
        // Cannot fail: both are checked.
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.trim_matches(' ').parse())
        {
            self.headers.insert(name, value);
        }
        Ok(())
    }

    /// The trusted roots, for another client; `None` if no connection is encrypted.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the destinations of OTLP"))]
    pub(crate) fn roots(&self) -> Option<Roots> {
        self.roots.clone()
    }

    /// Sends a request and reads the answer before `by`.
    fn attempt(
        &self,
        request: &Request<'_>,
        header: Option<(&'static str, &str)>,
        by: Deadline,
    ) -> Result<Answer<Vec<u8>>, ureq::Error> {
        read(self.send(request, header, by)?)
    }

    /// Sends a request and reads the head of the answer before `by`.
    fn send(
        &self,
        request: &Request<'_>,
        header: Option<(&'static str, &str)>,
        by: Deadline,
    ) -> Result<http::Response<Body>, ureq::Error> {
        self.progress.set(Stage::Sending);
        let method = match request.method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
        };
        let url = format!("{}{}", self.base, encoded_path(request.path));
        let mut message = http::Request::builder().method(method).uri(url);
        if let Some(headers) = message.headers_mut() {
            headers.clone_from(&self.headers);
        }
        if let Some((name, value)) = header {
            message = message.header(name, value);
        }
        let has_body = request.body.is_some_and(|body| !body.is_empty());
        if has_body && !request.content_type.is_empty() {
            message = message.header(CONTENT_TYPE, request.content_type);
        }
        match request.body {
            Some(body) => self.run(message.body(body)?, by),
            None => self.run(message.body(())?, by),
        }
    }

    fn run(
        &self,
        message: http::Request<impl AsSendBody>,
        by: Deadline,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let limit = Some(by.remaining());
        let message = self.agent.configure_request(message);
        self.agent.run(message.timeout_global(limit).build())
    }

    /// Converts an error of ureq into one with this program's wording.
    fn failure(&self, error: ureq::Error) -> LinkError {
        let doing = match self.progress.stage() {
            Stage::Sending => "send to",
            Stage::Waiting => "wait for the answer of",
            Stage::Answering | Stage::Reading => "read the answer of",
        };
        let cause = match error {
            ureq::Error::Other(error) => match error.downcast::<LinkError>() {
                Ok(error) => return *error,
                Err(error) => io::Error::other(error),
            },
            // ureq's error for a closed connection is not a system error. Only its kind is used.
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                io::ErrorKind::UnexpectedEof.into()
            }
            ureq::Error::Io(error) => error,
            ureq::Error::Timeout(_) => io::ErrorKind::TimedOut.into(),
            ureq::Error::Protocol(_) => io::Error::other("the answer is no valid HTTP"),
            error => io::Error::other(error),
        };
        LinkError::new(Kind::of(&cause), format!("{doing} {}", self.peer), cause)
    }

    /// Sends a request and waits for the answer, at most until `by`. Sends an idempotent one a second
    /// time if the kept connection turns out to be closed.
    fn say(
        &self,
        request: &Request<'_>,
        header: Option<(&'static str, &str)>,
        by: Deadline,
    ) -> Result<Answer<Vec<u8>>, LinkError> {
        let connections = self.progress.connections();
        let answer = match self.attempt(request, header, by) {
            // The server may close an idle connection while the next request is on its way.
            Err(error)
                if request.is_repeatable
                    && connections == self.progress.connections()
                    && matches!(self.progress.stage(), Stage::Sending | Stage::Waiting)
                    && !matches!(error, ureq::Error::Timeout(_) | ureq::Error::Other(_)) =>
            {
                self.attempt(request, header, by)
            }
            answer => answer,
        };
        answer.map_err(|error| self.failure(error))
    }
}

impl Exchange for Http {
    fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, LinkError> {
        let by = Deadline::after(self.limit);
        self.say(request, None, by).map(Answer::into_text)
    }
}

impl Fetch for Http {
    fn fetch(
        &mut self,
        method: Method,
        path: &str,
        header: Option<(&'static str, &str)>,
    ) -> Result<Answer, LinkError> {
        // ureq sends a PUT without a body as one of unknown length.
        let body = (method != Method::Get).then_some(&[][..]);
        let is_repeatable = true;
        let request = Request {
            method,
            path,
            body,
            content_type: "",
            is_repeatable,
        };
        let by = Deadline::after(self.limit);
        self.say(&request, header, by).map(Answer::into_text)
    }
}

/// The earlier of `by` and the end of `limit` from now.
fn sooner(by: Deadline, limit: Duration) -> Deadline {
    Deadline::after(by.remaining().min(limit))
}
