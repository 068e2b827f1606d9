//! The service manager: whether it has the agent's service, starts it at boot, and runs it.

use std::path::Path;

use super::report::Report;
use super::run::run;
use super::verdict::{State, Verdict};
use crate::sys::tree::Tree;

/// The init script of all service managers but systemd.
const SCRIPT: &str = "/etc/init.d/mackerel-agent";
/// One of these exists if an init script runs at boot: OpenRC, procd, sysv (Red Hat's and others').
const LINKS: [&str; 4] = [
    "/etc/runlevels/default/mackerel-agent",
    "/etc/rc.d/S95mackerel-agent",
    "/etc/rc.d/rc3.d/S95mackerel-agent",
    "/etc/rc3.d/S95mackerel-agent",
];
/// The question to systemd.
const SHOW: [&str; 4] = [
    "systemctl",
    "show",
    "mackerel-agent",
    "--property=LoadState,ActiveState,SubState,UnitFileState,Result,ExecMainStatus,NRestarts,MainPID",
];
/// Commands for the last log lines. The first one that succeeds is used.
const LOGS: [&[&str]; 3] = [
    &[
        "journalctl",
        "-q",
        "-u",
        "mackerel-agent",
        "-n",
        "100",
        "--no-pager",
    ],
    &["logread", "-l", "100", "-e", "mackerel-agent"],
    &["tail", "-n", "100", "/var/log/mackerel-agent.log"],
];

/// Adds the step. `holder` is the process that uses the state directory.
pub(super) fn look(report: &mut Report, holder: Option<u32>) {
    let name = "service manager";
    let since = report.begin(name);
    let tree = Tree::at(Path::new("/"));
    let verdict = match run(&SHOW) {
        Some((0, shown)) => of_systemd(&shown, holder),
        _ if tree.has(SCRIPT) => match run(&[SCRIPT, "status"]) {
            Some((code, said)) => {
                let is_enabled = LINKS.iter().any(|link| tree.has(link));
                of_script(code, &said, is_enabled, holder)
            }
            None => Verdict::new(
                State::Warn,
                [SCRIPT, " status does not end"].concat(),
                "run it by hand",
            ),
        },
        _ => Verdict::new(
            State::Skipped,
            "neither systemd nor an init script has the agent".to_owned(),
            "",
        ),
    };
    report.end(name, since, verdict);
    report.add("agent", of_holder(holder));
}

/// The last lines of the agent's log, if this user may read them.
pub(super) fn log() -> String {
    let text = |words: &&[&str]| run(words).filter(|(code, text)| *code == 0 && !text.is_empty());
    let found = LOGS.iter().find_map(text);
    found.map_or_else(|| "not available\n".to_owned(), |(_, text)| text)
}

/// Whether an agent runs.
fn of_holder(holder: Option<u32>) -> Verdict {
    match holder {
        Some(pid) => Verdict::ok(format!("process {pid} uses the state directory")),
        None => Verdict::new(
            State::Warn,
            "no agent uses the state directory".to_owned(),
            "start the service, or mackerel-agent supervise",
        ),
    }
}

