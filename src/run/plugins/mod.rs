//! Plugins: each run has a thread of its own for as long as it takes, so that one that hangs holds
//! nothing but itself.

mod roster;
mod voice;
pub(super) mod work;

use std::io;
use std::thread;
use std::time::Duration;

use super::message::{Event, Order};
use crate::base::channel::Sender;
use crate::base::clock::{HostClock, Moment, Stamp};
use crate::check::history::News;
use crate::config::Config;
use crate::sys::crash;
use crate::sys::exec::{self, Stop, StopSign};
use roster::{Entry, Kind, Roster};
use work::{Words, Work, perform};

pub(super) use roster::Id;
pub(super) use work::Told;

/// Bytes of stack for a plugin's thread: running a command takes 24 KiB, a pattern of the
/// configuration the rest.
pub(super) const STACK: usize = 256 << 10;

/// As what the log knows metric plugins.
pub(super) const METRICS: &str = "mackerel_agent::plugins::metrics";

/// The plugins of the configuration, at work.
pub(super) struct Plugins {
    roster: Roster,
    /// Ends every command when it is dropped.
    stop: Option<Stop>,
    sign: StopSign,
    clock: HostClock,
    tell: Sender<Event>,
    /// Number of threads.
    running: usize,
    /// When metric plugins were started last.
    last_round: Stamp,
}

impl Plugins {
    /// Those of `config`, which have not begun. Fails if no more files can be opened.
    pub(super) fn new(
        config: &Config,
        clock: HostClock,
        tell: Sender<Event>,
        now: Moment,
    ) -> io::Result<Plugins> {
        let (stop, sign) = exec::stop()?;
        let mut roster = Roster::default();
        roster.configure(config, now);
        Ok(Plugins {
            roster,
            stop: Some(stop),
            sign,
            clock,
            tell,
            running: 0,
            last_round: Stamp::default(),
        })
    }

    /// Goes over to the plugins of `config`.
    pub(super) fn configure(&mut self, config: &Config, now: Moment) {
        self.roster.configure(config, now);
    }

    /// Checks, metadata and graph definitions begin now.
    pub(super) fn begin(&mut self, now: Moment) {
        self.roster.begin(now);
    }

    /// Has metric plugins measure for the round of `time`.
    pub(super) fn round(&mut self, time: Stamp) {
        self.last_round = time;
        for (id, work) in self.roster.round(time.wall) {
            self.start(id, work);
        }
    }

    /// Starts what is due.
    pub(super) fn turn(&mut self, now: Moment) {
        for (id, work) in self.roster.take_due(now) {
            self.start(id, work);
        }
    }

    /// How long nothing is due; for ever if nothing ever will be.
    pub(super) fn idle(&self, now: Moment) -> Duration {
        self.roster.idle(now)
    }

    fn start(&mut self, id: Id, work: Work) {
        let is_turn = !matches!(work, Work::Graphs(_));
        let (clock, sign, tell) = (self.clock, self.sign.clone(), self.tell.clone());
        let run = move || {
            crash::watch_stack();
            // Nobody is left to be told only if the process is ending already.
            perform(&work, &clock, &sign, &|told| {
                drop(tell.send(Event::Plugin(id, told)))
            });
        };
        let thread = thread::Builder::new().name("plugin".to_owned());
        match thread.stack_size(STACK).spawn(run) {
            Ok(_) => self.running += 1,
            Err(error) => {
                if let Some(entry) = self.roster.entry_of(id) {
                    say(
                        entry,
                        Some(format!("cannot start a thread for it: {error}")),
                    );
                    if is_turn {
                        entry.has_ended(false);
                    }
                }
            }
        }
    }

    /// Takes what a plugin's thread tells. Returns what there is to be told to the poster.
    pub(super) fn hear(&mut self, id: Id, told: Told) -> Vec<Order> {
        let is_over = !matches!(told, Told::Check(_, _, true, _));
        self.running -= usize::from(is_over);
        // It may have left the configuration meanwhile.
        let entry = self.roster.entry_of(id);
        let last_round = self.last_round;
        entry.map_or_else(Vec::new, |entry| understand(entry, told, last_round))
    }

