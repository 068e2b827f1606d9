//! The systemd units: their exposure, and whether the drop-ins fit them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::TOP;

const AGENT: &str = "mackerel-agent.service";
const UPGRADE: &str = "mackerel-agent-upgrade.service";

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(TOP).join("packaging/systemd").join(name)).unwrap()
}

/// The settings of `[Service]` from the first sandbox setting on, by name.
fn sandbox(text: &str) -> BTreeSet<&str> {
    let service = text
        .split("[Service]")
        .nth(1)
        .unwrap()
        .split("[Install]")
        .next()
        .unwrap();
    let at = service.find("CapabilityBoundingSet=").unwrap();
    let settings = service[at..].lines().filter(|line| !line.starts_with('#'));
    settings
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect()
}

#[test]
fn units_as_root_have_no_sandbox_left() {
    let (unit, root) = (read(AGENT), read("plugins-as-root.conf"));
    for setting in sandbox(&unit) {
        // Without a filter of system calls, its error number has no effect.
        let is_taken_back = root
            .lines()
            .any(|line| line.starts_with(&format!("{setting}=")));
        assert!(
            is_taken_back || setting == "SystemCallErrorNumber",
            "{setting}"
        );
    }
}

#[test]
fn units_start_after_what_they_need() {
    // (why, unit, what is started before)
    let table = [
        (
            "names are looked up, and at a stop as well",
            AGENT,
            "nss-lookup.target",
        ),
        (
            "it has a network until it has stopped",
            AGENT,
            "network.target",
        ),
        (
            "apt has one lock for all",
            "package-upgrade.service",
            "apt-daily.service",
        ),
        (
            "and dpkg another",
            "package-upgrade.service",
            "apt-daily-upgrade.service",
        ),
    ];
    for (why, unit, other) in table {
        let text = read(unit);
        let mut after = text.lines().filter_map(|line| line.strip_prefix("After="));
        let is_there = after.any(|units| units.split(' ').any(|unit| unit == other));
        assert!(is_there, "{unit}: {other}: {why}");
    }
}

#[test]
fn units_say_what_plugins_lose() {
    let (unit, restored) = (read(AGENT), read("plugins-priorities.conf"));
    for program in ["ionice", "chrt", "taskset", "nice", "renice"] {
        let comments = unit.lines().filter(|line| line.starts_with('#'));
        assert!(
            comments.clone().any(|line| line.contains(program)),
            "{program}"
        );
        assert!(restored.contains(program), "{program}");
    }
    assert!(unit.contains("plugins-priorities.conf"));
}

/// adjtimex(2) says whether the clock is synchronized. It is musl's call of clock_adjtime(2) on
/// 32-bit machines.
#[test]
fn units_let_the_agent_ask_whether_the_clock_is_right() {
    let unit = read(AGENT);
    let mut filters = unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="));
    // @privileged has @clock, and what comes later counts.
    let last = filters.next_back().unwrap();
    assert_eq!(last, "adjtimex clock_adjtime clock_adjtime64");
    assert!(!sandbox(&unit).contains("ProtectClock"));
}

#[test]
fn units_are_exposed_as_little_as_documented() {
    let tool = Path::new("/usr/bin/systemd-analyze");
    let help = Command::new(tool)
        .arg("--help")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    fake_server::require!(
        help.is_ok_and(|help| help.contains("--offline")),
        "no systemd-analyze of systemd 250 or later; make needs-test installs it"
    );
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("etc/systemd/system");
    let page = fs::read_to_string(Path::new(TOP).join("docs/install.md")).unwrap();
    // (unit, its drop-in, exposure, words of docs/install.md)
    let table = [
        (AGENT, None, "2.5", "(`systemd-analyze security`: 2.5, OK)"),
        (
            AGENT,
            Some("plugins-priorities.conf"),
            "2.6",
            "plugins-priorities.conf) (2.6)",
        ),
        (UPGRADE, None, "2.0", "sandbox (2.0)"),
    ];
    for (unit, drop_in, exposure, text) in table {
        drop(fs::remove_dir_all(&place));
        let more = place.join(format!("{unit}.d"));
        fs::create_dir_all(&more).unwrap();
        fs::write(place.join(unit), read(unit)).unwrap();
        if let Some(name) = drop_in {
            fs::write(more.join(name), read(name)).unwrap();
        }
        let output = Command::new(tool)
            .args(["security", "--offline=true", "--no-pager", unit])
            .arg(format!("--root={}", directory.path().display()))
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = said
            .lines()
            .find_map(|line| line.split_once(": ").filter(|_| line.contains("Overall")))
            .map(|(_, level)| level.split(' ').next().unwrap_or_default());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(found, Some(exposure), "{unit} {drop_in:?}: {said}{errors}");
        assert!(page.contains(text), "docs/install.md: {text}");
    }
}
