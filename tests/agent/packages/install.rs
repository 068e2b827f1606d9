//! `install` and `uninstall`, into a directory that stands for a host.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::process::Finished;
use crate::sandbox::Sandbox;

const SECRET: &str = "the-key-of-a-test";
const CONF: &str = "etc/mackerel-agent/mackerel-agent.conf";
const PROGRAM: &str = "usr/bin/mackerel-agent";

/// A sandbox with a host in `host/` whose service manager has this file.
pub(crate) fn host(manager: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    for (name, text) in [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("etc/group", "root:x:0:\n"),
        ("usr/lib/os-release", "ID=test\n"),
        ("usr/bin/true", ""),
        (manager, ""),
    ] {
        sandbox.write(&format!("host/{name}"), text);
    }
    // Of any umask: /etc of a host is for all users.
    sandbox.mode("host/etc", 0o755);
    sandbox
}

/// Runs `mackerel-agent COMMAND -prefix host FLAGS…`.
pub(crate) fn run(sandbox: &Sandbox, command: &str, flags: &[&str]) -> Finished {
    let top = sandbox.path("host").display().to_string();
    let words = [&[command, "-prefix", &top], flags].concat();
    sandbox.run_bare(&words)
}

/// The same. Panics if it fails. Returns its output.
fn said(sandbox: &Sandbox, command: &str, flags: &[&str]) -> String {
    let finished = run(sandbox, command, flags);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stderr, "");
    assert!(!finished.stdout.contains(SECRET));
    finished.stdout
}

/// Writes a key file and returns the flag `-apikey-file` for it.
pub(crate) fn key_file(sandbox: &Sandbox) -> String {
    let path = sandbox.write("key", &format!("{SECRET}\n"));
    format!("-apikey-file={}", path.display())
}

