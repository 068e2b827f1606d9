//! The sources of the API key, in order of priority: command line, environment, systemd credential,
//! `apikey_file`, configuration file.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::outputs::path_of;
use crate::config::{Config, Flags, Secret};
use crate::sys::environment::{APIKEY, APIKEY_OF_IMAGE};
use crate::sys::file;
use crate::sys::root::FileError;

/// The variable in which systemd passes the directory of a unit's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// The name of the credential that holds the API key.
const CREDENTIAL: &str = "apikey";

/// The words for a secret in messages.
#[derive(Debug)]
pub(crate) struct What {
    whole: &'static str,
    one: &'static str,
    short: &'static str,
}

pub(crate) static APIKEY_WORDS: What = What {
    whole: "the API key of your organization",
    one: "an API key",
    short: "the key",
};
pub(crate) static TOKEN_WORDS: What = What {
    whole: "a token",
    one: "a token",
    short: "the token",
};
/// The words for secrets in the warning about files that every user can read.
const KEY: &str = "the API key";
const HEADERS: &str = "the headers for OTLP";

/// The API key of the first source that is set, and the name of that source for messages. The key
/// is empty if `-apikey` is empty, or if no source is set. `variable` looks up an environment
/// variable.
///
/// Line ends after a key are removed. An empty variable is skipped, and so is a missing or empty
/// credential, which is the unit's default. Fails if another source cannot be read, is empty or
/// holds more than a key.
pub(crate) fn find(
    flags: &Flags,
    config: &Config,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(Secret, String), KeyError> {
    if let Some(key) = &flags.apikey {
        return Ok((key.clone(), "-apikey".to_owned()));
    }
    let given = |name| variable(name).filter(|value| !value.is_empty());
    for name in [APIKEY, APIKEY_OF_IMAGE] {
        if let Some(value) = given(name) {
            let source = format!("the variable {name}");
            return key(source, Ok(value.into_encoded_bytes()));
        }
    }
    if let Some(directory) = given(CREDENTIALS) {
        let path = PathBuf::from(directory).join(CREDENTIAL);
        match file::read(&path) {
            Err(error) if error.is_absent() => {}
            Ok(bytes) if bytes.trim_ascii().is_empty() => {}
            read => return key(format!("the credential {}", path.display()), read),
        }
    }
    if let Some(named) = &config.apikey_file {
        let source = format!("{named}: apikey_file {}", named.path.display());
        return key(source, file::read(&named.path));
    }
    Ok((config.apikey.clone(), "apikey".to_owned()))
}

/// The API key of `file`, or else of the environment; `None` if neither is given. Fails if the
/// source holds no usable key.
pub(crate) fn given(
    file: Option<&Path>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Secret>, KeyError> {
    if let Some(path) = file {
        let source = format!("-apikey-file {}", path.display());
        return key(source, file::read(path)).map(|(key, _)| Some(key));
    }
    let value = variable(APIKEY).filter(|value| !value.is_empty());
    let source = format!("the variable {APIKEY}");
    value
        .map(|value| key(source, Ok(value.into_encoded_bytes())).map(|(key, _)| key))
        .transpose()
}

/// The secret of the file at `path`. `source` and `what` are for messages. Fails if the file cannot
/// be read, is empty or holds more than the secret.
pub(crate) fn of_file(source: &str, path: &Path, what: &'static What) -> Result<Secret, KeyError> {
    Ok(secret(source.to_owned(), file::read(path), what)?.0)
}

/// The files that hold a secret and that every user of the host can read, each with the words for
/// the secret. No file occurs twice.
pub(crate) fn exposed<'a>(
    config: &'a Config,
    with_apikey: &'a [PathBuf],
) -> Vec<(&'static str, &'a Path)> {
    let mut exposed: Vec<(_, &Path)> = Vec::new();
    let mut add = |what, path: Option<&'a Path>| {
        if let Some(path) = path
            && !exposed.iter().any(|(_, known)| *known == path)
            && file::is_open_to_all(path)
        {
            exposed.push((what, path));
        }
    };
    for path in with_apikey {
        add(KEY, Some(path));
    }
    add(KEY, path_of(&config.apikey_file));
    for organization in &config.organizations {
        if !organization.apikey.is_empty() {
            add(KEY, Some(&organization.place.by));
        }
        add(KEY, path_of(&organization.apikey_file));
    }
    for otlp in &config.otlp {
        if !otlp.headers.is_empty() {
            add(HEADERS, Some(&otlp.place.by));
        }
        add(HEADERS, path_of(&otlp.headers_file));
    }
    add("the token", path_of(&config.listen_token_file));
    exposed
}

/// The key in the bytes of a source, and the source.
fn key(source: String, read: Result<Vec<u8>, FileError>) -> Result<(Secret, String), KeyError> {
    secret(source, read, &APIKEY_WORDS)
}

/// The secret in the bytes of a source, and the source.
fn secret(
    source: String,
    read: Result<Vec<u8>, FileError>,
    what: &'static What,
) -> Result<(Secret, String), KeyError> {
    let why = match read {
        Err(error) => Why::Unreadable(error),
        Ok(bytes) => match str::from_utf8(&bytes).map(|text| text.trim_end_matches(['\r', '\n'])) {
            Ok("") => Why::Empty,
            Ok(key) if !key.contains(char::is_control) => return Ok((Secret::new(key), source)),
            _ => Why::NoKey,
        },
    };
    Err(KeyError { source, what, why })
}

