//! Finds this host on the server, or registers it: one request a step, so that the caller decides
//! when to try again.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::whereabouts::Whereabouts;
use crate::api::{Api, ApiError, Verdict};
use crate::base;
use crate::config::Config;
use crate::describe::{DescribeError, Place};
use crate::sys::root::FileError;
use crate::sys::state::State;
use crate::wire::host::{Host, HostParam};

/// Describes the host as it is now, where it runs, and as the configuration has it.
pub(super) type Describe =
    Box<dyn FnMut(&Config, Place) -> Result<HostParam, DescribeError> + Send>;

/// How far the host is from being known.
pub(super) struct Registration {
    state: State,
    /// The status that the host is to have, if any.
    on_start: Option<String>,
    /// By which it is known what the host is called.
    pub(super) whereabouts: Whereabouts,
    stage: Stage,
}

enum Stage {
    /// It has no id yet.
    Create {
        /// Whether the server has been asked for a host of its identifier, and has none.
        is_new: bool,
    },
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
    pub(super) fn new(
        state: State,
        on_start: Option<String>,
        whereabouts: Whereabouts,
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
            on_start,
            whereabouts,
            stage,
        })
    }

    /// The host as the server knows it, once it is registered.
    pub(super) fn host(&self) -> Option<&Host> {
        match &self.stage {
            Stage::Registered { host } => Some(host),
            _ => None,
        }
    }

    /// Whether the next step depends on where the host runs.
    pub(super) fn is_about_identity(&self) -> bool {
        matches!(self.stage, Stage::Create { .. } | Stage::Identify { .. })
    }

    /// Goes one request further at most. To be called until [`Registration::host`] returns one.
    pub(super) fn step(
        &mut self,
        api: &mut Api,
        describe: &mut Describe,
        config: &Config,
    ) -> Result<(), RegisterError> {
        let place = self.whereabouts.known();
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
                let document = describe(config, self.whereabouts.place());
                let document = document.map_err(RegisterError::Describe)?;
                let id = api.create_host(&document).map_err(RegisterError::Create)?;
                self.keep(&id);
                Stage::Look { id }
            }
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
pub(super) enum RegisterError {
    Describe(DescribeError),
    /// It is not known whether the server has a host of this identifier.
    Search(ApiError),
    Create(ApiError),
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
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            RegisterError::Search(error)
            | RegisterError::Create(error)
            | RegisterError::Look { source: error, .. }
            | RegisterError::Status(error) => error.verdict(),
            RegisterError::Unidentified { .. } => Verdict::Later(Duration::ZERO),
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
            RegisterError::Identity { .. } | RegisterError::Unidentified { .. } => return None,
            RegisterError::Describe(error) => error,
            RegisterError::Search(error)
            | RegisterError::Create(error)
            | RegisterError::Look { source: error, .. }
            | RegisterError::Status(error) => error,
        })
    }
}
