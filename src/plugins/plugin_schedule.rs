//! The configured plugins: which are due, which are running, and the last findings of checks.
//!
//! Time is an argument, and nothing is started here.

use std::sync::Arc;
use std::time::Duration;

use super::plugin_log::PluginLog;
use super::plugin_state::{LastRun, PluginState};
use super::work::{Words, Work};
use crate::base::clock::{Moment, Unix};
use crate::config::{CheckPlugin, Config, MetadataPlugin, MetricPlugin};
use crate::plugins::history::History;
use crate::sys::log;
use crate::sys::log::excerpt;
use crate::wire::check::CheckStatus;

/// From the beginning until the first run of metadata plugins.
const METADATA_DELAY: Duration = Duration::from_secs(10);
/// Characters of the reason of a failure that are kept.
const SHOWN: usize = 300;
/// Largest number of running actions of one check.
const ACTIONS: usize = 4;
/// Largest number of runs of one metric plugin at a time, as in the Go agent: one that takes longer
/// than a minute still has a value for each minute.
const METRIC_RUNS: usize = 3;

/// Identifies an entry while the agent runs. A changed plugin gets a new one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Id(u32);

#[cfg(test)]
impl Id {
    /// Two different ones.
    pub(crate) fn two() -> [Id; 2] {
        [Id(1), Id(2)]
    }
}

/// All plugins of the configuration.
#[derive(Default)]
pub(crate) struct PluginSchedule {
    entries: Vec<Entry>,
    next: u32,
    /// When checks, metadata and graph definitions began. `None` before.
    begun: Option<Moment>,
}

/// One plugin.
pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) voice: PluginLog,
    /// The log of a check's action.
    pub(crate) action_voice: PluginLog,
    /// When the plugin began, and when it is due, at whole intervals after that.
    ///
    /// `None` before the beginning, and for metric plugins, which run every round.
    turn: Option<(Moment, Moment)>,
    /// Whether a metric plugin has not been asked for its graph definitions.
    owes_graphs: bool,
    /// Number of its runs that have not ended.
    running: usize,
    /// Whether a skipped run has been logged, and no run since has ended before the next turn.
    is_late: bool,
    /// Whether the last turn was skipped.
    was_skipped: bool,
    /// Number of its running actions.
    actions: usize,
    /// Whether an action that was left out has been logged, and actions have run ever since.
    is_crowded: bool,
    /// When the runs that have not ended were started, the oldest first.
    pub(crate) began: Vec<Moment>,
    /// The last run that has ended.
    last: Option<LastRun>,
}

/// The kind of a plugin, with its settings.
pub(crate) enum Kind {
    Metric(Arc<MetricPlugin>),
    Check(Arc<CheckPlugin>, History),
    Metadata(Arc<MetadataPlugin>),
}

