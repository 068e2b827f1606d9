//! The effective configuration: the files, the environment and the flags over them, and the API
//! key.

use std::env;
use std::mem;

use super::load::{Beside, Unknown, load};
use super::{identity, key, secrets};
use crate::base;
use crate::base::host_paths::HostPaths;
use crate::config::{CONFFILE, Config, Flags, Level, doubt_key};
use crate::settings::Variables;
use crate::sys::environment;
use crate::sys::log;
use crate::sys::root::Root;

/// The configuration as far as it could be read, and what is wrong with it.
#[derive(Default)]
pub(crate) struct ConfigReport {
    pub(crate) config: Config,
    /// Errors with which the agent cannot run.
    pub(crate) problems: Vec<String>,
    /// Unknown keys, file by file, the main file first.
    pub(crate) unknown: Vec<Unknown>,
    /// Values with which the agent can run, but which are certainly wrong.
    pub(crate) mistakes: Vec<String>,
    /// Values that may be intended.
    pub(crate) advice: Vec<String>,
    /// The commands of plugins, and the places where they are configured.
    pub(crate) commands: Vec<(String, String)>,
    /// Whether there is no configuration file, and none is needed.
    pub(crate) is_alone: bool,
    /// Where the API key is from, for messages; empty if there is none.
    pub(crate) key_source: String,
}

/// The effective configuration. Logs unknown keys and mistakes, with which the agent can run. Fails
/// with all problems.
pub(crate) fn resolve(flags: &Flags) -> Result<Config, String> {
    let survey = survey(flags);
    for unknown in &survey.unknown {
        log::warn!("{unknown}");
    }
    for mistake in &survey.mistakes {
        log::warn!("{mistake}");
    }
    if survey.problems.is_empty() {
        Ok(survey.config)
    } else {
        Err(survey.problems.join("\n"))
    }
}

/// The defaults, with the host's paths from the flags or the environment.
pub(crate) fn defaults(flags: &Flags) -> Config {
    Config::default_but(|config| config.host = host(flags, HostPaths::default()))
}

/// The host's paths. Flags win over the environment, and that over the configuration.
fn host(flags: &Flags, configured: HostPaths) -> HostPaths {
    let environment = HostPaths::of_environment(|name| env::var_os(name));
    flags.host.clone().or(environment).or(configured)
}

/// Like [`resolve`], but returns everything that is wrong along with the configuration. Logs
/// warnings that are harmless.
pub(crate) fn survey(flags: &Flags) -> ConfigReport {
    let mut loaded = load(&flags.conf, &beside(flags));
    let mut report = ConfigReport::default();
    if let Some(error) = loaded.take_problems() {
        report.problems.push(error.to_string());
    }
    report.is_alone = loaded.is_alone;
    mem::swap(&mut report.unknown, &mut loaded.unknown);
    // Without a configuration file the agent is alone in a container, where no other user can reach
    // the key. Container engines mount secrets readable for every user.
    if !report.is_alone {
        for (what, path) in key::exposed(&loaded.config, &loaded.with_apikey) {
            log::warn!(
                "every user of this host can read {what} in {path}; chmod o-r {path} ends that",
                path = path.display()
            );
        }
    }
    loaded.config.host = host(&Flags::default(), loaded.config.host);
    mem::swap(&mut report.config, &mut loaded.config);
    match report.config.overlay(flags) {
        Ok(warnings) => loaded.warnings.extend(warnings),
        Err(error) => {
            report.problems.push(base::report(&error));
            return report;
        }
    }
    mem::swap(&mut report.commands, &mut loaded.commands);
    let (config, problems) = (&mut report.config, &mut report.problems);
    let (mistakes, advice) = (&mut report.mistakes, &mut report.advice);
    for warning in mem::take(&mut loaded.warnings) {
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
    let doubt: &mut dyn FnMut(&str, &str) = &mut |source, key| {
        if let Some(doubt) = doubt_key(key).filter(|_| !key.is_empty()) {
            let list = if doubt.is_certain {
                &mut *mistakes
            } else {
                &mut *advice
            };
            list.push(format!("{source}: {}", doubt.why));
        }
    };
    match key::find(flags, config, variable) {
        Ok((key, source)) => {
            let source = match loaded.with_apikey.last() {
                Some(path) if source == "apikey" => format!("{}: apikey", path.display()),
                _ => source,
            };
            doubt(&source, &key);
            if !key.is_empty() {
                report.key_source = source;
            }
            config.apikey = key;
            // A file with problems may contain a key, which must not be reported as missing.
            let is_missing = problems.is_empty() || !loaded.names_apikey;
            if is_missing && let Err(error) = config.require_apikey() {
                let error = base::report(&error);
                problems.push(format!("{error} ({})", flags.conf.display()));
            }
        }
        Err(error) => problems.push(base::report(&error)),
    }
    problems.extend(secrets::read(config, doubt));
    let root = Root::of(&config.host);
    if config.container.metrics.is_narrow() {
        config.container.task = identity::task(&root, |name| env::var_os(name));
    }
    config.custom_identifier = identity::identifier(config, &root, |name| env::var_os(name));
    report
}

/// The variables of the environment. The configuration file may be missing if `-conf` does not name
/// another and if a variable or a flag gives the API key, its file, or another output.
fn beside(flags: &Flags) -> Beside {
    let is_image = environment::is_of_image();
    let variables = Variables::of(env::vars_os(), is_image);
    let outputs = [
        "MACKEREL_APIKEY",
        "MACKEREL_APIKEY_FILE",
        "apikey",
        "MACKEREL_LISTEN",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    ];
    let has_output = outputs.iter().any(|name| variables.get(name).is_some());
    let is_named = flags.conf.as_os_str() != CONFFILE;
    Beside {
        may_be_alone: !is_named && (has_output || flags.apikey.is_some()),
        variables,
        top: None,
    }
}
