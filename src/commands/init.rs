//! `mackerel-agent init`: puts the API key into the configuration file.

use std::path::Path;

use crate::base;
use crate::config::{Flags, doubt_key};
use crate::settings::load::{Beside, load};
use crate::settings::opening::with_key;
use crate::sys::file;
use crate::sys::log;

/// Mode of a new file. The file holds the API key.
const MODE: u32 = 0o600;

/// Writes the API key, and the address of the API if one is given, to the top of the configuration
/// file.
///
/// Creates the file if it is missing. Leaves a file that already has a key unchanged. Fails with
/// the text for the user if the file cannot be read or written, or is not valid.
pub(crate) fn init(flags: &Flags) -> Result<(), String> {
    log::install();
    write(flags)
}

fn write(flags: &Flags) -> Result<(), String> {
    let key = flags.apikey.as_deref().unwrap_or_default();
    if key.is_empty() {
        return Err("-apikey option is required".to_owned());
    }
    if let Some(doubt) = doubt_key(key).filter(|doubt| doubt.is_certain) {
        log::warn!("-apikey: {}", doubt.why);
    }
    let path = &flags.conf;
    file::create_directory_of(path).map_err(|error| base::report(&error))?;
    let old = match file::read(path) {
        Err(error) if error.is_absent() => Vec::new(),
        Err(error) => return Err(base::report(&error)),
        Ok(text) => {
            if let Some(what) = what_is_set(path)? {
                log::info!("{what} already set in {}, skip", path.display());
                return Ok(());
            }
            text
        }
    };
    let apibase = flags.apibase.as_deref().unwrap_or_default();
    let new = with_key(path, &old, key, apibase)?;
    file::replace(path, &new, MODE).map_err(|error| base::report(&error))?;
    if file::is_open_to_all(path) {
        log::warn!(
            "every user of this host can read the API key in {path}; chmod o-r {path} ends that",
            path = path.display()
        );
    }
    Ok(())
}

/// The setting of an API key that the file, or a file that it includes, already has.
fn what_is_set(path: &Path) -> Result<Option<&'static str>, String> {
    let config = load(path, &Beside::default())
        .checked()
        .map_err(|error| error.to_string())?
        .config;
    Ok(if config.apikey.is_empty() {
        config.apikey_file.map(|_| "apikey_file")
    } else {
        Some("apikey")
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::config::Secret;

    fn run(path: &Path, key: &str, apibase: Option<&str>) -> Result<(), String> {
        write(&Flags {
            conf: path.to_owned(),
            apikey: Some(Secret::new(key)),
            apibase: apibase.map(str::to_owned),
            ..Flags::default()
        })
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn content(path: &Path) -> String {
        String::from_utf8(fs::read(path).unwrap()).unwrap()
    }

    /// A file with this content and mode.
    fn file(directory: &TempDir, content: &str, mode: u32) -> PathBuf {
        let path = directory.path().join("agent.conf");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_new_file_is_for_its_owner_alone() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("etc/mackerel-agent/agent.conf");
        run(&path, "zzz", None).unwrap();
        assert_eq!(content(&path), "apikey = \"zzz\"\n");
        assert_eq!(mode(&path), 0o600);
    }

    /// Vector 5.
    #[test]
    fn a_file_without_a_key_gets_one_and_keeps_the_rest() {
        let old = "# c\nroot=\"/x\"\n";
        let opening = "apikey = \"zzz\"\napibase = \"http://q\"\n";
        for mark in ["", "\u{FEFF}"] {
            for wanted in [0o600, 0o640, 0o644] {
                let directory = TempDir::new().unwrap();
                let path = file(&directory, &format!("{mark}{old}"), wanted);
                run(&path, "zzz", Some("http://q")).unwrap();
                let text = content(&path);
                assert_eq!(text, format!("{mark}{opening}{old}"));
                assert_eq!(mode(&path), wanted);
                // The second run changes nothing.
                run(&path, "other", None).unwrap();
                assert_eq!(content(&path), text);
            }
        }
    }

    #[test]
    fn a_file_with_a_key_stays_as_it_is() {
        let directory = TempDir::new().unwrap();
        let more = directory.path().join("more.toml");
        fs::write(&more, "apikey = 'there'").unwrap();
        let include = format!("include = '{}'", more.display());
        for text in ["apikey = 'abc'", "apikey_file = '/key'", &include] {
            let path = file(&directory, text, 0o400);
            run(&path, "zzz", None).unwrap();
            assert_eq!(content(&path), text);
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn a_file_that_is_wrong_or_would_be_stays_as_it_is() {
        // (file, apibase, expected error)
        let table = [
            (
                "verbose = 1",
                None,
                "failed to load the config file: PATH:1: toml: line 1",
            ),
            (
                "root = '/x'\napikey = ''",
                None,
                "PATH would not be a configuration: PATH:3: toml: line 3, column 1: duplicate key apikey",
            ),
            (
                "",
                Some("nowhere"),
                "PATH would not be a configuration: PATH:2: toml: line 2 (last key \"apibase\"): not the",
            ),
        ];
        for (text, apibase, expected) in table {
            let directory = TempDir::new().unwrap();
            let path = file(&directory, text, 0o600);
            let error = run(&path, "SECRET", apibase)
                .unwrap_err()
                .replace(&path.display().to_string(), "PATH");
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("SECRET"), "{error}");
            assert_eq!(content(&path), text);
        }
        let error = write(&Flags::default()).unwrap_err();
        assert_eq!(error, "-apikey option is required");
    }
}
