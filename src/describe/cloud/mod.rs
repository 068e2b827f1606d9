//! `cloud`: metadata of the host from the metadata service of its cloud, and the host's identifier
//! there. One file per cloud.
//!
//! If the firmware names no cloud, no request is sent. All services have the same link-local
//! address.

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

/// Address of the metadata service of every supported cloud.
pub(crate) const SERVICE: &str = "http://169.254.169.254";
/// Time limit for one request.
pub(crate) const REQUEST_LIMIT: Duration = Duration::from_secs(3);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(2);
/// Number of attempts to get the host's identifier.
const TRIES: u32 = 3;
/// Maximum length of a text in characters; no service returns longer texts. The rest is dropped.
const SHOWN: usize = 1_024;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Provider {
    Ec2,
    Gce,
    Azure,
}

/// The cloud whose metadata service is queried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    provider: Provider,
    /// Whether the service must first prove to be that of this cloud. It must if the cloud was
    /// detected from the firmware, and need not if the user configured it.
    is_to_prove: bool,
}

/// The service to query; `None` if there is none.
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

/// Queries the service behind `net`, whose requests are limited by [`REQUEST_LIMIT`]. `wait` is
/// called between attempts. A service that never answers costs at most 16 seconds.
///
/// The result has no cloud if the service proves to be another one. It has no identifier if the
/// service returns none. If this could not be determined, the error is the reason.
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
        is_silent: false,
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

/// A metadata service and the state of its requests.
struct Service<'a> {
    net: &'a mut dyn Fetch,
    wait: &'a mut dyn FnMut(Duration),
    /// Sent with every request.
    header: Option<(&'static str, String)>,
    /// Reason why the last failed request failed.
    why: String,
    /// Whether the last failed request had no answer.
    is_silent: bool,
}

/// Result of a request.
enum Reply {
    Text(String),
    /// The service has no such text.
    Nothing,
    /// The service is temporarily unable to answer.
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
                // 401: EC2 requires a token. 410: Azure is about to move the machine.
                status @ (401 | 410 | 429 | 500..) => {
                    self.why = format!("no answer but status {status}");
                    self.is_silent = false;
                    Reply::Busy
                }
                _ => Reply::Nothing,
            },
            Err(error) => {
                self.why = format!("no answer: {}", base::report(&error));
                self.is_silent = true;
                Reply::Silence
            }
        }
    }

    /// Repeats a request until there is an answer, at most `tries` times. If `is_needed`, the
    /// answer must be a non-empty text. `None` if the last attempt had no answer; an empty text if
    /// the service has no such text.
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

/// The place of a host whose service has answered.
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
