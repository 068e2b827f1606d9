//! Starts the program and maps its outcome to an exit code.

mod api;
mod base;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the threads of checks come next")
)]
mod check;
mod cli;
mod collect;
mod config;
mod describe;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the threads of plugins come next")
)]
mod metadata;
mod parse;
mod run;
mod schedule;
mod spool;
mod sys;
mod wire;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use cli::Command;

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    let asked = cli::parse(&args);
    if let Some(code) = cli::answer(&asked) {
        return code.into();
    }
    let done = match asked {
        Ok(Command::Run(flags)) => run::agent(&flags),
        Ok(Command::Once(flags)) => run::once(&flags),
        Ok(Command::Version | Command::Help(_)) | Err(_) => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            // Nobody can be told that stderr is gone.
            drop(writeln!(io::stderr(), "{text}"));
            ExitCode::FAILURE
        }
    }
}
