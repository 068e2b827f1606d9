mod files;

use std::fs;
use std::time::Duration;

use super::lines::LINE;
use crate::applets::run::Printed;
use crate::applets::testing::{Tree, said};

/// A host with a log file, and the check that counts its lines with an `E`.
struct Log(Tree);

const PATH: &str = "var/log/app.log";

impl Log {
    /// A check that has seen a file with this content.
    fn after(content: &str) -> Log {
        let log = Log(Tree::new(&[(PATH, content)]));
        assert_eq!(log.lines(), "");
        log
    }

    fn check(&self, arguments: &str) -> Printed {
        let given = format!("-f /{PATH} -p E -r {arguments}");
        self.0.run("check-log", &given)
    }

    /// The lines that are found now, separated by blanks.
    fn lines(&self) -> String {
        let printed = self.check("");
        let mut lines = printed.output.lines();
        let first = lines.next().unwrap();
        assert!(!first.contains("UNKNOWN"), "{}", printed.output);
        let is_found = |line: &&str| !line.is_empty() && !line.starts_with('[');
        let lines: Vec<_> = lines.filter(is_found).collect();
        let count = lines.len();
        let expected = format!("{count} warnings, {count} criticals for pattern /E/.");
        assert!(first.ends_with(&expected), "{}", printed.output);
        lines.join(" ")
    }

    fn append(&self, content: &str) {
        self.append_to(PATH, content);
    }

    fn append_to(&self, path: &str, content: &str) {
        let before = fs::read(self.0.path(path)).unwrap();
        self.0.write(path, [&*before, content.as_bytes()].concat());
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.0.path(from), self.0.path(to)).unwrap();
    }

    /// Sets the time of a file's last change, in seconds from a fixed time on.
    fn age(&self, path: &str, second: u64) {
        let time = std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + second);
        let file = fs::File::options().append(true).open(self.0.path(path));
        file.unwrap().set_modified(time).unwrap();
    }

    fn copy(&self, from: &str, to: &str) {
        fs::copy(self.0.path(from), self.0.path(to)).unwrap();
    }
}

