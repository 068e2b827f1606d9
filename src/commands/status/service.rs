//! What the service manager says of an agent that does not answer.

use crate::base::json::Json;
use crate::commands::host_command::run;
use crate::render::status::Problem;
use crate::sys::tree::Tree;

/// The init script of all service managers but systemd.
const SCRIPT: &str = "/etc/init.d/mackerel-agent";
/// It exists while systemd runs.
const SYSTEMD_RUNS: &str = "/run/systemd/system";
/// The log file, where the service manager has no log.
const FILE: &str = "/var/log/mackerel-agent.log";

/// What a service manager says of the agent's service.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Service {
    /// `systemd`, `OpenRC`, `procd` or `sysv`.
    pub(super) manager: &'static str,
    /// The manager's word for the state, such as `failed`.
    pub(super) state: String,
    /// What that means, and what to do next.
    pub(super) problem: Problem,
    /// The last lines of the agent's log; empty if the service runs, or if they cannot be read.
    pub(super) log: Vec<String>,
}

/// A service manager, and how to ask it.
struct Manager {
    name: &'static str,
    /// The command that prints the state of the service.
    ask: &'static [&'static str],
    /// What the exit code and the output of that mean, and the state in words. The code is -1 if
    /// the command cannot be run.
    meaning: fn(i32, &str) -> (Run, String),
    /// The command for the last lines of the log.
    log: &'static [&'static str],
    /// Where people find the log.
    see: &'static str,
    /// The command that starts the service.
    start: &'static str,
}

const SYSTEMD: Manager = Manager {
    name: "systemd",
    ask: &[
        "systemctl",
        "show",
        "mackerel-agent",
        "--property=LoadState,ActiveState,SubState,Result,ExecMainStatus,NRestarts",
    ],
    meaning: |_, text| of_systemd(text),
    log: &[
        "journalctl",
        "-q",
        "-u",
        "mackerel-agent",
        "-n",
        "5",
        "-o",
        "cat",
        "--no-pager",
    ],
    see: "journalctl -u mackerel-agent",
    start: "systemctl start mackerel-agent",
};
const OPENRC: Manager = Manager {
    name: "OpenRC",
    ask: &["rc-service", "mackerel-agent", "status"],
    meaning: of_openrc,
    ..SYSV
};
const PROCD: Manager = Manager {
    name: "procd",
    ask: &[
        "ubus",
        "call",
        "service",
        "list",
        r#"{"name":"mackerel-agent"}"#,
    ],
    meaning: |_, text| of_procd(text),
    log: &["logread", "-l", "5", "-e", "mackerel-agent"],
    see: "logread -e mackerel-agent",
    ..SYSV
};
const SYSV: Manager = Manager {
    name: "sysv",
    ask: &[SCRIPT, "status"],
    meaning: of_sysv,
    log: &["tail", "-n", "5", FILE],
    see: FILE,
    start: "/etc/init.d/mackerel-agent start",
};

/// Whether the manager keeps the service running.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Run {
    /// It runs, as far as the manager knows.
    Running,
    /// It ends again and again.
    Restarting,
    Stopped,
    /// It has ended by itself, and is not started again.
    Failed,
    /// The manager has no such service.
    Missing,
}

/// The service manager of the tree, and what it says; `None` if there is none that is supported.
pub(super) fn service(tree: &Tree) -> Option<Service> {
    // (file, service manager); running ones come before those that are only installed
    let table: [(&str, &Manager); 6] = [
        (SYSTEMD_RUNS, &SYSTEMD),
        ("/sbin/procd", &PROCD),
        ("/run/openrc", &OPENRC),
        ("/sbin/openrc-run", &OPENRC),
        ("/usr/sbin/openrc-run", &OPENRC),
        (SCRIPT, &SYSV),
    ];
    let found = table.iter().find(|(path, _)| tree.has(path));
    found.map(|(path, manager)| {
        // Without an init script, the others have no service.
        let (how, state) = if *path == SYSTEMD_RUNS || tree.has(SCRIPT) {
            let (code, text) = run(manager.ask).unwrap_or((-1, String::new()));
            (manager.meaning)(code, &text)
        } else {
            not_found()
        };
        made(manager, how, state)
    })
}

fn not_found() -> (Run, String) {
    (Run::Missing, "not found".to_owned())
}