/// Everything below `host/`: path, mode, and content or target.
pub(crate) fn everything(sandbox: &Sandbox) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![sandbox.path("host")];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = match &metadata {
            m if m.is_symlink() => fs::read_link(&path)
                .unwrap()
                .into_os_string()
                .into_encoded_bytes(),
            m if m.is_dir() => {
                left.extend(
                    fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
                Vec::new()
            }
            _ => fs::read(&path).unwrap(),
        };
        found.push((path, metadata.mode(), content));
    }
    found.sort();
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn every_service_manager_gets_its_files_and_is_rid_of_them_again() {
    // (a file of the service manager, a file that is installed, its first line, a link, its target,
    // the state directory)
    let table = [
        (
            "bin/systemctl",
            "etc/systemd/system/mackerel-agent.service",
            "[Unit]",
            "etc/systemd/system/multi-user.target.wants/mackerel-agent.service",
            "/etc/systemd/system/mackerel-agent.service",
            "var/lib/mackerel-agent",
        ),
        (
            "sbin/openrc-run",
            "etc/init.d/mackerel-agent",
            "#!/sbin/openrc-run",
            "etc/runlevels/default/mackerel-agent",
            "/etc/init.d/mackerel-agent",
            "var/lib/mackerel-agent",
        ),
        (
            "sbin/procd",
            "etc/init.d/mackerel-agent",
            "#!/bin/sh /etc/rc.common",
            "etc/rc.d/S95mackerel-agent",
            "../init.d/mackerel-agent",
            "etc/mackerel-agent/state",
        ),
        (
            "etc/init.d/README",
            "etc/init.d/mackerel-agent",
            "#!/bin/sh\n### BEGIN INIT INFO",
            "etc/rc3.d/S95mackerel-agent",
            "../init.d/mackerel-agent",
            "var/lib/mackerel-agent",
        ),
        (
            "etc/rc.d/init.d/functions",
            "etc/init.d/mackerel-agent",
            "#!/bin/sh\n### BEGIN INIT INFO",
            "etc/rc.d/rc3.d/S95mackerel-agent",
            "../../init.d/mackerel-agent",
            "var/lib/mackerel-agent",
        ),
    ];
    for (manager, script, start, link, target, state) in table {
        let sandbox = host(manager);
        if manager.starts_with("etc/rc.d") {
            // As on Red Hat.
            symlink("rc.d/init.d", sandbox.path("host/etc/init.d")).unwrap();
        }
        let before = everything(&sandbox);
        let key = key_file(&sandbox);

        let rehearsal = said(&sandbox, "install", &[&key, "-dry-run"]);
        assert_eq!(everything(&sandbox), before, "{manager}");
        let steps = said(&sandbox, "install", &[&key]);
        let steps_of = |text: &str| text.rsplit_once("\n").unwrap().0.to_owned();
        let listed = |text: &str| steps_of(text.trim_end());
        assert_eq!(listed(&steps), listed(&rehearsal), "{manager}");

        let path = |name: &str| sandbox.path("host").join(name);
        let text = sandbox.content(&format!("host/{script}"));
        assert!(text.starts_with(start), "{manager}: {text}");
        assert_eq!(fs::read_link(path(link)).unwrap(), Path::new(target));
        assert!(path(state).is_dir(), "{manager}");
        assert_eq!(mode(&path(PROGRAM)), 0o755);
        assert_eq!(mode(&path(CONF)), 0o640);
        let conf = sandbox.content(&format!("host/{CONF}"));
        assert!(conf.starts_with(&format!("apikey = \"{SECRET}\"\n")));
        assert!(conf.contains("\n# Configuration for Custom Metrics Plugins\n"));
        let passwd = sandbox.content("host/etc/passwd");
        assert!(passwd.contains("\nmackerel-agent:*:999:999:"), "{passwd}");

        // By it, the hooks of the service would no longer retire the host.
        assert!(!path("usr/lib/mackerel-agent/run.list").exists());

        // The second run changes nothing and needs no key.
        let installed = everything(&sandbox);
        assert_eq!(
            said(&sandbox, "install", &[]),
            "everything is in its place\n"
        );
        assert_eq!(everything(&sandbox), installed);

        // The agent's own files are removed too, and the message says that the host stays in
        // Mackerel.
        let id = sandbox.write(&format!("host/{state}/id"), "3aBcDeFgHiJ");
        let owner = fs::metadata(path(state)).unwrap();
        chown(&id, Some(owner.uid()), Some(owner.gid())).unwrap();
        let rehearsal = said(&sandbox, "uninstall", &["-dry-run"]);
        assert!(path(PROGRAM).exists());
        let steps = said(&sandbox, "uninstall", &[]);
        let stays = "the host 3aBcDeFgHiJ is still in Mackerel: ";
        for text in [&rehearsal, &steps] {
            assert!(
                text.contains(stays) && text.contains("mackerel-agent retire"),
                "{text}"
            );
        }
        let order = |text: &str| {
            text.split(stays)
                .next()
                .map(|t| t.replace("-dry-run: nothing has been changed\n", ""))
                .unwrap()
        };
        assert_eq!(order(&steps), order(&rehearsal), "{manager}");
        assert_eq!(everything(&sandbox), before, "{manager}");
        let again = run(&sandbox, "uninstall", &[]);
        assert_eq!(again.code, Some(1));
        assert!(again.stderr.contains("not one of mackerel-agent install"));
    }
}

#[test]
fn an_edited_configuration_stays_unless_it_is_purged() {
    // (edit of the configuration, flags, whether the configuration stays)
    type Edit = fn(&Sandbox);
    let edit: Edit = |s| drop(s.write(&format!("host/{CONF}"), "apikey = 'k'\nroles = ['a:b']\n"));
    let table: [(Edit, &[&str], bool); 4] = [
        (|_| (), &[], false),
        (edit, &[], true),
        (edit, &["-purge"], false),
        (|_| (), &["-purge"], false),
    ];
    for (edit, flags, stays) in table {
        let sandbox = host("bin/systemctl");
        let before = everything(&sandbox);
        let key = key_file(&sandbox);
        said(&sandbox, "install", &[&key]);
        edit(&sandbox);
        let text = said(&sandbox, "uninstall", flags);
        let path = sandbox.path("host").join(CONF);
        assert_eq!(path.exists(), stays, "{flags:?}: {text}");
        assert_eq!(text.contains("stays; -purge removes it"), stays, "{text}");
        if stays {
            // The agent's group is removed, and its id may be given to another group.
            assert_eq!(mode(&path), 0o600);
        } else {
            assert_eq!(everything(&sandbox), before, "{flags:?}");
        }
    }
    // A configuration that existed before is restored, or stays if it has been edited.
    for (edit, expected) in [
        (false, "root = '/opt'\n"),
        (true, "apikey = 'k'\nroles = ['a:b']\n"),
    ] {
        let sandbox = host("bin/systemctl");
        sandbox.write(&format!("host/{CONF}"), "root = '/opt'\n");
        let key = key_file(&sandbox);
        said(&sandbox, "install", &[&key]);
        if edit {
            sandbox.write(&format!("host/{CONF}"), expected);
        }
        said(&sandbox, "uninstall", &[]);
        assert_eq!(sandbox.content(&format!("host/{CONF}")), expected);
    }
}

