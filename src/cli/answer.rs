//! Output of the command line itself: help, version and usage errors.

use std::env::consts;
use std::io::{self, Write};

use super::command::{Command, PROGRAM, Request, UsageError};
use super::help::{command_help, error_help, overview};
use super::table::find;
use crate::base::program;

/// Prints help, the version or a usage error, and returns the exit code. `None`, and nothing
/// printed, for any other request.
pub(crate) fn answer(asked: &Result<Request, UsageError>) -> Option<u8> {
    let (code, text) = match asked {
        Ok(request) => match request.command {
            Command::Version => (0, version()),
            Command::Help(spec) => (0, command_help(spec)),
            Command::Manual => (
                0,
                find(&request.operand).map_or_else(|_| overview(), command_help),
            ),
            _ => return None,
        },
        Err(error) => (2, error_help(error)),
    };
    let is_output = asked
        .as_ref()
        .is_ok_and(|request| matches!(request.command, Command::Version | Command::Manual));
    let printed = if is_output {
        io::stdout().write_all(text.as_bytes())
    } else {
        io::stderr().write_all(text.as_bytes())
    };
    Some(if printed.is_ok() { code } else { 1 })
}

/// The line that `version` prints, including the blank at its end. System and architecture have
/// Go's names.
fn version() -> String {
    let arch = match consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "loongarch64" => "loong64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        same => same,
    };
    let version = program::VERSION.split('-').next().unwrap_or_default();
    let rev = program::REVISION;
    let compiler = option_env!("MACKEREL_AGENT_RUSTC").unwrap_or("rustc");
    let os = consts::OS;
    format!("{PROGRAM} version {version} (rev {rev}) [{os} {arch} {compiler}] \n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_one_line_in_the_form_that_scripts_know() {
        let line = version();
        let start = format!("mackerel-agent version {} (rev ", env!("CARGO_PKG_VERSION"));
        assert!(line.starts_with(&start) && line.ends_with("] \n"), "{line}");
        assert!(line.contains(") [linux "), "{line}");
    }
}
