//! `mackerel-agent check NAME` and `mackerel-agent plugin NAME`: run one plugin once, as the agent
//! would, and print what would be sent.

use crate::base::name_map::NameMap;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::sync::Arc;

use super::agent_part::survey_without_key;
use super::owner;
use crate::base::channel::{Sender, channel};
use crate::base::clock::{Clock, HostClock};
use crate::config::{CheckPlugin, Command, Config, Flags, MetricPlugin};
use crate::deliver::api::Api;
use crate::plugins::history::{History, Urgency};
use crate::plugins::run_threads::STACK;
use crate::plugins::work::{PluginEvent, Work, perform};
use crate::sys::exec::{self, StopSign};
use crate::sys::http::{Answer, Exchange, LinkError, Request};
use crate::sys::log;
use crate::sys::signal;
use crate::sys::state::State;
use crate::sys::{thread, user};

/// Printed in place of a host's id if there is none.
const NO_ID: &str = "<the host's id>";

/// An event while a plugin runs.
enum Event {
    PluginEvent(PluginEvent),
    /// The plugin's thread has ended.
    Over,
    Interrupted,
}

/// Runs the check of this name once and prints the result. Does not run its action.
///
/// Fails with the text for the user if there is no such check, or if it could not be run.
pub(crate) fn check(
    flags: &mut Flags,
    name: &OsStr,
    is_sandboxed: fn() -> bool,
) -> Result<(), String> {
    let config = configuration(flags)?;
    let plugin: Arc<CheckPlugin> = named(name, &config.check_plugins, "checks", flags)?;
    be_as_service(&config, is_sandboxed)?;
    introduce(&plugin.command)?;
    let work = Work::Check {
        plugin: Arc::clone(&plugin),
        previous: None,
        may_act: false,
    };
    let clock = HostClock::new();
    let mut result = Ok(());
    run(vec![work], &mut |told| {
        if let PluginEvent::Check(Some(finding), began, _, words) = told {
            let trouble = words.trouble.as_deref().map(log::escaped);
            result = trouble.map_or(Ok(()), Err);
            let took = u64::try_from(clock.moment().0.as_millis()).unwrap_or(u64::MAX);
            say(&format!(
                "result: {} after {took} ms",
                finding.status.word()
            ))?;
            print_stderr(&words.stderr)?;
            let report = finding.report(&name.to_string_lossy(), &plugin, began.wall);
            let message = report.message.clone();
            let prevent = plugin.prevent_alert_auto_close;
            let is_news = History::default().note(report.status, &message, prevent);
            if is_news == Urgency::No {
                return say("would be sent: nothing, because of prevent_alert_auto_close");
            }
            say(&for_whom(plugin.custom_identifier.as_deref()))?;
            let id = host_id(&config, plugin.custom_identifier.as_deref());
            // `Show` only prints and cannot fail.
            drop(Api::new(Box::new(Show)).report_checks(&id, &[&report]));
            if plugin.action.is_some() {
                say("its action is not run here; the agent runs it after every check")?;
            }
        }
        Ok(())
    })?;
    result
}