/// What the properties of the unit mean, and the state in words.
fn of_systemd(shown: &str) -> (Run, String) {
    let value = |name: &str| {
        let mut pairs = shown.lines().filter_map(|line| line.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map_or("", |(_, value)| value)
    };
    let how = match (value("LoadState"), value("ActiveState"), value("SubState")) {
        ("not-found" | "", ..) => return not_found(),
        (_, "activating", "auto-restart") => Run::Restarting,
        (_, "active" | "activating" | "reloading", _) => Run::Running,
        (_, "failed", _) => Run::Failed,
        _ => Run::Stopped,
    };
    let mut state = [value("ActiveState"), " (", value("SubState"), ")"].concat();
    if matches!(how, Run::Restarting | Run::Failed) {
        state.extend([
            ": ",
            value("Result"),
            ", exit code ",
            value("ExecMainStatus"),
            ", restarts: ",
            value("NRestarts"),
        ]);
    }
    if value("LoadState") == "masked" {
        state.push_str(", masked: systemctl unmask mackerel-agent");
    }
    (how, state)
}

/// The exit codes of openrc-run(8).
fn of_openrc(code: i32, text: &str) -> (Run, String) {
    let how = match code {
        -1 => return not_found(),
        0 => Run::Running,
        32 => Run::Failed,
        _ => Run::Stopped,
    };
    let state = text.split("status:").last().unwrap_or_default();
    (how, state.trim().to_owned())
}

/// What procd's list of services says of the agent.
fn of_procd(text: &str) -> (Run, String) {
    let stopped = (Run::Stopped, "stopped".to_owned());
    let Ok(list) = Json::parse(text) else {
        return stopped;
    };
    let instances = list
        .member("mackerel-agent")
        .and_then(|service| service.member("instances"));
    let Some(Json::Object(instances)) = instances else {
        return stopped;
    };
    let Some((_, instance)) = instances.first() else {
        return stopped;
    };
    if instance.member("running") == Some(&Json::Bool(true)) {
        return (Run::Running, "running".to_owned());
    }
    // It has a respawn without a limit.
    let code = instance.member("exit_code").map(Json::to_string);
    let code = code.unwrap_or_else(|| "unknown".to_owned());
    (Run::Restarting, ["ended with exit code ", &code].concat())
}

/// The exit codes of init scripts (LSB).
fn of_sysv(code: i32, _: &str) -> (Run, String) {
    let (how, state) = match code {
        0 => (Run::Running, "running"),
        1 | 2 => (Run::Failed, "ended, but its pid file is left"),
        _ => (Run::Stopped, "stopped"),
    };
    (how, state.to_owned())
}

/// The answer of a service manager.
fn made(manager: &Manager, how: Run, state: String) -> Service {
    let (why, remedy) = match how {
        Run::Running => (
            "the service runs, but its agent does not answer",
            "wait a moment if it has just been started; name its directory with -root, or its file \
             with -conf, if they are not the usual ones; see the log: LOG",
        ),
        Run::Restarting => (
            "the agent ends again and again, and is started again each time",
            "correct what its last log lines say: LOG",
        ),
        Run::Stopped => ("the service is stopped", "start it: START"),
        Run::Failed => (
            "the agent has ended and is not started again",
            "correct what its last log lines say (LOG), then: START",
        ),
        Run::Missing => (
            "there is no service of the agent",
            "mackerel-agent install makes it one",
        ),
    };
    let remedy = remedy.replace("LOG", manager.see);
    let mut log = Vec::new();
    if !matches!(how, Run::Running | Run::Missing)
        && let Some((0, text)) = run(manager.log)
    {
        log.extend(text.lines().map(str::to_owned));
    }
    Service {
        manager: manager.name,
        problem: Problem {
            what: [manager.name, ": ", &state].concat(),
            why: why.to_owned(),
            remedy: remedy.replace("START", manager.start),
        },
        state,
        log,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_unit_has_a_state_in_words() {
        // (properties, what they mean, words)
        let table = [
            ("", Run::Missing, "not found"),
            (
                "LoadState=not-found\nActiveState=inactive\nSubState=dead",
                Run::Missing,
                "not found",
            ),
            (
                "LoadState=loaded\nActiveState=inactive\nSubState=dead\nResult=success",
                Run::Stopped,
                "inactive (dead)",
            ),
            (
                "LoadState=masked\nActiveState=inactive\nSubState=dead",
                Run::Stopped,
                "inactive (dead), masked: systemctl unmask mackerel-agent",
            ),
            (
                "LoadState=loaded\nActiveState=active\nSubState=running",
                Run::Running,
                "active (running)",
            ),
            (
                "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\n\
                 Result=exit-code\nExecMainStatus=1\nNRestarts=7",
                Run::Restarting,
                "activating (auto-restart): exit-code, exit code 1, restarts: 7",
            ),
            (
                "LoadState=loaded\nActiveState=failed\nSubState=failed\n\
                 Result=signal\nExecMainStatus=9\nNRestarts=0",
                Run::Failed,
                "failed (failed): signal, exit code 9, restarts: 0",
            ),
        ];
        for (shown, how, state) in table {
            assert_eq!(of_systemd(shown), (how, state.to_owned()), "{shown}");
        }
    }

    #[test]
    fn procd_service_has_a_state_in_words() {
        // (answer of ubus, what it means, words)
        let table = [
            ("", Run::Stopped, "stopped"),
            ("{}", Run::Stopped, "stopped"),
            (r#"{"mackerel-agent":{}}"#, Run::Stopped, "stopped"),
            (
                r#"{"mackerel-agent":{"instances":{"instance1":{"running":true,"pid":7}}}}"#,
                Run::Running,
                "running",
            ),
            (
                r#"{"mackerel-agent":{"instances":{"instance1":{"running":false,"exit_code":1}}}}"#,
                Run::Restarting,
                "ended with exit code 1",
            ),
        ];
        for (text, how, state) in table {
            assert_eq!(of_procd(text), (how, state.to_owned()), "{text}");
        }
    }

    #[test]
    fn service_manager_is_found_by_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree::at(directory.path());
        assert_eq!(service(&tree), None);
        std::fs::create_dir_all(directory.path().join("run/openrc")).unwrap();
        let found = service(&tree).unwrap();
        assert_eq!((found.manager, &*found.state), ("OpenRC", "not found"));
        assert_eq!(found.problem.remedy, "mackerel-agent install makes it one");
    }
}
