//! The log lines: form, level, and how often.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use crate::process::{Signal, has_level};
use crate::sandbox::{Sandbox, limit};
use fake_server::FakeServer;

/// All lines of an agent with these settings that has posted values and was then stopped.
fn log(more: &str, flags: &[&str]) -> Vec<String> {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    sandbox.configure(&fake_server.base(), more);
    let agent = sandbox.start_with(&[], flags);
    fake_server.wait(limit(10), "values", |seen| {
        seen.to("POST", "/api/v0/tsdb").next()?.status.map(drop)
    });
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(10));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished.stderr.lines().map(str::to_owned).collect()
}

#[test]
fn a_line_has_time_level_and_tag() {
    let lines = log("", &[]);
    assert!(!lines.is_empty());
    for line in &lines {
        let (time, rest) = line.split_at("2006/01/02 15:04:05 ".len());
        let digits: String = time
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(digits, "0000/00/00 00:00:00 ", "{line}");
        assert!(rest.starts_with("INFO <"), "{line}");
        assert!(!line.contains('\x1b'), "{line}");
    }
    assert!(lines[0].contains(" INFO <main> Starting mackerel-agent version:"));
}

#[test]
fn verbose_tells_more_and_silent_nothing_that_is_no_error() {
    let has_debug = |lines: &[String]| lines.iter().any(|line| has_level(line, "DEBUG"));
    assert!(!has_debug(&log("", &[])));
    assert!(has_debug(&log("verbose = true\n", &[])));
    assert!(has_debug(&log("silent = true\n", &["-v"])), "verbose wins");
    assert_eq!(log("silent = true\n", &[]), [""; 0]);
    assert!(!has_debug(&log("verbose = true\n", &["-v=false"])));
}

#[test]
fn silent_tells_what_fails() {
    let mut sandbox = Sandbox::empty();
    let plugins = "silent = true\n\
        [plugin.metrics.absent]\ncommand = ['/nowhere/plugin']\n\
        [plugin.metrics.slow]\ncommand = ['sleep', '600']\ntimeout_seconds = 1\n\
        [plugin.metrics.wrong]\ncommand = 'echo no value'\n";
    sandbox.configure("http://127.0.0.1:1", plugins);
    sandbox.env("HOST_PROC", "/nowhere");
    let mut agent = sandbox.start();
    for failure in [
        "<command> failed to register this host: ",
        "<metrics> collect loadavg: ",
        "<metrics.plugin> plugin.metrics.absent: exit code: 127, ",
        "<metrics.plugin> plugin.metrics.slow: command timed out",
    ] {
        let line = agent.wait_line(limit(20), failure, |line| line.contains(failure));
        assert!(has_level(&line, "ERROR"), "{line}");
    }
    let others: Vec<_> = agent
        .log()
        .iter()
        .filter(|line| !has_level(line, "ERROR"))
        .collect();
    assert_eq!(others, [""; 0]);
}

#[test]
fn the_journal_gets_levels_and_no_time() {
    for is_journal in [true, false] {
        let mut sandbox = Sandbox::empty();
        sandbox.configure("http://127.0.0.1:1", "roles = [\"bad\"]\nsilent = \"x\"\n");
        let file = File::create(sandbox.path("log")).unwrap();
        let (device, inode) = file
            .metadata()
            .map(|file| (file.dev(), file.ino()))
            .unwrap();
        // The variable may be that of a parent with another stderr.
        let inode = inode + u64::from(!is_journal);
        sandbox.env("JOURNAL_STREAM", format!("{device}:{inode}"));
        let script = "exec \"$@\" 2>log";
        let finished = sandbox.through_shell(script, &[], &[]).wait_exit(limit(20));
        assert_eq!(finished.code, Some(1));
        let lines = sandbox.content("log");
        let mut lines = lines.lines();
        let (role, error) = (lines.next().unwrap(), lines.next().unwrap());
        if is_journal {
            assert!(
                role.starts_with("<3>ERROR <config> bad format for a role"),
                "{role}"
            );
            assert!(error.starts_with("<3>failed to load config: "), "{error}");
        } else {
            assert!(has_level(role, "ERROR"), "{role}");
            assert!(error.starts_with("failed to load config: "), "{error}");
        }
    }
}

#[test]
fn a_failure_of_every_round_is_told_once() {
    let fake_server = FakeServer::http();
    let mut sandbox = Sandbox::of(&fake_server);
    sandbox.env("HOST_PROC", "/nowhere");
    // `once` measures twice.
    let finished = sandbox.run(&["once"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    for line in ["<metrics> collect loadavg: ", "<spec> describe memory: "] {
        assert_eq!(
            finished.stderr.matches(line).count(),
            1,
            "{}",
            finished.stderr
        );
    }
}
