//! `cloud`: what the metadata service of the host's cloud says, and the identifier that the host
//! has by it. One file per cloud.
//!
//! A host whose firmware names no cloud asks nobody. Every service has the same link-local address.

mod azure;
mod ec2;
mod firmware;
mod gce;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::Place;
use crate::config::CloudPlatform;
use crate::sys::http::{Fetch, LinkError, Method};
use crate::sys::root::Root;
use crate::wire::host::{Attributes, Cloud};

/// Where every cloud that the agent knows has its service.
pub(crate) const SERVICE: &str = "http://169.254.169.254";
/// For one request.
pub(crate) const REQUEST_LIMIT: Duration = Duration::from_secs(3);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(2);
/// Tries to get what the host is identified by.
const TRIES: u32 = 3;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Provider {
    Ec2,
    Gce,
    Azure,
}

/// The cloud whose service is to be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    provider: Provider,
    /// Whether the service has to show first that it is that of this cloud: only the firmware says
    /// so, not the user.
    is_to_prove: bool,
}

/// Whom to ask; `None` if nobody.
pub(crate) fn target(root: &Root, platform: CloudPlatform) -> Option<Target> {
    let named = |provider| {
        Some(Target {
            provider,
            is_to_prove: false,
        })
    };
    match platform {
        CloudPlatform::None => None,
        CloudPlatform::Ec2 => named(Provider::Ec2),
        CloudPlatform::Gce => named(Provider::Gce),
        CloudPlatform::AzureVm => named(Provider::Azure),
        CloudPlatform::Auto => firmware::provider(root).map(|provider| Target {
            provider,
            is_to_prove: true,
        }),
    }
}

/// Asks the service behind `net`, whose requests are limited by [`REQUEST_LIMIT`], and `wait`s
/// between tries. A service that never answers costs 16 seconds at most.
///
/// A place without a cloud: the service says that it is not that of the target. One without an
/// identifier: it does not say what the host is called. Fails where that remains unknown.
pub(crate) fn look(
    target: Target,
    net: &mut dyn Fetch,
    wait: &mut dyn FnMut(Duration),
) -> Result<Place, Silence> {
    let service = Service {
        net,
        wait,
        header: None,
    };
    match target.provider {
        Provider::Ec2 => ec2::look(service, target.is_to_prove),
        Provider::Gce => gce::look(service, target.is_to_prove),
        Provider::Azure => azure::look(service, target.is_to_prove),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.provider {
            Provider::Ec2 => "ec2",
            Provider::Gce => "gce",
            Provider::Azure => "azurevm",
        })
    }
}

/// A metadata service as it is asked here.
struct Service<'a> {
    net: &'a mut dyn Fetch,
    wait: &'a mut dyn FnMut(Duration),
    /// Sent with every request.
    header: Option<(&'static str, String)>,
}

impl Service<'_> {
    /// One text; `None` if the service says that there is none.
    fn get(&mut self, path: &str) -> Result<Option<String>, Silence> {
        let header = self.header.as_ref();
        let header = header.map(|(name, value)| (*name, value.as_str()));
        let answer = self.net.fetch(Method::Get, path, header);
        let answer = answer.map_err(Silence::Link)?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            429 | 500.. => Err(Silence::Busy(answer.status)),
            _ => Ok(None),
        }
    }

    /// Like [`Service::get`], but a service that is busy counts as one that has no such text.
    fn field(&mut self, path: &str) -> Result<Option<String>, Silence> {
        match self.get(path) {
            Err(Silence::Busy(_)) => Ok(None),
            other => other,
        }
    }

    /// Asks until there is an answer, whatever it is, and `tries` times at most.
    fn answer(&mut self, path: &str, tries: u32) -> Result<Option<String>, Silence> {
        self.until(path, tries, |_| true)
    }

    /// Asks until there is a text that is not empty, [`TRIES`] times at most.
    fn identity(&mut self, path: &str) -> Result<Option<String>, Silence> {
        self.until(path, TRIES, |text| !text.is_empty())
    }

    fn until(
        &mut self,
        path: &str,
        tries: u32,
        is_enough: fn(&str) -> bool,
    ) -> Result<Option<String>, Silence> {
        let mut left = tries;
        loop {
            let got = self.get(path);
            left = left.saturating_sub(1);
            let is_enough = match &got {
                Ok(text) => is_enough(text.as_deref().unwrap_or_default()),
                Err(_) => false,
            };
            if is_enough || left == 0 {
                return got;
            }
            (self.wait)(PAUSE);
        }
    }
}

/// A place whose service has answered.
fn place(
    provider: &'static str,
    metadata: Option<Vec<(&'static str, String)>>,
    id: Option<&str>,
    domain: &str,
) -> Place {
    let cloud = metadata.map(|fields| Cloud {
        provider,
        metadata: Attributes(fields),
    });
    let id = id.map(str::trim).filter(|id| !id.is_empty());
    Place {
        cloud,
        custom_identifier: id.map(|id| format!("{id}.{domain}")),
    }
}

/// The service has said nothing of use; it may do so later.
#[derive(Debug)]
pub(crate) enum Silence {
    Link(LinkError),
    /// It cannot answer at the moment, says this status.
    Busy(u16),
    /// What it says is not what that cloud would say.
    Strange,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silence::Link(_) => f.write_str("no answer"),
            Silence::Busy(status) => write!(f, "no answer but status {status}"),
            Silence::Strange => f.write_str("its answer makes no sense"),
        }
    }
}

impl Error for Silence {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Silence::Link(error) => Some(error),
            Silence::Busy(_) | Silence::Strange => None,
        }
    }
}
