//! Mackerel's API, one method per endpoint.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::iter;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};

use crate::base::clock::Unix;
use crate::base::json::{Json, JsonError};
use crate::deliver::failed_step::FailedStep;
use crate::parse::plugin::meta::Graph;
use crate::sys::http::download::compressed;
use crate::sys::http::{Answer, Exchange, JSON, Kind, LinkError, Method, Request};
use crate::wire::check::{Report, Reports};
use crate::wire::error;
use crate::wire::graph::{GraphDef, GraphMetric};
use crate::wire::host::{self, Host, HostParam, HostStatus};
use crate::wire::metric::HostMetricValue;

/// The path at which hosts are created. Each request creates another one.
const HOSTS: &str = "/api/v0/hosts";
/// Maximum number of characters of a redirect's location that an error shows.
const SHOWN: usize = 100;

/// The API, with the key of one organisation.
pub(crate) struct Api {
    link: Box<dyn Exchange>,
    /// The date of the last successful response.
    date: Option<Unix>,
}

impl Api {
    /// The API behind `link`, which has the address and the key.
    pub(crate) fn new(link: Box<dyn Exchange>) -> Api {
        Api { link, date: None }
    }

    /// The server's time in the last successful response; `None` if it had none.
    pub(crate) fn date(&self) -> Option<Unix> {
        self.date
    }

    /// `POST /api/v0/hosts`: registers a host. Returns its new id. After a failure the host may
    /// exist nevertheless: [`ApiError::may_have_succeeded`].
    pub(crate) fn create_host(&mut self, host: &HostParam) -> Result<String, ApiError> {
        let answer = self.call(Method::Post, HOSTS, Some(&json(host)))?;
        host::created(&answer).map_err(|error| garbled(Method::Post, HOSTS, error))
    }

    /// `GET /api/v0/org`: the name of the key's organisation. A key that may only read suffices.
    pub(crate) fn organization(&mut self) -> Result<String, ApiError> {
        let path = "/api/v0/org";
        match self.call(Method::Get, path, None)?.member("name") {
            Some(Json::Text(name)) => Ok(name.clone()),
            _ => {
                let lacking = JsonError::Lacking("there is no name of an organization in it");
                Err(garbled(Method::Get, path, lacking))
            }
        }
    }

    /// `GET /api/v0/hosts/<id>`
    pub(crate) fn host(&mut self, id: &str) -> Result<Host, ApiError> {
        let path = host_path(id, "");
        let answer = self.call(Method::Get, &path, None)?;
        host::got(&answer).map_err(|error| garbled(Method::Get, &path, error))
    }

    /// `PUT /api/v0/hosts/<id>`: replaces the host's description.
    pub(crate) fn update_host(&mut self, id: &str, host: &HostParam) -> Result<(), ApiError> {
        self.send(Method::Put, &host_path(id, ""), &json(host))
    }

    /// `POST /api/v0/hosts/<id>/status`
    pub(crate) fn set_status(&mut self, id: &str, status: &str) -> Result<(), ApiError> {
        let document = json(&HostStatus { status });
        self.send(Method::Post, &host_path(id, "/status"), &document)
    }

    /// `POST /api/v0/hosts/<id>/retire`
    pub(crate) fn retire_host(&mut self, id: &str) -> Result<(), ApiError> {
        self.send(Method::Post, &host_path(id, "/retire"), "null")
    }