/// What systemd says of the unit.
fn of_systemd(shown: &str, holder: Option<u32>) -> Verdict {
    let value = |name: &str| {
        let mut pairs = shown.lines().filter_map(|line| line.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map_or("", |(_, value)| value)
    };
    let load = value("LoadState");
    if load != "loaded" {
        let detail = format!("systemd: unit mackerel-agent is {load}");
        return match load {
            "masked" => Verdict::new(State::Fail, detail, "systemctl unmask mackerel-agent"),
            _ => Verdict::new(State::Warn, detail, "mackerel-agent install creates it"),
        };
    }
    let state = format!(
        "systemd: unit mackerel-agent is {} ({}), {}",
        value("ActiveState"),
        value("SubState"),
        value("UnitFileState")
    );
    if value("ActiveState") == "active" {
        return match value("UnitFileState") {
            "disabled" => Verdict::new(
                State::Warn,
                [&state, "; it does not start at boot"].concat(),
                "systemctl enable mackerel-agent",
            ),
            _ => Verdict::ok(state),
        };
    }
    if let Some(pid) = holder {
        return other(state, pid);
    }
    let ended = format!(
        "{state}; last end: {}, exit code {}, restarts: {}",
        value("Result"),
        value("ExecMainStatus"),
        value("NRestarts")
    );
    Verdict::new(
        State::Fail,
        ended,
        "journalctl -u mackerel-agent -n 50 shows why it ended; systemctl start mackerel-agent \
         starts it",
    )
}

/// Another agent than the service's has the state directory.
fn other(state: String, pid: u32) -> Verdict {
    Verdict::new(
        State::Fail,
        format!("{state}, but process {pid}, another agent, uses the state directory"),
        &format!("end process {pid} (kill {pid}), then start the service"),
    )
}

/// What an init script says: its exit code and output.
fn of_script(code: i32, said: &str, is_enabled: bool, holder: Option<u32>) -> Verdict {
    let said = said.lines().next().unwrap_or_default();
    let state = format!("{SCRIPT} status: {said} (exit code {code})");
    match (code, holder) {
        (0, _) if is_enabled => Verdict::ok(state),
        (0, _) => Verdict::new(
            State::Warn,
            [&state, "; it does not start at boot"].concat(),
            "rc-update add mackerel-agent, /etc/init.d/mackerel-agent enable, or update-rc.d \
             mackerel-agent defaults",
        ),
        (_, Some(pid)) => other(state, pid),
        _ => Verdict::new(
            State::Fail,
            state,
            "/etc/init.d/mackerel-agent start starts it; its log shows why it ended",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(load: &str, active: &str, sub: &str, file: &str) -> String {
        format!(
            "LoadState={load}\nActiveState={active}\nSubState={sub}\nUnitFileState={file}\n\
             Result=exit-code\nExecMainStatus=1\nNRestarts=5\nMainPID=0\n"
        )
    }

    #[test]
    fn diagnose_unit_has_to_run_and_to_be_enabled() {
        let see = "journalctl -u mackerel-agent -n 50 shows why it ended; systemctl start \
                   mackerel-agent starts it";
        // (what systemd shows, process with the state directory, verdict)
        let table = [
            (
                shown("loaded", "active", "running", "enabled"),
                Some(7),
                "ok: systemd: unit mackerel-agent is active (running), enabled".to_owned(),
            ),
            (
                shown("loaded", "active", "running", "disabled"),
                Some(7),
                "warn: systemd: unit mackerel-agent is active (running), disabled; it does not \
                 start at boot -> systemctl enable mackerel-agent"
                    .to_owned(),
            ),
            (
                shown("loaded", "failed", "failed", "enabled"),
                None,
                format!(
                    "FAIL: systemd: unit mackerel-agent is failed (failed), enabled; last end: \
                     exit-code, exit code 1, restarts: 5 -> {see}"
                ),
            ),
            (
                shown("loaded", "inactive", "dead", "disabled"),
                Some(7),
                "FAIL: systemd: unit mackerel-agent is inactive (dead), disabled, but process 7, \
                 another agent, uses the state directory -> end process 7 (kill 7), then start the \
                 service"
                    .to_owned(),
            ),
            (
                shown("not-found", "inactive", "dead", ""),
                None,
                "warn: systemd: unit mackerel-agent is not-found -> mackerel-agent install creates \
                 it"
                .to_owned(),
            ),
            (
                shown("masked", "inactive", "dead", ""),
                None,
                "FAIL: systemd: unit mackerel-agent is masked -> systemctl unmask mackerel-agent"
                    .to_owned(),
            ),
            (
                String::new(),
                None,
                "warn: systemd: unit mackerel-agent is  -> mackerel-agent install creates it"
                    .to_owned(),
            ),
        ];
        for (text, holder, expected) in table {
            assert_eq!(of_systemd(&text, holder).shown(), expected);
        }
    }

    #[test]
    fn diagnose_init_script_says_whether_the_agent_runs() {
        let script = "/etc/init.d/mackerel-agent status:";
        // (exit code, whether it is enabled, process with the state directory, verdict)
        let table = [
            (0, true, Some(7), format!("ok: {script} x (exit code 0)")),
            (
                0,
                false,
                Some(7),
                format!(
                    "warn: {script} x (exit code 0); it does not start at boot -> rc-update add \
                     mackerel-agent, /etc/init.d/mackerel-agent enable, or update-rc.d \
                     mackerel-agent defaults"
                ),
            ),
            (
                3,
                true,
                None,
                format!(
                    "FAIL: {script} x (exit code 3) -> /etc/init.d/mackerel-agent start starts it; \
                     its log shows why it ended"
                ),
            ),
            (
                3,
                true,
                Some(7),
                format!(
                    "FAIL: {script} x (exit code 3), but process 7, another agent, uses the state \
                     directory -> end process 7 (kill 7), then start the service"
                ),
            ),
        ];
        for (code, is_enabled, holder, expected) in table {
            assert_eq!(
                of_script(code, "x\ny", is_enabled, holder).shown(),
                expected
            );
        }
    }
}
