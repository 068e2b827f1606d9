//! The secrets of outputs: headers, API keys of organisations, and the listener's token. Found here
//! are those that are in files of their own, and those that are missing.

use super::key;
use super::outputs::{MACKEREL, add_header};
use crate::base;
use crate::config::{Config, Listen, Otlp};
use crate::sys::file;

/// The header of Mackerel's endpoint that holds the API key.
const APIKEY: &str = "mackerel-api-key";

/// The problems of the outputs of `config`, whose API key must already be known. Reads the files
/// with secrets.
///
/// `doubt` is called with each API key, and with the place where it is configured.
pub(super) fn read(config: &mut Config, mut doubt: impl FnMut(&str, &str)) -> Vec<String> {
    let mut problems = Vec::new();
    for otlp in &mut config.otlp {
        let read = read_headers(otlp).and_then(|()| {
            let has_key = otlp.headers.iter().any(|(name, _)| name == APIKEY);
            if otlp.endpoint != MACKEREL || has_key {
                return Ok(());
            }
            if config.apikey.is_empty() {
                return Err(format!(
                    "{}: otlp: no API key for {MACKEREL}; write a line apikey = \"...\" above the \
                     first [section], or headers = {{ {APIKEY} = \"...\" }} below this [[otlp]]",
                    otlp.place
                ));
            }
            otlp.headers
                .push((APIKEY.to_owned(), config.apikey.clone()));
            Ok(())
        });
        problems.extend(read.err());
    }
    for organization in &mut config.organizations {
        let (place, name) = (&organization.place, &organization.name);
        if !config.mackerel {
            problems.push(format!(
                "{place}: organization {name}: mackerel = false excludes it; remove one of the two"
            ));
        }
        let mut source = format!("{place}: organization {name}: apikey");
        if let Some(named) = &organization.apikey_file {
            source = format!("{named}: apikey_file {}", named.path.display());
            match key::of_file(&source, &named.path, &key::APIKEY_WORDS) {
                Ok(key) => organization.apikey = key,
                Err(error) => {
                    problems.push(base::report(&error));
                    continue;
                }
            }
        }
        if organization.apikey.is_empty() {
            problems.push(format!(
                "{place}: organization {name}: no API key; write apikey = \"...\" or apikey_file = \
                 \"...\" below its [[organization]]"
            ));
        } else {
            doubt(&source, &organization.apikey);
        }
    }
    problems.extend(read_token(config).err());
    problems
}

/// Adds the headers of the file that `otlp` names.
fn read_headers(otlp: &mut Otlp) -> Result<(), String> {
    let Some(named) = &otlp.headers_file else {
        return Ok(());
    };
    let source = format!("{named}: headers_file {}", named.path.display());
    let bytes = file::read(&named.path)
        .map_err(|error| format!("{source} cannot be used: {}", base::report(&error)))?;
    let text = String::from_utf8_lossy(&bytes);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts = line
            .split_once(':')
            .ok_or("not of the form name: value".to_owned());
        let added = parts.and_then(|(name, value)| add_header(&mut otlp.headers, name, value));
        added.map_err(|why| format!("{source}: line {}: {why}", at + 1))?;
    }
    Ok(())
}

/// Reads the token of the listener. Fails if it cannot be used, or if the listener needs one.
fn read_token(config: &mut Config) -> Result<(), String> {
    if let Some(named) = &config.listen_token_file {
        let source = format!("{named}: listen_token_file {}", named.path.display());
        let token = key::of_file(&source, &named.path, &key::TOKEN_WORDS);
        config.listen_token = token.map_err(|error| base::report(&error))?;
        return Ok(());
    }
    let Some(listen) = &config.listen else {
        return Ok(());
    };
    match &**listen {
        Listen::Tcp(address) if !address.ip().is_loopback() => Err(format!(
            "{}: listen: other hosts reach {address}; write listen_token_file = \"...\" with the \
             path of a file that holds a token, or listen = \"127.0.0.1:{}\"",
            listen.place,
            address.port()
        )),
        _ => Ok(()),
    }
}
