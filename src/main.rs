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
mod spool;
mod sys;
mod trust;
mod wire;

use std::env;
use std::process::ExitCode;

use cli::Command;
use sys::environment;

fn main() -> ExitCode {
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
    let done = match asked {
        Ok(Command::Run(flags)) => run::agent(flags),
        Ok(Command::Supervise(flags, arguments)) => run::supervise(&flags, arguments),
        Ok(Command::Once(flags)) => run::once(&flags),
        Ok(Command::Configtest(flags)) => run::configtest(&flags),
        Ok(Command::Check(flags, name)) => run::check(&flags, &name),
        Ok(Command::Plugin(flags, name)) => run::plugin(&flags, &name),
        Ok(Command::Health(flags)) => run::health(&flags),
        Ok(Command::Init(flags)) => run::init(&flags),
        Ok(Command::Retire(flags)) => run::retire(&flags),
        Ok(Command::Install(flags)) => run::install(&flags.setup),
        Ok(Command::Uninstall(flags)) => run::uninstall(&flags.setup),
        Ok(Command::Upgrade(flags)) => run::upgrade(&flags.setup),
        Ok(Command::Version | Command::Help(_) | Command::Manual(_)) | Err(_) => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            sys::log::say(&text);
            ExitCode::FAILURE
        }
    }
}
