//! The flags and variables that the installed service gives to its agent, for commands about it
//! that are started by hand.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use super::host::Host;
use super::service::Service;
use crate::sys::environment::{self, APIKEY};
use crate::sys::file;
use crate::sys::tree::Tree;

/// Unit files installed by packages.
const PACKAGED: [&str; 2] = [
    "/lib/systemd/system/mackerel-agent.service",
    "/usr/lib/systemd/system/mackerel-agent.service",
];
/// The variable with additional flags.
const OPTIONS: &str = "OTHER_OPTS";
/// The variable with the state directory.
const ROOT: &str = "ROOT";
/// The variable by which the host is retired when its agent is stopped.
const RETIREMENT: &str = "AUTO_RETIREMENT";
/// The variable with the directory in which plugins keep files.
const WORK: &str = "MACKEREL_PLUGIN_WORKDIR";

/// The variable with the path of a file that has the API key.
const APIKEY_FILE: &str = "MACKEREL_APIKEY_FILE";
/// The file from which systemd gives the service its key. Root alone can read it.
const STORED_KEY: &str = "/etc/credstore/mackerel-agent.apikey";

/// The flags with which the service starts the agent. Also sets its variables, unless they are set
/// already. Empty if no service is installed. Commands of the service itself name `-root`, and do not
/// need them.
///
/// Must be called before any thread is started.
pub(crate) fn service_flags() -> Vec<OsString> {
    let is_set = |name: &&str| env::var_os(*name).is_some();
    let tree = Tree::at(Path::new("/"));
    let is_there = |service: &Service| has_script(&tree, *service);
    let Some(service) = Service::of(&tree).ok().filter(is_there) else {
        return Vec::new();
    };
    let mut root = service.state().to_owned();
    let mut options = String::new();
    let work = service.traces().first().map_or("", |trace| trace);
    let mut variables = vec![(WORK.to_owned(), work.to_owned())];
    if service == Service::Systemd
        && let Ok(key) = file::read(Path::new(STORED_KEY))
    {
        let key = String::from_utf8_lossy(&key).trim().to_owned();
        variables.push((APIKEY.to_owned(), key));
    }
    for (name, value) in assigned(&tree, service) {
        match &*name {
            ROOT => root = value,
            OPTIONS => options = value,
            _ => variables.push((name, value)),
        }
    }
    for (name, value) in variables.into_iter().rev() {
        if !is_set(&&*name) {
            environment::set(&name, value);
        }
    }
    let mut words = vec!["-root".into(), root.into()];
    for option in options.split_ascii_whitespace() {
        words.push(option.into());
    }
    words
}

/// The state directory of the service's agent, a path in the tree.
pub(super) fn state(host: &Host) -> String {
    let root = variable(&host.tree, host.service, ROOT);
    root.unwrap_or_else(|| host.service.state().to_owned())
}

/// Whether the service has an API key that is not in its configuration.
pub(super) fn has_key(tree: &Tree, service: Service) -> bool {
    let is_set = |name: &&str| variable(tree, service, name).is_some_and(|key| !key.is_empty());
    // An empty credential counts as none.
    let stored = || tree.read(STORED_KEY).ok().flatten().unwrap_or_default();
    (service == Service::Systemd && !stored().trim_ascii().is_empty())
        || [APIKEY, APIKEY_FILE].iter().any(is_set)
}

/// Fails if the service's script retires the host when it stops another agent, which has such a
/// script. The hooks of a unit can be left out: [`Host::unhook`].
pub(super) fn keeps_host(tree: &Tree, service: Service) -> Result<(), String> {
    let has_unit = service == Service::Systemd && has_script(tree, service);
    match variable(tree, service, RETIREMENT).as_deref() {
        None | Some("" | "0") => Ok(()),
        _ if has_unit => Ok(()),
        Some(_) => Err(format!(
            "{RETIREMENT} is set in {}, by which the script of this host's agent retires the host \
             when the agent is stopped; comment it out, install, and put it back",
            service.environment().join(" or ")
        )),
    }
}

/// Whether the tree has the unit or init script of an agent.
fn has_script(tree: &Tree, service: Service) -> bool {
    tree.has(service.script().0)
        || (service == Service::Systemd && PACKAGED.iter().any(|path| tree.has(path)))
}

