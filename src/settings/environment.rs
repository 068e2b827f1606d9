//! Settings in environment variables. A variable is named `MACKEREL_` and the key of the file, in
//! capital letters and with `_` for a dot. Rows may have another name. In a container image of an
//! agent, the names of the Go agent's image are valid too.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeArray, DeValue};

use super::kind::{Kind, doubt};
use super::row::Row;
use super::table::SECTIONS;
use super::unknown_keys::nearest;
use crate::config::item::Item;
use crate::config::{Config, Include, Level, Scope, Warning};

/// The prefix of variables that are meant for an agent.
const PREFIX: &str = "MACKEREL_";
/// The prefix of variables of OpenTelemetry.
pub(super) const OTEL: &str = "OTEL_";
/// The names of the Go agent's image. They are read only in an image of the agent.
const OF_IMAGE: &[&str] = &[
    "apikey",
    "include",
    "auto_retirement",
    "enable_docker_plugin",
];
/// Variables that are read elsewhere: for the API key, the command line, the identity, and the
/// environment of plugins.
const READ_ELSEWHERE: &[&str] = &[
    "apikey",
    "MACKEREL_APIKEY",
    "MACKEREL_AGENT_CONFIG",
    "MACKEREL_KUBERNETES_NAMESPACE",
    "MACKEREL_KUBERNETES_POD_NAME",
    "MACKEREL_KUBERNETES_NODE_NAME",
    "MACKEREL_STATUS",
    "MACKEREL_PREVIOUS_STATUS",
    "MACKEREL_CHECK_MESSAGE",
];
/// Variables of mackerel-container-agent that have no effect here, each with the reason.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    (
        "MACKEREL_AGENT_CONFIG_POLLING_DURATION_MINUTES",
        "the configuration is read again at SIGHUP",
    ),
    ("MACKEREL_KUBERNETES_KUBELET_HOST", KUBELET),
    ("MACKEREL_KUBERNETES_KUBELET_PORT", KUBELET),
    ("MACKEREL_KUBERNETES_KUBELET_READ_ONLY_PORT", KUBELET),
    ("MACKEREL_KUBERNETES_KUBELET_INSECURE_TLS", KUBELET),
];
const KUBELET: &str = "the kubelet is not asked; cgroups are read instead";
const LOG_LEVEL: &str = "MACKEREL_LOG_LEVEL";
const PLATFORM: &str = "MACKEREL_CONTAINER_PLATFORM";
const DOCKER_PLUGIN: &str = "enable_docker_plugin";
const DOCKER: &str = "[plugin.metrics.docker]\n\
                      command = [\"/usr/bin/mackerel-plugin-docker\", \"-name-format\", \"name\"]\n";

/// The variables that may be settings. None of them is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(Vec<(String, OsString)>);

/// Problems and warnings about the variables.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Said {
    pub(crate) problems: Vec<String>,
    /// Their `line` is `None`.
    pub(crate) warnings: Vec<Warning>,
}

/// A warning about a variable.
type Doubt = Option<(Level, String)>;

impl Variables {
    /// The variables of `all` that are meant for an agent. With `is_image`, these include the names
    /// of the Go agent's image.
    pub(crate) fn of(all: impl Iterator<Item = (OsString, OsString)>, is_image: bool) -> Variables {
        let is_meant = |name: &str| match name.strip_prefix(PREFIX) {
            Some(rest) => !rest.starts_with("PLUGIN_"),
            None => name.starts_with(OTEL) || (is_image && OF_IMAGE.contains(&name)),
        };
        let mut found: Vec<(String, OsString)> = Vec::new();
        let all = all.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        for (name, value) in all.filter(|(name, value)| is_meant(name) && !value.is_empty()) {
            // Kept in descending order, so that the longer names come after the image's and win
            // over them. A sort costs more code than the few variables are worth.
            let at = found.partition_point(|(known, _)| *known > name);
            found.insert(at, (name, value));
        }
        Variables(found)
    }

    /// The value of the variable `name`; `None` if it is unset or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&OsString> {
        let mut all = self.0.iter();
        all.find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The variable that names the files to include, and their pattern; `None` if neither variable
    /// is set.
    pub(crate) fn include(&self) -> Option<(&str, Include)> {
        let names = ["MACKEREL_INCLUDE", "include"];
        let name = names.into_iter().find(|name| self.get(name).is_some())?;
        let pattern = self.get(name)?.to_str()?.to_owned();
        Some((name, Include { pattern, line: 0 }))
    }
}

impl Config {
    /// The defaults without a configuration file: the agent runs alone in a container, which may be
    /// read-only.
    pub(crate) fn alone(variables: &Variables) -> Config {
        Config::default_but(|config| {
            config.pidfile = PathBuf::new();
            config.health = true;
            // Users of the Go agent's image expect the metrics of that image.
            if variables.get("apikey").is_none() {
                config.container.metrics = Scope::Auto;
            }
        })
    }

    /// Stores the values of `variables` in this configuration. Returns all problems and warnings.
    pub(crate) fn read_variables(&mut self, variables: &Variables) -> Said {
        let mut said = Said::default();
        for (name, value) in &variables.0 {
            let stored = match value.to_str() {
                Some(value) => self.read_variable(name, value),
                None => Err("not UTF-8".to_owned()),
            };
            match stored {
                Ok(None) => {}
                Ok(Some((level, text))) => said.warnings.push(Warning {
                    level,
                    line: None,
                    text,
                }),
                Err(why) => said.problems.push(format!("the variable {name}: {why}")),
            }
        }
        said
    }

