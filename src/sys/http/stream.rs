//! Connections of checks, which speak other protocols than HTTP.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::dial::{Access, Dialer, Via};
use super::link::{Link, Tcp};
use super::lookup::Lookup;
use super::proxy;
use super::roots::Roots;
use crate::base::clock::{Deadline, Unix};
use crate::base::fault::Fault;
use crate::parse::certificate;

/// The addresses of a name, in the order of attempts. Those of a numeric address are itself.
pub(crate) fn addresses(host: &str, port: u16, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    Lookup::new().find(host, port, Deadline::after(limit))
}

/// An open connection.
pub(crate) struct Stream(Box<dyn Link>);

impl Stream {
    /// A connection to a host, without a proxy. It is encrypted if there are `roots`.
    ///
    /// Fails with the step, the peer and the reason.
    pub(crate) fn open(
        host: &str,
        port: u16,
        mut roots: Option<Roots>,
        limit: Duration,
    ) -> Result<Stream, Fault> {
        let port = port.to_string();
        let scheme = if roots.is_some() {
            "https://"
        } else {
            "http://"
        };
        let url = if host.contains(':') && !host.starts_with('[') {
            [scheme, "[", host, "]:", &port].concat()
        } else {
            [scheme, host, ":", &port].concat()
        };
        let access = Access {
            what: "host and port",
            url: &url,
            protocol: &[],
            user_agent: "",
            proxy: &proxy::Rules::default(),
            ca_file: None,
            via: Via::default(),
        };
        let peer = access.peer(&mut roots).map_err(|error| Fault::of(&error))?;
        let opened = Dialer::new(peer).open(Deadline::after(limit));
        opened.map(Stream).map_err(|error| Fault::of(&error))
    }

    /// A connection to a socket in the file system.
    pub(crate) fn open_unix(path: &Path, limit: Duration) -> io::Result<Stream> {
        Ok(Stream(Box::new(Tcp::unix(path, limit)?)))
    }

    /// Reads bytes that have arrived, and waits for them if there are none. Zero: the peer has closed
    /// the connection.
    pub(crate) fn read(&mut self, into: &mut [u8], by: Deadline) -> io::Result<usize> {
        self.0.read(into, by)
    }

    /// Sends all of `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8], by: Deadline) -> io::Result<()> {
        self.0.write(bytes, by)
    }

    /// The earliest end of validity of the certificates that the peer has presented; `None` if there
    /// are none.
    pub(crate) fn expiry(&self) -> Option<Unix> {
        let mut earliest = None;
        for certificate in self.0.certificates() {
            let end = certificate::not_after(certificate)?;
            if earliest.is_none_or(|earliest| end < earliest) {
                earliest = Some(end);
            }
        }
        earliest
    }
}
