//! Sends the documents of metadata plugins: each when it has changed.

use std::env;

use crate::base;
use crate::base::clock::{Clock, Moment};
use crate::config::{Config, IdStore};
use crate::deliver::api::Api;
use crate::deliver::metadata::{self, Metadata, Sent};
use crate::deliver::poster::lane::{Context, Lane, Step, asked_pause};
use crate::sys::cache::CacheFile;
use crate::sys::log;
use crate::sys::log_once::LogOnceFor;
use crate::sys::root::FileError;

/// The log tag of metadata plugins.
const TAG: &str = "metadata";

/// The documents that wait, and the state of sending them.
pub(crate) struct MetadataLane {
    pub(crate) metadata: Metadata,
    /// The failures for each namespace.
    logs: LogOnceFor,
    /// The failures to save the document that the server has of each namespace.
    file_logs: LogOnceFor,
}

impl MetadataLane {
    pub(crate) fn new(now: Moment) -> MetadataLane {
        MetadataLane {
            metadata: Metadata::new(now),
            logs: LogOnceFor::default(),
            file_logs: LogOnceFor::default(),
        }
    }

    /// Adds the namespaces of the plugins of `config`. If the host is new, the server has no
    /// document of any of them.
    pub(crate) fn configure(&mut self, config: &Config, is_new_host: bool) {
        for (name, plugin) in &config.metadata_plugins {
            let environment = |name: &str| env::var_os(name);
            let env = &plugin.command.env;
            let file = config.state_name(name);
            let path = metadata::cache_path(&file, env, environment, &config.root);
            // If nothing may be saved below `root`, the documents that the server has are
            // remembered in memory.
            let is_volatile =
                config.host_id_store == IdStore::Memory && path.starts_with(&config.root);
            let cache = if is_volatile {
                CacheFile::none()
            } else {
                CacheFile::at(path)
            };
            warn(name, self.metadata.add(name, cache, is_new_host));
        }
    }

    /// Adds the document of a namespace. It is sent if it differs from the one that the server has.
    pub(crate) fn push(&mut self, name: &str, document: String, now: Moment) {
        warn(name, self.metadata.take(name, document, now));
    }
}

impl Lane for MetadataLane {
    fn due(&self, _: &Context) -> Option<Moment> {
        self.metadata.due()
    }

    fn step(&mut self, context: &mut Context, api: &mut Api, clock: &dyn Clock) -> Step {
        let next = self.metadata.next(clock.moment());
        let (Some(id), Some((name, document))) = (context.own_id(), next) else {
            return Step::Idle;
        };
        let name = name.to_owned();
        let log = self.logs.of(&name);
        let (sent, step) = match api.put_metadata(id, &name, document) {
            Ok(()) => {
                log.succeeded(|| format!("plugin.metadata.{name} is taken again"));
                (Sent::Accepted, Step::Sent)
            }
            Err(error) => {
                let why = base::report(&error);
                log.failed(format!("plugin.metadata.{name}: {why}"));
                // There is no time for retries at a stop. The document is sent again after the next
                // start.
                if context.stop.is_some() || error.condemns_content() {
                    (Sent::Refused, Step::Refused)
                } else {
                    (Sent::Later(asked_pause(&error)), Step::Later)
                }
            }
        };
        let log = self.file_logs.of(&name);
        match self.metadata.done(&name, sent, clock.moment()) {
            Err(error) => {
                log.failed(unsaved(&name, &error));
            }
            // Only a document that the server has accepted was saved.
            Ok(()) if sent == Sent::Accepted => {
                log.succeeded(|| format!("plugin.metadata.{name}: its file is written again"));
            }
            Ok(()) => {}
        }
        step
    }

    fn stop(&mut self, now: Moment) {
        self.metadata.end(now);
    }
}

fn warn(name: &str, result: Result<(), FileError>) {
    if let Err(error) = result {
        log::warn!(tag: TAG, "{}", unsaved(name, &error));
    }
}

/// The log line about a namespace's file that cannot be read, written or removed.
fn unsaved(name: &str, error: &FileError) -> String {
    format!("plugin.metadata.{name}: {}", base::report(error))
}
