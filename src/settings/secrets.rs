//! The secrets of outputs: headers, API keys of organisations, and the listener's token. Those in
//! files of their own are read here, and those that are missing are reported.

use super::key::{self, What};
use super::outputs::MACKEREL;
use super::pairs::add_header;
use crate::base;
use crate::config::{Config, Listen, NamedFile, Otlp, Place, Secret};
use crate::sys::file;

/// The header of Mackerel's endpoint that holds the API key.
const APIKEY: &str = "mackerel-api-key";

/// The problems of the outputs of `config`, whose API key must already be known. Reads the files
/// with secrets.
///
/// `doubt` is called with the place of each API key, and with the key.
pub(super) fn read(config: &mut Config, doubt: &mut dyn FnMut(&str, &str)) -> Vec<String> {
    let mut problems = Vec::new();
    for otlp in &mut config.otlp {
        problems.extend(read_headers(otlp).err());
        if otlp.endpoint != MACKEREL || otlp.headers.iter().any(|(name, _)| name == APIKEY) {
            continue;
        }
        if config.apikey.is_empty() {
            let why = "otlp: no API key for this endpoint; write apikey = \"...\" above the first \
                       [section], or headers = { mackerel-api-key = \"...\" } here";
            problems.push(at(&otlp.place, why));
        }
        let key = config.apikey.clone();
        otlp.headers.push((APIKEY.to_owned(), key));
    }
    for organization in &mut config.organizations {
        let mut source = at(&organization.place, "organization.apikey");
        if let Some(named) = &organization.apikey_file {
            source = source_of(named, "apikey_file");
            let into = &mut organization.apikey;
            if let Err(why) = read_secret(&source, named, &key::APIKEY_WORDS, into) {
                problems.push(why);
                continue;
            }
        }
        doubt(&source, &organization.apikey);
        let why = if !config.mackerel {
            "organization: mackerel = false excludes it; remove one of the two"
        } else if organization.apikey.is_empty() {
            "organization: no API key; write apikey = \"...\" or apikey_file = \"...\" here"
        } else {
            continue;
        };
        problems.push(at(&organization.place, why));
    }
    if let Some(named) = &config.listen_token_file {
        let source = source_of(named, "listen_token_file");
        // The listener reads the file for each request. Here it is only checked.
        let mut token = Secret::default();
        problems.extend(read_secret(&source, named, &key::TOKEN_WORDS, &mut token).err());
    } else if let Some(listen) = &config.listen
        && let Listen::Tcp(address) = listen.value
        && !address.ip().is_loopback()
    {
        let why = "listen: other hosts reach this address; write listen_token_file = \"...\" with \
                   the path of a file that holds a token, or an address such as 127.0.0.1";
        problems.push(at(&listen.place, why));
    }
    problems
}

/// A message with its place.
fn at(place: &Place, what: &str) -> String {
    format!("{place}: {what}")
}

/// A file that is the value of `key`, for messages.
fn source_of(named: &NamedFile, key: &str) -> String {
    format!("{named}: {key} {}", named.path.display())
}

/// Stores the secret of a file, or fails with the text for the user.
fn read_secret(
    source: &str,
    named: &NamedFile,
    what: &'static What,
    into: &mut Secret,
) -> Result<(), String> {
    *into = key::of_file(source, &named.path, what).map_err(|error| base::report(&error))?;
    Ok(())
}

/// Adds the headers of the file that `otlp` names. Fails if it cannot be used, in words that
/// contain nothing of it.
fn read_headers(otlp: &mut Otlp) -> Result<(), String> {
    let Some(named) = &otlp.headers_file else {
        return Ok(());
    };
    let source = source_of(named, "headers_file");
    let bytes = file::read(&named.path)
        .map_err(|error| format!("{source} cannot be used: {}", base::report(&error)))?;
    let text = String::from_utf8_lossy(&bytes);
    for (before, line) in text.lines().enumerate() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if !line.is_empty() {
            let added = add_header(&mut otlp.headers, name, value);
            added.map_err(|why| format!("{source}: line {}: {why}", before + 1))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
