//! What plugins bring besides values: reports of checks, documents, graph definitions, and the hosts
//! that they are for.

use std::env;
use std::time::Duration;

use super::identities::Identified;
use super::{ASKED_PAUSE, Poster, REFUSED_PAUSE};
use crate::api::{ApiError, Verdict};
use crate::base;
use crate::base::clock::{Clock, Moment};
use crate::check::queue::Sent;
use crate::config::IdStore;
use crate::metadata;
use crate::parse::plugin::meta::Graph;
use crate::schedule::Backoff;
use crate::sys::cache::CacheFile;

/// Bytes of definitions that wait for the server: those of a plugin have up to 256 KiB.
const WAITING: usize = 1 << 20;
/// From the first definition of graphs until they are sent: those of other plugins gather.
const GATHER: Duration = Duration::from_secs(5);
/// Longest pause between two attempts to define graphs.
const DEFINE_PAUSE: Duration = Duration::from_secs(5 * 60);
/// As what the log knows metadata plugins.
const METADATA: &str = "mackerel_agent::plugins::metadata";

/// Definitions of graphs that the server does not have.
pub(super) struct Graphs {
    /// Each plugin's together.
    waiting: Vec<Vec<Graph>>,
    pub(super) due: Option<Moment>,
    backoff: Backoff,
    /// Whether each plugin's go alone, because among all of them are some that the server refuses.
    is_divided: bool,
}

impl Default for Graphs {
    fn default() -> Graphs {
        Graphs {
            waiting: Vec::new(),
            due: None,
            backoff: Backoff::up_to(DEFINE_PAUSE),
            is_divided: false,
        }
    }
}

impl Graphs {
    /// Adds those of one plugin, unless too many wait already.
    pub(super) fn push(&mut self, graphs: Vec<Graph>, now: Moment) {
        let held = self.waiting.iter().chain([&graphs]).flatten();
        if held.map(Graph::bytes).sum::<usize>() > WAITING {
            let name = graphs.first().map(|graph| graph.name.as_str());
            log::warn!(
                "graph {}: not defined, because more than 1 MiB of definitions wait for the server; restart the agent when it can be reached",
                name.unwrap_or_default()
            );
            return;
        }
        self.waiting.push(graphs);
        self.due.get_or_insert(Moment(now.0 + GATHER));
    }
}

impl Poster {
    /// Goes over to the plugins of the configuration.
    pub(super) fn configure_plugins(&mut self, now: Moment) {
        let config = &self.config;
        self.reports.expect(config.check_plugins.len());
        self.identities.configure(config, now);
        for (name, plugin) in &config.metadata_plugins {
            let environment = |name: &str| env::var_os(name);
            let env = &plugin.command.env;
            let path = metadata::cache_path(name, env, environment, &config.root);
            // Where nothing is to be kept below `root`, what the server has is known until the end.
            let cache =
                match config.host_id_store == IdStore::Memory && path.starts_with(&config.root) {
                    true => CacheFile::none(),
                    false => CacheFile::at(path),
                };
            self.metadata.add(name, cache);
        }
    }

    /// Reports what checks have found, if it is time.
    pub(super) fn report(&mut self, clock: &dyn Clock) {
        let expired = self.time(clock).map_or(0, |now| self.reports.expire(now));
        if expired > 0 {
            log::warn!("{expired} check reports lost: the server takes none older than six hours");
        }
        let now = clock.moment();
        let Some(batch) = self.reports.batch(now) else {
            return;
        };
        let destination = self.reports.destination(&batch);
        let own_id = self.registration.host().map(|host| host.id.as_str());
        let id = match destination.map(|to| self.identities.of(to)) {
            None => own_id,
            Some(Identified::As(id)) => Some(id),
            Some(Identified::NotYet) => None,
            Some(Identified::Absent) => {
                // That has been told when it was looked up.
                self.reports.done(&batch, Sent::Unwanted, now);
                return;
            }
        };
        let Some(id) = id else {
            self.reports.done(&batch, Sent::Later(Duration::ZERO), now);
            return;
        };
        let sent = self.api.report_checks(id, self.reports.reports(&batch));
        let now = clock.moment();
        match sent {
            Ok(()) => {
                self.reports.done(&batch, Sent::Accepted, now);
                self.delivered(clock);
                self.reporting
                    .is_over(|| "check reports are taken again".to_owned());
            }
            Err(error) => {
                self.has_failed = true;
                let lost = self.reports.done(&batch, how_it_ended(&error), now);
                let why = base::report(&error);
                self.reporting.because(match lost {
                    None => format!("{why}; the check reports are kept"),
                    Some(report) => format!("{why}; a report of {} is lost", report.name),
                });
            }
        }
    }