#[test]
fn check_log_says_what_the_official_one_says() {
    let tree = Tree::new(&[
        ("l/a.log", "E1 7\nE2 9\nother\nE3 x\r\n"),
        ("l/b.log", "E4 1\n"),
        ("l/d/c.log", "E5 1\n"),
    ]);
    let all = "[/l/a.log]\nE1 7\nE2 9\nE3 x\n";
    let of_a = format!("3 warnings, 3 criticals for pattern /E/.\n{all}\n");
    // (arguments beside --no-state, exit code, output after the status)
    let table = [
        (
            "-f /l/a.log -p E",
            2,
            "3 warnings, 3 criticals for pattern /E/.\n",
        ),
        ("-f /l/a.log -p E -r", 2, &of_a),
        (
            "-f /l/a.log -p e[1-3] -i -w 3 -c 3",
            0,
            "3 warnings, 3 criticals for pattern /e[1-3]/.\n",
        ),
        (
            "-f /l/a.log -p E -w 2 -c 3",
            1,
            "3 warnings, 3 criticals for pattern /E/.\n",
        ),
        (
            "-f /l/a.log -p E -p 9 -r",
            2,
            "1 warnings, 1 criticals for pattern /E/ and /9/.\n[/l/a.log]\nE2 9\n\n",
        ),
        (
            "-f /l/a.log -p E -E 9 -E 7",
            2,
            "3 warnings, 3 criticals for pattern /E/.\n",
        ),
        (
            "-f /l/a.log -p E -E [79]",
            2,
            "1 warnings, 1 criticals for pattern /E/.\n",
        ),
        (
            "-f /l/a.log -p x --suppress-pattern",
            2,
            "1 warnings, 1 criticals.\n",
        ),
        (
            "-f /l/a.log -p none",
            0,
            "0 warnings, 0 criticals for pattern /none/.\n",
        ),
        (
            "-f /l/a.log -p E.\\s(.) --warning-level 5 --critical-level 8",
            2,
            "3 warnings, 2 criticals for pattern /E.\\s(.)/.\n",
        ),
        (
            "-f /l/a.log -p E1\\s(.) --warning-level 7 --critical-level 7 -r",
            0,
            "0 warnings, 0 criticals for pattern /E1\\s(.)/.\n",
        ),
        (
            "-f /l/a.log -p E.\\s(?P<n>.) --warning-level 5 --critical-level 8",
            2,
            "3 warnings, 2 criticals for pattern /E.\\s(?P<n>.)/.\n",
        ),
        (
            "-f /l/a.log -p E1 --warning-level 7",
            2,
            "1 warnings, 1 criticals for pattern /E1/.\n",
        ),
        (
            "-f /l/*.log -p E",
            2,
            "4 warnings, 4 criticals for pattern /E/.\n",
        ),
        (
            "-f /l/{a,b,c}.log -p E4 -r",
            2,
            "1 warnings, 1 criticals for pattern /E4/.\n[/l/b.log]\nE4 1\n\n",
        ),
        (
            "-F /l/.*log$ -p E",
            2,
            "4 warnings, 4 criticals for pattern /E/.\n",
        ),
        (
            "-F B.LOG --search-in-directory /l -i -p E",
            2,
            "1 warnings, 1 criticals for pattern /E/.\n",
        ),
        (
            "-f /l/c.log -p E",
            3,
            "0 warnings, 0 criticals for pattern /E/.\nThe following 1 files are missing.\n/l/c.log\n",
        ),
        (
            "-f /l/c.log -p E --missing OK",
            0,
            "0 warnings, 0 criticals for pattern /E/.\nThe following 1 files are missing.\n/l/c.log\n",
        ),
        (
            "-f /l/c.log -F /l/a -p E --missing WARNING",
            2,
            "3 warnings, 3 criticals for pattern /E/.\nThe following 1 files are missing.\n/l/c.log\n",
        ),
        ("-p E", 3, "No log file specified\n"),
        (
            "-f /l/a.log -p E --search-in-directory /l",
            3,
            "search-in-directory option must be used with file-pattern option\n",
        ),
        (
            "-f /l/a.log -p E --missing BAD",
            3,
            "missing option is invalid\n",
        ),
        (
            "-f /l/a.log -p E -p F --warning-level 1",
            3,
            "When multiple patterns specified, --warning-level --critical-level can not be used\n",
        ),
        (
            "-f /l/a.log -p (E",
            3,
            "pattern is invalid: error parsing regexp: found open group without closing ')': `(E`\n",
        ),
        (
            "-f /l/a.log -p E --encoding sjis",
            3,
            "--encoding: only UTF-8 is supported\n",
        ),
        (
            "-f /l/**/*.log -p E",
            2,
            "5 warnings, 5 criticals for pattern /E/.\n",
        ),
        (
            "-f /*/**/c.log -p E",
            3,
            "invalid glob for --file: name the directories before **/ without * and [\n",
        ),
        (
            "-F /none/a -p E",
            3,
            "cannot read the directory: open /none: no such file or directory\n",
        ),
        (
            "-F /l/( -p E",
            3,
            "file-pattern is invalid: error parsing regexp: found open group without closing ')': `(`\n",
        ),
    ];
    for (arguments, code, text) in table {
        let status = ["OK", "WARNING", "CRITICAL", "UNKNOWN"][code as usize];
        let found = tree.run("check-log", &format!("{arguments} --no-state"));
        let expected = format!("LOG {status}: {text}");
        assert_eq!(found, said(code, &expected), "{arguments}");
    }
    for arguments in ["-f /l/a.log", "-f /l/a.log -p E -w x"] {
        let found = tree.run("check-log", arguments);
        assert_eq!((found.code, &*found.output), (1, ""), "{arguments}");
    }
    assert_eq!(fs::read_dir(tree.work_directory()).unwrap().count(), 0);
}

#[test]
fn check_log_reports_each_line_once() {
    let log = Log::after("E0\n");
    // (why this row exists, what is written, lines that are found)
    let table = [
        ("nothing", "", ""),
        ("lines", "E1\nother\nE2\n", "E1 E2"),
        ("the begin of a line", "E3", ""),
        ("its end, and a begin", "x\nE4", "E3x"),
        ("nothing, with a line that has no end", "", ""),
        ("its end", "\n", "E4"),
        ("empty lines", "\n\n\nE5\n", "E5"),
    ];
    for (why, written, expected) in table {
        log.append(written);
        assert_eq!(log.lines(), expected, "{why}");
        assert_eq!(log.lines(), "", "{why}");
    }
    let first = Log(Tree::new(&[(PATH, "E0\nE1")]));
    assert!(first.check("--check-first").output.ends_with("]\nE0\n\n"));
}