/// A source of a secret cannot be used. The message contains nothing of its content.
#[derive(Debug)]
pub(crate) struct KeyError {
    /// The source, as messages show it.
    source: String,
    what: &'static What,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Unreadable(FileError),
    Empty,
    /// It holds a control character, such as a line end, or is not UTF-8.
    NoKey,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        let What { whole, one, short } = self.what;
        match self.why {
            Why::Unreadable(_) => f.write_str(" cannot be used"),
            Why::Empty => write!(f, " is empty; write {whole} into it"),
            Why::NoKey => write!(
                f,
                " holds more than {one}; write {short} alone into it, on a single line"
            ),
        }
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Why::Unreadable(error) => Some(error),
            Why::Empty | Why::NoKey => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStringExt;

    use tempfile::TempDir;

    use super::*;
    use crate::base;
    use crate::config::NamedFile;

    /// The sources of a test case and their content; `None`: not set.
    #[derive(Clone, Copy, Default)]
    struct Sources<'a> {
        flag: Option<&'a str>,
        variable: Option<&'a [u8]>,
        credential: Option<&'a [u8]>,
        file: Option<&'a [u8]>,
        config: &'a str,
    }

    fn found(sources: Sources<'_>) -> Result<String, String> {
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name);
        let write = |name, bytes: Option<&[u8]>| bytes.map(|bytes| fs::write(path(name), bytes));
        write("apikey", sources.credential).transpose().unwrap();
        write("file", sources.file).transpose().unwrap();
        let flags = Flags {
            apikey: sources.flag.map(Secret::new),
            ..Flags::default()
        };
        let config = Config {
            apikey: Secret::new(sources.config),
            apikey_file: sources.file.map(|_| NamedFile {
                path: path("file"),
                by: "agent.conf".into(),
                line: 7,
            }),
            ..Config::default()
        };
        let key = find(&flags, &config, |name| match name {
            APIKEY_OF_IMAGE => None,
            APIKEY => sources
                .variable
                .map(|bytes| OsString::from_vec(bytes.into())),
            _ => Some(directory.path().into()),
        });
        let shown = |error| {
            let place = directory.path().display().to_string();
            base::report(&error).replace(&place, "DIR")
        };
        key.map(|(key, _)| key.to_string()).map_err(shown)
    }

    #[test]
    fn key_is_that_of_the_first_source_that_is_set() {
        let all = Sources {
            flag: Some("flag"),
            variable: Some(b"variable"),
            credential: Some(b"credential\n"),
            file: Some(b"file\r\n\n"),
            config: "config",
        };
        let mut sources = all;
        let mut expect = |expected: &str, change: fn(&mut Sources<'_>)| {
            assert_eq!(found(sources).as_deref(), Ok(expected));
            change(&mut sources);
        };
        expect("flag", |sources| sources.flag = None);
        expect("variable", |sources| sources.variable = Some(b""));
        expect("credential", |sources| sources.credential = Some(b"\n"));
        expect("file", |sources| sources.credential = Some(b""));
        expect("file", |sources| sources.credential = None);
        expect("file", |sources| sources.file = None);
        expect("config", |sources| sources.config = "");
        expect("", |_| {});
        let flag = Some("");
        assert_eq!(found(Sources { flag, ..all }).as_deref(), Ok(""));
    }

    #[test]
    fn a_source_that_holds_no_key_is_named_and_not_shown() {
        let none = Sources::default();
        // (sources, expected text)
        let table = [
            (
                Sources {
                    file: Some(b"\n"),
                    ..none
                },
                "agent.conf:7: apikey_file DIR/file is empty; write the API key of your \
                 organization into it",
            ),
            (
                Sources {
                    file: Some(b"SECRET\nSECRET\n"),
                    ..none
                },
                "agent.conf:7: apikey_file DIR/file holds more than an API key; write the key \
                 alone into it, on a single line",
            ),
            (
                Sources {
                    credential: Some(b"SECRET\nSECRET"),
                    ..none
                },
                "the credential DIR/apikey holds more than an API key; write the key alone into \
                 it, on a single line",
            ),
            (
                Sources {
                    variable: Some(b"SECRET\xff"),
                    ..none
                },
                "the variable MACKEREL_APIKEY holds more than an API key; write the key alone into \
                 it, on a single line",
            ),
        ];
        for (sources, expected) in table {
            assert_eq!(found(sources), Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let directory = TempDir::new().unwrap();
        let named = NamedFile {
            path: directory.path().join("absent"),
            by: "agent.conf".into(),
            line: 2,
        };
        let config = Config {
            apikey_file: Some(named),
            ..Config::default()
        };
        let error = find(&Flags::default(), &config, |_| None).unwrap_err();
        let path = directory.path().display();
        let expected = format!(
            "agent.conf:2: apikey_file {path}/absent cannot be used: read {path}/absent: \
             No such file or directory (os error 2)"
        );
        assert_eq!(base::report(&error), expected);
        // A credential that exists but is not a file is an error too.
        fs::create_dir(directory.path().join("apikey")).unwrap();
        let here = || Some(directory.path().into());
        let error = find(&Flags::default(), &config, |name| {
            (name == CREDENTIALS).then(here).flatten()
        });
        let text = base::report(&error.unwrap_err());
        assert!(text.starts_with("the credential "), "{text}");
    }
}
