//! What a command must not inherit from the agent, and what must not be left after it.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::*;

/// Blocks the signals that end a process in this thread, as the agent does in all its threads.
fn block_signals() {
    // SAFETY: sigemptyset initialises the set before it is used; a null pointer means that the
    // former mask is not wanted.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

#[test]
fn a_command_blocks_no_signal_and_ignores_none_that_counts() {
    let said = thread::spawn(|| {
        block_signals();
        let status = sh("grep -E '^Sig(Blk|Ign)' /proc/self/status", &ample());
        let ended = sh(
            "exec sleep 300",
            &Limits {
                grace: AMPLE,
                ..SHORT
            },
        );
        assert_eq!(ended.end, End::TimedOut);
        text(&status.stdout).to_owned()
    });
    let said = said.join().unwrap();
    let mask = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap();
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    assert_eq!(mask("SigBlk"), 0);
    // Rust ignores SIGPIPE.
    let counts = [1, 2, 3, 13, 15, 17]
        .map(|signal| 1 << (signal - 1))
        .iter()
        .sum::<u64>();
    assert_eq!(mask("SigIgn") & counts, 0, "{said}");
}

#[test]
fn a_command_inherits_no_file() {
    // Open without CLOEXEC, as if the agent had been started with it.
    let file = fs::File::open("Cargo.toml").unwrap();
    // SAFETY: dup takes a plain integer, and returns a descriptor that nothing else owns.
    let inherited = unsafe { OwnedFd::from_raw_fd(libc::dup(file.as_raw_fd())) };
    assert!(inherited.as_raw_fd() > 2);
    let listings = || {
        let (_stop, sign) = stop().unwrap();
        let threads = [0; 4].map(|_| {
            let sign = sign.clone();
            thread::spawn(move || {
                let argv = strings(&["sh", "-c", "ls /proc/$$/fd; sleep 0.05"]);
                let task = Task {
                    argv: &argv,
                    user: None,
                    env: &[],
                };
                let outcome = setting().run(&task, &ample(), &sign).unwrap();
                text(&outcome.stdout).to_owned()
            })
        });
        threads.map(|thread| thread.join().unwrap())
    };
    assert_eq!(listings(), ["0\n1\n2\n"; 4]);
    let listings = thread::scope(|scope| {
        let without = scope.spawn(|| {
            forbid_close_range();
            listings()
        });
        without.join().unwrap()
    });
    assert_eq!(
        listings, ["0\n1\n2\n"; 4],
        "on a kernel without close_range(2)"
    );
}

/// Makes close_range(2) fail in this thread, and in those that it starts, as if the kernel did not
/// know it.
fn forbid_close_range() {
    let (load, equal, answer) = (
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        libc::BPF_RET | libc::BPF_K,
    );
    let step = |code: u32, jump_if_not: u8, k: u32| libc::sock_filter {
        code: code.try_into().unwrap(),
        jt: 0,
        jf: jump_if_not,
        k,
    };
    let mut filter = [
        step(load, 0, 0), // the number of the call, the first field of struct seccomp_data
        step(equal, 1, libc::SYS_close_range.try_into().unwrap()),
        step(
            answer,
            0,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned(),
        ),
        step(answer, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: filter.as_mut_ptr(),
    };
    let filter = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the pointers are to a whole program, whose jumps stay in it. No descriptor has the
    // largest number, so that close_range closes nothing.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, filter, &raw const program);
        assert_eq!(
            libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX, 0),
            -1
        );
    }
}

#[test]
fn a_command_leads_a_group_of_its_own_and_leaves_no_zombie() {
    let (_stop, sign) = stop().unwrap();
    let task = Task {
        argv: &strings(&["sh", "-c", "echo $$; cut -d' ' -f5 /proc/$$/stat"]),
        user: None,
        env: &[],
    };
    let outcome = run(&task, &ample(), &sign).unwrap();
    let (pid, group) = text(&outcome.stdout).split_once('\n').unwrap();
    assert_eq!(pid, group.trim());
    assert!(!is_alive(pid));
}

#[test]
fn a_stop_ends_every_command_at_once() {
    let (stop, sign) = stop().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let scripts = [
        "trap '' TERM; echo >up1; sleep 300",
        "echo >up2; exec sleep 300",
    ];
    let dir_name = dir.path().to_str().unwrap();
    sh(&format!("cd {dir_name} && mkfifo up1 up2"), &ample());
    let threads = scripts.map(|script| {
        let sign = sign.clone();
        let argv = strings(&["sh", "-c", &format!("cd {dir_name} && {script}")]);
        thread::spawn(move || {
            let task = Task {
                argv: &argv,
                user: None,
                env: &[],
            };
            let limits = Limits {
                stop_grace: SHORT.stop_grace,
                ..ample()
            };
            setting().run(&task, &limits, &sign).unwrap().end
        })
    });
    for fifo in ["up1", "up2"] {
        fs::read(dir.path().join(fifo)).unwrap();
    }
    drop(stop);
    for thread in threads {
        assert_eq!(thread.join().unwrap(), End::Stopped);
    }
    // No command is started after the stop.
    let task = Task {
        argv: &strings(&["no-such"]),
        user: None,
        env: &[],
    };
    assert_eq!(
        setting().run(&task, &ample(), &sign).unwrap().end,
        End::Stopped
    );
}

/// Runs one test of this program in its own process, started by a shell after `prepare`.
fn run_test(prepare: &str, name: &str) {
    let itself = std::env::current_exe().unwrap();
    let script = format!("{prepare} exec \"$0\" --exact {name} --include-ignored");
    let outcome = run_argv(&["sh", "-c", &script, itself.to_str().unwrap()], &ample()).unwrap();
    assert_eq!(outcome.end, End::Exited(0), "{:?}", outcome.stdout);
    assert!(text(&outcome.stdout).contains("1 passed"));
}

#[test]
fn command_status_is_found_if_sigchld_was_ignored_at_start() {
    let name = "sys::exec::tests::ending::command_end_is_reported";
    run_test("trap '' CHLD;", name);
}

#[test]
fn process_one_reaps_orphans() {
    run_test("", "sys::exec::tests::clean::as_process_one");
}

#[test]
#[ignore = "needs a process of its own"]
fn as_process_one() {
    // SAFETY: this process has no other thread, so no lock stays held in the child.
    match unsafe { libc::fork() } {
        0 => {
            let is_well = std::panic::catch_unwind(be_process_one).is_ok();
            // SAFETY: _exit runs no code of this program.
            unsafe { libc::_exit(i32::from(!is_well)) };
        }
        pid => assert_eq!(ProcessGroup::led_by(pid, false).reap(), Ok(0)),
    }
}

/// Runs in the main thread of its process, because a forked child has only that one.
fn be_process_one() {
    // SAFETY: prctl takes plain integers here.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }, 0);
    let outcome = sh("sleep 0.01 >/dev/null 2>&1 & echo $!", &ample());
    let pid = text(&outcome.stdout);
    assert!(dies(pid) && is_alive(pid));
    // Children of other threads are left to the threads that wait for them.
    let other = thread::spawn(|| sh("exec >&- 2>&-; sleep 0.1; exit 4", &ample()).end);
    assert_eq!(reap_orphans(), 1);
    assert!(!is_alive(pid));
    while !other.is_finished() {
        assert_eq!(reap_orphans(), 0);
        thread::yield_now();
    }
    assert_eq!(other.join().unwrap(), End::Exited(4));
}
