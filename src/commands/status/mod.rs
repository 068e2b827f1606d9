//! `mackerel-agent status`: asks the running agent for its state, or, if none runs, the service
//! manager. docs/status.md describes the output.

mod service;

use std::env;
use std::io::{self, Write};
use std::path::Path;

use super::agent_part::{self, ABSENT, FAILING};
use crate::base::json::Json;
use crate::config::{Config, Flags};
use crate::render::status::{Problem, json_of_absent, page_of_absent, problems, text};
use crate::settings::resolve::survey;
use crate::sys::agent_socket::{self, Response};
use crate::sys::log as backend;
use crate::sys::running;
use crate::sys::terminal::{Stream, is_terminal};
use crate::sys::tree::Tree;
use service::{Service, service};

/// Prints the state of the agent, and returns the exit code. Fails with the text for the user if
/// that cannot be printed, or if the agent's answer is damaged.
pub(crate) fn status(flags: &Flags) -> Result<u8, String> {
    let config = agent_part::config(flags);
    let root = config.root.display();
    match agent_socket::get(&config.root, "/status") {
        Ok(Response { status: 200, body }) => {
            let status = Json::parse(&body);
            let status =
                status.map_err(|error| format!("status: the answer is damaged: {error}"))?;
            let problems = problems(&status);
            print(&if flags.json {
                body + "\n"
            } else {
                text(&status, &problems, is_coloured())
            })?;
            Ok(if problems.is_empty() { 0 } else { FAILING })
        }
        Ok(Response { body, .. }) => {
            backend::say(&format!(
                "status: the agent of root {root} does not answer: {body}"
            ));
            Ok(FAILING)
        }
        Err(error) => {
            let (code, why) = agent_part::refusal(&config.root, &error);
            if code == ABSENT {
                print(&absent(flags, &config, why))?;
            } else {
                backend::say(&["status: ", &why].concat());
            }
            Ok(code)
        }
    }
}

/// The text or the document about an agent that does not run. `why`: how that was found out.
fn absent(flags: &Flags, config: &Config, why: String) -> String {
    let service = service(&Tree::at(Path::new("/")));
    let mut problems = vec![Problem {
        what: "agent".to_owned(),
        why,
        remedy: String::new(),
    }];
    problems.extend(process(config));
    let wrong = survey(flags).problems;
    problems.extend(wrong.into_iter().map(|why| Problem {
        what: "configuration".to_owned(),
        why,
        remedy: "mackerel-agent configtest shows all that is wrong with it".to_owned(),
    }));
    let mut log = Vec::new();
    let mut state = None;
    match service {
        Some(Service {
            manager,
            state: shown,
            problem,
            log: lines,
        }) => {
            problems.push(problem);
            state = Some((manager, shown));
            log = lines;
        }
        None => problems.push(Problem {
            what: "service manager".to_owned(),
            why: "neither systemd nor OpenRC, procd or an init script has the agent".to_owned(),
            remedy: "start it: mackerel-agent supervise".to_owned(),
        }),
    }
    if flags.json {
        let state = state
            .as_ref()
            .map(|(manager, state)| (*manager, state.as_str()));
        json_of_absent(&problems, state, &log) + "\n"
    } else {
        page_of_absent(&problems, &log, is_coloured())
    }
}

/// What is to be said of the process of the pid file, if it runs this program.
fn process(config: &Config) -> Option<Problem> {
    let (pid, words) = running::of_pidfile(&config.pidfile)?;
    let is_supervisor = words.get(1).is_some_and(|word| word == "supervise");
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
    Some(Problem {
        what: format!("process {pid}"),
        why: why.to_owned(),
        remedy: remedy.to_owned(),
    })
}

/// Whether the output is a terminal that shows colours.
fn is_coloured() -> bool {
    let variable = |name| env::var_os(name).unwrap_or_default();
    is_terminal(Stream::Output) && variable("NO_COLOR").is_empty() && variable("TERM") != "dumb"
}

fn print(text: &str) -> Result<(), String> {
    let printed = io::stdout().write_all(text.as_bytes());
    printed.map_err(|error| format!("cannot print: {error}"))
}
