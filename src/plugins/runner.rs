//! Runs plugins. Each run has a thread to itself, so that a plugin that hangs delays no other.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::output::Output;
use super::plugin_log::PluginLog;
use super::plugin_schedule::{Entry, Kind, PluginSchedule};
use super::plugin_state::PluginState;
use super::run_threads::RunThreads;
use super::work::{Words, Work, perform};
use crate::base::clock::{Clock, Moment, Stamp};
use crate::config::Config;
use crate::plugins::finding::Finding;
use crate::plugins::history::Urgency;
use crate::sys::bootclock::BootClock;
use crate::sys::exec::{self, Stop, StopSign};
use crate::sys::log::{self, Level};
use crate::wire::check::CheckStatus;

use super::plugin_schedule::Id;
use super::work::PluginEvent;

/// Log tag of metric plugins.
pub(crate) const METRICS: &str = "metrics.plugin";

/// Receives the results of a run, in the thread of that run.
pub(crate) type Tell = Arc<dyn Fn(Id, PluginEvent) + Send + Sync>;

/// The configured plugins and their running commands.
pub(crate) struct Plugins {
    schedule: PluginSchedule,
    /// Ends every command when it is dropped.
    stop: Option<Stop>,
    sign: StopSign,
    clock: BootClock,
    tell: Tell,
    threads: RunThreads,
    /// Number of runs that have not ended.
    running: usize,
    /// When metric plugins were started last.
    last_round: Stamp,
}

impl Plugins {
    /// The plugins of `config`, not begun. Fails if the process has no free file descriptor.
    pub(crate) fn new(
        config: &Config,
        clock: BootClock,
        tell: Tell,
        now: Moment,
    ) -> io::Result<Plugins> {
        let (stop, sign) = exec::stop()?;
        let mut schedule = PluginSchedule::default();
        schedule.configure(config, now);
        Ok(Plugins {
            schedule,
            stop: Some(stop),
            sign,
            clock,
            tell,
            threads: RunThreads::default(),
            running: 0,
            last_round: Stamp::default(),
        })
    }

    /// Changes to the plugins of `config`.
    pub(crate) fn configure(&mut self, config: &Config, now: Moment) {
        self.schedule.configure(config, now);
    }

    /// Begins checks, metadata and graph definitions.
    pub(crate) fn begin(&mut self, now: Moment) {
        self.schedule.begin(now);
    }

    /// Starts the metric plugins for the round of `time`.
    pub(crate) fn round(&mut self, time: Stamp) {
        self.last_round = time;
        for (id, work) in self.schedule.round(time.wall) {
            self.start(id, work);
        }
    }

    /// Starts the plugins that are due.
    pub(crate) fn turn(&mut self, now: Moment) {
        for (id, work) in self.schedule.take_due(now) {
            self.start(id, work);
        }
    }

    /// Time until something is due. [`Duration::MAX`] if nothing will be.
    pub(crate) fn idle(&self, now: Moment) -> Duration {
        self.schedule.idle(now)
    }

    /// The last finding of each check that has run: its name, status and message.
    pub(crate) fn findings(&self) -> impl Iterator<Item = (&str, CheckStatus, &str)> {
        self.schedule.findings()
    }

    fn start(&mut self, id: Id, work: Work) {
        let is_turn = !matches!(work, Work::Graphs(_));
        let (clock, sign, tell) = (self.clock, self.sign.clone(), Arc::clone(&self.tell));
        let run = move || perform(&work, &clock, &sign, &|told| tell(id, told));
        if is_turn && let Some(entry) = self.schedule.entry_of(id) {
            entry.began.push(self.clock.moment());
        }
        let started = self.threads.start(Box::new(run));
        self.has_started(id, is_turn, started);
    }

    /// Counts a run that has begun. One that cannot begin ends like a command that cannot be
    /// started.
    fn has_started(&mut self, id: Id, is_turn: bool, started: io::Result<()>) {
        self.running += 1;
        let Err(error) = started else { return };
        match self.schedule.entry_of(id) {
            Some(entry) => {
                let why = format!("cannot start a thread for it: {error}");
                let told = unstarted(&entry.kind, is_turn, why, self.clock.stamp());
                (self.tell)(id, told);
            }
            None => self.running -= 1,
        }
    }

