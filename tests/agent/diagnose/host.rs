//! What is wrong on the host: files, plugins, the service, the listener.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::process::Command;

use super::Diagnosis;
use crate::network::cloud::namespace;
use crate::process_tree::poll_until;
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::FakeServer;

/// The places in which a real systemctl would be found first.
const REAL: [&str; 4] = ["/sbin", "/usr/sbin", "/bin", "/usr/bin"];

/// A sandbox with this configuration, and a server.
fn sandbox(fake_server: &FakeServer, more: &str) -> Sandbox {
    let sandbox = Sandbox::of(fake_server);
    sandbox.configure(&fake_server.base(), more);
    sandbox
}

/// Runs a command that has to succeed.
#[track_caller]
fn done(words: &[&str]) {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {error}");
}

/// Puts a systemctl that prints `text` and ends with `code` in place of the real one, for this
/// mount namespace.
fn systemctl(sandbox: &mut Sandbox, code: u8, text: &str) {
    let script = format!("#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n");
    sandbox.write("bin/systemctl", &script);
    sandbox.mode("bin/systemctl", 0o755);
    let fake = sandbox.path("bin/systemctl").display().to_string();
    for directory in REAL {
        let real = format!("{directory}/systemctl");
        if fs::metadata(&real).is_ok() {
            done(&["mount", "--bind", &fake, &real]);
        }
    }
    let path = format!(
        "{}:{}",
        sandbox.path("bin").display(),
        std::env::var("PATH").unwrap()
    );
    sandbox.env("PATH", path);
}

#[test]
fn diagnose_names_a_configuration_that_cannot_be_used() {
    let sandbox = Sandbox::empty();
    sandbox.configure("https://127.0.0.1", "podfile = 1\nverbose = 'x'");
    let conf = sandbox.conf().display().to_string();
    let diagnosis = Diagnosis::of(&sandbox, &[]);
    let failed = diagnosis.all("FAIL");
    assert_eq!(failed.len(), 1, "{}", diagnosis.text);
    assert!(failed[0].starts_with("configuration: [CRITICAL] failed to test config: "));
    assert!(
        failed[0].contains(&format!("{conf}:7: ")),
        "{}",
        diagnosis.text
    );
    assert!(failed[0].contains("podfile is unexpected key. Did you mean pidfile ?"));
    assert!(failed[0].ends_with("correct it; mackerel-agent configtest checks it again"));
    let skipped = "connection, API key, host: the configuration has errors";
    assert!(
        diagnosis.all("skipped").contains(&skipped),
        "{}",
        diagnosis.text
    );

    let sandbox = Sandbox::empty();
    let diagnosis = Diagnosis::of(&sandbox, &[]);
    let failed = diagnosis.all("FAIL");
    assert!(
        failed[0].contains("No such file or directory"),
        "{}",
        diagnosis.text
    );
    assert!(failed[0].contains("create it with mackerel-agent init"));
}

#[test]
fn diagnose_names_a_plugin_that_is_missing_and_a_user_that_is() {
    let fake_server = FakeServer::http();
    let plugins = "[plugin.metrics.a]\ncommand = ['/nowhere/plugin', '-password', 'ARGUMENT-5ECRET']\n\
                   [plugin.checks.b]\ncommand = 'true'\n";
    let sandbox = sandbox(&fake_server, plugins);
    let conf = sandbox.conf().display().to_string();
    let diagnosis = Diagnosis::of(&sandbox, &[]);
    let expected = format!(
        "plugins: plugin.metrics.a.command: /nowhere/plugin: no such file; install it, or \
         correct its path ({conf}:7)"
    );
    diagnosis.assert_failed(&[&expected]);

    let user = "[plugin.checks.b]\ncommand = 'true'\nuser = 'no-such-user-of-the-tests'\n";
    sandbox.configure(&fake_server.base(), user);
    let diagnosis = Diagnosis::of(&sandbox, &[]);
    let failed = diagnosis.all("FAIL");
    assert!(
        failed.len() == 1 && failed[0].starts_with("plugins: "),
        "{}",
        diagnosis.text
    );
    let expected = "user no-such-user-of-the-tests: no such user; create it, or correct user";
    assert!(failed[0].contains(expected), "{}", diagnosis.text);
}

