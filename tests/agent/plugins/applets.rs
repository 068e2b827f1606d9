//! Built-in checks and metric plugins, as the configuration and the command line start them.

use std::fs;
use std::os::unix::fs::symlink;

use crate::process::Signal;
use crate::sandbox::{Sandbox, binary, is_emulated, limit};
use fake_server::FakeServer;

use super::processes::add_prompt_host;

const WAIT: u64 = 100;

#[test]
fn applets_are_listed_explained_and_run_by_name() {
    let sandbox = Sandbox::empty();
    let list = sandbox.run_bare(&["applets"]);
    assert_eq!(list.code, Some(0));
    assert!(list.stdout.contains("check-uptime "), "{}", list.stdout);
    for words in [
        &["check-uptime", "--help"][..],
        &["check-uptime", "-help"],
        &["help", "check-uptime"],
    ] {
        let help = sandbox.run_bare(words);
        assert_eq!(help.code, Some(0), "{words:?}");
        assert!(
            help.stdout.starts_with("Usage: check-uptime "),
            "{}",
            help.stdout
        );
    }
    let found = sandbox.run_bare(&["check-uptime", "-W", "1"]);
    assert_eq!(found.code, Some(1));
    assert!(
        found.stdout.starts_with("Uptime WARNING: "),
        "{}",
        found.stdout
    );
    let wrong = sandbox.run_bare(&["check-uptime", "-Q"]);
    assert_eq!((wrong.code, &*wrong.stdout), (Some(1), ""));
    assert!(
        wrong.stderr.starts_with("check-uptime: unknown flag: Q"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn applet_links_are_made_and_files_are_kept() {
    let sandbox = Sandbox::empty();
    let directory = sandbox.path("links");
    let install = || sandbox.run_bare(&["applets", "-install", directory.to_str().unwrap()]);
    for _ in 0..2 {
        let made = install();
        assert_eq!(made.code, Some(0), "{}", made.stderr);
    }
    let listed = sandbox.run_bare(&["applets"]).stdout;
    let mut links: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    links.sort();
    let names: Vec<_> = listed
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(links, names);
    if !is_emulated() {
        let found = sandbox.spawn(&[directory.join("check-uptime").to_str().unwrap(), "-W", "1"]);
        assert_eq!(found.wait_exit(limit(WAIT)).code, Some(1));
    }
    let link = directory.join("check-uptime");
    fs::remove_file(&link).unwrap();
    fs::write(&link, "mine").unwrap();
    let kept = install();
    assert_eq!(kept.code, Some(1));
    assert!(
        kept.stderr
            .contains("kept, since these are no links: check-uptime"),
        "{}",
        kept.stderr
    );
    assert_eq!(fs::read_to_string(&link).unwrap(), "mine");
}

#[test]
fn applet_in_the_configuration_runs_without_a_shell_and_installed_programs_win() {
    if is_emulated() {
        return fake_server::skip("an emulated program starts no other", false);
    }
    let fake_server = FakeServer::http();
    let mut sandbox = Sandbox::of(&fake_server);
    sandbox.adopt(&add_prompt_host(&fake_server));
    let plugins = "[plugin.checks.text]\ncommand = 'check-uptime -W 1'\n\
        [plugin.checks.array]\ncommand = ['check-uptime', '--warning-over', '1']\n\
        [plugin.metrics.up]\ncommand = 'mackerel-plugin-uptime'\n\
        [plugin.checks.own]\ncommand = 'check-uptime -W 1'\nenv.PATH = '@'\n";
    let own = sandbox.path("own");
    let plugins = plugins.replace('@', own.to_str().unwrap());
    sandbox.configure(&fake_server.base(), &plugins);
    // A directory in which there is no program but these.
    let bin = sandbox.path("bin");
    fs::create_dir(&bin).unwrap();
    sandbox.env("PATH", &bin);
    let status = |name: &str| {
        fake_server.wait(limit(WAIT), name, |seen| {
            let posts = seen.to("POST", "/api/v0/monitoring/checks/report");
            let reports = posts.filter_map(|post| post.json()["reports"].as_array().cloned());
            let report = reports.flatten().find(|report| report["name"] == *name)?;
            Some((
                report["status"].as_str()?.to_owned(),
                report["message"].as_str()?.to_owned(),
            ))
        })
    };
    let agent = sandbox.start();
    for name in ["text", "array"] {
        let (status, message) = status(name);
        assert_eq!(status, "WARNING", "{message}");
        assert!(message.starts_with("Uptime WARNING: "), "{message}");
    }
    fake_server.wait(limit(WAIT), "custom.uptime.seconds", |seen| {
        let hosts = seen.model.hosts.values();
        let mut all = hosts.filter_map(|host| host.series.get("custom.uptime.seconds"));
        all.next().map(|_| ())
    });
    agent.signal(Signal::TERM);
    agent.wait_exit(limit(WAIT));

    // A program of that name: another link of this one, whose name is that of another applet.
    symlink(binary(), bin.join("check-uptime")).unwrap();
    let found = sandbox.run(&["check"], &["array"]);
    assert!(
        found.stdout.contains("Uptime WARNING: "),
        "{}",
        found.stdout
    );
    fs::remove_file(bin.join("check-uptime")).unwrap();
    // Programs that end with 0: one for all plugins, and one in the PATH of a single one.
    let ends_well = |name: &str| {
        let found = sandbox.run(&["check"], &[name]);
        found.stdout.contains("OK") && !found.stdout.contains("Uptime")
    };
    assert!(!ends_well("own"));
    fs::create_dir(&own).unwrap();
    symlink("/bin/true", own.join("check-uptime")).unwrap();
    assert!(ends_well("own") && !ends_well("array"));
    symlink("/bin/true", bin.join("check-uptime")).unwrap();
    assert!(ends_well("array"));
}
