//! New connections to one peer: name, addresses, proxy, TLS.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ClientConfig;

use super::error::{Kind, LinkError, SetupError};
use super::link::{Link, Tcp};
use super::lookup::Lookup;
use super::roots::Roots;
use super::tls::{self, Tls};
use super::url::{Origin, Scheme};
use super::{proxy, sooner, tunnel};
use crate::base::clock::Deadline;

/// Until a name's addresses must be known.
const RESOLVE_LIMIT: Duration = Duration::from_secs(10);
/// Until one of a name's addresses must have answered.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// Until a proxy must have agreed, and until a session must be: each.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Whom connections go to, and how.
pub(super) struct Peer {
    pub(super) origin: Origin,
    pub(super) proxy: Option<Origin>,
    /// For an origin of https.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// For a proxy of https.
    pub(super) proxy_tls: Option<Arc<ClientConfig>>,
    /// Sent to a proxy.
    pub(super) user_agent: String,
    pub(super) via: Via,
}

/// How connections of a check differ from those of the agent.
#[derive(Clone, Default)]
pub(crate) struct Via {
    /// The address that connections come from.
    pub(crate) from: Option<IpAddr>,
    /// Of these, the first that matches is applied.
    pub(crate) detours: Vec<Detour>,
}

/// Another host or port for connections, whatever the URL says. What is `None` matches everything,
/// or is left as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Detour {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) to_host: Option<String>,
    pub(crate) to_port: Option<u16>,
}

impl Via {
    /// Where a connection to this host and port goes.
    fn place<'a>(&'a self, host: &'a str, port: u16) -> (&'a str, u16) {
        for detour in &self.detours {
            let is_host = detour.host.as_deref().is_none_or(|known| known == host);
            if is_host && detour.port.is_none_or(|known| known == port) {
                let to = detour.to_host.as_deref().unwrap_or(host);
                return (to, detour.to_port.unwrap_or(port));
            }
        }
        (host, port)
    }
}

/// What the settings of a client say of its peer.
pub(super) struct Access<'a> {
    /// What the URL is, in errors.
    pub(super) what: &'static str,
    pub(super) url: &'a str,
    /// What the peer is offered by ALPN.
    pub(super) protocol: &'static [u8],
    pub(super) user_agent: &'a str,
    pub(super) proxy: &'a proxy::Rules,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) via: Via,
}

impl Access<'_> {
    /// The peer. Its trust is `roots`, which are loaded if they are needed and `None`.
    ///
    /// Fails on settings with which no connection can succeed.
    pub(super) fn peer(self, roots: &mut Option<Roots>) -> Result<Arc<Peer>, SetupError> {
        let what = self.what;
        let origin = Origin::parse(self.url);
        let origin = origin.map_err(|wrong| SetupError::Url { what, wrong })?;
        if origin.scheme == Scheme::Socks5 {
            let wrong = "its scheme is neither http nor https";
            return Err(SetupError::Url { what, wrong });
        }
        let mut peer = Peer {
            proxy: self.proxy.serving(&origin)?,
            origin,
            tls: None,
            proxy_tls: None,
            user_agent: self.user_agent.to_owned(),
            via: self.via,
        };
        let proxy = peer.proxy.as_ref();
        let is_proxy_tls = proxy.is_some_and(|proxy| proxy.scheme == Scheme::Https);
        if is_proxy_tls || peer.origin.scheme == Scheme::Https {
            let roots = match roots {
                Some(roots) => roots,
                None => roots.insert(Roots::load(self.ca_file).map_err(SetupError::Roots)?),
            };
            let config = |protocol| tls::config(roots, protocol).map_err(SetupError::Tls);
            let tls = config(self.protocol)?;
            if is_proxy_tls {
                peer.proxy_tls = Some(match self.protocol {
                    tls::HTTP_1 => Arc::clone(&tls),
                    _ => config(tls::HTTP_1)?,
                });
            }
            peer.tls = Some(tls);
        }
        Ok(Arc::new(peer))
    }
}

