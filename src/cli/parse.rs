//! Parses the words of a command line into a [`Request`].

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use argh::Optionality;

use super::command::{Command, CommandSpec, FlagSet, PROGRAM, Request, UsageError, store};
use super::config_flags::{APIKEY, ConfigFlags};
use super::normalise::{self, COMMAND_LINE, GivenFlag, Normalised, Stop};
use super::table::{AGENT, find, is_name, select};
use crate::config::Flags;

/// Parses the words after the program's name.
///
/// Flags may precede and follow the operand, if the command accepts one. Any other word is an
/// error, unless it is empty.
pub(crate) fn parse(words: &[OsString]) -> Result<Request, UsageError> {
    let (spec, rest) = select(words)?;
    let mut plain = Vec::new();
    let rest = if spec.takes == FlagSet::Ignored {
        plain.extend(rest.iter().filter(|word| is_name(word)).cloned());
        &plain
    } else {
        rest
    };
    let [own, config] = spec.tables();
    let mut line = Normalised::default();
    let operands = (spec.info)().operands;
    let is_list = operands
        .iter()
        .any(|operand| operand.optionality == Optionality::Repeating);
    let limit = if is_list { usize::MAX } else { operands.len() };
    let is_line = operands.iter().any(|operand| operand.name == COMMAND_LINE);
    let read = line.read(rest, [own, config], limit, is_line);
    let words = without_key(&line.flags);
    let command = match read {
        Ok(()) => spec.command,
        Err(Stop::Help) => Command::Help(spec),
        Err(Stop::Version) => Command::Version,
        Err(Stop::Invalid(reason)) => return Err(spec.error(reason)),
        Err(Stop::Unexpected(word)) => {
            return Err(spec.error(unexpected(word, spec, &line.flags, &words)));
        }
    };
    let mut flags = Flags::default();
    let mut stored = store::<ConfigFlags>(&line.flags_of(config), &mut flags);
    if stored.is_ok() && read.is_ok() {
        let mut arguments = line.flags_of(own);
        arguments.extend(line.operands());
        stored = (spec.store)(&arguments, &mut flags);
    }
    let operand = stored.map_err(|exit| spec.argh_error(&exit))?;
    if command == Command::Manual && !operand.is_empty() {
        find(&operand)?;
    }
    Ok(Request {
        command,
        operand,
        flags,
        words,
    })
}

/// The words of all `flags` but the API key.
fn without_key(flags: &[GivenFlag<'_>]) -> Vec<OsString> {
    let mut words = Vec::new();
    for given in flags {
        if !is_key(given) {
            words.extend_from_slice(given.words);
        }
    }
    words
}

fn is_key(given: &GivenFlag<'_>) -> bool {
    normalise::name(given.flag) == APIKEY
}

/// The error text for a word that the command does not accept. `before` are the flags before it.
/// `words` are the words of these flags that may be shown.
fn unexpected(
    word: &OsStr,
    spec: &CommandSpec,
    before: &[GivenFlag<'_>],
    words: &[OsString],
) -> String {
    if before.iter().any(is_key) {
        return "unexpected argument, which may be part of the key; write -apikey=KEY".to_owned();
    }
    let mut reason = format!("unexpected argument: {}", word.display());
    if *spec == AGENT && find(word).is_ok() {
        reason.push_str("; the command comes before its flags: ");
        reason.push_str(&format!("{PROGRAM} {}", word.display()));
        for word in words {
            reason.push_str(&format!(" {}", word.display()));
        }
    } else if matches!(word.as_bytes(), b"true" | b"false") {
        reason.push_str("; the value of a switch follows a =, as in -v=false");
    }
    reason
}

#[cfg(test)]
mod tests;
