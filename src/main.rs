//! Starts the program and maps its outcome to an exit code.

mod agent;
mod applets;
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
mod plugin_install;
mod plugins;
mod render;
mod settings;
mod supervise;
mod sys;
mod wire;

use std::env;
use std::ffi::OsString;
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
    if let Some((applet, arguments)) = applets::named(&words) {
        environment::prepare();
        return applets::run(applet, &arguments).into();
    }
    sys::args::hide(&words, cli::secrets(&words));
    // A job that is wrapped gets the environment that it would have without.
    let inherited = if words.get(1).is_some_and(|name| name == "wrap") {
        env::vars_os().collect()
    } else {
        environment::prepare();
        Vec::new()
    };
    let words = cli::with_service(words, install::service_flags);
    let words = cli::with_environment(words, &mut |name| environment::flags(name));
    let asked = cli::parse(words.get(1..).unwrap_or_default());
    if let Some(code) = cli::answer(&asked) {
        return code.into();
    }
    match asked.map_or(Ok(0), |request| perform(request, inherited)) {
        Ok(code) => code.into(),
        Err(text) => {
            sys::log::say(&text);
            ExitCode::FAILURE
        }
    }
}

/// Runs the requested command; a job that is wrapped with the environment `inherited`. Returns the
/// exit code. The error is the text for the log.
fn perform(request: Request, inherited: Vec<(OsString, OsString)>) -> Result<u8, String> {
    let mut flags = request.flags;
    let done = match request.command {
        Command::Run => agent::agent(flags),
        Command::Supervise => supervise::supervise(&flags, request.words),
        Command::Once => commands::once(&flags),
        Command::Configtest => settings::configtest(&flags, applets::built_in),
        Command::Check => commands::check(&mut flags, &request.operand, install::is_sandboxed),
        Command::Plugin => commands::plugin(&mut flags, &request.operand, install::is_sandboxed),
        Command::Diagnose => commands::diagnose(&flags),
        Command::Health => commands::health(&mut flags),
        Command::Init => commands::init(&flags),
        Command::Retire => commands::retire(&flags),
        Command::Status => return commands::status(&mut flags),
        Command::Live => commands::live(&mut flags),
        Command::Logs => return commands::logs(&mut flags),
        Command::Top => commands::top(&mut flags),
        Command::Applets => commands::applets(&flags),
        Command::Wrap => return Ok(commands::wrap(&mut flags, inherited)),
        Command::PluginInstall => plugin_install::plugin_install(&flags.plugins),
        Command::Install => install::install(&flags.setup),
        Command::Uninstall => install::uninstall(&flags.setup),
        Command::Upgrade => install::upgrade(&flags.setup, commands::send),
        // `cli::answer` has handled these.
        Command::Version | Command::Help(_) | Command::Manual => Ok(()),
    };
    done.map(|()| 0)
}