/// Runs the metric plugin of this name for its graph definitions and for its values, and prints
/// both.
///
/// Fails with the text for the user if there is no such plugin, or if it could not be run.
pub(crate) fn plugin(
    flags: &mut Flags,
    name: &OsStr,
    is_sandboxed: fn() -> bool,
) -> Result<(), String> {
    let config = configuration(flags)?;
    let plugin: Arc<MetricPlugin> = named(name, &config.metric_plugins, "metrics", flags)?;
    be_as_service(&config, is_sandboxed)?;
    introduce(&plugin.command)?;
    let now = HostClock::new().unix();
    let works = vec![
        Work::Graphs(Arc::clone(&plugin)),
        Work::Values(Arc::clone(&plugin), now),
    ];
    let mut result = Ok(());
    run(works, &mut |told| {
        let mut api = Api::new(Box::new(Show));
        match told {
            PluginEvent::Graphs(found, words) => {
                let trouble = found.as_ref().err().cloned().or(words.trouble);
                let graphs = found.unwrap_or_default();
                say(&format!("graph definitions: {}", graphs.len()))?;
                print_trouble(trouble.as_deref())?;
                if !graphs.is_empty() {
                    let graphs: Vec<_> = graphs.iter().collect();
                    drop(api.create_graph_defs(&graphs));
                }
            }
            PluginEvent::Values(rounds, rejected, words) => {
                let count: usize = rounds.iter().map(|(_, values)| values.iter().count()).sum();
                say(&format!("values: {count}"))?;
                print_trouble(words.trouble.as_deref())?;
                print_stderr(&words.stderr)?;
                for name in rejected {
                    say(&format!(
                        "dropped: \"{name}\", whose name or value the API does not take"
                    ))?;
                }
                if count == 0 {
                    result = Err("the plugin brought no value".to_owned());
                    return Ok(());
                }
                say(&for_whom(plugin.custom_identifier.as_deref()))?;
                let id = host_id(&config, plugin.custom_identifier.as_deref());
                let mut values = rounds.iter().flat_map(|(time, values)| {
                    let id = id.as_str();
                    values
                        .iter()
                        .map(move |(name, value)| (id, *time, name, value))
                });
                drop(api.post_metrics(&mut || values.next()));
            }
            _ => {}
        }
        Ok(())
    })?;
    result
}

/// The configuration. It needs no API key here.
fn configuration(flags: &mut Flags) -> Result<Config, String> {
    log::install();
    let survey = survey_without_key(flags);
    if survey.problems.is_empty() {
        Ok(survey.config)
    } else {
        Err(survey.problems.join("\n"))
    }
}

/// The plugin of this name. Fails with a list of the configured names.
fn named<P: Clone>(
    name: &OsStr,
    plugins: &NameMap<P>,
    kind: &str,
    flags: &Flags,
) -> Result<Arc<P>, String> {
    let found = name.to_str().and_then(|name| plugins.get(name));
    found.map(|plugin| Arc::new(plugin.clone())).ok_or_else(|| {
        let names: Vec<&str> = plugins.keys().map(String::as_str).collect();
        let listed = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        let (conf, name) = (flags.conf.display(), name.display());
        format!(
            "no [plugin.{kind}.{name}] in {conf} and the files that it includes; there are: {listed}"
        )
    })
}

/// Drops root's rights as far as the service's user and sandbox can be reproduced, and prints how
/// far that is.
fn be_as_service(config: &Config, is_sandboxed: fn() -> bool) -> Result<(), String> {
    let user = match owner::become_owner(&config.root)? {
        Some(user) => user,
        None if user::is_root() => {
            let root = config.root.display();
            return say(&format!(
                "runs as root, to whom {root} belongs or would: a service of another user has fewer rights"
            ));
        }
        None => return Ok(()),
    };
    if !is_sandboxed() {
        return say(&format!("runs as the service does: user {user}"));
    }
    user::gain_nothing();
    say(&format!(
        "runs as the service does: user {user}, who gains no rights by sudo; the rest of the unit's sandbox \
         is not here (files that can be written, devices, system calls)"
    ))
}

/// Prints the command and its settings.
fn introduce(command: &Command) -> Result<(), String> {
    let argv: Vec<String> = command.argv.iter().map(|word| quoted(word)).collect();
    say(&format!("command: {}", argv.join(" ")))?;
    if let Some(user) = &command.user {
        say(&format!("user: {user}"))?;
    }
    // Names only: the values may be secret.
    let names: Vec<&str> = command.env.iter().map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        say(&format!("environment: {}", names.join(" ")))?;
    }
    say(&format!("time limit: {} s", command.timeout.as_secs()))
}

/// A word quoted for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        ["'", &word.replace('\'', r"'\''"), "'"].concat()
    }
}