#[test]
fn the_daily_upgrade_goes_with_the_agent() {
    let sandbox = host("bin/systemctl");
    let key = key_file(&sandbox);
    let before = everything(&sandbox);
    said(&sandbox, "install", &[&key]);
    let units = "host/etc/systemd/system";
    for name in [
        "mackerel-agent-upgrade.timer",
        "mackerel-agent-upgrade.service",
    ] {
        sandbox.write(&format!("{units}/{name}"), "[Unit]\n");
    }
    fs::create_dir_all(sandbox.path(&format!("{units}/timers.target.wants"))).unwrap();
    let wanted = sandbox.path(&format!(
        "{units}/timers.target.wants/mackerel-agent-upgrade.timer"
    ));
    symlink("../mackerel-agent-upgrade.timer", &wanted).unwrap();
    said(&sandbox, "uninstall", &[]);
    let left: Vec<_> = everything(&sandbox)
        .into_iter()
        .filter(|e| !before.contains(e))
        .collect();
    // The directory of the link was not made by `install`.
    assert!(left.iter().all(|(path, ..)| path.is_dir()), "{left:?}");
}

#[test]
fn health_is_enabled_by_the_service_and_not_in_the_configuration() {
    for (manager, script) in [
        ("bin/systemctl", "etc/systemd/system/mackerel-agent.service"),
        ("sbin/openrc-run", "etc/init.d/mackerel-agent"),
        ("sbin/procd", "etc/init.d/mackerel-agent"),
        ("etc/init.d/README", "etc/init.d/mackerel-agent"),
    ] {
        let sandbox = host(manager);
        sandbox.write(&format!("host/{CONF}"), "apikey = 'k'\n");
        said(&sandbox, "install", &[]);
        let text = sandbox.content(&format!("host/{script}"));
        assert!(text.contains("MACKEREL_HEALTH="), "{manager}");
        assert_eq!(sandbox.content(&format!("host/{CONF}")), "apikey = 'k'\n");
    }
}

#[test]
fn what_the_user_has_put_in_the_place_of_its_id_is_left_and_told_of() {
    // (why this row exists, what is there instead of the id file)
    type Put = fn(&Path);
    let table: [(&str, Put); 5] = [
        ("a link", |at| symlink("../../../etc/passwd", at).unwrap()),
        ("lines of a record", |at| {
            symlink("x y\nkept 4755 0 0 /bin/sh\nnothing", at).unwrap()
        }),
        ("no id", |at| fs::write(at, "../../etc/passwd").unwrap()),
        ("a long text", |at| fs::write(at, "x".repeat(65)).unwrap()),
        ("a directory", |at| fs::create_dir(at).unwrap()),
    ];
    for (why, put) in table {
        let sandbox = host("bin/systemctl");
        let before = everything(&sandbox);
        let key = key_file(&sandbox);
        said(&sandbox, "install", &[&key]);
        put(&sandbox.path("host/var/lib/mackerel-agent/id"));
        let installed = everything(&sandbox);
        let text = said(&sandbox, "install", &["-dry-run"]);
        assert!(text.contains("WARNING: "), "{why}: {text}");
        assert!(text.contains("/var/lib/mackerel-agent/id"), "{why}: {text}");
        said(&sandbox, "install", &[]);
        assert_eq!(everything(&sandbox), installed, "{why}");
        said(&sandbox, "uninstall", &[]);
        assert_eq!(everything(&sandbox), before, "{why}");
    }
}