/// The value of a variable in the service's files; `None` if they do not set it.
fn variable(tree: &Tree, service: Service, name: &str) -> Option<String> {
    let mut all = assigned(tree, service).into_iter();
    all.rfind(|set| set.0 == name).map(|(_, value)| value)
}

/// The variables that the service's files set, with their values. Of those with the same name, the
/// last one takes precedence.
fn assigned(tree: &Tree, service: Service) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for path in service.environment() {
        let bytes = tree.read(path).ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().filter_map(assignment);
        all.extend(lines.map(|(name, value)| (name.to_owned(), value)));
    }
    all
}

/// The variable that a line sets, in the notation common to systemd and the shell. `None` if the
/// value needs expansion by the shell.
fn assignment(line: &str) -> Option<(&str, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_plain = !name.is_empty() && name.chars().all(is_name);
    let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    let (value, is_literal) = match (quoted('\''), quoted('"')) {
        (Some(value), _) => (value, true),
        (None, Some(value)) => (value, false),
        (None, None) => (value, false),
    };
    let is_known = is_plain && (is_literal || !value.contains(['$', '`']));
    is_known.then(|| (name, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn agent_whose_script_retires_the_host_is_not_stopped() {
        const DEFAULT: &str = "etc/default/mackerel-agent";
        const SYSCONFIG: &str = "etc/sysconfig/mackerel-agent";
        const SCRIPT: &str = "etc/init.d/mackerel-agent";
        const UNIT: &str = "lib/systemd/system/mackerel-agent.service";
        const ON: &str = "AUTO_RETIREMENT=1\n";
        const OFF: &str = "AUTO_RETIREMENT=0\n";
        // (why this row exists, service manager, files, whether it is stopped)
        type Files = &'static [(&'static str, &'static str)];
        let table: [(&str, Service, Files, bool); 9] = [
            ("no file of variables", Service::Sysv, &[(SCRIPT, "")], true),
            ("of Debian", Service::Sysv, &[(DEFAULT, ON)], false),
            ("of Red Hat", Service::Sysv, &[(SYSCONFIG, ON)], false),
            (
                "any word",
                Service::Sysv,
                &[(DEFAULT, "AUTO_RETIREMENT=no")],
                false,
            ),
            (
                "a number that says no",
                Service::Sysv,
                &[(DEFAULT, OFF)],
                true,
            ),
            (
                "as the package has it",
                Service::Sysv,
                &[(DEFAULT, "# AUTO_RETIREMENT=1")],
                true,
            ),
            (
                "a unit's hook is left out",
                Service::Systemd,
                &[(DEFAULT, ON), (UNIT, "")],
                true,
            ),
            (
                "systemd runs a script",
                Service::Systemd,
                &[(DEFAULT, ON), (SCRIPT, "")],
                false,
            ),
            (
                "it reads another file",
                Service::Openrc,
                &[(DEFAULT, ON)],
                true,
            ),
        ];
        for (why, service, files, expected) in table {
            let top = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let path = top.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let kept = keeps_host(&Tree::at(top.path()), service);
            assert_eq!(kept.is_ok(), expected, "{why}: {kept:?}");
        }
    }

    #[test]
    fn assignment_that_needs_the_shell_is_ignored() {
        // (why this row exists, line, expected)
        let table = [
            ("plain", "A=b", Some(("A", "b"))),
            ("nothing", "OTHER_OPTS=", Some(("OTHER_OPTS", ""))),
            ("quoted", "A='b c'", Some(("A", "b c"))),
            ("quoted twice", "A=\"b c\"", Some(("A", "b c"))),
            ("exported", " export A=b ", Some(("A", "b"))),
            (
                "not expanded by the shell either",
                "A='$b'",
                Some(("A", "$b")),
            ),
            ("a comment", "#A=b", None),
            ("systemd's comment", ";A=b", None),
            ("of another variable", "A=\"$A -v\"", None),
            ("a command", "A=`id`", None),
            ("no name", "=b", None),
            ("a statement", "[ -e x ] && A=b", None),
        ];
        for (why, line, expected) in table {
            let found: Vec<_> = line.lines().filter_map(assignment).collect();
            let found = found.first().map(|(name, value)| (*name, value.as_str()));
            assert_eq!(found, expected, "{why}");
        }
    }
}
