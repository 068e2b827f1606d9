//! The service manager: whether it has the agent's service, starts it at boot, and runs it.

use std::path::Path;

use super::report::{State, Verdict, verdict};
use crate::commands::host_command::run;
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
/// Commands for the last log lines. The first one that prints something is used.
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

/// Asks the service manager. `holder` is the process that uses the state directory.
pub(super) fn ask(holder: Option<u32>) -> Verdict {
    let systemd = run(&[
        "systemctl",
        "status",
        "mackerel-agent",
        "--no-pager",
        "--lines=0",
    ]);
    let tree = Tree::at(Path::new("/"));
    match systemd {
        Some((4, _)) => {
            let text = "systemd has no unit mackerel-agent; mackerel-agent install creates it";
            verdict(State::Warn, &[text])
        }
        Some((code @ (0 | 3), said)) => {
            // `Loaded: loaded (FILE; enabled; …)` and `Active: failed (Result: exit-code) since …`
            let mut shown = String::new();
            for line in said.lines().map(str::trim) {
                if line.starts_with("Loaded:") || line.starts_with("Active:") {
                    shown.extend([if shown.is_empty() { "" } else { ", " }, line]);
                }
            }
            of_service(code == 0, !shown.contains("; disabled"), &shown, holder)
        }
        _ if tree.has(SCRIPT) => {
            let (code, said) = run(&[SCRIPT, "status"]).unwrap_or((1, "hangs".to_owned()));
            let is_enabled = LINKS.iter().any(|link| tree.has(link));
            of_service(code == 0, is_enabled, said.trim_end(), holder)
        }
        _ => {
            let text = "service: neither systemd nor an init script has the agent";
            verdict(State::Skipped, &[text])
        }
    }
}

/// The last lines of the agent's log, if this user may read them.
pub(super) fn log() -> String {
    let text = |words: &&[&str]| run(words).filter(|(_, text)| !text.is_empty());
    LOGS.iter().find_map(text).unwrap_or_default().1
}

/// Whether an agent runs.
pub(super) fn of_holder(holder: Option<u32>) -> Verdict {
    match holder {
        Some(pid) => (State::Ok, format!("process {pid} uses the state directory")),
        None => {
            let text =
                "none uses the state directory; start the service, or mackerel-agent supervise";
            verdict(State::Warn, &[text])
        }
    }
}

/// The service manager has the service. `said` is what it says.
fn of_service(runs: bool, is_enabled: bool, said: &str, holder: Option<u32>) -> Verdict {
    let (state, more) = match (runs, is_enabled, holder) {
        (true, true, _) => (State::Ok, ""),
        (true, false, _) => (
            State::Warn,
            "; it does not start at boot: systemctl enable mackerel-agent, or the like",
        ),
        (false, _, Some(pid)) => (
            State::Fail,
            &*format!(
                "; it does not run, but process {pid}, another agent, uses the state directory: \
                 kill {pid}, then start the service"
            ),
        ),
        (false, _, None) => (
            State::Fail,
            "; it does not run: see its log (journalctl -u mackerel-agent), then start it \
             (systemctl start mackerel-agent, or its init script)",
        ),
    };
    verdict(state, &[said, more])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnose_service_has_to_run_and_to_be_enabled() {
        let other = "x; it does not run, but process 7, another agent, uses the state \
                     directory: kill 7, then start the service";
        // (whether it runs, whether it is enabled, process with the state directory, verdict)
        let table = [
            (true, true, Some(7), (State::Ok, "x")),
            (
                true,
                false,
                Some(7),
                (
                    State::Warn,
                    "x; it does not start at boot: systemctl enable mackerel-agent, or the like",
                ),
            ),
            (false, true, Some(7), (State::Fail, other)),
            (
                false,
                true,
                None,
                (
                    State::Fail,
                    "x; it does not run: see its log (journalctl -u mackerel-agent), then start it \
                     (systemctl start mackerel-agent, or its init script)",
                ),
            ),
        ];
        for (runs, is_enabled, holder, (state, text)) in table {
            let found = of_service(runs, is_enabled, "x", holder);
            assert_eq!(found, (state, text.to_owned()));
        }
    }
}
