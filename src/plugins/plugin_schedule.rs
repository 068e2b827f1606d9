//! The configured plugins: what of them is due, what of them runs, and what they found last. Pure:
//! time is an argument, and nothing is started here.

use std::sync::Arc;
use std::time::Duration;

use super::plugin_log::PluginLog;
use super::work::Work;
use crate::base::clock::{Moment, Unix};
use crate::config::{CheckPlugin, Config, MetadataPlugin, MetricPlugin};
use crate::plugins::history::History;

/// From the beginning until metadata plugins run first.
const METADATA_DELAY: Duration = Duration::from_secs(10);
/// Actions of one check that may run at a time.
const ACTIONS: usize = 4;

/// Names an entry for as long as the agent runs; one that changes gets another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Id(u32);

/// Every plugin of the configuration.
#[derive(Default)]
pub(crate) struct PluginSchedule {
    entries: Vec<Entry>,
    next: u32,
    /// When checks and the like began; `None` before.
    begun: Option<Moment>,
}

/// One plugin.
pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) voice: PluginLog,
    /// Of the action of a check.
    pub(crate) action_voice: PluginLog,
    /// When it begins, and when it is to run next, at whole intervals after that; `None` for
    /// metric plugins, which go by rounds, and before the beginning.
    turn: Option<(Moment, Moment)>,
    /// A metric plugin that has not been asked for its graphs.
    owes_graphs: bool,
    is_running: bool,
    /// Whether it has been told of that it is still running.
    is_late: bool,
    /// Number of its actions that run.
    actions: usize,
}

/// What a plugin is.
pub(crate) enum Kind {
    Metric(Arc<MetricPlugin>),
    Check(Arc<CheckPlugin>, History),
    Metadata(Arc<MetadataPlugin>),
}

impl Kind {
    /// How the configuration calls the plugins of its kind.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Kind::Metric(_) => "metrics",
            Kind::Check(..) => "checks",
            Kind::Metadata(_) => "metadata",
        }
    }

    /// Between two runs; `None` if it goes by rounds.
    fn every(&self) -> Option<Duration> {
        match self {
            Kind::Metric(_) => None,
            Kind::Check(plugin, _) => Some(plugin.check_interval),
            Kind::Metadata(plugin) => Some(plugin.execution_interval),
        }
    }

    /// Whether both are configured alike.
    fn is_like(&self, other: &Kind) -> bool {
        match (self, other) {
            (Kind::Metric(one), Kind::Metric(other)) => one == other,
            (Kind::Check(one, _), Kind::Check(other, _)) => one == other,
            (Kind::Metadata(one), Kind::Metadata(other)) => one == other,
            _ => false,
        }
    }
}

impl PluginSchedule {
    /// Goes over to the plugins of `config`. Those that are as they were go on as if nothing had
    /// happened; what the others are just doing is of no interest any more.
    pub(crate) fn configure(&mut self, config: &Config, now: Moment) {
        let mut old = std::mem::take(&mut self.entries);
        let metrics = config.metric_plugins.iter();
        let metrics = metrics.map(|(name, plugin)| (name, Kind::Metric(Arc::new(plugin.clone()))));
        let checks = config.check_plugins.iter().map(|(name, plugin)| {
            let kind = Kind::Check(Arc::new(plugin.clone()), History::default());
            (name, kind)
        });
        let metadata = config.metadata_plugins.iter();
        let metadata =
            metadata.map(|(name, plugin)| (name, Kind::Metadata(Arc::new(plugin.clone()))));
        for (name, kind) in metrics.chain(checks).chain(metadata) {
            let known = old
                .iter()
                .position(|entry| entry.name == *name && entry.kind.is_like(&kind));
            let entry = match known {
                Some(at) => old.swap_remove(at),
                None => self.entry(name, kind, now),
            };
            self.entries.push(entry);
        }
    }

    fn entry(&mut self, name: &str, kind: Kind, now: Moment) -> Entry {
        let id = Id(self.next);
        self.next += 1;
        Entry {
            id,
            name: name.to_owned(),
            turn: self.begun.and_then(|_| first(&kind, now)),
            owes_graphs: matches!(kind, Kind::Metric(_)),
            kind,
            voice: PluginLog::default(),
            action_voice: PluginLog::default(),
            is_running: false,
            is_late: false,
            actions: 0,
        }
    }