    /// Reads one variable. Returns a warning if it is unknown, without effect or doubtful. Fails if
    /// its value cannot be used.
    fn read_variable(&mut self, name: &str, value: &str) -> Result<Doubt, String> {
        if let Some((_, why)) = WITHOUT_EFFECT.iter().find(|(known, _)| *known == name) {
            return Ok(Some((Level::Warn, format!("{name} has no effect: {why}"))));
        }
        match name {
            LOG_LEVEL => self.log_level(value)?,
            // Setting the platform turns the container metrics on.
            PLATFORM if value != "none" && self.container.metrics == Scope::None => {
                self.container.metrics = Scope::Auto;
            }
            DOCKER_PLUGIN if value != "0" && !self.metric_plugins.contains_key("docker") => {
                drop(self.read(DOCKER.as_bytes()));
            }
            PLATFORM | DOCKER_PLUGIN => {}
            // Read by `otel`, if at all.
            name if name.starts_with(OTEL) => {}
            name if READ_ELSEWHERE.contains(&name) || is_of_service(name) => {}
            name => match key(name) {
                Some(row) => return self.store(name, &row.kind, value),
                None => return Ok(Some((Level::Warn, unknown(name)))),
            },
        }
        Ok(None)
    }

    /// Stores the value of the variable `name`. Returns a warning if the value is doubtful.
    fn store(&mut self, name: &str, kind: &Kind<Config>, value: &str) -> Result<Doubt, String> {
        let value = match kind {
            // In the Go agent's image, every value but 0 means true.
            Kind::Bool(_) if !name.starts_with(PREFIX) => DeValue::Boolean(value != "0"),
            Kind::Bool(_) => DeValue::Boolean(truth(value)?),
            Kind::Texts(_) => {
                let mut texts = DeArray::new();
                for text in value.split(',') {
                    let text = DeValue::String(Cow::Borrowed(text.trim()));
                    texts.push(Spanned::new(0..0, text));
                }
                DeValue::Array(texts)
            }
            _ => DeValue::String(Cow::Borrowed(value)),
        };
        let item = Item {
            value: &value,
            line: 0,
            explicit: true,
        };
        kind.store(self, item)?;
        self.name_places(name.as_ref());
        let doubt = doubt(item, kind.words());
        Ok(doubt.map(|doubt| (Level::Mistake, format!("the variable {name}: {doubt}"))))
    }

    fn log_level(&mut self, value: &str) -> Result<(), String> {
        (self.verbose, self.silent) = match &*value.to_ascii_uppercase() {
            "TRACE" | "DEBUG" => (true, false),
            "INFO" => (false, false),
            "WARN" | "WARNING" | "ERROR" | "CRITICAL" => (false, true),
            _ => return Err("write TRACE, DEBUG, INFO, WARNING, ERROR or CRITICAL".to_owned()),
        };
        Ok(())
    }
}

fn truth(text: &str) -> Result<bool, String> {
    match &*text.trim().to_ascii_lowercase() {
        "1" | "t" | "true" | "y" | "yes" | "on" => Ok(true),
        "0" | "f" | "false" | "n" | "no" | "off" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// The row of the setting that a variable holds; `None` if there is none.
fn key(variable: &str) -> Option<&'static Row<Config>> {
    let own = variable.strip_prefix(PREFIX).map(str::to_ascii_lowercase);
    SECTIONS.iter().find_map(|section| {
        let key = own.as_deref().and_then(|own| match section.name {
            "" => Some(own),
            name => own.strip_prefix(name)?.strip_prefix('_'),
        });
        section.rows.iter().find(|row| {
            row.has_variable
                && (Some(row.key) == key
                    || row.other_variable.is_some_and(|other| *other == variable))
        })
    })
}

/// The name of the variable for the setting `key` of `section`.
pub(super) fn variable(section: &str, key: &str) -> String {
    let between = if section.is_empty() { "" } else { "_" };
    [PREFIX, section, between, key]
        .concat()
        .to_ascii_uppercase()
}

/// The names of the variables that can be suggested for a misspelt one.
fn names() -> Vec<String> {
    let mut all = Vec::new();
    let mut others = Vec::new();
    for section in SECTIONS {
        for row in section.rows.iter().filter(|row| row.has_variable) {
            all.push(variable(section.name, row.key));
            others.extend(row.other_variable);
        }
    }
    for name in [LOG_LEVEL, PLATFORM]
        .iter()
        .chain(READ_ELSEWHERE)
        .chain(&others)
    {
        all.push((*name).to_owned());
    }
    all
}

fn unknown(name: &str) -> String {
    let known = names();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let meant = nearest(&known, name).map(|meant| format!(" Did you mean {meant} ?"));
    format!(
        "{name} is an unexpected variable.{}",
        meant.unwrap_or_default()
    )
}

/// Whether Kubernetes or Docker set the variable, for a service whose name begins with `mackerel`.
fn is_of_service(name: &str) -> bool {
    name.ends_with("_PORT")
        || name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.contains("_PORT_")
            && ["_TCP", "_UDP", "_SCTP"]
                .iter()
                .any(|kind| name.contains(kind)))
}

#[cfg(test)]
mod tests;