#[test]
fn check_log_reads_long_lines_in_pieces() {
    let log = Log::after("");
    let long = format!("{}E\nE1\n", "x".repeat(LINE));
    log.append(&long);
    assert_eq!(log.lines(), "E E1");
    log.append(&"E".repeat(LINE - 1));
    assert_eq!(log.lines(), "");
    log.append("EE");
    assert_eq!(log.lines(), "E".repeat(LINE));
    log.append("\n");
    assert_eq!(log.lines(), "E");
}

#[test]
fn check_log_reads_the_rest_of_a_renamed_file() {
    // (why this row exists, the name it gets, what is new of it, the new file, expected lines)
    let table = [
        ("a shorter file", "app.log.1", "E1\n", "E2\n", "E1 E2"),
        (
            "a longer file",
            "app.log.1",
            "E1\n",
            "E2\nE3\nE4\nE5\n",
            "E1 E2 E3 E4 E5",
        ),
        (
            "a file of the same length and text",
            "app.log-20231114",
            "",
            "E0\n",
            "E0",
        ),
        ("a line without an end", "app-1.log", "E1", "E2\n", "E2"),
        ("any name", "old", "E1\n", "", "E1"),
        ("an empty file", "app.log.1", "E1\n", "", "E1"),
    ];
    for (why, name, rest, new, expected) in table {
        let log = Log::after("E0\n");
        log.append(rest);
        let old = format!("var/log/{name}");
        log.rename(PATH, &old);
        log.0.write(PATH, new);
        assert_eq!(log.lines(), expected, "{why}");
        assert_eq!(log.lines(), "", "{why}");
        log.append_to(&old, "Ea\n");
        log.append("Eb\n");
        let both = if rest == "E1" { "E1Ea Eb" } else { "Ea Eb" };
        assert_eq!(log.lines(), both, "{why}: a program writes to the old file");
        assert_eq!(log.lines(), "", "{why}");
    }
}

#[test]
fn check_log_reads_all_files_that_were_rotated_since() {
    let mut log = Log::after("E0\n");
    log.append("E1\n");
    log.age(PATH, 10);
    log.rename(PATH, "var/log/app.log.4");
    for (name, content, second) in [
        ("app.log.3", "E2\n", 11),
        ("app.log.2", "E3", 12),
        ("app.log.1", "E4", 13),
        // Not of this log, or of before.
        ("app.log.err", "Ex\n", 14),
        ("app2.log", "Ex\n", 14),
        ("other.log.1", "Ex\n", 14),
    ] {
        let path = format!("var/log/{name}");
        log.0.write(&path, content);
        log.age(&path, second);
    }
    log.0.write("var/log/app.log.5", "Ex\n");
    log.age("var/log/app.log.5", 1);
    log.0.write(PATH, "E5\n");
    // The state has the time at which the file was last changed: it must be before those of above.
    let state = find_state(&log);
    let text = String::from_utf8(fs::read(&state).unwrap()).unwrap();
    let (start, end) = text.split_once("\"time\":").unwrap();
    let (_, end) = end.split_once(',').unwrap();
    fs::write(&state, format!("{start}\"time\":1600000005000000,{end}")).unwrap();
    log.0.now = Duration::from_secs(1_600_000_100);
    assert_eq!(log.lines(), "E1 E2 E3 E5");
    assert_eq!(log.lines(), "");
    // The last one is complete when it has not changed for ten minutes.
    log.0.now = Duration::from_secs(1_600_000_000 + 13 + 601);
    assert_eq!(log.lines(), "E4");
    log.append_to("var/log/app.log.1", "\nE6\n");
    assert_eq!(log.lines(), "");
}

/// The state of the only check.
fn find_state(log: &Log) -> std::path::PathBuf {
    let directory = log.0.work_directory().join("check-log/var/log");
    let mut entries = fs::read_dir(directory).unwrap();
    let state = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    state
}

