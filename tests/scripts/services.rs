//! Init scripts and the scripts of the rpm, with their paths below a directory.

use std::fs;
use std::path::Path;

use super::{Programs, TOP};

/// The text of a file of `packaging/`, whose absolute paths are below `root`.
fn below(root: &Path, name: &str) -> String {
    let text = fs::read_to_string(Path::new(TOP).join("packaging").join(name)).unwrap();
    let mut moved = String::new();
    for (at, character) in text.char_indices() {
        let is_first = text[..at].ends_with([' ', '=']);
        let places = ["/etc/", "/run/", "/usr/", "/var/"];
        if is_first && places.iter().any(|place| text[at..].starts_with(place)) {
            moved += root.to_str().unwrap();
        }
        moved.push(character);
    }
    moved
}

#[test]
fn init_scripts_leave_no_directory_to_roots_group() {
    for script in ["sysv/mackerel-agent", "procd/mackerel-agent"] {
        let text = fs::read_to_string(Path::new(TOP).join("packaging").join(script)).unwrap();
        let changes: Vec<_> = text.split("chown ").skip(1).collect();
        assert!(!changes.is_empty(), "{script}");
        for change in changes {
            // `user:` is the user with its group, in busybox as well.
            assert!(change.starts_with("-h \"$user:\" "), "{script}: {change}");
        }
    }
}

#[test]
fn init_scripts_give_the_agent_the_variables_of_the_file() {
    const SYSV: (&str, &str) = ("sysv/mackerel-agent", "etc/default/mackerel-agent");
    const OPENRC: (&str, &str) = ("openrc/mackerel-agent", "etc/conf.d/mackerel-agent");
    let defaults = [
        "MACKEREL_HEALTH=true",
        "MACKEREL_PLUGIN_WORKDIR=ROOT/var/cache/mackerel-agent",
    ];
    let file = "# a comment\nHTTPS_PROXY=http://proxy.example:3128\nMACKEREL_HEALTH=false\n\
                MACKEREL_PLUGIN_WORKDIR=/srv/plugins\nOTHER_OPTS=\n";
    let set = [
        "HTTPS_PROXY=http://proxy.example:3128",
        "MACKEREL_HEALTH=false",
        "MACKEREL_PLUGIN_WORKDIR=/srv/plugins",
    ];
    // (why, file, variables of the agent)
    let table = [
        ("there is no file", None, &defaults[..]),
        ("what the file sets wins", Some(file), &set),
        (
            "a file whose last command fails",
            Some("HTTPS_PROXY=http://proxy.example:3128\nfalse\n"),
            &set[..1],
        ),
    ];
    for (why, file, expected) in table {
        for (script, place) in [SYSV, OPENRC] {
            let programs = Programs::new();
            let root = programs.path("root");
            let (file_path, script_path) = (root.join(place), programs.path("script"));
            fs::create_dir_all(file_path.parent().unwrap()).unwrap();
            fs::create_dir_all(root.join("var/run")).unwrap();
            if let Some(file) = file {
                fs::write(&file_path, file).unwrap();
            }
            fs::write(&script_path, below(&root, script)).unwrap();
            for name in ["chown", "touch", "checkpath"] {
                programs.make(&format!("bin/{name}"), "exit 0");
            }
            fs::remove_file(programs.path("bin/readlink")).unwrap();
            let agent = root.join("usr/bin/mackerel-agent");
            programs.make("bin/readlink", &format!("echo '{}'", agent.display()));
            programs.make(
                "bin/start-stop-daemon",
                "env; while [ \"$1\" != -p ]; do shift; done; echo 7 >\"$2\"",
            );
            let line = match script {
                // What openrc-run does: it reads the file, and exports nothing of it.
                "openrc/mackerel-agent" => {
                    "[ ! -r \"$1\" ] || . \"$1\"; . \"$0\"; start_pre && env"
                }
                _ => "set -- start; . \"$0\"",
            };
            let paths = [&script_path, &file_path].map(|path| path.to_str().unwrap());
            let said = programs.run(
                &["sh", "-c", line, paths[0], paths[1]],
                &[("RC_SVCNAME", "mackerel-agent")],
            );
            assert_eq!(said.code, Some(0), "{why}, {script}: {}", said.text);
            for expected in expected {
                let expected = expected.replace("ROOT", root.to_str().unwrap());
                let is_there = said.stdout.lines().any(|line| line == expected);
                assert!(is_there, "{why}, {script}: {expected}: {}", said.text);
            }
            // Its own variables are not the agent's.
            assert!(!said.stdout.contains("\npidfile="), "{why}, {script}");
        }
    }
}

#[test]
fn rpm_starts_a_new_service_and_leaves_a_stopped_one() {
    let (reload, enable) = ("daemon-reload\n", "enable mackerel-agent.service\n");
    let checked = "reload mackerel-agent.service\n";
    // (why, whether it is new, exit codes of a reload and of configtest, arguments of systemctl)
    let table = [
        (
            "a new one",
            true,
            ("1", "0"),
            format!("{reload}{enable}{checked}restart mackerel-agent.service\n"),
        ),
        (
            "an upgrade: it may have been stopped or disabled",
            false,
            ("1", "0"),
            format!("{reload}{checked}try-restart mackerel-agent.service\n"),
        ),
        (
            "an upgrade of a service whose key only the service knows",
            false,
            ("0", "1"),
            format!("{reload}{checked}try-restart mackerel-agent.service\n"),
        ),
        (
            "a new one without an API key",
            true,
            ("1", "1"),
            format!("{reload}{enable}{checked}"),
        ),
        (
            "a rejected configuration",
            false,
            ("1", "1"),
            format!("{reload}{checked}"),
        ),
    ];
    for (why, is_new, (reloads, code), expected) in table {
        let programs = Programs::new();
        let root = programs.path("root");
        for name in ["etc/mackerel-agent", "run/systemd/system", "var/lib"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(root.join("etc/mackerel-agent/mackerel-agent.conf"), "").unwrap();
        let state = root.join("var/lib/rpm-state/mackerel-agent-small");
        if is_new {
            fs::create_dir_all(&state).unwrap();
            fs::write(state.join("new"), "").unwrap();
        }
        let script = below(&root, "rpm/posttrans");
        for name in ["find", "chown"] {
            programs.make(&format!("bin/{name}"), "exit 0");
        }
        programs.make("bin/setsid", &format!("exit {code}"));
        let log = programs.path("log");
        let body = format!(
            "echo \"$*\" >>{}; [ \"$1\" != reload ] || exit {reloads}",
            log.display()
        );
        programs.make("bin/systemctl", &body);
        let said = programs.run(&["sh", "-e", "-c", &script], &[]);
        assert_eq!(said.code, Some(0), "{why}: {}", said.text);
        assert_eq!(fs::read_to_string(&log).unwrap(), expected, "{why}");
        assert!(!state.exists(), "{why}");
    }
}
