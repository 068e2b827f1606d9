//! Finds this host on the server, or registers it. Each step makes one request, so that the caller
//! decides when to try again.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::cloud_lookup::CloudLookup;
use crate::base;
use crate::base::clock::{Clock, Moment, Unix};
use crate::config::Config;
use crate::deliver::api::{Api, ApiError, Verdict};
use crate::deliver::clock_trust;
use crate::deliver::failed_step::FailedStep;
use crate::describe::DescribeError;
use crate::describe::describer::Describe;
use crate::sys::log;
use crate::sys::root::FileError;
use crate::sys::state::State;
use crate::wire::host::Host;

/// Number of requests to create the host that are answered with success but without a usable id.
/// After that many, no other host is created.
const CREATIONS: u32 = 3;
/// Time after a request that took too long in which its host may still appear. Servers and proxies
/// end a request that its client has given up within a minute, as a rule.
const APPEARANCE: Duration = Duration::from_secs(2 * 60);
/// Seconds by which a host may be older than the request that created it, because times are whole
/// seconds.
const BLUR: u64 = 2;

/// The state of the registration.
pub(crate) struct Registration {
    state: State,
    /// Requests that may have created the host; `None` if there is none.
    unclear: Option<Unclear>,
    /// The status that the host gets at the start of the agent, if any.
    on_start: Option<String>,
    /// Finds the cloud, and with it the custom identifier of the host.
    pub(crate) cloud: CloudLookup,
    /// Whether the agent was started without an id: the server has nothing for this host that an
    /// earlier agent has sent.
    pub(crate) is_new_host: bool,
    stage: Stage,
    /// Whether another host is created without a search for the first: a fault that the rig has to
    /// detect.
    #[cfg(test)]
    pub(crate) is_careless: bool,
}

/// Requests to create the host whose outcome is not known.
struct Unclear {
    /// When the first of them was made, by the host's clock.
    wall: Unix,
    moment: Moment,
    /// When the last of them was made, if time ran out before it was answered.
    last: Option<Moment>,
    /// The name and the custom identifier in the first request.
    name: String,
    identifier: Option<String>,
    /// Number of them that were answered with success.
    successes: u32,
}

enum Stage {
    /// The host has no id yet.
    Create {
        /// Whether the search by custom identifier has been done without a match.
        is_new: bool,
    },
    /// The host may have an id, because the server may have created it.
    Find,
    /// The host has an id. What the server has under it has not been looked up.
    Look {
        id: String,
    },
    /// The server has a custom identifier of the host, which has to be that of this host.
    Identify {
        host: Host,
        theirs: String,
    },
    /// The host has another status than it has to get.
    Status {
        host: Host,
        status: String,
    },
    Registered {
        host: Host,
    },
}

impl Registration {
    /// Reads the host's id, if there is one. Fails if its file cannot be read. Fails also if there
    /// is no id and none could be saved.
    pub(crate) fn new(
        state: State,
        on_start: Option<String>,
        cloud: CloudLookup,
    ) -> Result<Registration, FileError> {
        let stage = match state.host_id()? {
            Some(id) => Stage::Look { id },
            None => {
                // Fails before the server creates a host whose id could not be saved.
                state.prepare()?;
                Stage::Create { is_new: false }
            }
        };
        Ok(Registration {
            state,
            unclear: None,
            on_start,
            cloud,
            is_new_host: matches!(stage, Stage::Create { .. }),
            stage,
            #[cfg(test)]
            is_careless: false,
        })
    }

    /// The host as the server returned it; `None` until it is registered.
    pub(crate) fn host(&self) -> Option<&Host> {
        match &self.stage {
            Stage::Registered { host } => Some(host),
            _ => None,
        }
    }

    /// Whether the next step depends on the cloud in which the host runs.
    pub(crate) fn is_about_identity(&self) -> bool {
        matches!(
            self.stage,
            Stage::Create { .. } | Stage::Find | Stage::Identify { .. }
        )
    }

    /// Whether a request to create the host had no usable answer. If so, the next request has to
    /// wait as long as a repetition of it.
    pub(crate) fn is_unclear(&self) -> bool {
        self.unclear.is_some()
    }

    /// Whether the next request looks again for a host that may have been created. If so, it has to
    /// wait as long as a repetition.
    pub(crate) fn is_finding(&self) -> bool {
        matches!(self.stage, Stage::Find)
    }

