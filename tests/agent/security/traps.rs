//! FIFOs, links, directories and devices in the place of the agent's files.
//!
//! They do not block the agent, the targets of links are not changed, and the message names the
//! file.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::process::Signal;
use crate::sandbox::{Sandbox, limit};
use fake_server::FakeServer;

/// The content of files that are not the agent's.
const PRECIOUS: &str = "precious";
const TSDB: &str = "/api/v0/tsdb";

/// What replaces a file, and the word for it in the message.
const TRAPS: [(&str, &str); 6] = [
    ("fifo", "a FIFO"),
    ("link", "a symbolic link"),
    ("dangling link", "a symbolic link"),
    ("link to a device", "a symbolic link"),
    ("directory", "a directory"),
    ("second name", "a file with 2 names"),
];

/// Puts a trap at `path` in the sandbox. Removes what was there.
fn lay(sandbox: &Sandbox, trap: &str, path: &Path) {
    let precious = sandbox.path("precious");
    fs::write(&precious, PRECIOUS).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // The file may not exist.
    let _ = fs::remove_file(path);
    match trap {
        "fifo" => mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap(),
        "link" => symlink(&precious, path).unwrap(),
        "dangling link" => symlink(sandbox.path("nowhere"), path).unwrap(),
        "link to a device" => symlink("/dev/full", path).unwrap(),
        "directory" => fs::create_dir(path).unwrap(),
        "second name" => fs::hard_link(&precious, path).unwrap(),
        other => panic!("no trap: {other}"),
    }
}

/// Panics if a file was changed that is not the agent's.
#[track_caller]
fn assert_unharmed(sandbox: &Sandbox, why: &str) {
    assert_eq!(sandbox.content("precious"), PRECIOUS, "{why}");
    assert!(!sandbox.path("nowhere").exists(), "{why}");
}

/// Runs `test` for each trap, all at the same time.
fn with_each(test: impl Fn(&str, &str) + Sync) {
    thread::scope(|scope| {
        for (trap, word) in TRAPS {
            let test = &test;
            scope.spawn(move || test(trap, word));
        }
    });
}

#[test]
fn an_id_that_is_a_trap_is_named() {
    for command in [&[][..], &["retire", "-force"]] {
        with_each(|trap, word| {
            let sandbox = Sandbox::empty();
            sandbox.configure("http://127.0.0.1:1", "");
            lay(&sandbox, trap, &sandbox.id_file());
            let finished = sandbox.run(command, &[]);
            assert_eq!(finished.code, Some(1), "{trap}: {}", finished.stderr);
            let said = format!("read {}: {word}", sandbox.id_file().display());
            assert!(
                finished.stderr.contains(&said),
                "{trap}: {}",
                finished.stderr
            );
            assert_unharmed(&sandbox, trap);
        });
    }
}

