//! Init scripts and the scripts of the packages, with their paths below a directory.

use std::fs;
use std::path::Path;

use super::{Programs, TOP};

/// Init scripts, and the files of their variables.
const SYSV: (&str, &str) = ("sysv/mackerel-agent", "etc/default/mackerel-agent");
const OPENRC: (&str, &str) = ("openrc/mackerel-agent", "etc/conf.d/mackerel-agent");

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
            format!("{enable}{reload}{checked}restart mackerel-agent.service\n"),
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
            format!("{enable}{reload}{checked}"),
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

#[test]
fn rpm_enables_and_disables_the_service_where_systemd_does_not_run() {
    // (why, script, its argument, whether systemd runs, arguments of systemctl)
    let table = [
        (
            "in an image",
            "rpm/posttrans",
            "",
            false,
            "enable mackerel-agent.service\n",
        ),
        (
            "erased from an image",
            "rpm/preun",
            "0",
            false,
            "disable mackerel-agent.service mackerel-agent-upgrade.timer\n",
        ),
        (
            "erased from a host",
            "rpm/preun",
            "0",
            true,
            "disable --now mackerel-agent.service mackerel-agent-upgrade.timer\n",
        ),
        ("an upgrade", "rpm/preun", "1", true, ""),
    ];
    for (why, script, argument, is_running, expected) in table {
        let (programs, text) = with_package(script);
        let root = programs.path("root");
        if !is_running {
            fs::remove_dir(root.join("run/systemd/system")).unwrap();
        }
        let state = root.join("var/lib/rpm-state/mackerel-agent-small");
        fs::create_dir_all(&state).unwrap();
        fs::write(state.join("new"), "").unwrap();
        let said = programs.run(&["sh", "-c", &text, "script", argument], &[]);
        assert_eq!(said.code, Some(0), "{why}: {}", said.text);
        let log = fs::read_to_string(programs.path("log")).unwrap_or_default();
        assert_eq!(log, expected, "{why}");
    }
}

/// A host with a package's script in `packaging/`, whose service manager logs its arguments, and
/// `held` where the host would not be retired.
fn with_package(script: &str) -> (Programs, String) {
    let programs = Programs::new();
    let root = programs.path("root");
    for name in [
        "etc/mackerel-agent",
        "etc/default",
        "run/systemd/system",
        "usr/lib/mackerel-agent",
        "usr/share/mackerel-agent",
        "var/lib",
    ] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(root.join("etc/mackerel-agent/mackerel-agent.conf"), "").unwrap();
    for name in ["find", "chown", "getent", "setsid", "deb-systemd-helper"] {
        programs.make(&format!("bin/{name}"), "exit 0");
    }
    fs::write(root.join("usr/share/mackerel-agent/default"), "sample").unwrap();
    let run = root.join("usr/lib/mackerel-agent/run.list");
    let line = format!(
        "[ ! -e {} ] || echo held >>{log}; echo \"$*\" >>{log}",
        run.display(),
        log = programs.path("log").display()
    );
    for name in ["systemctl", "deb-systemd-invoke", "rc-service"] {
        programs.make(&format!("bin/{name}"), &line);
    }
    let text = below(&root, script);
    (programs, text)
}

#[test]
fn package_that_restarts_the_agent_does_not_retire_the_host() {
    // (why, whether an upgrade that runs the package manager has made the file, what the restart
    // does to the script)
    let table = [
        ("a package manager by itself", false, ""),
        ("the daily upgrade", true, ""),
        ("a package manager that is interrupted", false, "TERM"),
    ];
    for (why, is_there, signal) in table {
        for (script, program) in [
            ("deb/postinst", "deb-systemd-invoke"),
            ("rpm/posttrans", "systemctl"),
            ("apk/post-upgrade", "rc-service"),
        ] {
            let (programs, text) = with_package(script);
            let run = programs.path("root/usr/lib/mackerel-agent/run.list");
            if is_there {
                fs::write(&run, "").unwrap();
            }
            if !signal.is_empty() {
                let path = programs.path("bin").join(program);
                let line = fs::read_to_string(&path).unwrap();
                let kill = "case $* in *restart*) kill -s TERM $PPID ;; esac";
                programs.make(&format!("bin/{program}"), &format!("{kill}\n{line}"));
            }
            let words = ["sh", "-e", "-c", &text, script, "configure", "1"];
            let said = programs.run(&words, &[]);
            assert_eq!(said.code, Some(0), "{why}, {script}: {}", said.text);
            let log = fs::read_to_string(programs.path("log")).unwrap();
            let lines: Vec<&str> = log.lines().collect();
            let at = lines.iter().position(|line| line.contains("restart"));
            let at = at.unwrap_or_else(|| panic!("{why}, {script}: {log}"));
            assert_eq!(lines[at - 1], "held", "{why}, {script}: {log}");
            // The daily upgrade removes its own. Alpine has none: one that is there is of a killed run.
            let stays = is_there && script != "apk/post-upgrade";
            assert_eq!(run.exists(), stays, "{why}, {script}");
        }
    }
}

