//! The reload command of each service manager.
//!
//! A broken configuration is refused, with its file and key, before any signal is sent.

use std::fs;
use std::path::Path;

use fake_server::FakeServer;

use crate::sandbox::{Sandbox, is_emulated, limit};

/// A file below `packaging/`.
fn packaged(name: &str) -> String {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    fs::read_to_string(packaging.join(name)).unwrap()
}

/// Replaces each of `from`, which must occur.
fn replaced(mut text: String, pairs: &[(&str, &str)]) -> String {
    for (from, to) in pairs {
        assert!(text.contains(from), "{from} in {text}");
        text = text.replace(from, to);
    }
    text
}

/// The reload of a service manager as a shell script for the program, the configuration and the
/// state of the sandbox. `$MAINPID` is the agent's process.
fn reload_of(manager: &str, sandbox: &Sandbox, program: &str) -> String {
    let (root, conf) = (sandbox.root(), sandbox.conf());
    let (root, conf) = (root.display(), conf.display());
    let pidfile = sandbox.pidfile().display().to_string();
    let variables = format!("ROOT='{root}'\nOTHER_OPTS='-conf {conf}'\n");
    let defaults = sandbox.write("default", &variables).display().to_string();
    let own = ("/usr/bin/mackerel-agent", program);
    match manager {
        "systemd" => {
            let unit = packaged("systemd/mackerel-agent.service");
            let commands = unit
                .lines()
                .filter_map(|line| line.strip_prefix("ExecReload="));
            // The first command that fails is the last one that is run.
            let commands = commands.collect::<Vec<_>>().join(" && ");
            variables + &replaced(commands, &[own])
        }
        "sysv" => replaced(
            packaged("sysv/mackerel-agent"),
            &[
                own,
                ("user=mackerel-agent", "user=root"),
                ("/etc/default/mackerel-agent", &defaults),
                ("/var/run/mackerel-agent.pid", &pidfile),
            ],
        ),
        "openrc" => {
            let script = packaged("openrc/mackerel-agent");
            let script = replaced(script, &[own, ("user=mackerel-agent", "user=root")]);
            let daemon = "supervise-daemon \"$RC_SVCNAME\" --signal HUP --pidfile \"$pidfile\"";
            let script = replaced(script, &[(daemon, "kill -HUP $MAINPID")]);
            format!("{variables}ebegin() {{ :; }}\neend() {{ return $1; }}\n{script}\nreload\n")
        }
        "procd" => {
            let state = format!("configtest -root {root} -conf {conf}");
            let script = packaged("procd/mackerel-agent");
            let from = "configtest -root /etc/mackerel-agent/state";
            let script = replaced(script, &[own, (from, &state)]);
            format!("procd_send_signal() {{ kill -HUP $MAINPID; }}\n{script}\nreload_service\n")
        }
        _ => unreachable!("{manager}"),
    }
}

#[test]
fn reload_of_every_service_manager_refuses_a_broken_configuration() {
    only_if!(
        !is_emulated(),
        "the emulator is the program that the kernel knows"
    );
    for manager in ["systemd", "sysv", "openrc", "procd"] {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        let program = sandbox.copy_program().display().to_string();
        let conf = sandbox.conf().display().to_string();
        let mut agent = sandbox.spawn(&[program.as_str(), "-conf", &conf]);
        fake_server.wait(limit(15), "description", |seen| {
            let host = seen.model.hosts.values().next()?;
            (host.updates > 0).then_some(())
        });
        let script = reload_of(manager, &sandbox, &program);
        let script = sandbox.write("reload", &script).display().to_string();
        let pid = agent.pid();
        let reload = || {
            let words = ["env", &format!("MAINPID={pid}"), "sh", &script, "reload"];
            sandbox.spawn(&words).wait_exit(limit(15))
        };

        sandbox.configure(&fake_server.base(), "display_name = 1\n");
        let refused = reload();
        let said = refused.stdout + &refused.stderr;
        assert_ne!(refused.code, Some(0), "{manager}: {said}");
        for expected in [conf.as_str(), "display_name"] {
            assert!(said.contains(expected), "{manager}: {expected}: {said}");
        }
        agent.assert_running();

        sandbox.configure(&fake_server.base(), "display_name = \"new\"\n");
        let reloaded = reload();
        let said = reloaded.stdout + &reloaded.stderr;
        assert_eq!(reloaded.code, Some(0), "{manager}: {said}");
        fake_server.wait(limit(10), "new name", |seen| {
            let name = seen
                .model
                .hosts
                .values()
                .next()?
                .document
                .get("displayName")?;
            (name == "new").then_some(())
        });
        // A signal before that would have left a line.
        let log = agent.log().join("\n");
        assert!(!log.contains("failed to reload"), "{manager}: {log}");
    }
}
