//! Reads the configuration file and the files that it includes.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use super::otel;
use crate::base;
use crate::config::{CONFFILE, Config, ConfigError, Findings, UnknownKey, Warning};
use crate::settings::Variables;
use crate::sys::file;
use crate::sys::glob::glob;

/// The loaded configuration, and everything else that was found in the files.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// The warnings of all files and variables. Each names its file or variable.
    pub(crate) warnings: Vec<Warning>,
    /// Unknown keys, file by file, the main file first.
    pub(crate) unknown: Vec<Unknown>,
    /// The commands of plugins: `plugin.KIND.NAME`, and the place in the form `FILE:LINE`. If a
    /// plugin occurs more than once, the last entry applies.
    pub(crate) commands: Vec<(String, String)>,
    /// The included files, in the order in which they are read.
    pub(crate) included: Vec<PathBuf>,
    /// The files that set a non-empty `apikey`.
    pub(crate) with_apikey: Vec<PathBuf>,
    /// Whether a file has a key `apikey`, even an empty or invalid one, or cannot be read.
    pub(crate) names_apikey: bool,
    /// Whether there is no configuration file, and none is needed.
    pub(crate) is_alone: bool,
    /// The problems, one line each, file by file.
    problems: Vec<String>,
}

/// An unknown key, and the file that has it.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) key: UnknownKey,
    pub(crate) path: PathBuf,
    /// Whether the file is an included one.
    pub(crate) is_included: bool,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}:{})",
            self.key,
            self.path.display(),
            self.key.line
        )
    }
}

/// What applies in place of the configuration file, or over it.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) variables: Variables,
    /// Whether the configuration file may be missing.
    pub(crate) may_be_alone: bool,
    /// The directory that replaces `/` in the pattern of included files; `None` for `/` itself.
    pub(crate) top: Option<PathBuf>,
}

/// Loads the file at `path`, then the files that match its key `include`, in order, then the
/// variables. Later values win.
///
/// Goes on after problems, so that all of them are reported at once. [`Loaded::checked`] fails if
/// there are any.
pub(crate) fn load(path: &Path, beside: &Beside) -> Loaded {
    let mut loaded = Loaded::default();
    if beside.may_be_alone && is_absent(path) {
        loaded.is_alone = true;
        loaded.config = Config::alone(&beside.variables);
    } else {
        loaded.read(path, false);
    }
    let mut place = path.display().to_string();
    if let Some((variable, include)) = beside.variables.include() {
        place = format!("the variable {variable}");
        loaded.config.include = Some(include);
    }
    if let (Some(top), Some(include)) = (&beside.top, &mut loaded.config.include) {
        let pattern = include.pattern.trim_start_matches('/');
        include.pattern = top.join(pattern).display().to_string();
    }
    let included = match &loaded.config.include {
        Some(include) => glob(&include.pattern).unwrap_or_else(|error| {
            if include.line > 0 {
                place = format!("{place}:{}", include.line);
            }
            let why = base::report(&error);
            loaded.problems.push(format!("{place}: include: {why}"));
            Vec::new()
        }),
        None => Vec::new(),
    };
    for path in included {
        loaded.read(&path, true);
        loaded.included.push(path);
    }
    let said = loaded.config.read_variables(&beside.variables);
    loaded.problems.extend(said.problems);
    loaded.warnings.extend(said.warnings);
    if loaded.is_alone {
        match otel::otlp(&beside.variables) {
            Ok(otlp) => loaded.config.otlp.extend(otlp),
            Err(why) => loaded.problems.push(why),
        }
    }
    loaded
}

/// The remedy if there is no configuration file at `path`, for a message.
fn without_file(path: &Path) -> String {
    let (conf, alone) = if path == Path::new(CONFFILE) {
        (String::new(), "")
    } else {
        let conf = format!(" -conf {}", path.display());
        (conf, " and run without -conf")
    };
    format!(
        "create it with mackerel-agent init{conf} -apikey=KEY, or with mackerel-agent install, which \
         also sets up the service; or set MACKEREL_APIKEY{alone}; or name another file with -conf"
    )
}