#[test]
fn init_scripts_end_a_stop_whatever_becomes_of_the_retirement() {
    const RETIRES: &str = "AUTO_RETIREMENT=1\n";
    // (why, command, file, whether an upgrade restarts it, exit code of retire, whether it is asked)
    let table = [
        ("a stop", "stop", RETIRES, false, 0, true),
        ("a retirement that fails", "stop", RETIRES, false, 1, true),
        (
            "a stop without",
            "stop",
            "AUTO_RETIREMENT=0\n",
            false,
            0,
            false,
        ),
        ("a restart", "restart", RETIRES, false, 1, false),
        ("a stop by an upgrade", "stop", RETIRES, true, 1, false),
    ];
    for (why, command, file, is_upgrade, code, is_asked) in table {
        for (script, place) in [SYSV, OPENRC] {
            let programs = Programs::new();
            let root = programs.path("root");
            for name in [
                "etc/default",
                "etc/conf.d",
                "usr/lib/mackerel-agent",
                "var/run",
            ] {
                fs::create_dir_all(root.join(name)).unwrap();
            }
            fs::write(root.join(place), file).unwrap();
            if is_upgrade {
                fs::write(root.join("usr/lib/mackerel-agent/run.list"), "").unwrap();
            }
            let log = programs.path("log");
            let body = format!("echo \"$*\" >>{}; exit {code}", log.display());
            programs.make("bin/setsid", &body);
            // No agent runs before, and one does afterwards.
            for name in ["chown", "touch", "ewarn"] {
                programs.make(&format!("bin/{name}"), "exit 0");
            }
            let agent = root.join("usr/bin/mackerel-agent");
            fs::remove_file(programs.path("bin/readlink")).unwrap();
            programs.make("bin/readlink", &format!("echo '{}'", agent.display()));
            programs.make(
                "bin/start-stop-daemon",
                "while [ \"$1\" != -p ]; do shift; done; echo 7 >\"$2\"",
            );
            let path = programs.path("script");
            fs::write(&path, below(&root, script)).unwrap();
            let line = match script {
                "openrc/mackerel-agent" => ". \"$0\"; stop_post",
                _ => "set -- \"$RC_CMD\"; . \"$0\"",
            };
            let said = programs.run(
                &["sh", "-c", line, path.to_str().unwrap()],
                &[("RC_SVCNAME", "mackerel-agent"), ("RC_CMD", command)],
            );
            assert_eq!(said.code, Some(0), "{why}, {script}: {}", said.text);
            let asked = fs::read_to_string(&log).unwrap_or_default();
            assert_eq!(
                asked.contains("mackerel-agent retire -force"),
                is_asked,
                "{why}, {script}: {asked}{}",
                said.text
            );
        }
    }
}