    /// `POST /api/v0/tsdb`: posts values, each with its host's id, its time and its name. `next`
    /// returns one after the other.
    pub(crate) fn post_metrics<'a>(
        &mut self,
        next: &mut dyn FnMut() -> Option<(&'a str, Unix, &'a str, f64)>,
    ) -> Result<(), ApiError> {
        let document = json(&Sequence(RefCell::new(|| {
            next().map(|(host_id, time, name, value)| HostMetricValue {
                host_id,
                name,
                time,
                value,
            })
        })));
        self.send(Method::Post, "/api/v0/tsdb", &document)
    }

    /// `POST /api/v0/graph-defs/create`
    pub(crate) fn create_graph_defs(&mut self, graphs: &[&Graph]) -> Result<(), ApiError> {
        let definitions: Vec<GraphDef<'_>> = graphs.iter().map(|graph| graph_def(graph)).collect();
        self.send(
            Method::Post,
            "/api/v0/graph-defs/create",
            &json(&definitions),
        )
    }

    /// `GET /api/v0/hosts?customIdentifier=…`: the host with this identifier that is not retired.
    pub(crate) fn find_by_custom_identifier(
        &mut self,
        identifier: &str,
    ) -> Result<Option<Host>, ApiError> {
        let hosts = self.find("customIdentifier", identifier)?;
        Ok(hosts.into_iter().next())
    }

    /// `GET /api/v0/hosts?name=…`: the hosts with this name that are not retired.
    pub(crate) fn find_by_name(&mut self, name: &str) -> Result<Vec<Host>, ApiError> {
        self.find("name", name)
    }

    fn find(&mut self, by: &str, wanted: &str) -> Result<Vec<Host>, ApiError> {
        let path = format!(
            "/api/v0/hosts?{by}={}\
             &status=working&status=standby&status=maintenance&status=poweroff",
            form_encoded(wanted)
        );
        let answer = self.call(Method::Get, &path, None)?;
        host::found(&answer).map_err(|error| garbled(Method::Get, &path, error))
    }

    /// `POST /api/v0/monitoring/checks/report`: sends reports for the host `id`, at most 100.
    pub(crate) fn report_checks(&mut self, id: &str, reports: &[&Report]) -> Result<(), ApiError> {
        let document = json(&Reports::of(id, reports));
        self.send(Method::Post, "/api/v0/monitoring/checks/report", &document)
    }

    /// `PUT /api/v0/hosts/<id>/metadata/<namespace>`: `document` is any JSON of at most 100 KB.
    pub(crate) fn put_metadata(
        &mut self,
        id: &str,
        namespace: &str,
        document: &str,
    ) -> Result<(), ApiError> {
        let path = host_path(id, &format!("/metadata/{namespace}"));
        self.send(Method::Put, &path, document)
    }

    /// A call for whose response only success matters.
    fn send(&mut self, method: Method, path: &str, document: &str) -> Result<(), ApiError> {
        self.call(method, path, Some(document)).map(drop)
    }

    fn call(&mut self, method: Method, path: &str, body: Option<&str>) -> Result<Json, ApiError> {
        let answer = self.link.exchange(&Request {
            method,
            path,
            body: body.map(str::as_bytes),
            content_type: JSON,
            is_repeatable: (method, path) != (Method::Post, HOSTS),
        });
        let failure = match answer {
            Ok(answer) => {
                let date = answer.date;
                match understand(answer) {
                    Ok(document) => {
                        self.date = date;
                        return Ok(document);
                    }
                    Err(failure) => failure,
                }
            }
            Err(error) => Failure::Link(error),
        };
        Err(failed(method, path, failure))
    }
}

fn failed(method: Method, path: &str, failure: Failure) -> ApiError {
    let verb = method.word();
    ApiError {
        call: format!("{verb} {path}"),
        failure,
    }
}

fn garbled(method: Method, path: &str, error: JsonError) -> ApiError {
    failed(method, path, Failure::Garbled(error))
}

/// A document as JSON text. The API's documents contain nothing that JSON cannot express. Any other
/// document would become an empty text, which the server rejects.
fn json(document: &impl Serialize) -> String {
    serde_json::to_string(document).unwrap_or_default()
}

/// A sequence whose elements a function returns one after the other: no list of them is kept in
/// memory.
struct Sequence<F>(RefCell<F>);

impl<T: Serialize, F: FnMut() -> Option<T>> Serialize for Sequence<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(iter::from_fn(&mut *self.0.borrow_mut()))
    }
}

fn host_path(id: &str, rest: &str) -> String {
    format!("/api/v0/hosts/{id}{rest}")
}

/// The text encoded as a value of a query.
fn form_encoded(text: &str) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b' ')
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    let encoded = utf8_percent_encode(text, PLAIN).to_string();
    encoded.replace(' ', "+")
}

/// The document of a plugin's graph.
fn graph_def(graph: &Graph) -> GraphDef<'_> {
    let metrics = graph.metrics.iter().map(|metric| GraphMetric {
        name: &metric.name,
        display_name: &metric.label,
        is_stacked: metric.is_stacked,
    });
    GraphDef {
        name: &graph.name,
        display_name: &graph.label,
        unit: &graph.unit,
        metrics: (!graph.metrics.is_empty()).then(|| metrics.collect()),
    }
}

fn understand(answer: Answer) -> Result<Json, Failure> {
    match answer.status {
        200..=299 => match answer.encoding {
            Some(encoding) => Err(Failure::Encoded(encoding)),
            None => Json::parse(&answer.body).map_err(Failure::Garbled),
        },
        300..=399 => {
            let to = answer.location.unwrap_or_default();
            Err(Failure::Redirected {
                status: answer.status,
                to: to.chars().take(SHOWN).collect(),
            })
        }
        status => Err(Failure::Status {
            status,
            is_compressed: answer.encoding.is_some(),
            message: match &answer.encoding {
                Some(encoding) => compressed(encoding),
                None => error::message(status, &answer.body),
            },
            retry_after: answer.retry_after,
        }),
    }
}

