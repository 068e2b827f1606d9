//! The work of one plugin thread: runs a command once, parses what it printed, and sends the
//! result.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::sync::Arc;

use super::values;
use crate::applets;
use crate::base;
use crate::base::clock::{Clock, Stamp, Unix};
use crate::base::values::Values;
use crate::config::{CheckPlugin, Command, MetadataPlugin, MetricPlugin};
use crate::parse::plugin::document;
use crate::parse::plugin::meta::{self, Graph};
use crate::plugins::finding::Finding;
use crate::sys::exec::{self, End, ExecError, Limits, Outcome, Output, StopSign, Task};
use crate::sys::log::escaped;
use crate::wire::check::CheckStatus;

/// Environment variable that asks a metric plugin for graph definitions. Empty if values are
/// wanted.
const META: &str = "MACKEREL_AGENT_PLUGIN_META";
/// Characters of a command's stderr that are logged.
const SHOWN: usize = 2_000;
/// Characters of the first printed line, where that is logged.
const FIRST_LINE: usize = 200;
/// Parts of error messages about a missing permission, in lower case.
const PERMISSION: [&str; 9] = [
    // What a system call says that the sandbox of the service does not allow.
    "function not implemented",
    "permission denied",
    "not permitted",
    "access denied",
    "be root",
    "as root",
    "no new privileges",
    "uid is not 0",
    "password is required",
];

/// One run of a plugin.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// The values of a metric plugin, for the round of this time.
    Values(Arc<MetricPlugin>, Unix),
    /// The graph definitions of a metric plugin.
    Graphs(Arc<MetricPlugin>),
    /// A check. `previous` is the status of its last run. Its action runs too unless too many of
    /// them are running, that is, if `may_act`.
    Check {
        plugin: Arc<CheckPlugin>,
        previous: Option<CheckStatus>,
        may_act: bool,
    },
    Metadata(Arc<MetadataPlugin>),
}

/// What is logged about a run.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Words {
    /// Why the run has no result, or an incomplete one.
    pub(crate) trouble: Option<String>,
    /// What the command wrote to stderr, clipped.
    pub(crate) stderr: String,
    /// The exit code, or 128 plus the signal's number; `None` if the command was not started, or was
    /// ended by the agent.
    pub(crate) code: Option<i32>,
}

/// The result of a run. Every [`Work`] sends one. A check whose action runs sends
/// [`PluginEvent::Acted`] too.
#[derive(Debug)]
pub(crate) enum PluginEvent {
    /// The values by time, and the names that cannot be sent.
    Values(Vec<(Unix, Values)>, Vec<String>, Words),
    /// The graph definitions, or what is wrong with them.
    Graphs(Result<Vec<Graph>, String>, Words),
    /// The finding, when the run began, and whether the action follows. No finding if the agent
    /// stopped the run.
    Check(Option<Finding>, Stamp, bool, Words),
    /// The action of a check has ended, after the check itself.
    Acted(Words),
    /// The document, if there is one.
    Metadata(Option<String>, Words),
}

impl PluginEvent {
    /// What is logged about the run that has ended; `None` for graph definitions and actions, which
    /// are no runs of their own.
    pub(crate) fn words_of_run(&self) -> Option<&Words> {
        match self {
            PluginEvent::Values(_, _, words)
            | PluginEvent::Check(_, _, _, words)
            | PluginEvent::Metadata(_, words) => Some(words),
            PluginEvent::Graphs(..) | PluginEvent::Acted(_) => None,
        }
    }
}