#[test]
fn package_over_install_keeps_the_user_of_plugins_and_says_what_hides_it() {
    const PLUGIN: &str = "[plugin.metrics.a]\ncommand = 'a'\n";
    const UNIT: &str = "etc/systemd/system/mackerel-agent.service";
    // (why, files besides the configuration, whether plugins get root, whether something is said)
    let table: [(&str, &[&str], bool, bool); 4] = [
        ("a Go agent, which was root", &[], true, false),
        (
            "an agent of its own user",
            &["usr/lib/mackerel-agent/first.list", UNIT],
            false,
            true,
        ),
        (
            "an agent of root under another service manager",
            &[
                "usr/lib/mackerel-agent/first.list",
                "etc/mackerel-agent/run-as-root",
            ],
            true,
            true,
        ),
        ("a unit of an administrator's", &[UNIT], true, false),
    ];
    for (why, files, is_root, is_said) in table {
        for scripts in [&["deb/postinst"][..], &["rpm/post", "rpm/posttrans"]] {
            let (programs, text) = with_package(scripts[0]);
            let root = programs.path("root");
            let drop_in = root.join("etc/systemd/system/mackerel-agent.service.d");
            fs::create_dir_all(drop_in.parent().unwrap()).unwrap();
            let shared = root.join("usr/share/mackerel-agent/plugins-as-root.conf");
            fs::write(shared, "").unwrap();
            programs.make("bin/touch", "exit 0");
            for file in files {
                fs::write(root.join(file), "").unwrap();
            }
            fs::write(root.join("etc/mackerel-agent/mackerel-agent.conf"), PLUGIN).unwrap();
            let mut texts = vec![text];
            texts.extend(scripts[1..].iter().map(|script| below(&root, script)));
            let mut all = String::new();
            for text in texts {
                let first = if scripts[0] == "rpm/post" {
                    "1"
                } else {
                    "configure"
                };
                let said = programs.run(&["sh", "-c", &text, "script", first, ""], &[]);
                assert_eq!(said.code, Some(0), "{why}, {scripts:?}: {}", said.text);
                all += &said.text;
            }
            let is_there = drop_in.join("plugins-as-root.conf").exists();
            assert_eq!(is_there, is_root, "{why}, {scripts:?}: {all}");
            let command = format!("rm -r {}", root.display());
            assert_eq!(all.contains("was here first"), is_said, "{why}: {all}");
            assert_eq!(
                all.contains(&command),
                is_said && files.contains(&UNIT),
                "{why}: {all}"
            );
        }
    }
}

#[test]
fn sysv_signals_root_only_if_it_is_the_service() {
    // (why, owner of the process, its arguments, whether root sends the signal)
    let table = [
        ("the agent's own user", "900", "supervise -root /x", false),
        (
            "root, before the next start as another user",
            "0",
            "supervise -root /x",
            true,
        ),
        ("a command of root's", "0", "upgrade -spread=6h", false),
    ];
    for (why, owner, arguments, is_direct) in table {
        let programs = Programs::new();
        let root = programs.path("root");
        fs::create_dir_all(root.join("var/run")).unwrap();
        let agent = root.join("usr/bin/mackerel-agent").display().to_string();
        let log = programs.path("log");
        let lines = [
            ("readlink", format!("echo '{agent}'")),
            ("tr", format!("echo '{agent} {arguments} '")),
            ("stat", format!("echo {owner}")),
            ("setsid", format!("echo \"$*\" >>{}", log.display())),
        ];
        for (name, lines) in lines {
            // Some are links, which would be followed.
            drop(fs::remove_file(programs.path("bin").join(name)));
            programs.make(&format!("bin/{name}"), &lines);
        }
        // The script reads the arguments of a process that exists. The signal is sent by `kill` below.
        let pid = std::process::id();
        fs::write(root.join("var/run/mackerel-agent.pid"), format!("{pid}\n")).unwrap();
        let text = below(&root, SYSV.0);
        let kill = format!("kill() {{ echo \"root $*\" >>{}; }}", log.display());
        let line = format!("{kill}; set -- reload; {text}");
        let said = programs.run(&["sh", "-c", &line], &[]);
        assert_eq!(said.code, Some(0), "{why}: {}", said.text);
        let log = fs::read_to_string(&log).unwrap();
        assert_eq!(
            log.contains(&format!("root -HUP {pid}\n")),
            is_direct,
            "{why}: {log}"
        );
        let asked = log.contains(&format!("mackerel-agent -c kill -HUP {pid}\n"));
        assert_eq!(asked, !is_direct, "{why}: {log}");
    }
}

