//! The way to one server, one step at a time: what [`super::dial`] does at once, for
//! `mackerel-agent diagnose`.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::dial::{Access, Peer, Via, secure};
use super::error::{LinkError, SetupError};
use super::link::{Link, Tcp};
use super::lookup::Lookup;
use super::url::Scheme;
use super::{proxy, tls, verify};
use crate::base::clock::Deadline;
use crate::base::program;

/// Where a way leads, and how.
pub(crate) struct Target<'a> {
    /// A URL; for gRPC also `host:port`.
    pub(crate) url: &'a str,
    /// Whether HTTP/2 is offered, not HTTP/1.1.
    pub(crate) is_grpc: bool,
    /// Whether a target of gRPC that is no URL is called without TLS.
    pub(crate) insecure: bool,
    pub(crate) proxy: &'a proxy::Rules,
    pub(crate) ca_file: Option<&'a Path>,
}

/// The way to one server.
pub(crate) struct Route(Arc<Peer>);

/// An open connection.
pub(crate) struct Opened(Box<dyn Link>);

impl Route {
    /// The way to `target`. Connects to nobody yet.
    ///
    /// Fails on settings with which no connection can succeed.
    pub(crate) fn new(target: &Target<'_>) -> Result<Route, SetupError> {
        let mut url = target.url.to_owned();
        if target.is_grpc && !url.contains("://") {
            let scheme = if target.insecure {
                Scheme::Http
            } else {
                Scheme::Https
            };
            url.insert_str(0, scheme.prefix());
        }
        let access = Access {
            what: "the address of the server",
            url: &url,
            protocol: if target.is_grpc {
                tls::HTTP_2
            } else {
                tls::HTTP_1
            },
            user_agent: &program::agent_name(),
            proxy: target.proxy,
            ca_file: target.ca_file,
            via: Via::default(),
        };
        access.peer(&mut None).map(Route)
    }

    /// `host:port` of the server.
    pub(crate) fn server(&self) -> String {
        self.0.origin.address()
    }

    /// `host:port` of the proxy, if there is one.
    pub(crate) fn proxy(&self) -> Option<String> {
        self.0.proxy.as_ref().map(|proxy| proxy.address())
    }

    /// The host to which connections are made: that of the proxy or of the server.
    pub(crate) fn host(&self) -> &str {
        &self.0.next().host
    }

    /// Whether the connection to the server is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.origin.scheme == Scheme::Https
    }

    /// The addresses to which connections are made, in the order of attempts, found as the agent
    /// finds them.
    pub(crate) fn addresses(&self, limit: Duration) -> io::Result<Vec<SocketAddr>> {
        let next = self.0.next();
        Lookup::new().find(&next.host, next.port, Deadline::after(limit))
    }

    /// A connection to this address.
    pub(crate) fn connect(&self, address: SocketAddr, limit: Duration) -> io::Result<Opened> {
        let made = Tcp::connect(&[address], None, Deadline::after(limit));
        made.map(|tcp| Opened(Box::new(tcp)))
            .map_err(|(_, error)| error)
    }

    /// The same connection, from the proxy to the server.
    pub(crate) fn tunnel(&self, opened: Opened, limit: Duration) -> Result<Opened, LinkError> {
        let made = self.0.through_proxy(opened.0, Deadline::after(limit));
        made.map(Opened)
    }

    /// Performs the handshake of TLS, and closes the connection. Returns the DNS names of the server's
    /// certificate, at most five.
    pub(crate) fn handshake(&self, opened: Opened, limit: Duration) -> Result<String, LinkError> {
        let Some(config) = &self.0.tls else {
            return Ok(String::new());
        };
        let tls = secure(config, &self.0.origin, opened.0, Deadline::after(limit))?;
        let own = tls.certificates().first();
        Ok(own.map(verify::names).unwrap_or_default().join(", "))
    }
}