/// The failure of a call.
#[derive(Debug)]
pub(crate) struct ApiError {
    /// Method and path.
    call: String,
    failure: Failure,
}

#[derive(Debug)]
enum Failure {
    /// There was no answer.
    Link(LinkError),
    /// A status that is neither a success nor a redirect.
    Status {
        status: u16,
        message: String,
        /// Whether the message is the agent's, because the server's is compressed.
        is_compressed: bool,
        retry_after: Option<Duration>,
    },
    /// A redirect. The API does not redirect, so it comes from something in between.
    Redirected { status: u16, to: String },
    /// A success without the document that the API documents.
    Garbled(JsonError),
    /// A success with a compressed body, and its encoding.
    Encoded(String),
}

/// What a failure means for the next attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// The same call may succeed later, after this time at the earliest.
    Later(Duration),
    /// The server refuses this call: somebody has to act.
    Refused,
}

impl ApiError {
    /// What the failure means for the next attempt.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.failure {
            Failure::Status {
                status: 408 | 429 | 500..,
                retry_after,
                ..
            } => Verdict::Later(retry_after.unwrap_or_default()),
            Failure::Status { .. } => Verdict::Refused,
            _ => Verdict::Later(Duration::ZERO),
        }
    }

    /// Whether the server rejects the content, and not the sender or the route. If so, the same
    /// call with other content may succeed.
    pub(crate) fn condemns_content(&self) -> bool {
        let unrelated = [401, 403, 404, 405, 407, 408, 429];
        self.status()
            .is_some_and(|status| (400..500).contains(&status) && !unrelated.contains(&status))
    }

    /// Whether the answer is not from the API. If so, somebody has to log in, or to remove a proxy
    /// from the route.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(
            self.failure,
            Failure::Redirected { .. } | Failure::Garbled(_) | Failure::Encoded(_)
        )
    }

    /// Whether the server may have executed the call: the answer is lost or cannot be read.
    pub(crate) fn may_have_succeeded(&self) -> bool {
        match &self.failure {
            Failure::Link(error) => error.was_sent(),
            Failure::Status { status, .. } => matches!(status, 408 | 500..),
            Failure::Redirected { .. } | Failure::Garbled(_) | Failure::Encoded(_) => true,
        }
    }

    /// Whether the server may still execute the call: time ran out before there was an answer.
    pub(crate) fn may_go_on(&self) -> bool {
        match &self.failure {
            Failure::Link(error) => error.was_sent() && error.kind() == Kind::Timeout,
            Failure::Status { status, .. } => matches!(status, 408 | 504),
            _ => false,
        }
    }

    /// Whether the answer is a success without the document that the API documents.
    pub(crate) fn is_garbled(&self) -> bool {
        matches!(self.failure, Failure::Garbled(_) | Failure::Encoded(_))
    }

    /// Whether there was no answer at all.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self.failure, Failure::Link(_))
    }

    /// The step that failed.
    pub(crate) fn failed_step(&self) -> FailedStep {
        match &self.failure {
            Failure::Link(error) => error.into(),
            Failure::Status { status, .. } => FailedStep::of_status(*status),
            Failure::Redirected { .. } | Failure::Garbled(_) | Failure::Encoded(_) => {
                FailedStep::Foreign
            }
        }
    }

    /// The status of an answer that is neither a success nor a redirect; `None` for any other
    /// failure.
    pub(crate) fn status(&self) -> Option<u16> {
        match self.failure {
            Failure::Status { status, .. } => Some(status),
            _ => None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.call)?;
        match &self.failure {
            Failure::Link(_) => f.write_str("no answer"),
            Failure::Status {
                status,
                message,
                is_compressed,
                ..
            } => {
                write!(f, "API request failed: {message} (status {status})")?;
                match FailedStep::of_status(*status) {
                    FailedStep::Server => Ok(()),
                    _ if *is_compressed => Ok(()),
                    step => write!(f, "; {}", step.remedy()),
                }
            }
            Failure::Redirected { status, to } => write!(
                f,
                "not an answer of the API (status {status}, to \"{to}\"); {}",
                FailedStep::Foreign.remedy()
            ),
            Failure::Encoded(encoding) => f.write_str(&compressed(encoding)),
            Failure::Garbled(_) => {
                let remedy = FailedStep::Foreign.remedy();
                write!(f, "not an answer of the API; {remedy}")
            }
        }
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.failure {
            Failure::Link(error) => Some(error),
            Failure::Garbled(error) => Some(error),
            Failure::Status { .. } | Failure::Redirected { .. } | Failure::Encoded(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