    /// Looks up the next host that plugins report for.
    pub(super) fn look_up(&mut self, clock: &dyn Clock) {
        let Some(identifier) = self.identities.next(clock.moment()).map(str::to_owned) else {
            return;
        };
        match self.api.find_by_custom_identifier(&identifier) {
            Ok(found) => {
                let now = clock.moment();
                self.looking
                    .is_over(|| "hosts are found by custom identifier again".to_owned());
                let is_there = found.is_some();
                let id = found.map(|host| host.id);
                let is_news = self.identities.found(&identifier, id, now);
                if is_there {
                    self.post_due.get_or_insert(now);
                } else {
                    self.drop_unwanted(clock);
                    if is_news {
                        log::warn!(
                            "no host has the custom_identifier {identifier}: what plugins report for it is dropped; it is looked for again in an hour"
                        );
                    }
                }
            }
            Err(error) => {
                let asked = pause(&error);
                let now = clock.moment();
                self.identities
                    .failed(&identifier, asked, (self.random)(), now);
                self.looking.because(format!(
                    "{}; what plugins report for that host waits",
                    base::report(&error)
                ));
            }
        }
    }

    /// Defines graphs.
    pub(super) fn define(&mut self, clock: &dyn Clock) {
        let first = self
            .graphs
            .waiting
            .iter()
            .take(match self.graphs.is_divided {
                true => 1,
                false => usize::MAX,
            });
        let graphs: Vec<&Graph> = first.flatten().collect();
        if graphs.is_empty() {
            self.graphs.due = None;
            return;
        }
        let defined = self.api.create_graph_defs(&graphs);
        let now = clock.moment();
        let is_condemned = defined.as_ref().is_err_and(ApiError::condemns_content);
        match defined {
            Err(error) if !is_condemned => {
                let pause = self.graphs.backoff.failed((self.random)());
                self.graphs.due = Some(Moment(now.0 + pause.max(self::pause(&error))));
                self.defining
                    .because(format!("{}; this is tried again", base::report(&error)));
                return;
            }
            // One of many is wrong, perhaps.
            Err(_) if !self.graphs.is_divided && self.graphs.waiting.len() > 1 => {
                self.graphs.is_divided = true;
                return;
            }
            Err(error) => {
                let names: Vec<&str> = graphs.iter().map(|graph| graph.name.as_str()).collect();
                log::error!(
                    "graphs {} not defined: {}",
                    names.join(", "),
                    base::report(&error)
                );
            }
            Ok(()) => {
                self.defining.is_over(|| "graphs are defined".to_owned());
            }
        }
        self.graphs.backoff.succeeded();
        match self.graphs.is_divided {
            true => drop(self.graphs.waiting.remove(0)),
            false => self.graphs.waiting.clear(),
        }
        let is_over = self.graphs.waiting.is_empty();
        self.graphs.is_divided &= !is_over;
        self.graphs.due = (!is_over).then_some(now);
    }

    /// Takes the document of a namespace, to be sent if it is another than the server has.
    pub(super) fn take_document(&mut self, name: &str, document: String, now: Moment) {
        if let Err(error) = self.metadata.take(name, document, now) {
            log::warn!(target: METADATA, "plugin.metadata.{name}: {}", base::report(&error));
        }
    }

    /// Sends the document of a namespace, if it is time.
    pub(super) fn put_document(&mut self, clock: &dyn Clock) {
        let now = clock.moment();
        let Some(host) = self.registration.host() else {
            return;
        };
        let Some((name, document)) = self.metadata.next(now) else {
            return;
        };
        let name = name.to_owned();
        let put = self.api.put_metadata(&host.id, &name, document);
        let sent = match &put {
            Ok(()) => metadata::Sent::Accepted,
            // There is no time to wait: it is sent again after the next start.
            Err(_) if self.stop.is_some() => metadata::Sent::Refused,
            Err(error) if error.condemns_content() => metadata::Sent::Refused,
            Err(error) => metadata::Sent::Later(pause(error)),
        };
        if let Err(error) = &put {
            let why = base::report(error);
            self.documenting
                .because(format!("plugin.metadata.{name}: {why}"));
        } else {
            self.documenting
                .is_over(|| "metadata is taken again".to_owned());
        }
        if let Err(error) = self.metadata.done(&name, sent, clock.moment()) {
            log::warn!(target: METADATA, "plugin.metadata.{name}: {}", base::report(&error));
        }
    }
}

/// For how long a server that answered like this is not to be asked.
fn pause(error: &ApiError) -> Duration {
    match error.verdict() {
        Verdict::Later(asked) => asked.min(ASKED_PAUSE),
        Verdict::Refused => REFUSED_PAUSE,
    }
}

/// What an error means for the reports of a request.
fn how_it_ended(error: &ApiError) -> Sent {
    if error.is_silence() {
        return Sent::Silence;
    }
    match error.condemns_content() {
        true => Sent::Refused,
        false => Sent::Later(pause(error)),
    }
}
