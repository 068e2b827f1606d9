//! Which files are searched, how far, and from where on.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::{Log, PATH, find_state};
use crate::applets::check::log::APPLET;
use crate::applets::host::Host;
use crate::applets::run::{Printed, perform};
use crate::applets::testing::{Tree, said};
use crate::base::clock::{Clock, Moment};
use crate::sys::root::Root;

#[test]
fn check_log_lists_files_that_cannot_be_looked_up_and_reads_the_others() {
    let tree = Tree::new(&[("l/a.log", "E1\n"), ("l/z.log", "E2\n")]);
    std::os::unix::fs::symlink("nowhere", tree.path("l/link.log")).unwrap();
    fs::write(tree.path("l").join(OsStr::from_bytes(b"\xFF.log")), "E3\n").unwrap();
    let missing = "The following 2 files are missing.\n/l/link.log\n/l/\u{FFFD}.log\n";
    let expected = format!("LOG CRITICAL: 2 warnings, 2 criticals for pattern /E/.\n{missing}");
    let found = tree.run("check-log", "-f /l/*.log -p E --no-state");
    assert_eq!(found, said(2, &expected));
    let missing = "The following 1 files are missing.\n/l/link.log\n";
    let expected = format!("LOG UNKNOWN: 0 warnings, 0 criticals for pattern /E/.\n{missing}");
    let found = tree.run("check-log", "-f /l/li*.log -p E --no-state");
    assert_eq!(found, said(3, &expected));
}

#[test]
fn check_log_refuses_a_pattern_with_too_many_directories() {
    let tree = Tree::new(&[("l/a.log", "E1\n")]);
    for number in 0..=1000 {
        fs::create_dir(tree.path(&format!("l/{number}"))).unwrap();
    }
    let found = tree.run("check-log", "-f /l/**/*.log -p E --no-state");
    let why = "invalid glob for --file: more than 1000 files or directories";
    assert_eq!(found, said(3, &format!("LOG UNKNOWN: {why}\n")));
}

#[test]
fn check_log_counts_a_file_once_that_is_named_twice() {
    for arguments in [
        "-f /l/a.log -F /l/a",
        "-f /l//a.log -F /l/a",
        "-f /l/{a*,a.log}",
    ] {
        let tree = Tree::new(&[("l/a.log", "E0\n")]);
        let run = || tree.run("check-log", &format!("{arguments} -p E")).output;
        assert!(run().contains(" 0 warnings"), "{arguments}");
        tree.write("l/a.log", "E0\nE1\n");
        assert!(run().contains(" 1 warnings"), "{arguments}");
        assert!(run().contains(" 0 warnings"), "{arguments}");
    }
}

#[test]
fn check_log_leaves_files_alone_that_were_rotated_before_its_first_run() {
    let log = Log(Tree::new(&[(PATH, "")]));
    log.age(PATH, 10);
    for (name, second) in [("app.log.2", 15), ("app.log.1", 20)] {
        let path = format!("var/log/{name}");
        log.0.write(&path, "E0\n");
        log.age(&path, second);
    }
    for run in 0..4 {
        assert_eq!(log.lines(), "", "run {run}");
    }
    // The official plugin has noted an empty file.
    fs::write(find_state(&log), r#"{"skip_bytes":0,"inode":0}"#).unwrap();
    assert_eq!(log.lines(), "");
    // A program still writes to the old file.
    log.append_to("var/log/app.log.1", "E1\n");
    log.append("E2\n");
    assert_eq!(log.lines(), "E1 E2");
    log.rename("var/log/app.log.1", "var/log/app.log.3");
    log.append("E3\n");
    log.rename(PATH, "var/log/app.log.1");
    log.0.write(PATH, "E4\n");
    assert_eq!(log.lines(), "E3 E4");
    assert_eq!(log.lines(), "");
}

/// Runs the applet on this process's own files, with a clock that advances by `tick` each time that
/// it is read.
fn run_own(arguments: &str, tick: Duration) -> Printed {
    struct Ticking(Cell<Duration>, Duration);
    impl Clock for Ticking {
        fn wall(&self) -> Duration {
            self.0.get()
        }

        fn moment(&self) -> Moment {
            self.0.set(self.0.get() + self.1);
            Moment(self.0.get())
        }
    }
    let words: Vec<OsString> = arguments.split_whitespace().map(OsString::from).collect();
    let host = Host {
        root: Root::own(),
        clock: &Ticking(Cell::new(Duration::from_secs(1_700_000_000)), tick),
        variable: &|_| None,
    };
    let mut printed = perform(&APPLET, &words, &host);
    for state in printed.state.drain(..) {
        state.replace().unwrap();
    }
    printed
}

#[test]
fn check_log_reads_files_of_the_kernel_as_a_whole_at_each_run() {
    let tree = Tree::new(&[]);
    let state = tree.work_directory();
    for state in ["--no-state".to_owned(), format!("-s {}", state.display())] {
        for _ in 0..2 {
            let found = run_own(
                &format!("-f /proc/version -p ^Linux {state}"),
                Duration::ZERO,
            );
            let expected = "LOG CRITICAL: 1 warnings, 1 criticals for pattern /^Linux/.\n";
            assert_eq!(found, said(2, expected), "{state}");
        }
    }
}

#[test]
fn check_log_gives_each_file_a_share_of_its_time() {
    let tree = Tree::new(&[("a.log", ""), ("b.log", "")]);
    let (a, b) = (tree.path("a.log"), tree.path("b.log"));
    let files = format!("{{{},{}}}", a.display(), b.display());
    let given = format!("-f {files} -s {} -p E", tree.work_directory().display());
    // A piece of a file takes half a second.
    let run = || run_own(&given, Duration::from_millis(500));
    run();
    let text = format!("{:1023}\n", "");
    tree.write("a.log", [&*text.repeat(20 * 64), "E\n"].concat());
    tree.write("b.log", [&*text.repeat(2 * 64), "E\n"].concat());
    let left = format!(
        "\n{}: not read to its end; the next run continues\n",
        a.display()
    );
    let found = run();
    assert!(found.output.contains(": 1 warnings"), "{}", found.output);
    assert!(found.output.contains(&left), "{}", found.output);
    assert_eq!(found.output.matches("not read").count(), 1);
    let rest: String = (0..40).map(|_| run().output).collect();
    assert_eq!(rest.matches(": 1 warnings").count(), 1);
    assert!(!run().output.contains("not read"));
}
