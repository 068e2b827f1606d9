//! FIFOs, links, directories and devices in the place of the agent's files.
//!
//! They do not block the agent, the targets of links are not changed, and the message names the
//! file.

use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::path::Path;
use std::thread;

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::process::{Finished, Signal};
use crate::process_tree::is_root;
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

/// A user that is not root.
const OTHER: u32 = 4242;

/// A work directory with a state of check-log, which has read a log of one line that matches.
struct Work {
    sandbox: Sandbox,
    /// The state file.
    state: String,
    program: String,
}

impl Work {
    fn new() -> Work {
        let mut sandbox = Sandbox::empty();
        sandbox.mode("", 0o755);
        fs::create_dir(sandbox.path("work")).unwrap();
        sandbox.mode("work", 0o755);
        sandbox.env("MACKEREL_PLUGIN_WORKDIR", sandbox.path("work"));
        sandbox.write("log", "E1\n");
        sandbox.mode("log", 0o644);
        let program = sandbox.copy_program().display().to_string();
        let mut work = Work {
            sandbox,
            state: String::new(),
            program,
        };
        let first = work.check(0, "check-log");
        assert_eq!(first.code, Some(0), "{}", first.stdout);
        let above = format!("work/check-log{}", work.sandbox.path("").display());
        let mut states = fs::read_dir(work.sandbox.path(above.trim_end_matches('/'))).unwrap();
        let name = states.next().unwrap().unwrap().file_name();
        work.state = format!("{above}{}", name.display());
        work
    }

    /// Runs check-log as a user with its state below `directory` of the work directory.
    fn check(&self, user: u32, directory: &str) -> Finished {
        let log = self.sandbox.path("log").display().to_string();
        let mut words = vec![&*self.program, "check-log", "-p", "E", "-f", &log];
        let state = format!(
            "--state-dir={}",
            self.sandbox.path("work").join(directory).display()
        );
        // The flag is a part of the state's name.
        if directory != "check-log" {
            words.push(&state);
        }
        self.sandbox.spawn_as(user, &words).wait_exit(limit(20))
    }

    /// Gives a path below the sandbox, and all below it, to a user. No link is followed.
    fn give(&self, path: &Path, user: u32) {
        let path = self.sandbox.path("").join(path);
        lchown(&path, Some(user), None).unwrap();
        if !path.is_symlink() && path.is_dir() {
            for entry in fs::read_dir(&path).unwrap() {
                self.give(&entry.unwrap().path(), user);
            }
        }
    }
}

#[test]
fn state_of_check_log_in_a_shared_directory_is_its_users_or_roots() {
    require!(is_root(), "only root can be several users");
    let mine = |work: &Work| work.give("work/check-log".as_ref(), OTHER);
    let links = |work: &Work, name: &str| {
        fs::create_dir(work.sandbox.path("victim")).unwrap();
        symlink(
            work.sandbox.path("victim"),
            work.sandbox.path("work").join(name),
        )
        .unwrap();
        work.give(&Path::new("work").join(name), OTHER);
    };
    let none = |work: &Work| fs::remove_dir_all(work.sandbox.path("work/check-log")).unwrap();
    let foreign = "belongs to the user 4242, and everybody may create files in ";
    type Lay<'a> = &'a dyn Fn(&Work);
    // (why this row exists, mode of the work directory, its user, what is done to it, the user that
    // runs the check, the directory of states, why it is UNKNOWN; empty: the next line is found)
    let table: [(&str, u32, u32, Lay<'_>, u32, &str, &str); 12] = [
        ("root's", 0o1777, 0, &|_| {}, 0, "check-log", ""),
        ("another user's", 0o1777, 0, &mine, 0, "check-log", foreign),
        (
            "without the sticky bit",
            0o777,
            0,
            &mine,
            0,
            "check-log",
            foreign,
        ),
        (
            "made for root to follow",
            0o1777,
            0,
            &|work| {
                none(work);
                links(work, "check-log");
            },
            0,
            "check-log",
            foreign,
        ),
        (
            "the same of a given directory",
            0o1777,
            0,
            &|work| links(work, "given"),
            0,
            "given",
            foreign,
        ),
        (
            "the state itself",
            0o755,
            0,
            &|work| {
                let state = work.sandbox.path(&work.state);
                fs::rename(&state, work.sandbox.path("other")).unwrap();
                symlink(work.sandbox.path("other"), state).unwrap();
            },
            0,
            "check-log",
            "a symbolic link, and the agent keeps a regular file there; remove it",
        ),
        (
            "of an agent that became root",
            0o755,
            OTHER,
            &mine,
            0,
            "check-log",
            "",
        ),
        ("copied with it", 0o755, 0, &mine, 0, "check-log", ""),
        ("its own", 0o1777, 0, &mine, OTHER, "check-log", ""),
        (
            "its own, copied as root",
            0o755,
            OTHER,
            &|work| {
                mine(work);
                work.give(work.state.as_ref(), 0);
            },
            OTHER,
            "check-log",
            "",
        ),
        (
            "root's alone",
            0o1777,
            0,
            &|_| {},
            OTHER,
            "check-log",
            "permission denied",
        ),
        (
            "a third user's",
            0o1777,
            0,
            &mine,
            4343,
            "check-log",
            foreign,
        ),
    ];
    for (why, mode, owner, lay, user, directory, expected) in table {
        let work = Work::new();
        work.sandbox.mode("work", mode);
        lchown(work.sandbox.path("work"), Some(owner), None).unwrap();
        lay(&work);
        work.sandbox.write("log", "E1\nE2\n");
        work.sandbox.mode("log", 0o644);
        let finished = work.check(user, directory);
        let said = &finished.stdout;
        if expected.is_empty() {
            assert_eq!(finished.code, Some(2), "{why}: {said}");
            assert!(said.contains("1 warnings, 1 criticals"), "{why}: {said}");
            continue;
        }
        assert!(said.contains(expected), "{why}: {said}");
        if let Ok(mut below) = fs::read_dir(work.sandbox.path("victim")) {
            assert!(below.next().is_none(), "{why}");
        }
    }
}

#[test]
fn counters_are_not_kept_in_a_directory_of_another_user() {
    require!(is_root(), "only root can be several users");
    let work = Work::new();
    work.sandbox.mode("work", 0o1777);
    fs::create_dir(work.sandbox.path("work/other")).unwrap();
    work.give("work/other".as_ref(), OTHER);
    let file = work.sandbox.path("work/other/below/state");
    let flag = format!("-tempfile={}", file.display());
    let words = [&*work.program, "mackerel-plugin-linux", &flag];
    let finished = work.sandbox.spawn(&words).wait_exit(limit(20));
    let said = finished.stdout + &finished.stderr;
    assert!(
        said.contains("work/other belongs to the user 4242"),
        "{said}"
    );
    assert!(!file.parent().unwrap().exists());
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
