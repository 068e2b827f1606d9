//! Finds this host on the server, or registers it: one request a step, so that the caller decides
//! when to try again.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::cloud_lookup::CloudLookup;
use crate::base;
use crate::base::clock::{Clock, Moment, Unix};
use crate::config::Config;
use crate::deliver::api::{Api, ApiError, Verdict};
use crate::deliver::clock_trust;
use crate::describe::DescribeError;
use crate::describe::describer::Describe;
use crate::sys::root::FileError;
use crate::sys::state::State;
use crate::wire::host::Host;

/// Answers to a request to create the host that say that it was done and not what the host's id is,
/// after which no other host is created.
const CREATIONS: u32 = 3;
/// Seconds by which a host may be older than the request that created it: clocks show whole ones.
const BLUR: u64 = 2;

/// How far the host is from being known.
pub(crate) struct Registration {
    state: State,
    /// Whether the host may have been created without this being known.
    unclear: Option<Unclear>,
    /// The status that the host is to have, if any.
    on_start: Option<String>,
    /// By which it is known what the host is called.
    pub(crate) cloud: CloudLookup,
    stage: Stage,
    /// Whether another host is created without a look for the first, which the fault rig has to notice.
    #[cfg(test)]
    pub(crate) is_careless: bool,
}

/// Requests to create the host of which nobody knows whether they did.
struct Unclear {
    /// When the first was made, by the host's clock.
    wall: Unix,
    moment: Moment,
    /// The name and the custom identifier that the host was to have.
    name: String,
    identifier: Option<String>,
    /// How many of them succeeded, by their status.
    successes: u32,
}

enum Stage {
    /// It has no id yet.
    Create {
        /// Whether the server has been asked for a host of its identifier, and has none.
        is_new: bool,
    },
    /// It may have an id: the server has been asked to create it.
    Find,
    /// It has an id; what the server knows under it is not known.
    Look {
        id: String,
    },
    /// The server has an identifier of it, which has to be that of this host.
    Identify {
        host: Host,
        theirs: String,
    },
    /// The server knows it under another status than it is to have.
    Status {
        host: Host,
        status: String,
    },
    Registered {
        host: Host,
    },
}

impl Registration {
    /// Reads the host's id, if it has one. Fails if its file cannot be read, or if there is none
    /// and none could be kept.
    pub(crate) fn new(
        state: State,
        on_start: Option<String>,
        cloud: CloudLookup,
    ) -> Result<Registration, FileError> {
        let stage = match state.host_id()? {
            Some(id) => Stage::Look { id },
            None => {
                // Better now than after the server has made a host that would be forgotten.
                state.prepare()?;
                Stage::Create { is_new: false }
            }
        };
        Ok(Registration {
            state,
            unclear: None,
            on_start,
            cloud,
            stage,
            #[cfg(test)]
            is_careless: false,
        })
    }

    /// The host as the server knows it, once it is registered.
    pub(crate) fn host(&self) -> Option<&Host> {
        match &self.stage {
            Stage::Registered { host } => Some(host),
            _ => None,
        }
    }

    /// Whether the next step depends on where the host runs.
    pub(crate) fn is_about_identity(&self) -> bool {
        matches!(
            self.stage,
            Stage::Create { .. } | Stage::Find | Stage::Identify { .. }
        )
    }

    /// Whether a request to create the host had no answer that could be used: the next one has to wait
    /// for as long as if it were a repetition.
    pub(crate) fn is_unclear(&self) -> bool {
        self.unclear.is_some()
    }

    /// Goes one request further at most. To be called until [`Registration::host`] returns one.
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
                    // A server that will not look may yet register.
                    Err(error) if error.verdict() != Verdict::Refused => {
                        return Err(RegisterError::Search(error));
                    }
                    _ => Stage::Create { is_new: true },
                }
            }
            (Stage::Create { .. }, _) => {
                let document = describe(config, self.cloud.place());
                let document = document.map_err(RegisterError::Describe)?;
                let (wall, moment) = (clock.unix(), clock.moment());
                let id = match api.create_host(&document) {
                    Ok(id) => id,
                    Err(error) => {
                        if error.may_have_succeeded() {
                            let unclear = self.unclear.get_or_insert(Unclear {
                                wall,
                                moment,
                                name: document.name,
                                identifier: document.custom_identifier,
                                successes: 0,
                            });
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
                None => Stage::Create { is_new: true },
            },
            (Stage::Look { id }, _) => {
                let host = api.host(id).map_err(|source| RegisterError::Look {
                    id: id.clone(),
                    path: self.state.id_path().display().to_string(),
                    source,
                })?;
                let theirs = host.custom_identifier.clone().unwrap_or_default();
                match theirs.is_empty() {
                    true => self.known(host),
                    false => Stage::Identify { host, theirs },
                }
            }
            (Stage::Identify { host, theirs }, ours) => {
                if ours != Some(theirs) {
                    let path = self.state.id_path().display().to_string();
                    let theirs = theirs.clone();
                    return Err(match place.is_some() || given.is_some() {
                        true => RegisterError::Identity { path, theirs },
                        false => RegisterError::Unidentified { path, theirs },
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

    /// The host that a request of this process has created: the one of its identifier or, without one, the
    /// only one of its name that is not older than the request. `None` if another may be created.
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
        // By the server's clock, since that is the one by which hosts have an age.
        let passed = clock.moment().since(unclear.moment).as_secs();
        let by_server = api.date().filter(|date| clock_trust::is_plausible(*date));
        let since = by_server.map_or(unclear.wall.0, |date| date.0.saturating_sub(passed));
        let since = since.saturating_sub(BLUR);
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

    /// What is left to do with a host that the server knows, and that is this one.
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

    /// A host that exists on the server goes on even if its id cannot be kept: ending here would
    /// make another host at each start.
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
    /// It is not known whether the server has a host of this identifier.
    Search(ApiError),
    Create(ApiError),
    /// It is not known whether the server has created the host.
    Find(ApiError),
    /// The server says that it creates hosts, and none of them is found.
    GivenUp {
        requests: u32,
        path: String,
    },
    /// Several hosts may be the one that was created.
    Ambiguous {
        ids: String,
        path: String,
    },
    Look {
        id: String,
        path: String,
        source: ApiError,
    },
    /// The id belongs to a host in a cloud, whose custom identifier this host does not have.
    Identity {
        path: String,
        theirs: String,
    },
    /// The same, but it is not known what this host is.
    Unidentified {
        path: String,
        theirs: String,
    },
    Status(ApiError),
}

impl RegisterError {
    /// Whether to try again; what is wrong with this host will not mend itself.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            RegisterError::Search(error)
            | RegisterError::Create(error)
            | RegisterError::Look { source: error, .. }
            | RegisterError::Status(error) => error.verdict(),
            // Ending here would have the next start create another host.
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
