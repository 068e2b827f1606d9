//! What the service manager says of an agent that does not answer.

use crate::base::json::Json;
use crate::commands::host_command::run;
use crate::render::status::Problem;
use crate::sys::tree::Tree;

/// The init script of all service managers but systemd.
const SCRIPT: &str = "/etc/init.d/mackerel-agent";
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

/// Asks one service manager.
type Ask = fn(&Tree) -> Service;

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
    // (file, how to ask the service manager); running ones come before those that are only installed
    let table: [(&str, Ask); 6] = [
        ("/run/systemd/system", |_| systemd()),
        ("/sbin/procd", procd),
        ("/run/openrc", openrc),
        ("/sbin/openrc-run", openrc),
        ("/usr/sbin/openrc-run", openrc),
        (SCRIPT, sysv),
    ];
    let found = table.iter().find(|(path, _)| tree.has(path));
    found.map(|(_, ask)| ask(tree))
}

fn systemd() -> Service {
    let shown = run(&[
        "systemctl",
        "show",
        "mackerel-agent",
        "--property=LoadState,ActiveState,SubState,Result,ExecMainStatus,NRestarts",
    ]);
    let (how, state) = of_systemd(&shown.map_or_else(String::new, |(_, text)| text));
    let log = [
        "journalctl",
        "-q",
        "-u",
        "mackerel-agent",
        "-n",
        "5",
        "-o",
        "cat",
        "--no-pager",
    ];
    made(
        "systemd",
        how,
        state,
        &log,
        "systemctl",
        "journalctl -u mackerel-agent",
    )
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
        ("not-found" | "", ..) => return (Run::Missing, "not found".to_owned()),
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

fn openrc(tree: &Tree) -> Service {
    let asked = tree
        .has(SCRIPT)
        .then(|| run(&["rc-service", "mackerel-agent", "status"]));
    let (how, state) = match asked.flatten() {
        None => (Run::Missing, "not found".to_owned()),
        Some((code, text)) => {
            // The exit codes of openrc-run(8).
            let how = match code {
                0 => Run::Running,
                32 => Run::Failed,
                _ => Run::Stopped,
            };
            let state = text
                .rsplit("status:")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned();
            (how, state)
        }
    };
    made("OpenRC", how, state, &TAIL, SCRIPT, FILE)
}

/// The command that prints the last lines of the log file.
const TAIL: [&str; 4] = ["tail", "-n", "5", FILE];

fn procd(tree: &Tree) -> Service {
    let asked = run(&[
        "ubus",
        "call",
        "service",
        "list",
        r#"{"name":"mackerel-agent"}"#,
    ]);
    let text = asked.map_or_else(String::new, |(_, text)| text);
    let (how, state) = if tree.has(SCRIPT) {
        of_procd(&text)
    } else {
        (Run::Missing, "not found".to_owned())
    };
    let log = ["logread", "-l", "5", "-e", "mackerel-agent"];
    made(
        "procd",
        how,
        state,
        &log,
        SCRIPT,
        "logread -e mackerel-agent",
    )
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

fn sysv(_: &Tree) -> Service {
    let (how, state) = match run(&[SCRIPT, "status"]) {
        Some((0, _)) => (Run::Running, "running".to_owned()),
        Some((1 | 2, _)) => (Run::Failed, "ended, but its pid file is left".to_owned()),
        _ => (Run::Stopped, "stopped".to_owned()),
    };
    made("sysv", how, state, &TAIL, SCRIPT, FILE)
}

/// The answer of a service manager. `log`: the command for the last lines of the log. `control`: the
/// program that starts the service. `see`: where people find the log.
fn made(
    manager: &'static str,
    how: Run,
    state: String,
    log: &[&str],
    control: &str,
    see: &str,
) -> Service {
    let is_running = how == Run::Running;
    let start = if control == SCRIPT {
        [SCRIPT, " start"].concat()
    } else {
        [control, " start mackerel-agent"].concat()
    };
    let (why, remedy) = match how {
        Run::Running => (
            "the service runs, but its agent does not answer",
            [
                "wait a moment if it has just been started; name its directory with -root, or its \
                 file with -conf, if they are not the usual ones; see the log: ",
                see,
            ]
            .concat(),
        ),
        Run::Restarting => (
            "the agent ends again and again, and is started again each time",
            ["correct what its last log lines say: ", see].concat(),
        ),
        Run::Stopped => ("the service is stopped", ["start it: ", &start].concat()),
        Run::Failed => (
            "the agent has ended and is not started again",
            [
                "correct what its last log lines say (",
                see,
                "), then: ",
                &start,
            ]
            .concat(),
        ),
        Run::Missing => (
            "there is no service of the agent",
            "mackerel-agent install makes it one".to_owned(),
        ),
    };
    let log = if is_running || how == Run::Missing {
        None
    } else {
        run(log)
    };
    let log = log.filter(|(code, _)| *code == 0);
    let log = log.map_or_else(Vec::new, |(_, text)| {
        text.lines().map(str::to_owned).collect()
    });
    Service {
        manager,
        problem: Problem {
            what: [manager, ": ", &state].concat(),
            why: why.to_owned(),
            remedy,
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