impl Kind {
    /// The name of the kind in the configuration.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Kind::Metric(_) => "metrics",
            Kind::Check(..) => "checks",
            Kind::Metadata(_) => "metadata",
        }
    }

    /// Interval between two runs. `None` for metric plugins, which run every round.
    fn every(&self) -> Option<Duration> {
        match self {
            Kind::Metric(_) => None,
            Kind::Check(plugin, _) => Some(plugin.check_interval),
            Kind::Metadata(plugin) => Some(plugin.execution_interval),
        }
    }

    /// Whether both have equal settings.
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
    /// Changes to the plugins of `config`.
    ///
    /// Unchanged plugins keep their state. Results of runs of the others are ignored.
    pub(crate) fn configure(&mut self, config: &Config, now: Moment) {
        let mut old = std::mem::take(&mut self.entries);
        let metrics = config
            .metric_plugins
            .iter()
            .map(|(name, plugin)| (name, Kind::Metric(Arc::new(plugin.clone()))));
        let checks = config.check_plugins.iter().map(|(name, plugin)| {
            let kind = Kind::Check(Arc::new(plugin.clone()), History::default());
            (name, kind)
        });
        let metadata = config
            .metadata_plugins
            .iter()
            .map(|(name, plugin)| (name, Kind::Metadata(Arc::new(plugin.clone()))));
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
            running: 0,
            is_late: false,
            was_skipped: false,
            actions: 0,
            is_crowded: false,
            began: Vec::new(),
            last: None,
        }
    }

    /// Starts checks now and metadata plugins after [`METADATA_DELAY`]. Metric plugins are asked
    /// for their graph definitions.
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

    /// The work of every metric plugin, for the round of `time`.
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

    /// All other work that is due at `now`.
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
            if !may_act && !std::mem::replace(&mut entry.is_crowded, true) {
                log::warn!(
                    "plugin.{}.{}: {ACTIONS} of its actions are still running; no other is started until one ends",
                    entry.kind.word(),
                    entry.name
                );
            }
        }
        works
    }

    /// Time until something is due. [`Duration::MAX`] if nothing will be.
    pub(crate) fn idle(&self, now: Moment) -> Duration {
        let owes = self.has_begun() && self.entries.iter().any(|entry| entry.owes_graphs);
        if owes {
            return Duration::ZERO;
        }
        let turns = self.entries.iter().filter_map(|entry| entry.turn);
        let due = turns.map(|(_, due)| due).min();
        due.map_or(Duration::MAX, |due| due.since(now))
    }

    /// The last finding of each check that has run: its name, status and message.
    pub(crate) fn findings(&self) -> impl Iterator<Item = (&str, CheckStatus, &str)> {
        self.entries.iter().filter_map(|entry| match &entry.kind {
            Kind::Check(_, history) => {
                let (status, message) = history.last()?;
                Some((entry.name.as_str(), status, message))
            }
            Kind::Metric(_) | Kind::Metadata(_) => None,
        })
    }

    /// What is known of each plugin. `next_round` is when metric plugins are started again.
    pub(crate) fn states(&self, next_round: Moment) -> impl Iterator<Item = PluginState<'_>> {
        self.entries.iter().map(move |entry| PluginState {
            kind: entry.kind.word(),
            name: &entry.name,
            finding: match &entry.kind {
                Kind::Check(_, history) => history.last(),
                Kind::Metric(_) | Kind::Metadata(_) => None,
            },
            last: entry.last.as_ref(),
            next: match entry.kind {
                Kind::Metric(_) => Some(next_round),
                Kind::Check(..) | Kind::Metadata(_) => entry.turn.map(|(_, due)| due),
            },
            is_running: entry.running > 0,
        })
    }

    /// The plugin of this id, if it is still configured.
    pub(crate) fn entry_of(&mut self, id: Id) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }
}

impl Entry {
    /// Returns `work`, unless as many runs of the plugin as may be still run. That is logged once,
    /// and again only after a run that ended before the next turn.
    fn start(&mut self, work: Work) -> Option<(Id, Work)> {
        let most = match self.kind {
            Kind::Metric(_) => METRIC_RUNS,
            Kind::Check(..) | Kind::Metadata(_) => 1,
        };
        let was_skipped = std::mem::replace(&mut self.was_skipped, self.running >= most);
        if self.was_skipped {
            if !std::mem::replace(&mut self.is_late, true) {
                log::warn!(
                    "plugin.{}.{} is still running when its next turn comes: this one is skipped",
                    self.kind.word(),
                    self.name
                );
            }
            return None;
        }
        self.is_late &= was_skipped || self.running > 0;
        self.running += 1;
        Some((self.id, work))
    }

    /// Records how the run that ends `now` has ended. It is taken for the oldest one.
    pub(crate) fn record(&mut self, words: &Words, now: Moment) {
        let began = self.began.first().copied().unwrap_or(now);
        self.last = Some(LastRun {
            began,
            took: now.since(began),
            code: words.code,
            trouble: words.trouble.as_deref().map(|text| excerpt(text, SHOWN)),
        });
    }

    /// Records that the command has ended, and whether its action runs now.
    pub(crate) fn has_ended(&mut self, is_acting: bool) {
        self.running = self.running.saturating_sub(1);
        if !self.began.is_empty() {
            self.began.remove(0);
        }
        self.actions += usize::from(is_acting);
    }

    /// Records that an action has ended.
    pub(crate) fn has_acted(&mut self) {
        self.actions = self.actions.saturating_sub(1);
        self.is_crowded &= self.actions > 0;
    }
}

/// When a plugin begins and first runs, if the beginning is `now`.
fn first(kind: &Kind, now: Moment) -> Option<(Moment, Moment)> {
    match kind {
        Kind::Metric(_) => None,
        Kind::Check(..) => Some((now, now)),
        Kind::Metadata(_) => Some((now, Moment(now.0 + METADATA_DELAY))),
    }
}

/// The first moment after `now` that is a whole number of intervals after `begin`.
fn slot_after(begin: Moment, every: Duration, now: Moment) -> Moment {
    let every = every.max(Duration::from_secs(1));
    let passed = now.since(begin).as_secs() / every.as_secs();
    let slots = u32::try_from(passed + 1).unwrap_or(u32::MAX);
    Moment(begin.0 + every.saturating_mul(slots))
}

#[cfg(test)]
mod tests;
