//! Resources of a process, read from the kernel.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// The figures of a process at one moment, including children that it has reaped.
pub(crate) struct Process {
    pub(crate) rss: f64,
    pub(crate) peak: f64,
    pub(crate) anonymous: f64,
    pub(crate) pss: f64,
    pub(crate) threads: f64,
    pub(crate) files: f64,
    /// Processor time since its start, of all living threads.
    pub(crate) cpu_ms: f64,
    /// Voluntary context switches since its start, of all living threads.
    pub(crate) switches: f64,
}

impl Process {
    /// Reads `/proc/<pid>`. Sizes are in kB.
    pub(crate) fn of(pid: u32) -> Process {
        let read = |path: &str| fs::read_to_string(format!("/proc/{pid}/{path}")).unwrap();
        let status = read("status");
        let mut cpu_ms = 0.0;
        let mut switches = 0.0;
        for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
            let task = task.unwrap().path();
            // A thread may end between the listing and the reading.
            let text = |name| fs::read_to_string(task.join(name)).unwrap_or_default();
            let nanoseconds = text("schedstat");
            let nanoseconds = nanoseconds.split(' ').next().unwrap_or_default();
            cpu_ms += nanoseconds.parse().unwrap_or(0.0) / 1e6;
            switches += field(&text("status"), "voluntary_ctxt_switches:");
        }
        Process {
            rss: field(&status, "VmRSS:"),
            peak: field(&status, "VmHWM:"),
            anonymous: field(&status, "RssAnon:"),
            pss: field(&read("smaps_rollup"), "Pss:"),
            threads: field(&status, "Threads:"),
            files: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as f64,
            cpu_ms,
            switches,
        }
    }
}

/// A thread: its id, its name, and its processor time.
pub(crate) struct Thread {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) cpu_ms: f64,
}

/// The threads of a process.
pub(crate) fn threads(pid: u32) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let thread = |task: fs::DirEntry| {
        let text = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let nanoseconds = text("schedstat");
        let nanoseconds = nanoseconds.split(' ').next().unwrap_or_default();
        Thread {
            number: task.file_name().to_str().unwrap().parse().unwrap(),
            name: text("comm").trim().to_owned(),
            cpu_ms: nanoseconds.parse().unwrap_or(0.0) / 1e6,
        }
    };
    tasks.map(|task| thread(task.unwrap())).collect()
}

/// The number after `name` at the start of a line. 0 if there is none.
fn field(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// Counts of system calls by strace.
pub(crate) struct SystemCalls {
    pub(crate) all: f64,
    /// New processes. New threads do not count.
    pub(crate) forks: f64,
}

impl SystemCalls {
    /// Traces a process, its threads and its children for `span`, and counts the system calls of
    /// threads whose id `counts` accepts.
    ///
    /// `None` if strace is missing or may not trace.
    pub(crate) fn count(
        pid: u32,
        directory: &Path,
        span: Duration,
        counts: impl Fn(u32) -> bool,
    ) -> Option<SystemCalls> {
        let output = directory.join("strace");
        let strace = Command::new("strace")
            .args(["-f", "-q", "-p", &pid.to_string(), "-o"])
            .arg(&output)
            .spawn();
        let mut strace = match strace {
            Ok(strace) => strace,
            Err(error) => {
                eprintln!("strace: {error}; system calls are not counted (Debian: strace)");
                return None;
            }
        };
        sleep(span);
        if let Some(status) = strace.try_wait().unwrap() {
            eprintln!("strace: {status}; system calls are not counted (is ptrace allowed here?)");
            return None;
        }
        terminate(strace.id());
        strace.wait().unwrap();
        let text = fs::read_to_string(&output).unwrap();
        if let Ok(kept) = std::env::var("BENCH_STRACE") {
            fs::write(kept, &text).unwrap();
        }
        let calls = || {
            // Lines are "PID call(…". A resumed call was counted when it began. Signals are not
            // calls.
            let calls = text.lines().filter_map(|line| line.split_once(' '));
            let calls = calls.filter(|(thread, _)| thread.parse().is_ok_and(&counts));
            let calls = calls.map(|(_, call)| call.trim_start());
            calls.filter(|call| call.starts_with(|c: char| c.is_ascii_lowercase()))
        };
        let is_fork = |call: &&str| {
            let process = ["fork(", "vfork("]
                .iter()
                .any(|name| call.starts_with(name));
            process || (call.starts_with("clone") && !call.contains("CLONE_THREAD"))
        };
        Some(SystemCalls {
            all: calls().count() as f64,
            forks: calls().filter(is_fork).count() as f64,
        })
    }
}

/// Sends SIGTERM to a process.
pub(crate) fn terminate(pid: u32) {
    let told = Command::new("kill").arg(pid.to_string()).status();
    assert!(told.unwrap().success(), "kill {pid}");
}