/// Runs `work` and sends its results to `tell`.
pub(crate) fn perform(work: &Work, clock: &dyn Clock, stop: &StopSign, tell: &dyn Fn(PluginEvent)) {
    match work {
        Work::Values(plugin, time) => tell(values(plugin, *time, clock, stop)),
        Work::Graphs(plugin) => tell(graphs(plugin, stop)),
        Work::Metadata(plugin) => tell(document(plugin, stop)),
        Work::Check {
            plugin,
            previous,
            may_act,
        } => {
            let began = clock.stamp();
            let ran = command(&plugin.command, &[], stop);
            let mut words = Words::of(&ran);
            words.explain(&ran, |code, first_line| {
                let is_status = (0..=3).contains(&code);
                let is_to_log = !is_status || (code > 0 && is_permission(first_line));
                is_to_log.then(|| {
                    if is_status {
                        first_line.to_owned()
                    } else {
                        format!("reported as UNKNOWN; {first_line}")
                    }
                })
            });
            let finding = Finding::of(ran);
            let action = plugin
                .action
                .as_ref()
                .filter(|_| *may_act)
                .zip(finding.as_ref())
                .map(|(action, finding)| (action, finding.action_env(*previous)));
            tell(PluginEvent::Check(finding, began, action.is_some(), words));
            if let Some((action, env)) = action {
                let env = env
                    .each_ref()
                    .map(|(name, value)| (*name, value.as_os_str()));
                tell(PluginEvent::Acted(Words::of(&command(action, &env, stop))));
            }
        }
    }
}

/// Runs a command of the configuration, or the applet that it names if it can find no such program.
/// The variables `env` override those of the configuration.
fn command(
    command: &Command,
    env: &[(&str, &OsStr)],
    stop: &StopSign,
) -> Result<Outcome, ExecError> {
    let mut all = Vec::new();
    for (name, value) in &command.env {
        all.push((name.as_str(), Some(OsStr::new(value))));
    }
    for (name, value) in env {
        all.push((*name, Some(*value)));
    }
    let mut task = Task {
        argv: &command.argv,
        user: command.user.as_deref(),
        env: &all,
    };
    let built_in = applets::built_in(&task);
    task.argv = built_in.as_deref().unwrap_or(task.argv);
    exec::run(&task, &Limits::of(command.timeout), stop)
}

impl Words {
    fn of(ran: &Result<Outcome, ExecError>) -> Words {
        match ran {
            Err(error) => Words {
                trouble: Some(format!("{error}{}", error.remedy())),
                ..Words::default()
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
                code: match outcome.end {
                    End::Exited(code) => Some(code),
                    End::TimedOut | End::Stopped => None,
                },
            },
        }
    }
}

impl Words {
    /// Adds what is wrong with a command that has exited, unless a trouble is recorded already.
    ///
    /// `why` receives the exit code and the first printed line.
    fn explain(
        &mut self,
        ran: &Result<Outcome, ExecError>,
        why: impl Fn(i32, &str) -> Option<String>,
    ) {
        if let Ok(outcome) = ran
            && let End::Exited(code) = outcome.end
            && self.trouble.is_none()
        {
            let why = why(code, &first_line(&outcome.stdout, &self.stderr));
            let signal = match code {
                129..=192 => format!(" (signal {})", code - 128),
                _ => String::new(),
            };
            self.trouble = why.map(|why| format!("exit code {code}{signal}: {why}"));
        }
    }
}

/// The first line that a command printed, as it is logged.
fn first_line(stdout: &Output, stderr: &str) -> String {
    let stdout = String::from_utf8_lossy(&stdout.bytes);
    let named = [
        ("it printed", &*stdout),
        ("it printed nothing, and to stderr", stderr),
    ];
    named
        .into_iter()
        .find_map(|(what, text)| {
            let line = text.lines().find(|line| !line.trim().is_empty())?;
            let shown: String = line.chars().take(FIRST_LINE).collect();
            Some(format!("{what} \"{}\"", escaped(&shown)))
        })
        .unwrap_or_else(|| "it printed nothing".to_owned())
}

/// Whether an error message is about a missing permission.
pub(crate) fn is_permission(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    PERMISSION.iter().any(|words| text.contains(words))
}

/// The beginning of the output, as text.
fn clipped(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.bytes);
    text.trim_end().chars().take(SHOWN).collect()
}

/// What a command printed, as text. `None` if its time limit or the agent ended it.
fn printed(ran: &Result<Outcome, ExecError>) -> Option<Cow<'_, str>> {
    let outcome = ran.as_ref().ok()?;
    match outcome.end {
        End::Exited(_) => Some(String::from_utf8_lossy(&outcome.stdout.bytes)),
        End::TimedOut | End::Stopped => None,
    }
}

