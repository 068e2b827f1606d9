//! The configuration that applies: the files, the command line over them, and the API key.

use std::env;

use super::load::{Beside, Unknown, load};
use super::{identity, key};
use crate::base;
use crate::base::host_paths::HostPaths;
use crate::config::{CONFFILE, Config, Flags, Level, doubt_key};
use crate::settings::Variables;
use crate::sys::environment;
use crate::sys::root::Root;

/// The configuration as far as it can be had, and what is wrong with it.
#[derive(Default)]
pub(crate) struct ConfigReport {
    pub(crate) config: Config,
    /// Without one, the agent can run.
    pub(crate) problems: Vec<String>,
    /// Keys that nothing reads, file by file, the main file first.
    pub(crate) unknown: Vec<Unknown>,
    /// What the agent can run with, and what cannot be meant so.
    pub(crate) mistakes: Vec<String>,
    /// What may be meant so.
    pub(crate) advice: Vec<String>,
    /// The commands of plugins, and the places that they are written at.
    pub(crate) commands: Vec<(String, String)>,
    /// Whether there is no file, and none is needed.
    pub(crate) is_alone: bool,
}

/// The configuration, with what the command line says over it. Logs what the agent can run with.
/// Fails with everything that is wrong.
pub(crate) fn resolve(flags: &Flags) -> Result<Config, String> {
    let survey = survey(flags);
    for unknown in &survey.unknown {
        log::warn!("{unknown}");
    }
    for mistake in &survey.mistakes {
        log::warn!("{mistake}");
    }
    match survey.problems.is_empty() {
        true => Ok(survey.config),
        false => Err(survey.problems.join("\n")),
    }
}

/// The defaults, with what is said of the host's trees outside of a configuration file.
pub(crate) fn defaults(flags: &Flags) -> Config {
    Config {
        host: host(flags, HostPaths::default()),
        ..Config::default()
    }
}

/// Where the host's trees are: as `flags` say, else the environment, else the configuration.
fn host(flags: &Flags, configured: HostPaths) -> HostPaths {
    let environment = HostPaths::of_environment(|name| env::var_os(name));
    flags.host.clone().or(environment).or(configured)
}

/// Like [`resolve`], for whoever wants to know all there is to say. What is odd but harmless is
/// logged.
pub(crate) fn survey(flags: &Flags) -> ConfigReport {
    let mut loaded = load(&flags.conf, &beside(flags));
    let is_alone = loaded.is_alone;
    let mut problems = Vec::new();
    if let Some(error) = loaded.take_problems() {
        problems.push(error.to_string());
    }
    let (unknown, commands) = (loaded.unknown, loaded.commands);
    // Where an agent is alone, others have no way to the file; engines mount secrets for everybody.
    let exposed = key::exposed(&loaded.config, &loaded.with_apikey);
    for path in exposed.filter(|_| !is_alone) {
        log::warn!(
            "every user of this host can read the API key in {path}; chmod o-r {path} ends that",
            path = path.display()
        );
    }
    loaded.config.host = host(&Flags::default(), loaded.config.host);
    let (mut config, warnings) = match loaded.config.overlay(flags) {
        Ok(overlaid) => overlaid,
        Err(error) => {
            problems.push(base::report(&error));
            return ConfigReport {
                problems,
                unknown,
                is_alone,
                ..ConfigReport::default()
            };
        }
    };
    let (mut mistakes, mut advice) = (Vec::new(), Vec::new());
    for warning in loaded.warnings.into_iter().chain(warnings) {
        match warning.level {
            Level::Warn => log::warn!("{}", warning.text),
            Level::Error => log::error!("{}", warning.text),
            Level::Mistake => mistakes.push(warning.text),
        }
    }
    let variable = |name: &str| match name {
        environment::APIKEY_OF_IMAGE if !environment::is_of_image() => None,
        name => env::var_os(name),
    };
    match key::find(flags, &config, variable) {
        Ok((key, source)) => {
            let source = match loaded.with_apikey.last() {
                Some(path) if source == "apikey" => format!("{}: apikey", path.display()),
                _ => source,
            };
            if let Some(doubt) = doubt_key(&key).filter(|_| !key.is_empty()) {
                let list = match doubt.is_certain {
                    true => &mut mistakes,
                    false => &mut advice,
                };
                list.push(format!("{source}: {}", doubt.why));
            }
            config.apikey = key;
            // A file that is wrong may well have a key, which is not to be called missing.
            let is_missing = problems.is_empty() || !loaded.names_apikey;
            if let Err(error) = config
                .require_apikey()
                .map_err(|error| base::report(&error))
                && is_missing
            {
                problems.push(format!("{error} ({})", flags.conf.display()));
            }
        }
        Err(error) => problems.push(base::report(&error)),
    }
    let root = Root::of(&config.host);
    if config.container.metrics.is_narrow() {
        config.container.task = identity::task(&root, |name| env::var_os(name));
    }
    config.custom_identifier = identity::identifier(&config, &root, |name| env::var_os(name));
    ConfigReport {
        config,
        problems,
        unknown,
        mistakes,
        advice,
        commands,
        is_alone,
    }
}

/// The variables of the environment. There need be no file where nobody names one and they hold, or
/// lead to, an API key.
fn beside(flags: &Flags) -> Beside {
    let is_image = environment::is_of_image();
    let variables = Variables::of(env::vars_os(), is_image);
    let keys = ["MACKEREL_APIKEY", "MACKEREL_APIKEY_FILE", "apikey"];
    let has_key = keys.iter().any(|name| variables.get(name).is_some());
    let is_named = flags.conf.as_os_str() != CONFFILE;
    Beside {
        may_be_alone: !is_named && (has_key || flags.apikey.is_some()),
        variables,
        top: None,
    }
}