/// A host with a Go agent: program, script, configuration, id.
fn go_host(conf: &str) -> Sandbox {
    let sandbox = host("etc/init.d/README");
    for (name, text, mode) in [
        (PROGRAM, "the Go agent", 0o755),
        ("etc/init.d/mackerel-agent", "#!/bin/sh\n# Go\n", 0o755),
        (CONF, conf, 0o644),
        ("var/lib/mackerel-agent/id", "3aBcDeFgHiJ", 0o600),
    ] {
        sandbox.write(&format!("host/{name}"), text);
        sandbox.mode(&format!("host/{name}"), mode);
    }
    fs::create_dir(sandbox.path("host/etc/rc3.d")).unwrap();
    symlink(
        "../init.d/mackerel-agent",
        sandbox.path("host/etc/rc3.d/S95mackerel-agent"),
    )
    .unwrap();
    sandbox
}

#[test]
fn a_go_agent_is_adopted_and_handed_back_to() {
    let conf = "apikey = 'there'\nroles = ['a:b']\n";
    let sandbox = go_host(conf);
    let before = everything(&sandbox);
    said(&sandbox, "install", &[]);
    assert_eq!(sandbox.content(&format!("host/{CONF}")), conf);
    assert_eq!(mode(&sandbox.path("host").join(CONF)), 0o640);
    let id = sandbox.path("host/var/lib/mackerel-agent/id");
    assert_eq!(
        (fs::read(&id).unwrap(), mode(&id)),
        (b"3aBcDeFgHiJ".into(), 0o644)
    );
    assert!(!sandbox.path("host/etc/mackerel-agent/run-as-root").exists());
    assert_ne!(
        fs::read(sandbox.path("host").join(PROGRAM)).unwrap(),
        b"the Go agent"
    );

    let asked = run(&sandbox, "uninstall", &[]);
    assert_eq!(asked.code, Some(1));
    assert!(
        asked.stderr.contains("-restore hands back"),
        "{}",
        asked.stderr
    );
    said(&sandbox, "uninstall", &["-restore"]);
    assert_eq!(everything(&sandbox), before);

    // Not restored: its program and service are removed, its configuration and id stay.
    said(&sandbox, "install", &[]);
    said(&sandbox, "uninstall", &["-restore=false"]);
    assert!(!sandbox.path("host").join(PROGRAM).exists());
    assert!(!sandbox.path("host/etc/init.d/mackerel-agent").exists());
    assert_eq!(sandbox.content(&format!("host/{CONF}")), conf);
    assert!(id.exists());
}

#[test]
fn plugins_of_a_go_agent_stay_with_root_until_told_otherwise() {
    let sandbox = go_host("apikey = 'k'\n[plugin.metrics.a]\ncommand = 'a'\n");
    let mark = sandbox.path("host/etc/mackerel-agent/run-as-root");
    // (flags, whether the agent is root afterwards)
    for (flags, is_root) in [
        (&[][..], true),
        (&[], true),
        (&["-as-root=false"], false),
        (&[], false),
        (&["-as-root"], true),
    ] {
        said(&sandbox, "install", flags);
        assert_eq!(mark.exists(), is_root, "{flags:?}");
    }
    said(&sandbox, "uninstall", &["-restore"]);
    assert!(!mark.exists());
}

#[test]
fn state_of_an_agent_that_was_root_goes_to_its_user() {
    only_if!(
        rustix::process::geteuid().is_root(),
        "only root can give files away"
    );
    let sandbox = go_host("apikey = 'k'\n[plugin.metrics.a]\ncommand = 'a'\n");
    let state = sandbox.path("host/var/lib/mackerel-agent");
    for directory in ["host", "host/var", "host/var/lib"] {
        sandbox.mode(directory, 0o755);
    }
    said(&sandbox, "install", &[]);
    // (why, file, content, mode, whether it is the user's afterwards)
    let table = [
        ("what waits", "spool", "x", 0o600, true),
        (
            "what waits for an organization",
            "spool.one",
            "x",
            0o600,
            true,
        ),
        ("a host", "id", "3aBcDeFgHiJ", 0o644, true),
        (
            "an organization's host",
            "id.one",
            "3aBcDeFgHiJ",
            0o644,
            true,
        ),
        ("no id", "id.two", "a secret", 0o600, false),
        ("a file of root's", "spools", "a secret", 0o600, false),
    ];
    for (_, name, content, mode, _) in table {
        let path = format!("host/var/lib/mackerel-agent/{name}");
        sandbox.write(&path, content);
        sandbox.mode(&path, mode);
    }
    let finished = said(&sandbox, "install", &["-as-root=false", "-dry-run"]);
    let step = "give away ids and spools in /var/lib/mackerel-agent\n";
    assert!(finished.contains(step), "{finished}");
    said(&sandbox, "install", &["-as-root=false"]);
    let user = fs::metadata(&state).unwrap().uid();
    assert_ne!(user, 0);
    for (why, name, content, mode, is_given) in table {
        let path = state.join(name);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.uid(), if is_given { user } else { 0 }, "{why}");
        assert_eq!(metadata.mode() & 0o7777, mode, "{why}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content, "{why}");
    }
    // In a directory of the user's root gives nothing away.
    let path = state.join("spool");
    chown(&path, Some(0), Some(0)).unwrap();
    let finished = said(&sandbox, "install", &["-as-root=false"]);
    assert!(!finished.contains(step), "{finished}");
    assert_eq!(fs::metadata(&path).unwrap().uid(), 0);
}