fn values(plugin: &MetricPlugin, time: Unix, clock: &dyn Clock, stop: &StopSign) -> PluginEvent {
    let ran = command(&plugin.command, &[(META, OsStr::new(""))], stop);
    let mut words = Words::of(&ran);
    let text = printed(&ran).unwrap_or_default();
    let found = values::understand(&text, plugin, time, clock.unix());
    words.explain(&ran, |code, first_line| match (&found.trouble, code) {
        (Some(trouble), _) => Some(trouble.clone()),
        (None, _) if found.is_without_value => Some(format!(
            "{first_line}; a metric plugin prints lines of NAME, VALUE and TIME with tabs between them"
        )),
        (None, 0) => None,
        (None, _) => Some("the values that it printed are used".to_owned()),
    });
    PluginEvent::Values(found.rounds, found.rejected, words)
}

fn graphs(plugin: &MetricPlugin, stop: &StopSign) -> PluginEvent {
    let ran = command(&plugin.command, &[(META, OsStr::new("1"))], stop);
    let words = Words::of(&ran);
    let found = match printed(&ran).map(|text| meta::graphs(&text)) {
        Some(Ok(graphs)) => Ok(graphs),
        Some(Err(error)) if !error.is_absence() => Err(base::report(&error)),
        Some(Err(_)) | None => Ok(Vec::new()),
    };
    PluginEvent::Graphs(found, words)
}

fn document(plugin: &MetadataPlugin, stop: &StopSign) -> PluginEvent {
    let ran = command(&plugin.command, &[], stop);
    let mut words = Words::of(&ran);
    let found = match &ran {
        Ok(Outcome {
            end: End::Exited(0),
            stdout,
            ..
        }) => document::document(&stdout.bytes).map_err(|error| base::report(&error)),
        _ => Err("its output is ignored".to_owned()),
    };
    if let Err(why) = &found {
        words.explain(&ran, |_, first_line| Some(format!("{why}; {first_line}")));
    }
    PluginEvent::Metadata(found.ok(), words)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::FakeClock;
    use crate::config::Config;

    #[test]
    fn values_with_times_of_their_own_are_compared_with_the_time_after_the_run() {
        let mut config = Config::default();
        let text = "[plugin.metrics.a]\ncommand = ['echo', 'x 1 1700001040']\n\
            use_plugin_timestamp = true\n";
        config.read(text.as_bytes()).unwrap();
        let plugin = Arc::new(config.metric_plugins["a"].clone());
        let work = Work::Values(plugin, Unix(1_700_000_040));
        let clock = FakeClock::default();
        clock.wall.set(Duration::from_secs(1_700_001_040));
        let (_stop, sign) = exec::stop().unwrap();
        let times = std::cell::RefCell::new(Vec::new());
        perform(&work, &clock, &sign, &|told| {
            if let PluginEvent::Values(rounds, ..) = told {
                times
                    .borrow_mut()
                    .extend(rounds.into_iter().map(|(time, _)| time));
            }
        });
        assert_eq!(times.into_inner(), [Unix(1_700_001_040)]);
    }

    /// The wall clock may be set before anybody looks at the result.
    #[test]
    fn check_is_stamped_by_both_clocks_when_it_begins() {
        let mut config = Config::default();
        let text = "[plugin.checks.a]\ncommand = ['true']\n";
        config.read(text.as_bytes()).unwrap();
        let work = Work::Check {
            plugin: Arc::new(config.check_plugins["a"].clone()),
            previous: None,
            may_act: true,
        };
        let clock = FakeClock::default();
        clock.wall.set(Duration::from_secs(1_700_000_040));
        clock.moment.set(Duration::from_secs(39));
        let (_stop, sign) = exec::stop().unwrap();
        let stamps = std::cell::RefCell::new(Vec::new());
        perform(&work, &clock, &sign, &|told| {
            if let PluginEvent::Check(Some(_), began, ..) = told {
                stamps.borrow_mut().push(began);
            }
        });
        assert_eq!(stamps.into_inner(), [clock.stamp()]);
    }
}
