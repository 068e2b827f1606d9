//! Where calls go, and what they say besides their message.

use std::path::PathBuf;
use std::sync::Mutex;

use super::Channel;
use crate::sys::http::dial::{Access, Dialer, Via};
use crate::sys::http::error::SetupError;
use crate::sys::http::field;
use crate::sys::http::h2::hpack;
use crate::sys::http::proxy;
use crate::sys::http::roots::Roots;
use crate::sys::http::tls;
use crate::sys::http::url::{Origin, Scheme};

/// Bytes of all headers, encoded: with the rest of a request they fit into one frame.
const HEADERS: usize = 8 << 10;

/// Where calls go and what they say; what is empty is not said. Not `Debug`: it holds secrets.
#[derive(Clone)]
pub(crate) struct Settings {
    /// `host:port`, or a URL of `http` (without TLS) or `https`. Its path is ignored. The port is
    /// 80 or 443 if there is none.
    pub(crate) target: String,
    /// Whether a target that is no URL is called without TLS.
    pub(crate) insecure: bool,
    /// Names and values, which are in no log or error.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) user_agent: String,
    pub(crate) proxy: proxy::Rules,
    /// Certificates, in PEM, to trust besides those built in.
    pub(crate) ca_file: Option<PathBuf>,
    /// What another client trusts that has the same `ca_file`; `None`: it is read.
    pub(crate) roots: Option<Roots>,
}

impl Channel {
    /// Connects to nobody yet.
    ///
    /// Fails on settings with which no call can succeed.
    pub(crate) fn new(mut settings: Settings) -> Result<Channel, SetupError> {
        if !settings.target.contains("://") {
            let scheme = if settings.insecure {
                Scheme::Http
            } else {
                Scheme::Https
            };
            settings.target.insert_str(0, scheme.prefix());
        }
        let access = Access {
            what: "endpoint",
            url: &settings.target,
            protocol: tls::HTTP_2,
            user_agent: &settings.user_agent,
            proxy: &settings.proxy,
            ca_file: settings.ca_file.as_deref(),
            via: Via::default(),
        };
        let peer = access.peer(&mut settings.roots)?;
        Ok(Channel {
            scheme: match peer.origin.scheme {
                Scheme::Https => hpack::SCHEME_HTTPS,
                _ => hpack::SCHEME_HTTP,
            },
            authority: peer.origin.authority(),
            fields: fields(&settings, &peer.origin)?,
            dialer: Dialer::new(peer),
            kept: Mutex::new(None),
        })
    }
}

/// The fields that every call has, encoded.
fn fields(settings: &Settings, origin: &Origin) -> Result<Vec<u8>, SetupError> {
    let mut fields = Vec::new();
    hpack::put(&mut fields, "content-type", "application/grpc");
    hpack::put(&mut fields, "user-agent", &settings.user_agent);
    if let Some(login) = origin.basic() {
        hpack::put(&mut fields, "authorization", &login);
    }
    for (at, (name, value)) in settings.headers.iter().enumerate() {
        let name = field::checked(at, name, value)?;
        hpack::put(&mut fields, &name, value.trim_matches(' '));
    }
    if fields.len() > HEADERS {
        let (what, wrong) = ("headers".to_owned(), "all together are longer than 8 kB");
        return Err(SetupError::Metadata { what, wrong });
    }
    Ok(fields)
}
