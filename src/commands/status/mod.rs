//! `mackerel-agent status`: asks the running agent for its state, or, if none runs, the service
//! manager. docs/status.md describes the output.

mod service;

use std::io::{self, Write};
use std::mem;
use std::path::Path;

use super::agent_part::{self, ABSENT, FAILING};
use crate::base::json::Json;
use crate::config::{Config, Flags};
use crate::render::status::{Problem, json_of_absent, page_of_absent, problems, text};
use crate::settings::resolve::survey;
use crate::sys::agent_socket::{self, Response};
use crate::sys::log;
use crate::sys::running;
use crate::sys::terminal::is_coloured;
use crate::sys::tree::Tree;
use service::service;

/// Prints the state of the agent, and returns the exit code. Fails with the text for the user if
/// that cannot be printed, or if the agent's answer is damaged.
pub(crate) fn status(flags: &mut Flags) -> Result<u8, String> {
    let config = agent_part::config(flags);
    let root = config.root.display();
    match agent_socket::get(&config.root, "/status") {
        Ok(Response { status: 200, body }) => {
            let status = Json::parse(&body);
            let status =
                status.map_err(|error| format!("status: the answer is damaged: {error}"))?;
            let problems = problems(&status);
            print(&if flags.json {
                log::escaped_json(&body) + "\n"
            } else {
                text(&status, &problems, is_coloured())
            })?;
            Ok(if problems.is_empty() { 0 } else { FAILING })
        }
        Ok(Response { body, .. }) => {
            log::say(&format!(
                "status: the agent of root {root} does not answer: {body}"
            ));
            Ok(FAILING)
        }
        Err(error) => {
            let (code, why) = agent_part::refusal(&config.root, &error);
            if code == ABSENT {
                print(&absent(flags, &config, &why))?;
            } else {
                log::say(&["status: ", &why].concat());
            }
            Ok(code)
        }
    }
}

/// The text or the document about an agent that does not run. `why`: how that was found out.
fn absent(flags: &Flags, config: &Config, why: &str) -> String {
    let mut problems = vec![problem("agent", why, "")];
    problems.extend(process(config));
    for why in &survey(flags).problems {
        let remedy = "mackerel-agent configtest shows all that is wrong with it";
        problems.push(problem("configuration", why, remedy));
    }
    let mut service = service(&Tree::at(Path::new("/")));
    problems.push(match &mut service {
        Some(service) => mem::take(&mut service.problem),
        None => problem(
            "service manager",
            "neither systemd nor OpenRC, procd or an init script has the agent",
            "start it: mackerel-agent supervise",
        ),
    });
    let state = service.as_ref().map(|found| (found.manager, &*found.state));
    let log = service.as_ref().map_or(&[][..], |found| &found.log);
    if flags.json {
        log::escaped_json(&json_of_absent(&problems, state, log)) + "\n"
    } else {
        page_of_absent(&problems, log, is_coloured())
    }
}

fn problem(what: &str, why: &str, remedy: &str) -> Problem {
    Problem {
        what: what.to_owned(),
        why: why.to_owned(),
        remedy: remedy.to_owned(),
    }
}

/// What is to be said of the process of the pid file, if it runs this program.
fn process(config: &Config) -> Option<Problem> {
    let (pid, is_supervisor) = running::of_pidfile(&config.pidfile)?;
    let (why, remedy) = if is_supervisor {
        (
            "the supervisor runs, but the agent that it starts ends again and again",
            "correct what the log of the supervisor says",
        )
    } else {
        (
            "it runs, but has no socket",
            "name its directory with -root, or its file with -conf; health = false turns the \
             socket off",
        )
    };
    Some(problem(
        &["process ", &pid.to_string()].concat(),
        why,
        remedy,
    ))
}

fn print(text: &str) -> Result<(), String> {
    let printed = io::stdout().write_all(text.as_bytes());
    printed.map_err(|error| format!("cannot print: {error}"))
}
