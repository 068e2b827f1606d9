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

use std::fmt;
use std::time::Duration;

use super::Place;
use crate::base;
use crate::config::CloudPlatform;
use crate::sys::http::{Fetch, Method};
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
/// Characters kept of each text: more than any service says.
const SHOWN: usize = 1_024;

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
/// identifier: it does not say what the host is called. Where that remains unknown, fails with the
/// reason.
pub(crate) fn look(
    target: Target,
    net: &mut dyn Fetch,
    wait: &mut dyn FnMut(Duration),
) -> Result<Place, String> {
    let mut service = Service {
        net,
        wait,
        header: None,
        why: String::new(),
    };
    let found = match target.provider {
        Provider::Ec2 => ec2::look(&mut service, target.is_to_prove),
        Provider::Gce => gce::look(&mut service, target.is_to_prove),
        Provider::Azure => azure::look(&mut service, target.is_to_prove),
    };
    found.ok_or(service.why)
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
    /// Why the last request that brought no answer brought none.
    why: String,
}

/// What a request brought.
enum Reply {
    Text(String),
    /// The service has no such text.
    Nothing,
    /// The service cannot answer at the moment.
    Busy,
    Silence,
}

impl Service<'_> {
    fn get(&mut self, path: &str) -> Reply {
        let header = self.header.as_ref();
        let header = header.map(|(name, value)| (*name, value.as_str()));
        match self.net.fetch(Method::Get, path, header) {
            Ok(answer) => match answer.status {
                200 if answer.encoding.is_none() => Reply::Text(answer.body),
                status @ (429 | 500..) => {
                    self.why = format!("no answer but status {status}");
                    Reply::Busy
                }
                _ => Reply::Nothing,
            },
            Err(error) => {
                self.why = format!("no answer: {}", base::report(&error));
                Reply::Silence
            }
        }
    }

    /// Asks until there is an answer and, if that `is_needed`, until it is a text that is not empty,
    /// but `tries` times at most. `None` if there is no answer at last; an answer without a text is
    /// empty.
    fn insist(&mut self, path: &str, tries: u32, is_needed: bool) -> Option<String> {
        let mut left = tries;
        loop {
            let answer = match self.get(path) {
                Reply::Text(text) => Some(text),
                Reply::Nothing => Some(String::new()),
                Reply::Busy | Reply::Silence => None,
            };
            left = left.saturating_sub(1);
            let is_enough = match &answer {
                Some(text) => !is_needed || !text.is_empty(),
                None => false,
            };
            if is_enough || left == 0 {
                return answer;
            }
            (self.wait)(PAUSE);
        }
    }
}

/// A place whose service has answered.
fn place(
    provider: &'static str,
    metadata: Option<Vec<(&'static str, String)>>,
    id: &str,
    domain: &str,
) -> Place {
    let clipped = |text: &str| text.chars().take(SHOWN).collect::<String>();
    let cloud = metadata.map(|fields| {
        let fields = fields.into_iter();
        let metadata = fields.map(|(name, text)| (name, clipped(&text))).collect();
        Cloud {
            provider,
            metadata: Attributes(metadata),
        }
    });
    let id = clipped(id.trim());
    Place {
        cloud,
        custom_identifier: (!id.is_empty()).then(|| format!("{id}.{domain}")),
    }
}
