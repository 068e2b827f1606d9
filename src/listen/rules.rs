//! Who may ask: against pages of other sites, and names that an attacker lets resolve to this host.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::request::Request;
use super::response::Status;
use crate::sys::uname::host_name;

/// The names by which a client may call this host.
pub(super) struct Rules {
    /// In lower case.
    names: Vec<String>,
}

impl Rules {
    /// Allows addresses, `localhost`, the host's name, which may change, and these names, in any case.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Rules {
        let mut lower = Vec::new();
        for name in names {
            if !name.is_empty() {
                lower.push(name.to_ascii_lowercase());
            }
        }
        Rules { names: lower }
    }

    /// Refuses a request of a page of another site, and one for a name that is not allowed. An
    /// address cannot be rebound.
    pub(super) fn check(&self, request: &Request<'_>) -> Result<(), Status> {
        if request
            .site
            .is_some_and(|site| site != "same-origin" && site != "none")
        {
            return Err(Status::Forbidden);
        }
        match request.host {
            Some(host) if !self.allows(host) => Err(Status::Misdirected),
            _ => Ok(()),
        }
    }

    /// Whether a value of Host is allowed.
    fn allows(&self, host: &str) -> bool {
        let has_port = |rest: &str| {
            let port = rest.strip_prefix(':');
            rest.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_ok())
        };
        if let Some((address, rest)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            return address.parse::<Ipv6Addr>().is_ok() && has_port(rest);
        }
        let name = host.find(':').map_or(host, |colon| host.split_at(colon).0);
        if !has_port(host.strip_prefix(name).unwrap_or_default()) {
            return false;
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name.parse::<Ipv4Addr>().is_ok()
            || name == "localhost"
            || self.names.contains(&name)
            || !name.is_empty() && host_name().eq_ignore_ascii_case(&name)
    }
}
