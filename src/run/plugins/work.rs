//! What one thread does for a plugin: runs its command once, understands what it printed, and tells.

use std::ffi::OsStr;
use std::sync::Arc;

use crate::base;
use crate::base::clock::{Clock, Unix};
use crate::check::finding::Finding;
use crate::collect::{self, Values};
use crate::config::{CheckPlugin, Command, MetadataPlugin, MetricPlugin};
use crate::metadata;
use crate::parse::plugin::meta::{self, Graph};
use crate::sys::exec::{self, End, ExecError, Limits, Outcome, Output, StopSign, Task};
use crate::wire::check::Status;

/// Says whether a metric plugin is to print graph definitions; it is there in any case.
const META: &str = "MACKEREL_AGENT_PLUGIN_META";
/// Characters of a command's stderr that are logged.
const SHOWN: usize = 2_000;

/// What is to be run once.
#[derive(Clone, Debug)]
pub(in crate::run) enum Work {
    /// The values of a metric plugin, for the round of this time.
    Values(Arc<MetricPlugin>, Unix),
    /// Its graph definitions.
    Graphs(Arc<MetricPlugin>),
    /// A check, and its action unless too many of them are running; it found this the last time.
    Check {
        plugin: Arc<CheckPlugin>,
        previous: Option<Status>,
        may_act: bool,
    },
    Metadata(Arc<MetadataPlugin>),
}

/// What a command had to say to whoever looks after it.
#[derive(Debug, Default, Eq, PartialEq)]
pub(in crate::run) struct Words {
    /// Why it brought nothing, or not all.
    pub(in crate::run) trouble: Option<String>,
    /// What it wrote to stderr, clipped.
    pub(in crate::run) stderr: String,
}

/// What came of it. Each but the action's is told once for each [`Work`].
#[derive(Debug)]
pub(in crate::run) enum Told {
    /// The values by time, and the names that cannot be sent.
    Values(Vec<(Unix, Values)>, Vec<String>, Words),
    Graphs(Vec<Graph>, Words),
    /// `None` if it was cut short because the agent stops. It began at this time; whether its
    /// action follows.
    Check(Option<Finding>, Unix, bool, Words),
    /// The action of a check has ended, after the check itself.
    Acted(Words),
    /// `None` if there is no document.
    Metadata(Option<String>, Words),
}

/// Does `work`, and tells what came of it.
pub(in crate::run) fn perform(
    work: &Work,
    clock: &dyn Clock,
    stop: &StopSign,
    tell: &dyn Fn(Told),
) {
    match work {
        Work::Values(plugin, time) => tell(values(plugin, *time, stop)),
        Work::Graphs(plugin) => tell(graphs(plugin, stop)),
        Work::Metadata(plugin) => tell(document(plugin, stop)),
        Work::Check {
            plugin,
            previous,
            may_act,
        } => {
            let began = clock.unix();
            let ran = command(&plugin.command, &[], stop);
            let words = Words::of(&ran);
            let finding = Finding::of(ran);
            let action = plugin
                .action
                .as_ref()
                .filter(|_| *may_act)
                .zip(finding.as_ref());
            let action = action.map(|(action, finding)| (action, finding.action_env(*previous)));
            tell(Told::Check(finding, began, action.is_some(), words));
            if let Some((action, env)) = action {
                let env = env
                    .each_ref()
                    .map(|(name, value)| (*name, value.as_os_str()));
                tell(Told::Acted(Words::of(&command(action, &env, stop))));
            }
        }
    }
}

/// Runs a command of the configuration, with variables over those that it adds itself.
fn command(
    command: &Command,
    env: &[(&str, &OsStr)],
    stop: &StopSign,
) -> Result<Outcome, ExecError> {
    let configured = command.env.iter();
    let configured = configured.map(|(name, value)| (name.as_str(), OsStr::new(value)));
    let env: Vec<_> = configured
        .chain(env.iter().copied())
        .map(|(name, value)| (name, Some(value)))
        .collect();
    let task = Task {
        argv: &command.argv,
        user: command.user.as_deref(),
        env: &env,
    };
    exec::run(&task, &Limits::of(command.timeout), stop)
}

impl Words {
    fn of(ran: &Result<Outcome, ExecError>) -> Words {
        match ran {
            Err(error) => Words {
                trouble: Some(error.to_string()),
                stderr: String::new(),
            },
            Ok(outcome) => Words {
                trouble: match outcome.end {
                    End::TimedOut => Some("command timed out".to_owned()),
                    End::Exited(_) | End::Stopped if outcome.stdout.was_cut => {
                        Some("it printed too much: the rest is dropped".to_owned())
                    }
                    End::Exited(_) | End::Stopped => None,
                },
                stderr: clipped(&outcome.stderr),
            },
        }
    }
}

/// The beginning of what was written, as text.
fn clipped(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.bytes);
    text.trim_end().chars().take(SHOWN).collect()
}

/// What a command printed, as text; `None` if it did not come to its end.
fn printed(ran: Result<Outcome, ExecError>) -> Option<String> {
    let outcome = ran.ok()?;
    match outcome.end {
        End::Exited(_) => Some(String::from_utf8_lossy(&outcome.stdout.bytes).into_owned()),
        End::TimedOut | End::Stopped => None,
    }
}

fn values(plugin: &MetricPlugin, time: Unix, stop: &StopSign) -> Told {
    let ran = command(&plugin.command, &[(META, OsStr::new(""))], stop);
    let mut words = Words::of(&ran);
    let text = printed(ran).unwrap_or_default();
    let found = collect::plugin::understand(&text, plugin, time);
    words.trouble = words.trouble.or(found.trouble);
    Told::Values(found.rounds, found.rejected, words)
}

fn graphs(plugin: &MetricPlugin, stop: &StopSign) -> Told {
    let ran = command(&plugin.command, &[(META, OsStr::new("1"))], stop);
    let mut words = Words::of(&ran);
    let graphs = match printed(ran).map(|text| meta::graphs(&text)) {
        Some(Ok(graphs)) => graphs,
        Some(Err(error)) => {
            if !error.is_absence() {
                words.trouble = Some(base::report(&error));
            }
            Vec::new()
        }
        None => Vec::new(),
    };
    Told::Graphs(graphs, words)
}

fn document(plugin: &MetadataPlugin, stop: &StopSign) -> Told {
    let ran = command(&plugin.command, &[], stop);
    let mut words = Words::of(&ran);
    let document = match ran {
        Ok(Outcome {
            end: End::Exited(0),
            stdout,
            ..
        }) => match metadata::document(&stdout.bytes) {
            Ok(document) => Some(document),
            Err(error) => {
                words.trouble = Some(base::report(&error));
                None
            }
        },
        Ok(Outcome {
            end: End::Exited(code),
            ..
        }) => {
            words.trouble = Some(format!("exit code {code}: what it printed is ignored"));
            None
        }
        _ => None,
    };
    Told::Metadata(document, words)
}