    /// Handles an event from a plugin's thread. Returns the results for the poster.
    pub(crate) fn hear(&mut self, id: Id, told: PluginEvent) -> Vec<Output> {
        let is_over = !matches!(told, PluginEvent::Check(_, _, true, _));
        self.running -= usize::from(is_over);
        // The plugin may have been removed from the configuration meanwhile.
        let entry = self.schedule.entry_of(id);
        let (last_round, now) = (self.last_round, self.clock.moment());
        entry.map_or_else(Vec::new, |entry| {
            if let Some(words) = told.words_of_run() {
                entry.record(words, now);
            }
            understand(entry, told, last_round)
        })
    }

    /// What is known of each plugin. `next_round` is when metric plugins are started again.
    pub(crate) fn states(&self, next_round: Moment) -> impl Iterator<Item = PluginState<'_>> {
        self.schedule.states(next_round)
    }

    /// The name of a plugin; `None` if the configuration has it no more.
    pub(crate) fn name_of(&mut self, id: Id) -> Option<String> {
        self.schedule.entry_of(id).map(|entry| entry.name.clone())
    }

    /// Ends every running command and starts no more.
    pub(crate) fn stop(&mut self) {
        self.stop = None;
    }

    /// Counts a run of the last metric plugin, which the test lets end. Returns the plugin's id.
    #[cfg(test)]
    pub(crate) fn pretend_run(&mut self) -> Id {
        self.running += 1;
        let works = self.schedule.round(crate::base::clock::Unix(0));
        works.last().unwrap().0
    }

    /// Number of runs that have not ended.
    pub(crate) fn running(&self) -> usize {
        self.running
    }
}

/// The result of a run that could not begin. `is_turn`: whether it was to be more than the graph
/// definitions of a metric plugin.
fn unstarted(kind: &Kind, is_turn: bool, why: String, now: Stamp) -> PluginEvent {
    let words = Words {
        trouble: Some(why.clone()),
        ..Words::default()
    };
    match kind {
        Kind::Metric(_) if is_turn => PluginEvent::Values(Vec::new(), Vec::new(), words),
        Kind::Metric(_) => PluginEvent::Graphs(Ok(Vec::new()), words),
        Kind::Check(..) => PluginEvent::Check(Some(Finding::unknown(why)), now, false, words),
        Kind::Metadata(_) => PluginEvent::Metadata(None, words),
    }
}

/// The results of `told` for the poster. `last_round` is when metric plugins were started last.
fn understand(entry: &mut Entry, told: PluginEvent, last_round: Stamp) -> Vec<Output> {
    match told {
        PluginEvent::Values(rounds, rejected, words) => {
            entry.has_ended(false);
            for name in entry.voice.rejected(rejected) {
                let tag = tag(&entry.kind);
                log::warn!(
                    tag: tag,
                    "plugin.metrics.{}: dropped \"{}\": the API takes finite values, and of a name a-z, A-Z, 0-9, '.', '_' and '-'",
                    entry.name,
                    name
                );
            }
            say_all(entry, words);
            let Kind::Metric(plugin) = &entry.kind else {
                return Vec::new();
            };
            let destination = plugin.custom_identifier.as_deref();
            rounds
                .into_iter()
                .map(|(time, values)| {
                    let destination = destination.map(Into::into);
                    Output::Round(last_round.at(time), destination, values.into())
                })
                .collect()
        }
        PluginEvent::Graphs(found, words) => {
            let label = label(entry);
            if words.trouble.is_some() {
                // Only troubles: the next run for values also finds out whether the plugin works
                // again.
                say_trouble(
                    &label,
                    &entry.kind,
                    &mut entry.voice,
                    words.code,
                    words.trouble,
                );
            }
            match found {
                Ok(graphs) if graphs.is_empty() => Vec::new(),
                Ok(graphs) => vec![Output::Graphs(graphs)],
                Err(why) => {
                    log::error!(tag: tag(&entry.kind), "{label}: {why}");
                    Vec::new()
                }
            }
        }
        PluginEvent::Check(finding, began, is_acting, words) => {
            entry.has_ended(is_acting);
            say_all(entry, words);
            let Kind::Check(plugin, history) = &mut entry.kind else {
                return Vec::new();
            };
            let Some(finding) = finding else {
                return Vec::new();
            };
            let report = finding.report(&entry.name, plugin, began.wall);
            let prevent = plugin.prevent_alert_auto_close;
            let is_urgent = match history.note(report.status, &report.message, prevent) {
                Urgency::No => return Vec::new(),
                Urgency::Ordinary => false,
                Urgency::Urgent => true,
            };
            vec![Output::Report {
                destination: plugin.custom_identifier.clone(),
                report,
                began,
                is_urgent,
            }]
        }
        PluginEvent::Acted(words) => {
            entry.has_acted();
            let label = format!("plugin.checks.{}.action", entry.name);
            say(&label, &entry.kind, &mut entry.action_voice, words);
            Vec::new()
        }
        PluginEvent::Metadata(document, words) => {
            entry.has_ended(false);
            say_all(entry, words);
            document
                .map(|document| Output::Metadata(entry.name.clone(), document))
                .into_iter()
                .collect()
        }
    }
}

