//! `mackerel-agent configtest`: reports everything that is wrong with the configuration.

use std::ffi::OsStr;
use std::io::{self, Write};

use super::connection::link;
use super::resolve::{ConfigReport, survey};

use crate::config::{APIBASE, Command, Config, Flags};
use crate::sys::exec::{self, Task};
use crate::sys::log;
use crate::sys::terminal::is_coloured;

/// Escape sequences of the terminal: two colours, and the reset.
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Returns the command that the agent runs in place of a plugin's; `None` if it runs that itself.
type BuiltIn = fn(&Task<'_>) -> Option<Vec<String>>;

/// Checks the configuration as the agent would use it, without any network connection. Prints
/// SUCCESS to stderr, or fails with the text for the user.
///
/// An unknown key in the main file is an error, and so is an invalid API key or status. An unknown
/// key in an included file gets a warning, and so does a command that cannot be started now.
/// `built_in` tells what the agent runs in place of a command.
pub(crate) fn configtest(flags: &Flags, built_in: BuiltIn) -> Result<(), String> {
    log::install();
    let mut survey = check(flags);
    if survey.problems.is_empty() {
        let doubts = commands(&survey, built_in);
        survey.advice.extend(doubts);
    }
    let text = verdict(&survey, is_coloured());
    if survey.is_in_order() {
        let path = if survey.is_alone {
            "the environment".to_owned()
        } else {
            flags.conf.display().to_string()
        };
        return writeln!(io::stderr(), "{text}SUCCESS ({path})")
            .map_err(|error| format!("cannot print: {error}"));
    }
    Err(text)
}

/// The current configuration and everything that is wrong with it, including what prevents the
/// setup of the HTTP client, such as an unusable CA file.
pub(crate) fn check(flags: &Flags) -> ConfigReport {
    let mut survey = survey(flags);
    if survey.problems.is_empty() {
        let problems = connections(&survey.config);
        survey.problems.extend(problems);
    }
    survey
}

/// What prevents the setup of the HTTP clients for Mackerel, and of TLS for OTLP.
fn connections(config: &Config) -> Vec<String> {
    let mut problems = Vec::from_iter(link(config).err());
    for organization in &config.organizations {
        let why = link(&config.for_organization(organization)).err();
        problems.extend(why.map(|why| format!("{}: {why}", organization.place)));
    }
    for otlp in config.otlp.iter().filter(|otlp| otlp.ca_file.is_some()) {
        // An address with TLS: the file is not read for others.
        let mut secure = config.clone();
        secure.apibase = APIBASE.to_owned();
        secure.ca_file = otlp.ca_file.clone();
        let why = link(&secure).err();
        problems.extend(why.filter(|why| !problems.contains(why)));
    }
    problems
}

impl ConfigReport {
    /// Whether there are no problems, no mistakes, and no unknown keys in the main file.
    pub(crate) fn is_in_order(&self) -> bool {
        self.problems.is_empty()
            && self.mistakes.is_empty()
            && self.unknown.iter().all(|unknown| unknown.is_included)
    }
}

/// One text for each command that could not be started now, with key, reason and place. `built_in`
/// tells what the agent runs in place of a command.
pub(crate) fn commands(survey: &ConfigReport, built_in: BuiltIn) -> Vec<String> {
    let config = &survey.config;
    let mut doubts = Vec::new();
    let mut probe = |key: &[&str], command: &Command| {
        doubts.extend(probe(survey, key, command, built_in));
    };
    for (name, plugin) in &config.metric_plugins {
        probe(&["metrics.", name], &plugin.command);
    }
    for (name, plugin) in &config.check_plugins {
        probe(&["checks.", name], &plugin.command);
        if let Some(action) = &plugin.action {
            probe(&["checks.", name, ".action"], action);
        }
    }
    for (name, plugin) in &config.metadata_plugins {
        probe(&["metadata.", name], &plugin.command);
    }
    if !config.readiness.exec.is_empty() {
        let task = Task {
            argv: &config.readiness.exec,
            user: None,
            env: &[],
        };
        doubts.extend(exec::probe(&task).map(|why| format!("readiness_probe.exec: {why}")));
    }
    doubts
}

/// The reason why the command of `plugin.KIND.NAME` cannot be started, if there is one. `key` holds
/// the parts of `KIND.NAME`.
fn probe(
    survey: &ConfigReport,
    key: &[&str],
    command: &Command,
    built_in: BuiltIn,
) -> Option<String> {
    let env = command.env.iter();
    let env: Vec<_> = env
        .map(|(name, value)| (name.as_str(), Some(OsStr::new(value))))
        .collect();
    let mut task = Task {
        argv: &command.argv,
        user: command.user.as_deref(),
        env: &env,
    };
    let built_in = built_in(&task);
    task.argv = built_in.as_deref().unwrap_or(task.argv);
    let why = exec::probe(&task)?;
    let key = ["plugin.", &key.concat()].concat();
    let mut doubt = format!("{}.command: {why}", log::escaped(&key));
    // The last file that defines the plugin applies.
    let mut places = survey.commands.iter().rev();
    if let Some((_, place)) = places.find(|(known, _)| *known == key) {
        doubt.extend([" (", place, ")"]);
    }
    Some(doubt)
}

/// The problems and warnings, in lines of the form that scripts search for.
pub(crate) fn verdict(survey: &ConfigReport, is_coloured: bool) -> String {
    let colour = |colour| if is_coloured { colour } else { "" };
    let unknown = survey.unknown.iter().map(ToString::to_string);
    let others = survey.mistakes.iter().chain(&survey.advice).cloned();
    let mut warnings = unknown.chain(others).peekable();
    let mut text = String::new();
    if !survey.problems.is_empty() {
        let problems = survey.problems.join("\n");
        text.extend([colour(RED), "[CRITICAL] failed to test config: ", &problems]);
        text.push_str(colour(PLAIN));
        text.push_str(warnings.peek().map_or("", |_| "\n"));
    }
    for what in warnings {
        text.extend([colour(YELLOW), "[WARNING] ", &what, "\n", colour(PLAIN)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UnknownKey;
    use crate::settings::load::Unknown;

    fn unknown(key: &str, hint: Option<&str>, is_included: bool) -> Unknown {
        Unknown {
            key: UnknownKey {
                key: key.to_owned(),
                hint: hint.map(str::to_owned),
                line: 3,
            },
            path: "/a.conf".into(),
            is_included,
        }
    }

    #[test]
    fn scripts_find_the_lines_that_they_look_for() {
        let survey = ConfigReport {
            problems: vec!["one".to_owned(), "two".to_owned()],
            unknown: vec![
                unknown("podfile", Some("Did you mean pidfile ?"), false),
                unknown("x.y", None, true),
            ],
            ..ConfigReport::default()
        };
        let plain = "[CRITICAL] failed to test config: one\ntwo\n\
                     [WARNING] podfile is unexpected key. Did you mean pidfile ? (/a.conf:3)\n\
                     [WARNING] x.y is unexpected key. (/a.conf:3)\n";
        assert_eq!(verdict(&survey, false), plain);
        let coloured = "\x1b[31m[CRITICAL] failed to test config: one\ntwo\x1b[0m\n\
                        \x1b[33m[WARNING] podfile is unexpected key. Did you mean pidfile ? (/a.conf:3)\n\x1b[0m\
                        \x1b[33m[WARNING] x.y is unexpected key. (/a.conf:3)\n\x1b[0m";
        assert_eq!(verdict(&survey, true), coloured);
        let survey = ConfigReport {
            unknown: Vec::new(),
            ..survey
        };
        let problems = "[CRITICAL] failed to test config: one\ntwo";
        assert_eq!(verdict(&survey, false), problems);
    }

    #[test]
    fn unknown_keys_of_included_files_alone_are_no_failure() {
        let survey = |problems: &[&str], unknown: Vec<Unknown>| ConfigReport {
            problems: problems
                .iter()
                .map(|problem| (*problem).to_owned())
                .collect(),
            unknown,
            ..ConfigReport::default()
        };
        assert!(survey(&[], Vec::new()).is_in_order());
        assert!(survey(&[], vec![unknown("a", None, true)]).is_in_order());
        assert!(!survey(&[], vec![unknown("a", None, false)]).is_in_order());
        assert!(!survey(&["a"], Vec::new()).is_in_order());
    }
}
