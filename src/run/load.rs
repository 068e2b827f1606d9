//! Reads the configuration file and the files that it includes.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError, Findings};
use crate::sys::file;
use crate::sys::glob::{GlobError, glob};
use crate::sys::root::FileError;

/// The configuration, and what was found besides it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// Warnings of all files, which name theirs; unknown keys of the main file.
    pub(crate) findings: Findings,
}

/// Loads the file at `path`, and over it those that its key `include` names, in order.
///
/// Fails if one of them cannot be read or holds a mistake.
pub(crate) fn load(path: &Path) -> Result<Loaded, LoadError> {
    let mut config = Config::default();
    let mut findings = read(&mut config, path, false)?;
    let included = match &config.include {
        Some(include) => glob(&include.pattern).map_err(|source| LoadError {
            path: path.to_owned(),
            why: Why::Include(include.line, source),
        })?,
        None => Vec::new(),
    };
    for path in included {
        let mut more = read(&mut config, &path, true)?;
        findings.warnings.append(&mut more.warnings);
    }
    Ok(Loaded { config, findings })
}

fn read(config: &mut Config, path: &Path, included: bool) -> Result<Findings, LoadError> {
    let error = |why| LoadError {
        path: path.to_owned(),
        why,
    };
    let text = file::read(path).map_err(|source| error(Why::Read(included, source)))?;
    let found = config.read(&text);
    let mut found = found.map_err(|source| error(Why::Text(included, source)))?;
    for warning in &mut found.warnings {
        warning.text = format!("{}: {}", path.display(), warning.text);
    }
    Ok(found)
}

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) struct LoadError {
    path: PathBuf,
    why: Why,
}

/// What went wrong, and whether it did in an included file.
#[derive(Debug)]
enum Why {
    Read(bool, FileError),
    Text(bool, ConfigError),
    /// The pattern of `include`, on this line, cannot be used.
    Include(usize, GlobError),
}

impl fmt::Display for LoadError {
    /// One line for each mistake in the text of a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        f.write_str("failed to load the config file")?;
        match &self.why {
            Why::Read(false, _) => f.write_str(" (-conf names another)"),
            Why::Read(true, _) => write!(f, ": while loading included config file {path}"),
            Why::Text(included, error) => {
                let place = match included {
                    true => "while loading included config file ",
                    false => "",
                };
                for (at, line) in error.to_string().lines().enumerate() {
                    let before = if at == 0 { ": " } else { "\n" };
                    write!(f, "{before}{place}{path}: {line}")?;
                }
                Ok(())
            }
            Why::Include(line, _) => write!(f, ": {path}: line {line}: include"),
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Why::Read(_, error) => Some(error),
            // Its lines are shown one by one.
            Why::Text(..) => None,
            Why::Include(_, error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;

    fn fixture(name: &str) -> PathBuf {
        Path::new("tests/fixtures/config").join(name)
    }

    #[test]
    fn included_files_are_read_over_the_main_file() {
        let Loaded { config, findings } = load(&fixture("main.conf")).unwrap();
        assert_eq!(&*config.apikey, "KEY");
        assert_eq!(config.root, PathBuf::from("/tmp/root"));
        assert_eq!(config.pidfile, PathBuf::from("/tmp/b.pid"));
        assert_eq!(config.display_name.as_deref(), Some("hidden"));
        assert_eq!(config.roles, ["Service:role"]);
        assert!(!config.verbose);
        assert!(config.filesystems.ignore.unwrap().matches("tmpfs"));
        assert!(config.filesystems.use_mountpoint);
        let names: Vec<_> = config.metric_plugins.keys().collect();
        assert_eq!(names, ["bar", "foo1", "foo2"]);
        let bar = &config.metric_plugins["bar"];
        assert_eq!(bar.command.argv[2], "bar of a");
        assert_eq!(bar.custom_identifier, None);

        let unknown = findings.unread.report();
        assert_eq!(unknown.len(), 1, "only those of the main file");
        assert_eq!(unknown[0].key, "nonsens");
        let warnings: Vec<_> = findings.warnings.into_iter().map(|w| w.text).collect();
        let expected = "tests/fixtures/config/include/b.conf: plugin.checks.long: \
                        max_check_attempts is taken as 1, because prevent_alert_auto_close is true \
                        (line 5)";
        assert_eq!(warnings, [expected]);
    }

    #[test]
    fn says_which_file_is_wrong_and_where() {
        let table = [
            (
                "missing.conf",
                "failed to load the config file (-conf names another): read \
                 tests/fixtures/config/missing.conf: No such file or directory (os error 2)",
            ),
            (
                "broken/main.conf",
                "failed to load the config file: while loading included config file \
                 tests/fixtures/config/broken/included.toml: toml: line 1 (last key \"verbose\"): \
                 incompatible types: TOML value has type integer; destination has type boolean; \
                 write true or false, without quotes\n\
                 while loading included config file tests/fixtures/config/broken/included.toml: \
                 plugin.checks.a: failed to parse plugin command. A configuration value of `command` \
                 should be string or string slice, but int64; write command = \"program argument\" \
                 or command = [\"program\", \"argument\"] (line 3)",
            ),
            (
                "broken/pattern.conf",
                "failed to load the config file: tests/fixtures/config/broken/pattern.conf: line 2: \
                 include: syntax error in pattern; close each [ with a ], or write \\[ for one",
            ),
            (
                "broken/directory.conf",
                "failed to load the config file: while loading included config file \
                 tests/fixtures/config/include: read tests/fixtures/config/include: Is a directory \
                 (os error 21)",
            ),
            (
                "broken/included.toml",
                "failed to load the config file: tests/fixtures/config/broken/included.toml: toml: \
                 line 1 (last key \"verbose\"): ",
            ),
        ];
        for (name, expected) in table {
            let error = base::report(&load(&fixture(name)).unwrap_err());
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