    /// Makes at most one request. Has to be called until [`Registration::host`] returns a host.
    pub(crate) fn step(
        &mut self,
        api: &mut Api,
        describe: &mut Describe,
        config: &Config,
        clock: &dyn Clock,
    ) -> Result<(), RegisterError> {
        let place = self.cloud.known();
        let given = config.custom_identifier.as_deref();
        let ours = given.or_else(|| place?.custom_identifier.as_deref());
        self.stage = match (&self.stage, ours) {
            (Stage::Create { is_new: false }, Some(ours)) => {
                match api.find_by_custom_identifier(ours) {
                    Ok(Some(host)) => {
                        log::info!("this host, {ours}, is {} on mackerel already", host.id);
                        self.known(host)
                    }
                    // A server that rejects the search may still accept the registration.
                    Err(error) if error.verdict() != Verdict::Refused => {
                        return Err(RegisterError::Search(error));
                    }
                    _ => Stage::Create { is_new: true },
                }
            }
            (Stage::Create { .. }, _) => {
                let document =
                    describe(config, self.cloud.place()).map_err(RegisterError::Describe)?;
                let (wall, moment) = (clock.unix(), clock.moment());
                let id = match api.create_host(&document) {
                    Ok(id) => id,
                    Err(error) => {
                        if error.may_have_succeeded() {
                            let unclear = self.unclear.get_or_insert(Unclear {
                                wall,
                                moment,
                                last: None,
                                name: document.name,
                                identifier: document.custom_identifier,
                                successes: 0,
                            });
                            unclear.last = error.may_go_on().then_some(moment);
                            unclear.successes += u32::from(error.is_garbled());
                            self.stage = Stage::Find;
                            #[cfg(test)]
                            if self.is_careless {
                                self.stage = Stage::Create { is_new: true };
                            }
                        }
                        return Err(RegisterError::Create(error));
                    }
                };
                self.keep(&id);
                self.unclear = None;
                Stage::Look { id }
            }
            (Stage::Find, _) => match self.find_created(api, clock)? {
                Some(host) => {
                    log::info!("this host has been created as {}", host.id);
                    self.unclear = None;
                    self.known(host)
                }
                None if self.is_appearing(clock) => Stage::Find,
                None => Stage::Create { is_new: true },
            },
            (Stage::Look { id }, _) => {
                let host = api.host(id).map_err(|source| RegisterError::Look {
                    id: id.clone(),
                    path: self.state.id_path().display().to_string(),
                    source,
                })?;
                let theirs = host.custom_identifier.clone().unwrap_or_default();
                if theirs.is_empty() {
                    self.known(host)
                } else {
                    Stage::Identify { host, theirs }
                }
            }
            (Stage::Identify { host, theirs }, ours) => {
                if ours != Some(theirs) {
                    let path = self.state.id_path().display().to_string();
                    let theirs = theirs.clone();
                    return Err(if place.is_some() || given.is_some() {
                        RegisterError::Identity { path, theirs }
                    } else {
                        RegisterError::Unidentified { path, theirs }
                    });
                }
                self.known(host.clone())
            }
            (Stage::Status { host, status }, _) => {
                api.set_status(&host.id, status)
                    .map_err(RegisterError::Status)?;
                Stage::Registered { host: host.clone() }
            }
            (Stage::Registered { .. }, _) => return Ok(()),
        };
        Ok(())
    }

    /// Whether a host that was requested may not be visible yet.
    fn is_appearing(&self, clock: &dyn Clock) -> bool {
        let last = self.unclear.as_ref().and_then(|unclear| unclear.last);
        last.is_some_and(|last| clock.moment().since(last) < APPEARANCE)
    }

    /// The host that a request of this process has created; `None` if another one may be created.
    /// It is the host of the custom identifier. Without an identifier, it is the only host of its
    /// name that is not older than the request.
    fn find_created(
        &self,
        api: &mut Api,
        clock: &dyn Clock,
    ) -> Result<Option<Host>, RegisterError> {
        let Some(unclear) = &self.unclear else {
            return Ok(None);
        };
        let mut hosts = match &unclear.identifier {
            Some(identifier) => {
                let found = api.find_by_custom_identifier(identifier);
                found.map(|host| host.into_iter().collect())
            }
            None => api.find_by_name(&unclear.name),
        }
        .map_err(RegisterError::Find)?;
        // By the server's clock, because the creation times of hosts are by that clock.
        let passed = clock.moment().since(unclear.moment).as_secs();
        let by_server = api.date().filter(|date| clock_trust::is_plausible(*date));
        let since = by_server
            .map_or(unclear.wall.0, |date| date.0.saturating_sub(passed))
            .saturating_sub(BLUR);
        hosts.retain(|host| {
            let identifier = host.custom_identifier.as_ref().filter(|id| !id.is_empty());
            match &unclear.identifier {
                Some(_) => true,
                None => {
                    host.name == unclear.name && host.created_at >= since && identifier.is_none()
                }
            }
        });
        let path = self.state.id_path().display().to_string();
        match hosts.len() {
            0 if unclear.successes >= CREATIONS => Err(RegisterError::GivenUp {
                requests: unclear.successes,
                path,
            }),
            0 | 1 => Ok(hosts.pop()),
            _ => {
                let ids: Vec<String> = hosts.into_iter().map(|host| host.id).collect();
                Err(RegisterError::Ambiguous {
                    ids: ids.join(", "),
                    path,
                })
            }
        }
    }

