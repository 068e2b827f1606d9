//! Starts the program and maps its outcome to an exit code.

mod agent;
mod base;
mod cli;
mod collect;
mod commands;
mod config;
mod deliver;
mod describe;
mod install;
mod listen;
mod measure;
mod parse;
mod plugins;
mod render;
mod settings;
mod supervise;
mod sys;
mod wire;

use std::env;
use std::process::ExitCode;

use cli::{Command, Request};
use sys::environment;

fn main() -> ExitCode {
    sys::segments::protect_relocated();
    sys::crash::install();
    sys::crash::keep_private();
    // Both must run before the rest. `hide` has to find the original environment, and `prepare`
    // changes the environment, which another thread might be reading later.
    let words: Vec<_> = env::args_os().collect();
    sys::args::hide(&words, cli::secrets(&words));
    environment::prepare();
    let words = cli::with_service(words, install::service_flags);
    let words = cli::with_environment(words, &mut |name| environment::flags(name));
    let asked = cli::parse(words.get(1..).unwrap_or_default());
    if let Some(code) = cli::answer(&asked) {
        return code.into();
    }
    match asked.map_or(Ok(0), perform) {
        Ok(code) => code.into(),
        Err(text) => {
            sys::log::say(&text);
            ExitCode::FAILURE
        }
    }
}

/// Runs the requested command. Returns the exit code. The error is the text for the log.
fn perform(request: Request) -> Result<u8, String> {
    let flags = request.flags;
    let done = match request.command {
        Command::Run => agent::agent(flags),
        Command::Supervise => supervise::supervise(&flags, request.words),
        Command::Once => commands::once(&flags),
        Command::Configtest => settings::configtest(&flags),
        Command::Check => commands::check(&flags, &request.operand, install::is_sandboxed),
        Command::Plugin => commands::plugin(&flags, &request.operand, install::is_sandboxed),
        Command::Diagnose => commands::diagnose(&flags),
        Command::Health => commands::health(&flags),
        Command::Init => commands::init(&flags),
        Command::Retire => commands::retire(&flags),
        Command::Status => return commands::status(&flags),
        Command::Live => commands::live(&flags),
        Command::Logs => return commands::logs(&flags),
        Command::Top => commands::top(&flags),
        Command::Install => install::install(&flags.setup),
        Command::Uninstall => install::uninstall(&flags.setup),
        Command::Upgrade => install::upgrade(&flags.setup),
        // `cli::answer` has handled these.
        Command::Version | Command::Help(_) | Command::Manual => Ok(()),
    };
    done.map(|()| 0)
}