#[test]
fn check_log_reads_the_rest_of_a_copied_and_truncated_file() {
    // (why this row exists, content at the check before, rest, new content, expected lines)
    let table = [
        ("shorter", "E0\n", "E1\n", "", "E1"),
        ("longer", "E0\n", "E1\n", "E2\nE3\nE4\n", "E1 E2 E3 E4"),
        ("an unread beginning", "E0", "E1\n", "E2\n", "E0E1 E2"),
        ("empty before", "", "E1\n", "E2\n", "E1 E2"),
        ("empty before and after", "", "E1\n", "", "E1"),
        ("nothing new", "E0\n", "", "E2\n", "E2"),
    ];
    for (why, before, rest, new, expected) in table {
        let log = Log(Tree::new(&[(PATH, before)]));
        log.age(PATH, 10);
        if before == "E0" {
            log.check("--check-first");
        }
        let arguments = if before == "E0" { "--check-first" } else { "" };
        log.check(arguments);
        log.append(rest);
        log.copy(PATH, "var/log/app.log.1");
        log.0.write("var/log/app.txt", "something else\n");
        log.0.write(PATH, new);
        let found = log.check(arguments).output;
        let found: Vec<_> = found.lines().filter(|line| line.starts_with('E')).collect();
        assert_eq!(found.join(" "), expected, "{why}");
        let again = log.check(arguments).output;
        assert!(again.contains(" 0 warnings"), "{why}: {again}");
    }
}

#[test]
fn check_log_takes_an_unread_file_in_the_order_of_its_rotation() {
    let log = Log(Tree::new(&[(PATH, "")]));
    log.age(PATH, 10);
    assert_eq!(log.lines(), "");
    log.0.write("var/log/app.log.2", "E1\n");
    log.age("var/log/app.log.2", 20);
    log.append("E2\n");
    log.rename(PATH, "var/log/app.log.1");
    log.age("var/log/app.log.1", 30);
    log.0.write(PATH, "");
    log.age(PATH, 30);
    assert_eq!(log.lines(), "E1 E2");
    log.append_to("var/log/app.log.1", "E3\n");
    assert_eq!(log.lines(), "E3");
    assert_eq!(log.lines(), "");
}

#[test]
fn check_log_leaves_out_a_copy_before_the_truncation() {
    let log = Log(Tree::new(&[(PATH, "")]));
    log.age(PATH, 10);
    assert_eq!(log.lines(), "");
    log.append("E1\nE2\n");
    log.copy(PATH, "var/log/app.log.1");
    log.0.write("var/log/app.log.2", "E1\n");
    assert_eq!(log.lines(), "E1 E2");
    fs::remove_file(log.0.path("var/log/app.log.2")).unwrap();
    log.append("E3\n");
    log.copy(PATH, "var/log/app.log.1");
    log.0.write(PATH, "E4\n");
    assert_eq!(log.lines(), "E3 E4");
}

#[test]
fn check_log_goes_on_in_a_file_that_was_copied_to_its_place() {
    let log = Log::after("E0\n");
    log.copy(PATH, "var/log/new");
    log.rename("var/log/new", PATH);
    log.append("E1\n");
    assert_eq!(log.lines(), "E1");
    log.0.write(PATH, "E2\n");
    assert_eq!(log.lines(), "E2", "written anew");
}

#[test]
fn check_log_continues_with_the_state_of_the_official_one() {
    let log = Log::after("E0\n");
    log.append("E1\nE2\n");
    let state = find_state(&log);
    fs::write(&state, r#"{"skip_bytes":6,"inode":0}"#).unwrap();
    assert_eq!(log.lines(), "E2");
    // A broken one counts as none.
    fs::write(&state, "{").unwrap();
    assert_eq!(log.lines(), "");
    log.append("E3\n");
    assert_eq!(log.lines(), "E3");
}

#[test]
fn check_log_without_a_place_for_its_state_is_unknown() {
    let tree = Tree::new(&[(PATH, "E0\n")]);
    let nowhere = tree.path(PATH).join("state");
    let words = [
        "-f",
        "/var/log/app.log",
        "-p",
        "E",
        "-s",
        nowhere.to_str().unwrap(),
    ];
    let printed = tree.run_words("check-log", &words);
    assert_eq!(printed.code, 3);
    assert!(printed.output.contains("state"), "{}", printed.output);
}

#[test]
fn check_log_leaves_rotated_files_to_the_one_they_belong_to() {
    let tree = Tree::new(&[("l/a.log", "x\n")]);
    let run = || tree.run("check-log", "-f /l/a.log* -p E -r").output;
    run();
    tree.write("l/a.log", "x\nE1\n");
    fs::rename(tree.path("l/a.log"), tree.path("l/a.log.1")).unwrap();
    tree.write("l/a.log", "E2\n");
    assert!(run().ends_with("[/l/a.log]\nE1\nE2\n\n"));
    assert!(run().contains(" 0 warnings"));
}