#[test]
fn upgrade_package_waits_for_locks_and_leaves_no_trace() {
    const WAITS: &str = "-o DPkg::Lock::Timeout=600";
    // (why, attempts of update that fail, what becomes of the script, exit code, attempts)
    let table = [
        ("nobody has a lock", 0, "", 0, 1),
        ("another package manager reads lists", 3, "", 0, 4),
        ("lists cannot be read", 99, "", 1, 10),
        ("the host is shut down", 0, "kill -s TERM $PPID", 143, 1),
    ];
    for (why, failures, end, code, attempts) in table {
        for shell in ["/bin/dash", "/bin/bash"].map(Path::new) {
            let (programs, text) = with_package("upgrade-package");
            let log = programs.path("log").display().to_string();
            let run = programs.path("root/usr/lib/mackerel-agent/run.list");
            let body = format!(
                "echo \"$*\" >>{log}; [ -e {run} ] || echo retired >>{log}\n\
                 case $* in *update) [ \"$(grep -c update {log})\" -gt {failures} ]; exit ;; esac\n{end}",
                run = run.display()
            );
            programs.make("bin/apt-get", &body);
            programs.make("bin/sleep", "exit 0");
            if !shell.exists() {
                continue;
            }
            let shell = shell.to_str().unwrap();
            let said = programs.run(&[shell, "-c", &text, "script", "run"], &[]);
            assert_eq!(said.code, Some(code), "{why}, {shell}: {}", said.text);
            let log = fs::read_to_string(&log).unwrap();
            assert_eq!(log.matches("update\n").count(), attempts, "{why}: {log}");
            assert_eq!(log.contains(WAITS), failures < 99, "{why}: {log}");
            assert!(!log.contains("retired"), "{why}: {log}");
            assert!(!run.exists(), "{why}, {shell}");
        }
    }
}

#[test]
fn deb_leaves_the_file_of_variables_to_another_agent() {
    const OLD: &str = " /etc/default/mackerel-agent 0123";
    // (why, what dpkg has as conffiles, the file before, scripts with their first argument, whether
    // another agent is there, the file afterwards)
    type Row = (
        &'static str,
        &'static str,
        Option<&'static str>,
        &'static [(&'static str, &'static str)],
        bool,
        Option<&'static str>,
    );
    let table: [Row; 7] = [
        (
            "a new host",
            "",
            None,
            &[("deb/preinst", "install"), ("deb/postinst", "configure")],
            false,
            Some("sample"),
        ),
        (
            "a file of somebody's",
            "",
            Some("edited"),
            &[("deb/preinst", "install"), ("deb/postinst", "configure")],
            false,
            Some("edited"),
        ),
        (
            "an upgrade of a release that had it as a conffile: dpkg must not see it meanwhile",
            OLD,
            Some("edited"),
            &[("deb/preinst", "upgrade")],
            false,
            None,
        ),
        (
            "its end",
            OLD,
            Some("edited"),
            &[("deb/preinst", "upgrade"), ("deb/postinst", "configure")],
            false,
            Some("edited"),
        ),
        (
            "an upgrade of such a release that fails",
            OLD,
            Some("edited"),
            &[("deb/preinst", "upgrade"), ("deb/postrm", "abort-upgrade")],
            false,
            Some("edited"),
        ),
        (
            "a purge",
            "",
            Some("edited"),
            &[("deb/postrm", "purge")],
            false,
            None,
        ),
        (
            "a purge beside `mackerel-agent install`",
            "",
            Some("edited"),
            &[("deb/postrm", "purge")],
            true,
            Some("edited"),
        ),
    ];
    for (why, conffiles, before, scripts, is_other, after) in table {
        let (programs, _) = with_package("deb/preinst");
        let root = programs.path("root");
        let options = root.join("etc/default/mackerel-agent");
        if let Some(before) = before {
            fs::write(&options, before).unwrap();
        }
        if is_other {
            fs::create_dir_all(root.join("usr/bin")).unwrap();
            fs::write(root.join("usr/bin/mackerel-agent"), "").unwrap();
        }
        let listed = conffiles.replace(" /etc", &format!(" {}/etc", root.display()));
        programs.make("bin/dpkg-query", &format!("echo '{listed}'"));
        programs.make("bin/rmdir", "exit 0");
        for (script, argument) in scripts {
            let text = below(&root, script);
            let said = programs.run(&["sh", "-c", &text, script, argument, "0.1.0"], &[]);
            assert_eq!(said.code, Some(0), "{why}: {}", said.text);
        }
        let found = fs::read_to_string(&options).ok();
        assert_eq!(found.as_deref(), after, "{why}");
    }
}