    /// Ends every command that runs, and starts no more.
    pub(super) fn stop(&mut self) {
        self.stop = None;
    }

    /// Number of threads that have not told all.
    pub(super) fn running(&self) -> usize {
        self.running
    }
}

/// What `told` comes to for the poster, if `last_round` is when metric plugins were started last.
fn understand(entry: &mut Entry, told: Told, last_round: Stamp) -> Vec<Order> {
    match told {
        Told::Values(rounds, rejected, words) => {
            entry.has_ended(false);
            for name in entry.voice.rejected(rejected) {
                let target = target(&entry.kind);
                log::warn!(
                    target: target,
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
                    Order::Round(last_round.at(time), destination.map(Into::into), values)
                })
                .collect()
        }
        Told::Graphs(graphs, words) => {
            if let Some(trouble) = &words.trouble {
                log::error!(target: target(&entry.kind), "plugin.metrics.{}: {trouble}", entry.name);
            }
            match graphs.is_empty() {
                true => Vec::new(),
                false => vec![Order::Graphs(graphs)],
            }
        }
        Told::Check(finding, began, is_acting, words) => {
            entry.has_ended(is_acting);
            say_all(entry, words);
            let Kind::Check(plugin, history) = &mut entry.kind else {
                return Vec::new();
            };
            let Some(finding) = finding else {
                return Vec::new();
            };
            let report = finding.report(&entry.name, plugin, began);
            let prevent = plugin.prevent_alert_auto_close;
            let is_urgent = match history.note(report.status, &report.message, prevent) {
                News::No => return Vec::new(),
                News::Ordinary => false,
                News::Urgent => true,
            };
            vec![Order::Report {
                destination: plugin.custom_identifier.clone(),
                report,
                is_urgent,
            }]
        }
        Told::Acted(words) => {
            entry.has_acted();
            let target = target(&entry.kind);
            if let Some(trouble) = &words.trouble {
                log::warn!(target: target, "plugin.checks.{}.action: {trouble}", entry.name);
            }
            if !words.stderr.is_empty() {
                log::warn!(target: target, "plugin.checks.{}.action says: {}", entry.name, words.stderr);
            }
            Vec::new()
        }
        Told::Metadata(document, words) => {
            entry.has_ended(false);
            say_all(entry, words);
            let document = document.map(|document| Order::Metadata(entry.name.clone(), document));
            document.into_iter().collect()
        }
    }
}

/// As what the log knows a kind of plugins.
fn target(kind: &Kind) -> &'static str {
    match kind {
        Kind::Metric(_) => METRICS,
        Kind::Check(..) => "mackerel_agent::plugins::checks",
        Kind::Metadata(_) => "mackerel_agent::plugins::metadata",
    }
}

/// Logs what is new of what a plugin's command had to say.
fn say_all(entry: &mut Entry, words: Words) {
    say(entry, words.trouble);
    let target = target(&entry.kind);
    let (word, name) = (entry.kind.word(), &entry.name);
    let is_metric = matches!(entry.kind, Kind::Metric(_));
    if let Some(text) = entry.voice.stderr(words.stderr) {
        let level = if is_metric {
            log::Level::Info
        } else {
            log::Level::Warn
        };
        log::log!(target: target, level, "plugin.{word}.{name} says: {text}");
    }
}

/// Logs why a plugin brought nothing, if that is new, or that it works again.
fn say(entry: &mut Entry, trouble: Option<String>) {
    let target = target(&entry.kind);
    let (word, name) = (entry.kind.word(), &entry.name);
    match entry.voice.trouble(trouble) {
        Some((line, true)) => log::info!(target: target, "plugin.{word}.{name}: {line}"),
        Some((line, false)) => log::warn!(target: target, "plugin.{word}.{name}: {line}"),
        None => {}
    }
}
