//! How commands end, and what is left of them.

use super::*;

#[test]
fn command_end_is_reported() {
    // (why this row exists, script, end)
    let table = [
        ("plain", "exit 0", End::Exited(0)),
        ("a code", "exit 3", End::Exited(3)),
        ("the highest code", "exit 255", End::Exited(255)),
        ("nothing to do", "", End::Exited(0)),
        ("killed by a signal", "kill -9 $$", End::Exited(137)),
        ("by another", "kill -TERM $$", End::Exited(143)),
        (
            "closes its output early",
            "exec >&- 2>&-; exit 4",
            End::Exited(4),
        ),
        (
            "not found by the shell",
            "no-such-command-at-all",
            End::Exited(127),
        ),
        ("has nothing to read", "cat; exit 6", End::Exited(6)),
    ];
    for (why, script, end) in table {
        assert_eq!(sh(script, &ample()).end, end, "{why}");
    }
}

#[test]
fn command_is_ended_at_its_limit() {
    // (why this row exists, script, end)
    let table = [
        ("sleeps", "exec sleep 300", End::TimedOut),
        ("is stopped", "kill -STOP $$", End::TimedOut),
        ("waits for its child", "sleep 300", End::TimedOut),
        ("forks", "sleep 300 & sleep 300 & wait", End::TimedOut),
        ("is deaf", "trap '' TERM; sleep 300", End::TimedOut),
        (
            "exits when asked",
            "trap 'exit 5' TERM; sleep 300 & wait",
            End::Exited(5),
        ),
        ("has exited", "sleep 300 & exit 1", End::Exited(1)),
        (
            "was killed, and left a child",
            "sleep 300 & kill -9 $$",
            End::TimedOut,
        ),
        (
            "has closed its output",
            "exec >&- 2>&-; exec sleep 300",
            End::TimedOut,
        ),
    ];
    let ended = table.map(|(_, script, _)| thread::spawn(|| sh(script, &SHORT).end));
    for ((why, _, end), ended) in table.into_iter().zip(ended) {
        assert_eq!(ended.join().unwrap(), end, "{why}");
    }
}

#[test]
fn command_is_handled_the_same_without_pidfd() {
    let (_stop, sign) = stop().unwrap();
    let setting = Setting {
        has_pidfd: false,
        ..setting()
    };
    let table = [
        ("exit 3", ample(), End::Exited(3)),
        ("exec >&- 2>&-; sleep 0.1; exit 4", ample(), End::Exited(4)),
        ("exec >&- 2>&-; exec sleep 300", SHORT, End::TimedOut),
        ("trap '' TERM; sleep 300", SHORT, End::TimedOut),
    ];
    for (script, limits, end) in table {
        let argv = strings(&["sh", "-c", script]);
        let task = Task {
            argv: &argv,
            user: None,
            env: &[],
        };
        let outcome = setting.run(&task, &limits, &sign).unwrap();
        assert_eq!(outcome.end, end, "{script}");
    }
}

#[test]
fn command_gets_several_sigterm_before_sigkill() {
    let script = "trap 'echo asked' TERM; echo ready; while :; do sleep 300 & wait; done";
    let limits = Limits {
        grace: Duration::from_millis(1_300),
        ..SHORT
    };
    let outcome = sh(script, &limits);
    assert_eq!(outcome.end, End::TimedOut);
    let said = text(&outcome.stdout);
    let asked = said.strip_prefix("ready\n").unwrap();
    // SIGTERM comes three times between the limit and SIGKILL; a busy machine may merge them.
    assert!(matches!(asked.matches("asked\n").count(), 1..=3), "{said}");
}

#[test]
fn command_output_before_its_end_is_kept() {
    let outcome = sh("echo out; echo err >&2; exec sleep 300", &SHORT);
    assert_eq!(outcome.end, End::TimedOut);
    assert_eq!(text(&outcome.stdout), "out\n");
    assert_eq!(text(&outcome.stderr), "err\n");
}

#[test]
fn command_child_that_holds_the_output_is_ended_at_the_limit() {
    // As observed with the Go agent: the exit code of the command itself counts.
    let outcome = sh("sleep 300 & echo $!; exit 1", &SHORT);
    assert_eq!(outcome.end, End::Exited(1));
    assert!(dies(text(&outcome.stdout)));
}

#[test]
fn command_child_outside_the_group_is_not_waited_for_after_sigkill() {
    let outcome = sh("setsid sh -c 'echo $$; exec sleep 300' & wait", &SHORT);
    assert_eq!(outcome.end, End::TimedOut);
    let pid = text(&outcome.stdout).trim();
    assert!(is_alive(pid));
    sh(&format!("kill -9 {pid}"), &ample());
}

#[test]
fn command_child_outside_the_group_is_not_waited_for_even_if_it_keeps_writing() {
    let outcome = sh("setsid sh -c 'echo $$; exec yes' & exit 7", &SHORT);
    assert_eq!(outcome.end, End::Exited(7));
    let (pid, _) = text(&outcome.stdout).split_once('\n').unwrap();
    sh(&format!("kill -9 {pid}"), &ample());
}

#[test]
fn daemon_with_closed_output_is_neither_waited_for_nor_ended() {
    let outcome = sh("sleep 300 >/dev/null 2>&1 & echo $!", &ample());
    assert_eq!(outcome.end, End::Exited(0));
    let pid = text(&outcome.stdout);
    assert!(is_alive(pid));
    sh(&format!("kill -9 {pid}"), &ample());
}

#[test]
fn command_group_has_no_process_left_after_the_limit() {
    let deaf = "(trap '' TERM; exec sleep 300)";
    let script = format!("{deaf} >/dev/null 2>&1 & echo $!; {deaf} & echo $!; echo $$; sleep 300");
    let outcome = sh(&script, &SHORT);
    assert_eq!(outcome.end, End::TimedOut);
    let pids: Vec<&str> = text(&outcome.stdout).lines().collect();
    assert_eq!(pids.len(), 3);
    assert!(pids.into_iter().all(dies));
}

#[test]
fn command_output_is_separate_and_bounded_and_never_blocks() {
    let loud = "head -c 3000000 /dev/zero & head -c 3000000 /dev/zero >&2; wait; exit 8";
    let outcome = sh(loud, &ample());
    assert_eq!(outcome.end, End::Exited(8));
    for output in [&outcome.stdout, &outcome.stderr] {
        assert_eq!(output.bytes.len(), 64 << 10);
        assert!(output.was_cut);
    }
    let exact = sh("head -c 65536 /dev/zero; printf err >&2", &ample());
    assert_eq!(exact.stdout.bytes.len(), 64 << 10);
    assert!(!exact.stdout.was_cut && !exact.stderr.was_cut);
    assert_eq!(text(&exact.stderr), "err");
}

#[test]
fn command_that_keeps_writing_is_ended_at_its_limit() {
    let outcome = sh("yes & yes >&2 & wait", &SHORT);
    assert_eq!(outcome.end, End::TimedOut);
    assert!(outcome.stdout.was_cut && outcome.stderr.was_cut);
}

#[test]
fn command_output_is_kept_byte_for_byte() {
    let outcome = sh(r"printf 'a\0\377\n\nno line end'", &ample());
    assert_eq!(outcome.stdout.bytes, b"a\0\xff\n\nno line end");
}