    /// Checks run from now on, metadata plugins a little later; metric plugins are asked for their
    /// graphs.
    pub(crate) fn begin(&mut self, now: Moment) {
        self.begun = Some(now);
        for entry in &mut self.entries {
            entry.turn = first(&entry.kind, now);
        }
    }

    /// Whether [`PluginSchedule::begin`] has been called.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Every metric plugin, for the round of `time`.
    pub(crate) fn round(&mut self, time: Unix) -> Vec<(Id, Work)> {
        let mut works = Vec::new();
        for entry in &mut self.entries {
            let Kind::Metric(plugin) = &entry.kind else {
                continue;
            };
            let work = Work::Values(Arc::clone(plugin), time);
            works.extend(entry.start(work));
        }
        works
    }

    /// What else is due now.
    pub(crate) fn take_due(&mut self, now: Moment) -> Vec<(Id, Work)> {
        let mut works = Vec::new();
        if !self.has_begun() {
            return works;
        }
        for entry in &mut self.entries {
            if let Kind::Metric(plugin) = &entry.kind {
                if std::mem::take(&mut entry.owes_graphs) {
                    works.push((entry.id, Work::Graphs(Arc::clone(plugin))));
                }
                continue;
            }
            let (Some((begin, due)), Some(every)) = (entry.turn, entry.kind.every()) else {
                continue;
            };
            if due > now {
                continue;
            }
            entry.turn = Some((begin, slot_after(begin, every, now)));
            let may_act = entry.actions < ACTIONS;
            let work = match &entry.kind {
                Kind::Check(plugin, history) => Work::Check {
                    plugin: Arc::clone(plugin),
                    previous: history.previous(),
                    may_act,
                },
                Kind::Metadata(plugin) => Work::Metadata(Arc::clone(plugin)),
                Kind::Metric(_) => continue,
            };
            works.extend(entry.start(work));
            if !may_act {
                log::warn!(
                    "plugin.{}.{}: {ACTIONS} of its actions are still running; this time there is none",
                    entry.kind.word(),
                    entry.name
                );
            }
        }
        works
    }

    /// How long nothing is due; for ever if nothing ever will be.
    pub(crate) fn idle(&self, now: Moment) -> Duration {
        let owes = self.has_begun() && self.entries.iter().any(|entry| entry.owes_graphs);
        if owes {
            return Duration::ZERO;
        }
        let turns = self.entries.iter().filter_map(|entry| entry.turn);
        let due = turns.map(|(_, due)| due).min();
        due.map_or(Duration::MAX, |due| due.since(now))
    }

    /// The plugin of this id, if it is still configured.
    pub(crate) fn entry_of(&mut self, id: Id) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }
}

impl Entry {
    /// `work`, unless the plugin is still busy with the last one, which is told once.
    fn start(&mut self, work: Work) -> Option<(Id, Work)> {
        if self.is_running {
            if !std::mem::replace(&mut self.is_late, true) {
                log::warn!(
                    "plugin.{}.{} is still running when its next turn comes: this one is skipped",
                    self.kind.word(),
                    self.name
                );
            }
            return None;
        }
        self.is_running = true;
        Some((self.id, work))
    }

    /// Its command has ended, whose action, if any, is running now.
    pub(crate) fn has_ended(&mut self, is_acting: bool) {
        self.is_running = false;
        self.is_late = false;
        self.actions += usize::from(is_acting);
    }

    /// One of its actions has ended.
    pub(crate) fn has_acted(&mut self) {
        self.actions = self.actions.saturating_sub(1);
    }
}

/// When a plugin begins, and runs first, if the beginning is now.
fn first(kind: &Kind, now: Moment) -> Option<(Moment, Moment)> {
    match kind {
        Kind::Metric(_) => None,
        Kind::Check(..) => Some((now, now)),
        Kind::Metadata(_) => Some((now, Moment(now.0 + METADATA_DELAY))),
    }
}

/// The first moment after `now` that lies whole intervals after `begin`.
fn slot_after(begin: Moment, every: Duration, now: Moment) -> Moment {
    let every = every.max(Duration::from_secs(1));
    let passed = now.since(begin).as_secs() / every.as_secs();
    let slots = u32::try_from(passed + 1).unwrap_or(u32::MAX);
    Moment(begin.0 + every.saturating_mul(slots))
}

#[cfg(test)]
mod tests;
