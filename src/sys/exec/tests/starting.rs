//! How commands are started, and the errors of those that cannot be started.

use std::ffi::OsString;

use super::*;

#[test]
fn command_that_cannot_be_started_is_reported() {
    let file = |name: &str| format!("{FIXTURES}/{name}");
    let refused = |code, name: &str, why| {
        let file = file(name);
        (
            vec![file.clone()],
            format!("exit code: {code}, fork/exec {file}: {why}"),
        )
    };
    let not_found = "executable file not found in $PATH";
    let table = [
        (
            strings(&["no-such"]),
            format!("exit code: 127, exec: \"no-such\": {not_found}"),
        ),
        refused(127, "no-such", "no such file or directory"),
        refused(127, "homeless", "no such file or directory"),
        refused(126, "plain", "permission denied"),
        refused(126, "", "permission denied"),
        refused(126, "garbage", "exec format error"),
        refused(125, "plain/below", "not a directory"),
        (
            strings(&[""]),
            "exit code: 125, exec: no command".to_owned(),
        ),
        (
            strings(&["", "x"]),
            "exit code: 125, exec: no command".to_owned(),
        ),
        (Vec::new(), "exit code: 125, exec: no command".to_owned()),
        (
            strings(&["/a\0b"]),
            "exit code: 125, fork/exec /a\0b: invalid argument".to_owned(),
        ),
    ];
    for (argv, expected) in table {
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let error = run_argv(&argv, &ample()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn command_arguments_are_passed_unchanged() {
    let outcome = run_argv(&["printf", "<%s>", "", "a b", "$HOME", "あ"], &ample()).unwrap();
    assert_eq!(text(&outcome.stdout), "<><a b><$HOME><あ>");
    // argv[0] is the name as given, not the path that was found.
    let outcome = run_argv(&["sh", "-c", "tr '\\0' ' ' </proc/$$/cmdline"], &ample()).unwrap();
    assert!(text(&outcome.stdout).starts_with("sh -c "));
}

#[test]
fn command_environment_is_the_agents_plus_the_changes() {
    let (_stop, sign) = stop().unwrap();
    let argv = strings(&[
        "sh",
        "-c",
        "echo \"$KEPT|$A|${B-unset}|$LANG|${C-unset}|$PATH\"",
    ]);
    let changes = |changes: &[(&'static str, Option<&'static str>)]| -> Vec<_> {
        let changes = changes.iter();
        changes
            .map(|(name, value)| (*name, value.map(OsStr::new)))
            .collect()
    };
    let env = changes(&[
        ("A", Some("1")),
        ("A", Some("2")),
        ("B", Some("gone")),
        ("B", None),
        ("C", Some("")),
        ("LANG", Some("ja_JP.UTF-8")),
    ]);
    let mut task = Task {
        argv: &argv,
        user: None,
        env: &env,
    };
    let outcome = setting().run(&task, &ample(), &sign).unwrap();
    let path = "/sbin:/usr/sbin:/bin:/usr/bin";
    let expected = format!("agent|2|unset|ja_JP.UTF-8||{path}\n");
    assert_eq!(text(&outcome.stdout), expected);

    // The program is searched in the agent's PATH, not in the task's.
    let env = changes(&[("PATH", Some("/nowhere"))]);
    task.env = &env;
    assert_eq!(
        setting().run(&task, &ample(), &sign).unwrap().end,
        End::Exited(0)
    );

    let env = changes(&[("A", Some("a\0b"))]);
    task.env = &env;
    assert_eq!(
        setting()
            .run(&task, &ample(), &sign)
            .unwrap_err()
            .to_string(),
        "exit code: 125, exec: environment variable contains NUL"
    );
}

/// Prints "alone" if the shell leads its process group and its session.
const IS_ALONE: &str = "read pid name state parent group session rest </proc/$$/stat; \
                        [ $pid.$pid = $group.$session ] && echo alone";

#[test]
fn command_leads_a_session_without_the_callers_terminal() {
    let alone = sh(IS_ALONE, &ample());
    assert_eq!(text(&alone.stdout), "alone\n");
    if Setting::of_agent().is_root {
        let alone = run_as("nobody", &["/bin/sh", "-c", IS_ALONE], &no_sudo(true)).unwrap();
        assert_eq!(text(&alone.stdout), "alone\n");
    }
}

/// The outcome of `argv` run as `user`.
fn run_as(user: &str, argv: &[&str], setting: &Setting) -> Result<Outcome, ExecError> {
    let (_stop, sign) = stop().unwrap();
    let task = Task {
        argv: &strings(argv),
        user: Some(user),
        env: &[],
    };
    setting.run(&task, &ample(), &sign)
}

#[test]
fn command_of_another_user_runs_by_sudo_even_for_root() {
    for is_root in [false, true] {
        let path = [("PATH".into(), OsString::from(FIXTURES))];
        let setting = Setting {
            environment: Environment::of(path.into()),
            is_root,
            has_pidfd: true,
        };
        let outcome = run_as("www", &["sh", "-c", "id"], &setting).unwrap();
        assert_eq!(text(&outcome.stdout), "-E -u www sh -c id\n");
    }
}

/// A setting in which PATH holds no sudo.
fn no_sudo(is_root: bool) -> Setting {
    let mut setting = Setting {
        is_root,
        ..setting()
    };
    let path = "/nowhere";
    setting.environment.set("PATH", Some(OsStr::new(path)));
    setting
}

#[test]
fn command_of_another_user_without_sudo_needs_root() {
    let error = run_as("nobody", &["/bin/sh"], &no_sudo(false)).unwrap_err();
    let expected = "exit code: 127, exec: \"sudo\": executable file not found in $PATH";
    assert_eq!(error.to_string(), expected);

    let error = run_as("no-such-user", &["/bin/sh"], &no_sudo(true)).unwrap_err();
    let expected =
        "exit code: 125, user no-such-user is not in /etc/passwd, and sudo is not in $PATH";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn command_of_another_user_started_by_root_has_its_ids_and_groups() {
    let script = "PATH=/bin:/usr/bin; grep -E '^(Uid|Gid|Groups|SigBlk)' /proc/self/status; \
                  echo $USER $LOGNAME; readlink /proc/self/fd/0";
    let outcome = run_as("nobody", &["/bin/sh", "-c", script], &no_sudo(true));
    if !Setting::of_agent().is_root {
        let expected = "exit code: 126, fork/exec /bin/sh: operation not permitted";
        assert_eq!(outcome.unwrap_err().to_string(), expected);
        return;
    }
    let outcome = outcome.unwrap();
    let said = text(&outcome.stdout);
    let lines: Vec<Vec<&str>> = said
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let (uid, gid) = (lines[0][1], lines[1][1]);
    assert!(uid != "0" && gid != "0", "{said}");
    assert_eq!(lines[0][1..], [uid; 4]);
    assert_eq!(lines[1][1..], [gid; 4]);
    assert_eq!(lines[2][1..], [gid]);
    assert_eq!(lines[3][1], "0000000000000000");
    assert_eq!(lines[4], ["nobody", "nobody"]);
    assert_eq!(lines[5], ["/dev/null"]);

    let error = run_as("nobody", &["/nowhere/x"], &no_sudo(true)).unwrap_err();
    let expected = "exit code: 127, fork/exec /nowhere/x: no such file or directory";
    assert_eq!(error.to_string(), expected);
    let ended = |script| run_as("nobody", &["/bin/sh", "-c", script], &no_sudo(true));
    assert_eq!(ended("exit 9").unwrap().end, End::Exited(9));
}
