//! Starts the program and maps its outcome to an exit code.

mod api;
mod base;
mod check;
mod cli;
mod collect;
mod config;
mod describe;
mod metadata;
mod parse;
mod record;
mod render;
mod run;
mod schedule;
mod settings;
mod spool;
mod sys;
mod trust;
mod wire;

use std::env;
use std::process::ExitCode;

use cli::{Command, Request};
use sys::environment;

fn main() -> ExitCode {
    sys::segments::protect_relocated();
    sys::crash::install();
    sys::crash::keep_private();
    // Both before anything else: the first has to find the environment as it was, and later another
    // thread might be reading what the second changes.
    let words: Vec<_> = env::args_os().collect();
    sys::args::hide(&words, cli::secrets(&words));
    environment::prepare();
    let words = cli::with_service(words, run::service_flags);
    let words = cli::with_environment(words, &mut |name| environment::flags(name));
    let asked = cli::parse(words.get(1..).unwrap_or_default());
    if let Some(code) = cli::answer(&asked) {
        return code.into();
    }
    match asked.map_or(Ok(()), perform) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            sys::log::say(&text);
            ExitCode::FAILURE
        }
    }
}

/// Does what the command line asks for. The error is the text for the log.
fn perform(request: Request) -> Result<(), String> {
    let flags = request.flags;
    match request.command {
        Command::Run => run::agent(flags),
        Command::Supervise => run::supervise(&flags, request.words),
        Command::Once => run::once(&flags),
        Command::Configtest => run::configtest(&flags),
        Command::Check => run::check(&flags, &request.operand),
        Command::Plugin => run::plugin(&flags, &request.operand),
        Command::Health => run::health(&flags),
        Command::Init => run::init(&flags),
        Command::Retire => run::retire(&flags),
        Command::Install => run::install(&flags.setup),
        Command::Uninstall => run::uninstall(&flags.setup),
        Command::Upgrade => run::upgrade(&flags.setup),
        // They have been answered.
        Command::Version | Command::Help(_) | Command::Manual => Ok(()),
    }
}