/// Makes connections to one peer.
pub(super) struct Dialer {
    pub(super) peer: Arc<Peer>,
    /// Shared by the threads that share a client; in general there is one.
    lookup: Mutex<Lookup>,
}

impl Dialer {
    pub(super) fn new(peer: Arc<Peer>) -> Dialer {
        let lookup = Mutex::new(Lookup::new());
        Dialer { peer, lookup }
    }

    /// A new connection, as far as the first byte of a request.
    pub(super) fn open(&self, by: Deadline) -> Result<Box<dyn Link>, LinkError> {
        let next = self.peer.next();
        let via = &self.peer.via;
        let (host, port) = via.place(&next.host, next.port);
        // Another thread's lookup, such as that of a request which a stop has cut short, is not waited
        // for.
        let (mut shared, mut own) = (self.lookup.try_lock(), None);
        let lookup = match &mut shared {
            Ok(lookup) => lookup,
            Err(_) => own.insert(Lookup::new()),
        };
        let addresses = lookup
            .find(host, port, sooner(by, RESOLVE_LIMIT))
            .map_err(|cause| LinkError::new(Kind::Resolve, format!("resolve {host}"), cause))?;
        drop(shared);
        let by_connect = sooner(by, CONNECT_LIMIT);
        let tcp = Tcp::connect(&addresses, via.from, by_connect).map_err(|(at, cause)| {
            let mut doing = format!("connect to {}", next.address());
            // Digits would be told twice.
            if let Some(at) = at.filter(|at| at.ip().to_string() != next.host) {
                doing.push_str(&format!(" at {}", at.ip()));
            }
            LinkError::new(Kind::Connect, doing, cause)
        })?;
        let link = self.peer.through_proxy(Box::new(tcp), by)?;
        Ok(match &self.peer.tls {
            Some(config) if self.peer.origin.scheme == Scheme::Https => {
                Box::new(secure(config, &self.peer.origin, link, by)?)
            }
            _ => link,
        })
    }
}

impl Peer {
    /// Where connections go to first: the proxy, or the peer itself.
    pub(super) fn next(&self) -> &Origin {
        self.proxy.as_ref().unwrap_or(&self.origin)
    }

    /// Asks the proxy at the other end of `link` for a connection to the peer. Without a proxy,
    /// returns `link`.
    pub(super) fn through_proxy(
        &self,
        mut link: Box<dyn Link>,
        by: Deadline,
    ) -> Result<Box<dyn Link>, LinkError> {
        let Peer { origin, proxy, .. } = self;
        let Some(proxy) = proxy else {
            return Ok(link);
        };
        if let (Scheme::Https, Some(config)) = (proxy.scheme, &self.proxy_tls) {
            link = Box::new(secure(config, proxy, link, by)?);
        }
        let by = sooner(by, HANDSHAKE_LIMIT);
        let agreed = match proxy.scheme {
            Scheme::Socks5 => tunnel::socks5(link.as_mut(), proxy, origin, by),
            _ => tunnel::connect(link.as_mut(), proxy, origin, &self.user_agent, by),
        };
        agreed.map_err(|cause| {
            let (proxy, origin) = (proxy.address(), origin.address());
            let doing = format!("ask proxy {proxy} for {origin}");
            LinkError::new(Kind::Proxy, doing, cause)
        })?;
        Ok(link)
    }
}

/// TLS with `whom` over `link`.
pub(super) fn secure(
    config: &Arc<ClientConfig>,
    whom: &Origin,
    link: Box<dyn Link>,
    by: Deadline,
) -> Result<Tls, LinkError> {
    let made = Tls::handshake(config, &whom.host, link, sooner(by, HANDSHAKE_LIMIT));
    made.map_err(|(kind, cause)| {
        let doing = format!("TLS with {}", whom.address());
        LinkError::new(kind, doing, cause).unsent()
    })
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin.address())?;
        match &self.proxy {
            Some(proxy) => write!(f, " through proxy {}", proxy.address()),
            None => Ok(()),
        }
    }
}