    /// The next stage for a host that exists on the server and is this host.
    fn known(&self, host: Host) -> Stage {
        self.keep(&host.id);
        match &self.on_start {
            Some(status) if *status != host.status => Stage::Status {
                status: status.clone(),
                host,
            },
            _ => Stage::Registered { host },
        }
    }

    /// Saves the id. An error is only logged, because the host exists on the server. If the agent
    /// ended here, each start would create another host.
    fn keep(&self, id: &str) {
        if let Err(error) = self.state.save_host_id(id) {
            log::error!(
                "failed to keep the id of this host ({id}): {}; write it to {} or the next start registers a new host",
                base::report(&error),
                self.state.id_path().display(),
            );
        }
    }
}

/// Why the host is not registered.
#[derive(Debug)]
pub(crate) enum RegisterError {
    Describe(DescribeError),
    /// It is not known whether the server has a host with the custom identifier.
    Search(ApiError),
    Create(ApiError),
    /// It is not known whether the server has created the host.
    Find(ApiError),
    /// The server reports success, but no created host is found.
    GivenUp {
        requests: u32,
        path: String,
    },
    /// Several hosts may be the created one.
    Ambiguous {
        ids: String,
        path: String,
    },
    Look {
        id: String,
        path: String,
        source: ApiError,
    },
    /// The id belongs to a host with a custom identifier that this host does not have.
    Identity {
        path: String,
        theirs: String,
    },
    /// The same, but the custom identifier of this host is not known.
    Unidentified {
        path: String,
        theirs: String,
    },
    Status(ApiError),
}

impl RegisterError {
    /// The step that failed.
    pub(crate) fn failed_step(&self) -> FailedStep {
        match self {
            RegisterError::Search(error)
            | RegisterError::Create(error)
            | RegisterError::Find(error)
            | RegisterError::Look { source: error, .. }
            | RegisterError::Status(error) => error.failed_step(),
            RegisterError::Describe(_)
            | RegisterError::GivenUp { .. }
            | RegisterError::Ambiguous { .. }
            | RegisterError::Identity { .. }
            | RegisterError::Unidentified { .. } => FailedStep::Registration,
        }
    }

    /// Whether to try again. Errors of this host itself are not retried.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            RegisterError::Search(error)
            | RegisterError::Create(error)
            | RegisterError::Look { source: error, .. }
            | RegisterError::Status(error) => error.verdict(),
            // If the agent ended here, the next start would create another host.
            RegisterError::Find(error) => match error.verdict() {
                Verdict::Refused => Verdict::Later(Duration::ZERO),
                later @ Verdict::Later(_) => later,
            },
            RegisterError::GivenUp { .. }
            | RegisterError::Ambiguous { .. }
            | RegisterError::Unidentified { .. } => Verdict::Later(Duration::ZERO),
            RegisterError::Describe(_) | RegisterError::Identity { .. } => Verdict::Refused,
        }
    }
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterError::Describe(_) => f.write_str("error while collecting host specs"),
            RegisterError::Search(_) => {
                f.write_str("failed to find out if this host is registered")
            }
            RegisterError::Create(_) => f.write_str("failed to register this host"),
            RegisterError::Find(_) => f.write_str(
                "failed to find out if this host was created; no other host is created before that",
            ),
            RegisterError::GivenUp { requests, path } => write!(
                f,
                "failed to register this host: {requests} requests to create it were answered \
                 without the id of a host, and none is found that they created; no other host is \
                 created before the agent is started again: check apibase and what is between \
                 this host and the server, and write the id to {path} if mackerel shows such a host"
            ),
            RegisterError::Ambiguous { ids, path } => write!(
                f,
                "failed to register this host: several hosts of its name are as new as it is: \
                 {ids}; write the id of the right one to {path} and start the agent again; \
                 no other host is created"
            ),
            RegisterError::Look { id, path, source } => {
                write!(f, "failed to find this host (id {id}) on mackerel")?;
                match source.status() {
                    Some(404) => write!(
                        f,
                        " (if it is to be registered as a new host, delete {path} and try again)"
                    ),
                    _ => Ok(()),
                }
            }
            RegisterError::Identity { path, theirs } => write!(
                f,
                "custom identifiers mismatch: the id in {path} belongs to {theirs}, \
                 which this host is not; delete the file to register it as a host of its own"
            ),
            RegisterError::Unidentified { path, theirs } => write!(
                f,
                "the id in {path} belongs to {theirs}, \
                 and the metadata service does not say whether this host is that"
            ),
            RegisterError::Status(_) => {
                f.write_str("failed to set host_status.on_start of this host")
            }
        }
    }
}

impl Error for RegisterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            RegisterError::Identity { .. }
            | RegisterError::Unidentified { .. }
            | RegisterError::GivenUp { .. }
            | RegisterError::Ambiguous { .. } => return None,
            RegisterError::Describe(error) => error,
            RegisterError::Search(error)
            | RegisterError::Create(error)
            | RegisterError::Find(error)
            | RegisterError::Look { source: error, .. }
            | RegisterError::Status(error) => error,
        })
    }
}
