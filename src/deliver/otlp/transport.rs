//! Sends one message to one server: over gRPC, or as OTLP/HTTP.

use std::time::Duration;

use super::verdict::{Failure, warning};
use crate::base;
use crate::base::clock::{Deadline, Unix};
use crate::base::program;
use crate::base::url::{Url, without_secrets};
use crate::config::{Otlp, OtlpProtocol};
use crate::sys::http::cancel::{CancelToken, Cancellable};
use crate::sys::http::grpc::{self, Channel, Unary};
use crate::sys::http::proxy::Rules;

use crate::sys::http::{Http, Method, PROTOBUF, Request, Settings, SetupError};
use crate::wire::otlp::EXPORT;

/// A success.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    /// What the server says about data points that it has not taken; one line.
    pub(super) warning: Option<String>,
    /// The server's time.
    pub(super) date: Option<Unix>,
}

/// Access to one server. Tests have their own.
pub(super) trait Transport: Send {
    /// Sends an `ExportMetricsServiceRequest` and waits for the answer, at most for `limit`.
    fn export(&mut self, message: &[u8], limit: Duration) -> Result<Accepted, Failure>;
}

/// OTLP over gRPC.
struct Grpc(grpc::Cancellable);

impl Transport for Grpc {
    fn export(&mut self, message: &[u8], limit: Duration) -> Result<Accepted, Failure> {
        let answer = self.0.unary(EXPORT, message, Deadline::after(limit));
        let answer = answer.map_err(Failure::of_call)?;
        Ok(Accepted {
            warning: warning(&answer),
            date: None,
        })
    }
}

/// OTLP over HTTP.
struct Post {
    http: Cancellable,
    path: String,
    /// For messages, without a password.
    url: String,
}

impl Transport for Post {
    fn export(&mut self, message: &[u8], limit: Duration) -> Result<Accepted, Failure> {
        let request = Request {
            method: Method::Post,
            path: &self.path,
            body: Some(message),
            content_type: PROTOBUF,
            // A point that arrives twice has the same time and value.
            is_repeatable: true,
        };
        let answer = self.http.exchange_within(&request, limit);
        let answer = answer.map_err(|error| Failure::of_link(&error))?;
        match Failure::of_answer(&self.url, &answer) {
            Some(failure) => Err(failure),
            None => Ok(Accepted {
                warning: warning(&answer.body),
                date: answer.date,
            }),
        }
    }
}

/// The access to the server that `config` describes. `token` shortens requests while it is on.
///
/// Fails on settings with which no request can succeed.
pub(super) fn connect(
    config: &Otlp,
    proxy: Rules,
    token: CancelToken,
) -> Result<Box<dyn Transport>, String> {
    let ca_file = config.ca_file.as_ref().map(|named| named.path.clone());
    let made: Result<Box<dyn Transport>, SetupError> = match config.protocol {
        OtlpProtocol::Grpc => {
            let headers = config.headers.iter();
            let settings = grpc::Settings {
                target: config.endpoint.clone(),
                insecure: config.insecure,
                headers: headers
                    .map(|(name, value)| (name.clone(), (**value).to_owned()))
                    .collect(),
                user_agent: program::agent_name(),
                proxy,
                ca_file,
                roots: None,
            };
            let channel = Channel::new(settings);
            channel.map(|channel| Box::new(Grpc(grpc::Cancellable::new(channel, token))) as _)
        }
        OtlpProtocol::Http => {
            let settings = Settings {
                base: config.endpoint.clone(),
                key: String::new(),
                user_agent: program::agent_name(),
                version: String::new(),
                revision: String::new(),
                keep_alive: true,
                proxy,
                ca_file,
                limit: config.timeout,
            };
            Http::new(settings)
                .and_then(|mut http| {
                    for (at, (name, value)) in config.headers.iter().enumerate() {
                        http.add_header(at, name, value)?;
                    }
                    Ok(http)
                })
                .map(|http| {
                    Box::new(Post {
                        http: Cancellable::new(http, token),
                        path: Url::parse(&config.endpoint)
                            .map_or_else(|_| String::new(), |url| url.path()),
                        url: without_secrets(&config.endpoint),
                    }) as _
                })
        }
    };
    made.map_err(|error| match (&error, &config.ca_file) {
        (SetupError::Roots(_), Some(named)) => {
            let path = named.path.display();
            format!("{named}: ca_file {path}: {}", base::report(&error))
        }
        // The client names a setting of Mackerel's API.
        (
            SetupError::Url {
                what: "apibase",
                wrong,
            },
            _,
        ) => {
            format!("{}: endpoint is no usable URL: {wrong}", config.place)
        }
        _ => format!("{}: otlp: {}", config.place, base::report(&error)),
    })
}