#[test]
fn a_pid_file_that_is_a_trap_is_named() {
    for command in [&[][..], &["supervise"]] {
        with_each(|trap, word| {
            let sandbox = Sandbox::empty();
            sandbox.configure("http://127.0.0.1:1", "");
            lay(&sandbox, trap, &sandbox.pidfile());
            let finished = sandbox.run(command, &[]);
            assert_eq!(finished.code, Some(1), "{trap}: {}", finished.stderr);
            let said = format!("lock {}: {word}", sandbox.pidfile().display());
            assert!(
                finished.stderr.contains(&said),
                "{trap}: {}",
                finished.stderr
            );
            assert_unharmed(&sandbox, trap);
        });
    }
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_a_spool_that_is_a_trap_is_set_aside() {
    with_each(|trap, word| {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        lay(&sandbox, trap, &sandbox.path("root/spool"));
        if trap != "second name" {
            // A second name here would be a third one.
            lay(&sandbox, trap, &sandbox.path("root/spool.new"));
        }
        // Values that cannot be posted are written when the agent ends.
        fake_server.script("tsdb = 503");
        let agent = sandbox.start();
        fake_server.wait(limit(15), "values", |seen| {
            seen.to("POST", TSDB).next().map(drop)
        });
        agent.signal(Signal::TERM);
        let finished = agent.wait_exit(limit(45));
        assert!(
            finished.stderr.contains(word),
            "{trap}: {}",
            finished.stderr
        );
        // The agent must not remove the content of a directory.
        if trap != "directory" {
            assert_eq!(finished.code, Some(0), "{trap}: {}", finished.stderr);
        }
        assert_unharmed(&sandbox, trap);
    });
}

#[test]
fn traps_laid_while_it_runs_do_not_keep_it_from_ending() {
    with_each(|trap, _| {
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        fake_server.script("tsdb = 503");
        let agent = sandbox.start();
        fake_server.wait(limit(15), "values", |seen| {
            seen.to("POST", TSDB).next().map(drop)
        });
        for path in [
            sandbox.id_file(),
            sandbox.pidfile(),
            sandbox.path("root/spool"),
        ] {
            lay(&sandbox, trap, &path);
        }
        agent.signal(Signal::TERM);
        agent.wait_exit(limit(45));
        assert_unharmed(&sandbox, trap);
    });
}

#[test]
fn a_file_that_its_user_writes_must_not_block_but_may_be_a_link() {
    // (why this row exists, the file, command)
    let table = [
        ("configuration", "agent.conf", &["configtest"][..]),
        ("the agent itself", "agent.conf", &[]),
        ("a supervisor", "agent.conf", &["supervise"]),
        ("asked for its health", "agent.conf", &["health"]),
        ("included", "more/a.conf", &["configtest"]),
        ("the key", "key", &["configtest"]),
        ("authorities", "ca.pem", &["configtest"]),
    ];
    let more = "include = \"more/*.conf\"\napikey_file = \"key\"\nca_file = \"ca.pem\"\n";
    let fake_server = FakeServer::https();
    let prepared = || {
        let sandbox = Sandbox::empty();
        sandbox.configure("https://127.0.0.1:1", more);
        sandbox.write("more/a.conf", "verbose = false\n");
        sandbox.write("key", "key\n");
        sandbox.write("ca.pem", fake_server.ca());
        sandbox
    };
    for (why, name, command) in table {
        for (trap, word) in [("fifo", "a FIFO"), ("link to a device", "a device")] {
            let sandbox = prepared();
            let path = sandbox.path(name);
            lay(&sandbox, trap, &path);
            let finished = sandbox.run(command, &[]);
            assert_eq!(finished.code, Some(1), "{why}: {}", finished.stderr);
            // `health` only reports that no agent answers.
            if command != ["health"] {
                let said = format!("{}: {word}; a regular file is needed", path.display());
                let short = format!("{name}: {word}; a regular file is needed");
                let is_said = finished.stderr.contains(&said) || finished.stderr.contains(&short);
                assert!(is_said, "{why}: {trap}: {}", finished.stderr);
            }
        }
        let sandbox = prepared();
        let (path, real) = (sandbox.path(name), sandbox.path("real"));
        fs::rename(&path, &real).unwrap();
        symlink(&real, &path).unwrap();
        let finished = sandbox.run(&["configtest"], &[]);
        assert_eq!(finished.code, Some(0), "{why}: {}", finished.stderr);
    }
}

#[test]
fn a_configuration_may_come_through_a_pipe() {
    let sandbox = Sandbox::empty();
    sandbox.configure("http://127.0.0.1:1", "");
    let text = sandbox.conf().display().to_string();
    let words = sandbox.words(&[], &[]);
    let program: Vec<String> = words
        .iter()
        .map_while(|word| word.to_str().filter(|word| *word != "-conf"))
        .map(str::to_owned)
        .collect();
    let script = format!(
        "cat {text} | {} configtest -conf /dev/stdin",
        program.join(" ")
    );
    let finished = sandbox.spawn(&["sh", "-c", &script]).wait_exit(limit(20));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

#[test]
fn a_state_directory_that_is_a_fifo_does_not_block() {
    let sandbox = Sandbox::empty();
    sandbox.configure("http://127.0.0.1:1", "");
    lay(&sandbox, "fifo", &sandbox.root());
    let finished = sandbox.run(&[], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let said = sandbox.root().display().to_string();
    assert!(finished.stderr.contains(&said), "{}", finished.stderr);
}

#[test]
fn the_init_script_neither_follows_nor_waits_for_what_is_no_pid_file() {
    let script = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/packaging/sysv/mackerel-agent"
    ))
    .unwrap();
    with_each(|trap, _| {
        let sandbox = Sandbox::empty();
        let file = format!("pidfile={}", sandbox.path("mackerel-agent.pid").display());
        assert!(script.contains("\npidfile=/var/run/mackerel-agent.pid\n"));
        let script = script.replace("pidfile=/var/run/mackerel-agent.pid", &file);
        let script = sandbox.write("script", &script).display().to_string();
        lay(&sandbox, trap, &sandbox.path("mackerel-agent.pid"));
        for (command, code) in [("status", 3), ("stop", 0)] {
            let words = ["sh", &script, command];
            let finished = sandbox.spawn(&words).wait_exit(limit(15));
            assert_eq!(finished.code, Some(code), "{trap}: {}", finished.stderr);
        }
        assert_unharmed(&sandbox, trap);
    });
}