#[test]
fn diagnose_names_a_disk_that_is_full_or_read_only() {
    let name = "diagnose::host::diagnose_names_a_disk_that_is_full_or_read_only";
    namespace::inside_with_mounts(name, || {
        let fake_server = FakeServer::http();
        let sandbox = sandbox(&fake_server, "");
        fs::create_dir(sandbox.root()).unwrap();
        let root = sandbox.root().display().to_string();
        done(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", &root]);
        let diagnosis = Diagnosis::of(&sandbox, &[]);
        let expected = format!(
            "state directory: {root}: the disk is full; free space: what cannot be sent at once is \
             lost at a restart (bytes free: 65536)"
        );
        diagnosis.assert_failed(&[&expected]);
        done(&["mount", "-o", "remount,ro", &root]);
        let diagnosis = Diagnosis::of(&sandbox, &[]);
        let failed = diagnosis.all("FAIL");
        let start = format!("state directory: write to {root}: Read-only file system");
        assert!(
            failed.len() == 1 && failed[0].starts_with(&start),
            "{}",
            diagnosis.text
        );
        assert!(failed[0].contains("; give it to the agent's user (chown), mount it read-write"));
    });
}

/// The state directory is of another user than root, who may not read the configuration.
#[test]
fn diagnose_names_files_that_the_agent_may_not_read() {
    let fake_server = FakeServer::http();
    let sandbox = sandbox(&fake_server, "");
    fs::create_dir(sandbox.root()).unwrap();
    let user = 65_533;
    require!(
        chown(sandbox.root(), Some(user), Some(user)).is_ok(),
        "only root may change owners"
    );
    // A directory of the sandbox lets its owner in alone.
    sandbox.mode("", 0o755);
    let diagnosis = Diagnosis::of(&sandbox, &[]);
    let failed = diagnosis.all("FAIL");
    let conf = sandbox.conf().display().to_string();
    let cause = format!("read {conf}: Permission denied");
    let remedy =
        "the agent's user may not read the file: chgrp mackerel-agent FILE; chmod g+r FILE";
    assert!(failed[0].contains(&cause), "{}", diagnosis.text);
    assert!(failed[0].ends_with(remedy), "{}", diagnosis.text);
}

#[test]
fn diagnose_names_a_unit_that_is_stopped() {
    let name = "diagnose::host::diagnose_names_a_unit_that_is_stopped";
    namespace::inside_with_mounts(name, || {
        let fake_server = FakeServer::http();
        let mut sandbox = sandbox(&fake_server, "");
        systemctl(
            &mut sandbox,
            3,
            "x mackerel-agent.service - the agent\n     Loaded: loaded (/u; enabled; preset: enabled)\n     \
             Active: failed (Result: exit-code) since Sun 2026-11-29",
        );
        Diagnosis::of(&sandbox, &[]).assert_failed(&[
            "service: Loaded: loaded (/u; enabled; preset: enabled), Active: failed (Result: \
             exit-code) since Sun 2026-11-29; it does not run: see its log (journalctl -u \
             mackerel-agent), then start it (systemctl start mackerel-agent, or its init script)",
        ]);
    });
}

/// An agent that was started by hand keeps the service's from starting.
#[test]
fn diagnose_names_the_other_one_of_two_agents() {
    only_if!(!is_emulated(), "the emulator has another name");
    let name = "diagnose::host::diagnose_names_the_other_one_of_two_agents";
    namespace::inside_with_mounts(name, || {
        let fake_server = FakeServer::http();
        let mut sandbox = sandbox(&fake_server, "");
        systemctl(
            &mut sandbox,
            3,
            "Loaded: loaded\nActive: activating (auto-restart) (Result: exit-code)",
        );
        // The agent's program has another name here if AGENT_BIN says so.
        sandbox.copy_program();
        let program = sandbox.path("mackerel-agent").display().to_string();
        let conf = sandbox.conf().display().to_string();
        let agent = sandbox.spawn(&[&*program, "-conf", &conf]);
        let pid = agent.pid();
        let expected = format!(
            "service: Loaded: loaded, Active: activating (auto-restart) (Result: exit-code); it does \
             not run, but process {pid}, another agent, uses the state directory: kill {pid}, then \
             start the service"
        );
        poll_until(limit(100), "the other agent", || {
            let diagnosis = Diagnosis::of(&sandbox, &[]);
            diagnosis.all("FAIL").contains(&&*expected).then_some(())
        });
    });
}

#[test]
fn diagnose_names_an_address_that_another_program_uses() {
    let fake_server = FakeServer::http();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let sandbox = sandbox(&fake_server, &format!("listen = \"{address}\""));
    let expected = format!(
        "listener: {address}: used by another program; end it (ss -ltnp names it), or write another \
         address into listen"
    );
    Diagnosis::of(&sandbox, &[]).assert_failed(&[&expected]);
}
