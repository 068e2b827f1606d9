//! Reads the configuration file and the files that it includes.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::base;
use crate::config::{CONFFILE, Config, ConfigError, Findings, UnknownKey, Warning};
use crate::settings::Variables;
use crate::sys::file;
use crate::sys::glob::glob;

/// The configuration, and what was found besides it.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// Of all files; each names its file.
    pub(crate) warnings: Vec<Warning>,
    /// Keys that nothing reads, file by file, the main file first.
    pub(crate) unknown: Vec<Unknown>,
    /// The commands of plugins, `plugin.KIND.NAME`, and the places that they are written at. The last
    /// one of a plugin counts.
    pub(crate) commands: Vec<(String, String)>,
    /// The files that are read over the main one.
    pub(crate) included: Vec<PathBuf>,
    /// The files whose key `apikey` holds one.
    pub(crate) with_apikey: Vec<PathBuf>,
    /// Whether a file has a key `apikey`, be it empty or wrong, or cannot be read.
    pub(crate) names_apikey: bool,
    /// Whether there is no file, and none is needed.
    pub(crate) is_alone: bool,
    /// What is wrong, one line each, file by file.
    problems: Vec<String>,
}

/// A key that nothing reads, and the file that has it.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) key: UnknownKey,
    pub(crate) path: PathBuf,
    /// Whether it is not the main file.
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

/// What is taken instead of a configuration file, or over it.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) variables: Variables,
    /// Whether there need be no file.
    pub(crate) may_be_alone: bool,
    /// The directory that files take for `/`, where it is another.
    pub(crate) top: Option<PathBuf>,
}

/// Loads the file at `path`, over it those that its key `include` names, in order, and over all of
/// them the variables.
///
/// Goes on after mistakes, so that all of them are told at once; [`Loaded::checked`] fails if there
/// are any.
pub(crate) fn load(path: &Path, beside: &Beside) -> Loaded {
    let mut loaded = Loaded::default();
    match beside.may_be_alone && is_absent(path) {
        true => {
            loaded.is_alone = true;
            loaded.config = Config::alone(&beside.variables);
        }
        false => loaded.read(path, false),
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
    loaded
}

/// What to do where there is no configuration file.
fn without_file(path: &Path) -> String {
    let (conf, alone) = match path == Path::new(CONFFILE) {
        true => (String::new(), ""),
        false => (
            format!(" -conf {}", path.display()),
            " and run without -conf",
        ),
    };
    format!(
        "create it with mackerel-agent init{conf} -apikey=KEY, or with mackerel-agent install, which \
         also sets up the service; or set MACKEREL_APIKEY{alone}; or name another file with -conf"
    )
}

/// Whether there is no file of this name.
fn is_absent(path: &Path) -> bool {
    file::read(path).is_err_and(|error| error.is_absent())
}

/// What is wrong with a file that, by its name, is one of mackerel-container-agent.
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
    /// The same, if nothing is wrong.
    pub(crate) fn checked(mut self) -> Result<Loaded, LoadError> {
        match self.take_problems() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// What is wrong, if anything is.
    pub(crate) fn take_problems(&mut self) -> Option<LoadError> {
        let problems = std::mem::take(&mut self.problems);
        Some(LoadError { problems }).filter(|error| !error.problems.is_empty())
    }

    fn read(&mut self, path: &Path, is_included: bool) {
        let place = match is_included {
            true => format!("while loading included config file {}", path.display()),
            false => path.display().to_string(),
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
                self.problems.push(match is_included {
                    true => format!("{place}: {why}"),
                    false if error.is_absent() => format!("{why}; {}", without_file(path)),
                    false => format!("{why}; -conf names another"),
                });
                return;
            }
        };
        let found = self.config.read(&text).unwrap_or_else(|error| {
            self.problems.extend(told(&place, &error));
            *error.found
        });
        self.note(found, path, is_included);
    }

    /// Keeps what was found in a file besides its values, together with its name.
    fn note(&mut self, found: Findings, path: &Path, is_included: bool) {
        let named = [&mut self.config.apikey_file, &mut self.config.ca_file];
        for named in named.into_iter().flatten() {
            if named.by.as_os_str().is_empty() {
                named.by = path.to_owned();
            }
        }
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
        let commands = found.commands.into_iter();
        let commands = commands.map(|(key, line)| (key, format!("{}:{line}", path.display())));
        self.commands.extend(commands);
        let unknown = found.unread.report().into_iter();
        self.unknown.extend(unknown.map(|key| Unknown {
            key,
            path: path.to_owned(),
            is_included,
        }));
    }
}

/// What is wrong with the file that `place` names, one line each.
pub(crate) fn told<'e>(
    place: &'e str,
    error: &'e ConfigError,
) -> impl Iterator<Item = String> + 'e {
    let problems = error.problems.iter();
    problems.map(move |problem| format!("{place}:{}: {}", problem.line, problem.text))
}

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) struct LoadError {
    problems: Vec<String>,
}

impl fmt::Display for LoadError {
    /// One line for each mistake.
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
