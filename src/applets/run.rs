//! Runs an applet and prints its result.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};

use super::applet::{Applet, Graphs, Plugin, Work};
use super::arguments::{Arguments, Notation, Stop};
use super::finding::{Failure, Finding};
use super::host::Host;
use super::values::Values;
use crate::base::clock::HostClock;
use crate::base::host_paths::HostPaths;
use crate::base::packed::unpack;
use crate::base::report;
use crate::sys::file::Successor;
use crate::sys::log::escaped_lines;
use crate::sys::root::Root;
use crate::sys::terminal::{Stream, is_terminal};

/// Environment variable with which the agent asks for graph definitions.
const META: &str = "MACKEREL_AGENT_PLUGIN_META";
/// The line before graph definitions.
const META_HEADER: &str = "# mackerel-agent-plugin\n";
/// The flag with the prefix of a plugin's metrics, whose default is the plugin's own.
const PREFIX: &str = "metric-key-prefix";

/// What an applet prints, and its exit code.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Printed {
    pub(super) output: String,
    pub(super) error: String,
    pub(super) code: u8,
    /// See [`Finding::state`].
    pub(super) state: Vec<Successor>,
}

/// Runs the applet with these arguments on this host. Returns the exit code.
pub(crate) fn run(applet: &Applet, words: &[OsString]) -> u8 {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let host = Host {
        root: Root::of(&HostPaths::of_environment(variable)),
        clock: &HostClock::new(),
        variable: &variable,
    };
    let mut printed = perform(applet, words, &host);
    if is_terminal(Stream::Output) {
        // Other users have chosen log lines and the names of processes.
        printed.output = escaped_lines(&printed.output);
        printed.error = escaped_lines(&printed.error);
    }
    let mut is_written = io::stdout().write_all(printed.output.as_bytes()).is_ok();
    if is_written {
        for state in &printed.state {
            if let Err(error) = state.replace() {
                printed.error.extend([&*report(&error), "\n"]);
            }
        }
    }
    is_written &= io::stderr().write_all(printed.error.as_bytes()).is_ok();
    // The agent takes 3 as UNKNOWN.
    if is_written { printed.code } else { 3 }
}

/// Runs the applet on `host`.
pub(super) fn perform(applet: &Applet, words: &[OsString], host: &Host<'_>) -> Printed {
    let text = applet.help();
    let arguments = match Arguments::read(text, notation(applet), words) {
        Ok(arguments) => arguments,
        Err(Stop::Usage(why)) => return refused(applet, &why, usage_code(applet)),
        Err(Stop::Help) => {
            return Printed {
                output: help(applet.name, text),
                ..Printed::default()
            };
        }
    };
    let done = match applet.work {
        Work::Check(label, check) => check(&arguments, host).map(|found| said(label, found)),
        Work::Plugin(plugin) => measured(plugin, &arguments, host),
    };
    let failure = match done {
        Ok(printed) => return printed,
        Err(failure) => failure,
    };
    match applet.work {
        Work::Plugin(_) if !failure.is_usage() => Printed {
            error: [applet.name, ": ", failure.why(), "\n"].concat(),
            code: 1,
            ..Printed::default()
        },
        Work::Check(label, _) if !failure.is_usage() => said(label, failure.finding()),
        _ => refused(applet, failure.why(), 1),
    }
}

/// What is printed for a wrong command line.
fn refused(applet: &Applet, why: &str, code: u8) -> Printed {
    Printed {
        error: [applet.name, ": ", why, "; see ", applet.name, " --help\n"].concat(),
        code,
        ..Printed::default()
    }
}

/// The notation of the official plugin's command line.
fn notation(applet: &Applet) -> Notation {
    match applet.work {
        Work::Check(..) if !applet.name.starts_with("check-debian-") => Notation::Options,
        _ => Notation::Flags,
    }
}

/// The exit code of the official plugin for an unknown flag, or one without its value.
fn usage_code(applet: &Applet) -> u8 {
    match notation(applet) {
        // Its command line is read by another library.
        Notation::Flags if applet.name != "mackerel-plugin-linux" => 2,
        _ => 1,
    }
}

fn said(label: &str, found: Finding) -> Printed {
    let label = match &*found.label {
        "" => label,
        other => other,
    };
    Printed {
        code: found.code(),
        output: [label, " ", found.status.word(), ": ", &found.message, "\n"].concat(),
        error: String::new(),
        state: found.state,
    }
}

/// The graph definitions of a plugin if the agent asks for them, else its values.
fn measured(plugin: &Plugin, arguments: &Arguments, host: &Host<'_>) -> Result<Printed, Failure> {
    let prefix = match arguments.text(PREFIX) {
        "" => arguments.default(PREFIX),
        given => given,
    };
    let mut printed = Printed::default();
    if (host.variable)(META).is_some() {
        let mut label = prefix.to_owned();
        if let Some(first) = label.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let graphs = match plugin.graphs {
            Graphs::Fixed(graphs) => unpack(graphs),
            Graphs::Made(make) => make(arguments, host)?,
        };
        let graphs = graphs.replace('$', prefix).replace('&', &label);
        printed.output = [META_HEADER, &graphs, "\n"].concat();
        return Ok(printed);
    }
    let mut values = Values::new(prefix, host.clock.unix().0);
    (plugin.measure)(arguments, host, &mut values)?;
    printed.output = values.lines;
    Ok(printed)
}

/// The help of an applet.
fn help(name: &str, text: &str) -> String {
    let (about, flags) = text.split_once('\n').unwrap_or((text, ""));
    [
        "Usage: ",
        name,
        " [flags]\n\n    ",
        about,
        "\n\nFlags:\n\n",
        flags,
        "\n  -h, --help        show this help\n",
    ]
    .concat()
}