/// Whether the file does not exist.
fn is_absent(path: &Path) -> bool {
    file::read(path).is_err_and(|error| error.is_absent())
}

/// The problem with a file of mackerel-container-agent, recognized by the extension for YAML;
/// `None` for any other file.
fn no_yaml(path: &Path) -> Option<String> {
    let extension = path.extension()?;
    let is_yaml = ["yml", "yaml"]
        .iter()
        .any(|yaml| extension.eq_ignore_ascii_case(yaml));
    is_yaml.then(|| {
        let path = path.display();
        format!(
            "{path}: a file in YAML, as mackerel-container-agent has it; this agent reads TOML: \
             apikey: KEY becomes apikey = \"KEY\", displayName display_name, ignoreContainer \
             ignore below a line [container], and readinessProbe [readiness_probe]; or set \
             MACKEREL_APIKEY and the like in the environment, and no file is needed"
        )
    })
}

impl Loaded {
    /// Returns `self`, or fails with all problems if there are any.
    pub(crate) fn checked(mut self) -> Result<Loaded, LoadError> {
        match self.take_problems() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// Removes and returns the problems; `None` if there are none.
    pub(crate) fn take_problems(&mut self) -> Option<LoadError> {
        let problems = std::mem::take(&mut self.problems);
        Some(LoadError { problems }).filter(|error| !error.problems.is_empty())
    }

    fn read(&mut self, path: &Path, is_included: bool) {
        let place = if is_included {
            format!("while loading included config file {}", path.display())
        } else {
            path.display().to_string()
        };
        if let Some(problem) = no_yaml(path) {
            self.names_apikey = true;
            self.problems.push(problem);
            return;
        }
        let text = match file::read(path) {
            Ok(text) => text,
            Err(error) => {
                self.names_apikey = true;
                let why = base::report(&error);
                self.problems.push(if is_included {
                    format!("{place}: {why}")
                } else if error.is_absent() {
                    format!("{why}; {}", without_file(path))
                } else {
                    format!("{why}; -conf names another")
                });
                return;
            }
        };
        let found = self.config.read(&text).unwrap_or_else(|error| {
            self.problems.append(&mut told(&place, &error));
            *error.found
        });
        self.note(found, path, is_included);
    }

    /// Records the findings of the file at `path`, together with its name.
    fn note(&mut self, found: Findings, path: &Path, is_included: bool) {
        self.config.name_places(path);
        self.names_apikey |= found.names_apikey;
        if found.names_apikey && !self.config.apikey.is_empty() {
            self.with_apikey.push(path.to_owned());
        }
        for mut warning in found.warnings {
            let line = warning.line.map(|line| format!(":{line}"));
            let place = path.display();
            warning.text = format!("{place}{}: {}", line.unwrap_or_default(), warning.text);
            self.warnings.push(warning);
        }
        let place = |(key, line)| (key, format!("{}:{line}", path.display()));
        self.commands.extend(found.commands.into_iter().map(place));
        let unknown = found.unread.report().into_iter();
        self.unknown.extend(unknown.map(|key| Unknown {
            key,
            path: path.to_owned(),
            is_included,
        }));
    }
}

/// The problems of `error`, one line each, in the form `PLACE:LINE: TEXT`.
pub(crate) fn told(place: &str, error: &ConfigError) -> Vec<String> {
    let mut lines = Vec::new();
    for problem in &error.problems {
        lines.push(format!("{place}:{}: {}", problem.line, problem.text));
    }
    lines
}

/// The configuration could not be loaded.
#[derive(Debug)]
pub(crate) struct LoadError {
    problems: Vec<String>,
}

impl fmt::Display for LoadError {
    /// Writes one line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "failed to load the config file: {}",
            self.problems.join("\n")
        )
    }
}

impl Error for LoadError {}

#[cfg(test)]
mod tests;
