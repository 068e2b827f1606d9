//! The flags of checks over TLS: `--ca-file`, `--cert-file`, `--key-file`, `--no-check-certificate`.

use std::path::Path;

use super::arguments::Arguments;
use super::finding::Failure;
use crate::sys::http::Roots;

/// Fails if the flags ask for a certificate of the client.
pub(super) fn no_own_certificate(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.text("cert-file").is_empty() || arguments.text("key-file").is_empty() {
        return Ok(());
    }
    let why = "--cert-file and --key-file: the TLS of this program cannot sign, so that it has no \
               certificate of its own; use the official plugin for this check";
    Err(why.into())
}

/// What the flags say of trust.
pub(super) fn roots(arguments: &Arguments) -> Result<Roots, Failure> {
    let ca_file = Some(arguments.text("ca-file")).filter(|path| !path.is_empty());
    let accepts_all = arguments.is_on("no-check-certificate");
    Roots::of_check(ca_file.map(Path::new), accepts_all).map_err(|error| Failure::of(&error))
}

/// An error of a connection, with the flag in place of the agent's setting.
pub(super) fn with_flag(why: &str) -> String {
    why.replace("ca_file", "--ca-file")
}