#[test]
fn an_id_comes_from_where_the_configuration_says() {
    let sandbox = host("sbin/procd");
    sandbox.write(&format!("host/{CONF}"), "root = '/opt/state'\n");
    sandbox.write("host/opt/state/id", "3aBcDeFgHiJ");
    let key = key_file(&sandbox);
    said(&sandbox, "install", &[&key]);
    assert_eq!(
        sandbox.content("host/etc/mackerel-agent/state/id"),
        "3aBcDeFgHiJ"
    );
    let conf = sandbox.content(&format!("host/{CONF}"));
    assert_eq!(
        conf,
        format!("apikey = \"{SECRET}\"\nroot = '/opt/state'\n")
    );
}

#[test]
fn the_key_comes_from_the_environment_as_well() {
    let mut sandbox = host("bin/systemctl");
    sandbox.env("MACKEREL_APIKEY", SECRET);
    said(&sandbox, "install", &[]);
    let conf = sandbox.content(&format!("host/{CONF}"));
    assert!(conf.starts_with(&format!("apikey = \"{SECRET}\"\n")));
}

#[test]
fn install_needs_no_key_that_the_agent_does_not_need() {
    // (file, content, beginning of the configuration afterwards)
    let table = [
        ("etc/credstore/mackerel-agent.apikey", "k", "# "),
        ("etc/default/mackerel-agent", "MACKEREL_APIKEY=k", "# "),
        (CONF, "listen = '127.0.0.1:9100'\n", "listen"),
        (CONF, "mackerel = false\n", "mackerel"),
    ];
    for (file, content, expected) in table {
        let sandbox = host("bin/systemctl");
        sandbox.write(&format!("host/{file}"), content);
        said(&sandbox, "install", &[]);
        let conf = sandbox.content(&format!("host/{CONF}"));
        assert!(conf.starts_with(expected), "{file}: {conf}");
    }
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    // (files, flags, expected message)
    type Files = &'static [(&'static str, &'static str)];
    let table: [(Files, &[&str], &str); 6] = [
        (&[("bin/systemctl", "")], &[], "there is no API key: "),
        (
            &[
                ("bin/systemctl", ""),
                ("etc/credstore/mackerel-agent.apikey", "\n"),
            ],
            &[],
            "there is no API key: ",
        ),
        (&[], &[], "there is neither systemd nor OpenRC"),
        (
            &[("bin/systemctl", ""), (CONF, "verbose = 1\napikey = 'k'")],
            &[],
            "failed to load the config file: ",
        ),
        (
            &[("bin/systemctl", "")],
            &["-apikey-file=/nowhere"],
            "-apikey-file /nowhere cannot be used: ",
        ),
        // The link to the service cannot be made. This fails late: everything before it is undone.
        (
            &[
                ("sbin/openrc-run", ""),
                (CONF, "apikey = 'k'\n"),
                ("etc/runlevels/default", "no directory"),
                (PROGRAM, "the Go agent"),
            ],
            &[],
            "; everything is as it was before",
        ),
    ];
    for (files, flags, expected) in table {
        let sandbox = host("usr/bin/false");
        for (name, text) in files {
            sandbox.write(&format!("host/{name}"), text);
        }
        let before = everything(&sandbox);
        let finished = run(&sandbox, "install", flags);
        assert_eq!(finished.code, Some(1), "{expected}");
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
        assert_eq!(everything(&sandbox), before, "{expected}");
    }
}