/// Log tag of a kind of plugins.
fn tag(kind: &Kind) -> &'static str {
    match kind {
        Kind::Metric(_) => METRICS,
        Kind::Check(..) => "checks",
        Kind::Metadata(_) => "metadata",
    }
}

/// Logs what is new in `words`.
fn say_all(entry: &mut Entry, words: Words) {
    say(&label(entry), &entry.kind, &mut entry.voice, words);
}

/// The plugin's name in log lines.
fn label(entry: &Entry) -> String {
    format!("plugin.{}.{}", entry.kind.word(), entry.name)
}

/// Logs what is new in `words` of a command that is named `label` in log lines.
fn say(label: &str, kind: &Kind, voice: &mut PluginLog, words: Words) {
    if words.trouble.is_none() && words.code.is_none() {
        // The agent has ended the command: whether it works is not known.
        return;
    }
    say_trouble(label, kind, voice, words.code, words.trouble);
    if let Some(text) = voice.stderr(words.stderr) {
        let level = match kind {
            Kind::Metric(_) => Level::Info,
            Kind::Check(..) | Kind::Metadata(_) => Level::Warn,
        };
        log::at!(level, tag: tag(kind), "{label} says: {text}{}", remedy(&text));
    }
}

/// Logs why a command failed, if that is new, or that it works again. A command without an exit
/// `code` could not be started, or was ended by its time limit: that is an error.
fn say_trouble(
    label: &str,
    kind: &Kind,
    voice: &mut PluginLog,
    code: Option<i32>,
    trouble: Option<String>,
) {
    let Some((line, is_good)) = voice.trouble(trouble) else {
        return;
    };
    let (level, remedy) = match code {
        _ if is_good => (Level::Info, ""),
        None => (Level::Error, remedy(&line)),
        Some(_) => (Level::Warn, remedy(&line)),
    };
    log::at!(level, tag: tag(kind), "{label}: {line}{remedy}");
}

/// The remedy for an error about a missing permission. Empty for other errors, and if the agent
/// runs as root.
fn remedy(text: &str) -> &'static str {
    if super::work::is_permission(text) && !exec::is_root() {
        "; give the user of the agent the right to do this, or run plugins as root: \
         mackerel-agent install -as-root (with systemd that is the drop-in plugins-as-root.conf)"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_plugin_without_a_thread_ends_like_one_that_cannot_be_started() {
        let mut config = Config::default();
        let text = "[plugin.checks.a]\ncommand = 'true'\n[plugin.metadata.b]\ncommand = 'true'\n";
        config.read(text.as_bytes()).unwrap();
        let told = Arc::<Mutex<Vec<_>>>::default();
        let heard = Arc::clone(&told);
        let tell = move |id, told| heard.lock().unwrap().push((id, told));
        let clock = BootClock(crate::base::clock::HostClock::new());
        let now = clock.moment();
        let mut plugins = Plugins::new(&config, clock, Arc::new(tell), now).unwrap();
        plugins.begin(now);
        let due = plugins
            .schedule
            .take_due(Moment(now.0 + Duration::from_secs(120)));
        assert_eq!(due.len(), 2);
        for (id, _) in due {
            let full = io::Error::from(io::ErrorKind::WouldBlock);
            plugins.has_started(id, true, Err(full));
        }
        assert_eq!(plugins.running(), 2);
        let told = std::mem::take(&mut *told.lock().unwrap());
        let mut sent = Vec::new();
        for (id, told) in told {
            sent.extend(plugins.hear(id, told));
        }
        assert_eq!(plugins.running(), 0);
        let [
            Output::Report {
                report,
                is_urgent: true,
                ..
            },
        ] = &*sent
        else {
            panic!("one urgent report, not {}", sent.len());
        };
        assert_eq!((&*report.name, report.status), ("a", CheckStatus::Unknown));
        assert!(report.message.starts_with("cannot start a thread for it: "));
        for state in plugins.states(now) {
            let last = state.last.as_ref().unwrap();
            assert!(last.trouble.as_ref().unwrap().starts_with("cannot start"));
        }
    }
}