/// Runs `works` one after the other and passes their events to `hear`. A signal ends the running
/// command.
fn run(
    works: Vec<Work>,
    hear: &mut dyn FnMut(PluginEvent) -> Result<(), String>,
) -> Result<(), String> {
    let (tell, events) = channel();
    let (stop, sign) = exec::stop().map_err(|error| format!("cannot open a pipe: {error}"))?;
    let mut stop = Some(stop);
    let interrupted = tell.clone();
    signal::watch(false, move |_| interrupted.send(Event::Interrupted).is_ok())
        .map_err(|error| format!("cannot start the thread that waits for signals: {error}"))?;
    thread::start("plugin", STACK, move || do_all(&works, &sign, &tell))
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    let mut was_interrupted = false;
    loop {
        match events.recv() {
            Ok(Event::PluginEvent(told)) if !was_interrupted => hear(told)?,
            Ok(Event::PluginEvent(_)) => {}
            Ok(Event::Interrupted) => {
                was_interrupted = true;
                stop = None;
            }
            Ok(Event::Over) | Err(_) => break,
        }
    }
    drop(stop);
    if was_interrupted {
        Err("interrupted".to_owned())
    } else {
        Ok(())
    }
}

fn do_all(works: &[Work], sign: &StopSign, tell: &Sender<Event>) {
    let clock = HostClock::new();
    for work in works {
        perform(work, &clock, sign, &|told| {
            drop(tell.send(Event::PluginEvent(told)))
        });
    }
    drop(tell.send(Event::Over));
}

/// Prints requests instead of sending them.
struct Show;

impl Exchange for Show {
    fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, LinkError> {
        let verb = request.method.word();
        let body = request.text();
        // An error can be ignored: nothing else follows for a reader that has closed stdout.
        drop(say(&format!("{verb} {}\n{body}", request.path)));
        Ok(Answer {
            status: 200,
            body: "{}".to_owned(),
            encoding: None,
            retry_after: None,
            location: None,
            date: None,
        })
    }
}

fn for_whom(identifier: Option<&str>) -> String {
    match identifier {
        Some(identifier) => {
            format!("would be sent, for the host of custom identifier {identifier}:")
        }
        None => "would be sent:".to_owned(),
    }
}

/// The id that the server has given this host, or a placeholder.
fn host_id(config: &Config, identifier: Option<&str>) -> String {
    let own = || State::at(&config.root).host_id().ok().flatten();
    let known = if identifier.is_some() { None } else { own() };
    known.unwrap_or_else(|| NO_ID.to_owned())
}

fn print_trouble(trouble: Option<&str>) -> Result<(), String> {
    trouble.map_or(Ok(()), |trouble| say(&format!("trouble: {trouble}")))
}

fn print_stderr(text: &str) -> Result<(), String> {
    if text.is_empty() {
        Ok(())
    } else {
        say(&format!("stderr: {text}"))
    }
}

fn say(text: &str) -> Result<(), String> {
    text.split('\n')
        .try_for_each(|line| writeln!(io::stdout(), "{}", log::escaped(line)))
        .map_err(|error| format!("cannot print: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_can_be_pasted_into_a_shell() {
        for (word, expected) in [
            ("-e", "-e"),
            ("/usr/bin/x", "/usr/bin/x"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn a_plugin_that_is_not_there_is_answered_with_those_that_are() {
        let mut config = Config::default();
        let text = "[plugin.checks.a]\ncommand = 'x'\n[plugin.checks.b]\ncommand = 'x'\n";
        config.read(text.as_bytes()).unwrap();
        let flags = Flags::default();
        let find = |name: &str| named(OsStr::new(name), &config.check_plugins, "checks", &flags);
        assert_eq!(find("a").unwrap().command.argv, ["sh", "-c", "x"]);
        let error = find("c").unwrap_err();
        assert!(
            error.starts_with("no [plugin.checks.c] in ") && error.ends_with(" a, b"),
            "{error}"
        );
    }
}
