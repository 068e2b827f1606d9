//! Tests with real processes and limits of fractions of a second.

mod clean;
mod ending;
mod starting;

use std::fs;
use std::path::Path;
use std::thread;

use super::environment::Environment;
use super::*;

/// Limit of a command that ends by itself, even on a busy machine.
const AMPLE: Duration = Duration::from_secs(60);
/// Limits of a command that has to be ended after it has had time to start.
const SHORT: Limits = Limits {
    time: Duration::from_millis(500),
    grace: Duration::from_millis(500),
    stop_grace: Duration::from_millis(200),
    output: 64 << 10,
};
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/exec");

fn ample() -> Limits {
    Limits {
        output: 64 << 10,
        ..Limits::of(AMPLE)
    }
}

fn strings(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|argument| (*argument).to_owned()).collect()
}

/// A setting that does not depend on who runs the tests.
fn setting() -> Setting {
    Setting {
        environment: Environment::of(vec![
            ("KEPT".into(), "agent".into()),
            ("PATH".into(), "/sbin:/usr/sbin:/bin:/usr/bin".into()),
        ]),
        is_root: false,
        has_pidfd: true,
    }
}

fn run_argv(argv: &[&str], limits: &Limits) -> Result<Outcome, ExecError> {
    let (_stop, sign): (Stop, StopSign) = stop().unwrap();
    let task = Task {
        argv: &strings(argv),
        user: None,
        env: &[],
    };
    setting().run(&task, limits, &sign)
}

fn sh(script: &str, limits: &Limits) -> Outcome {
    run_argv(&["sh", "-c", script], limits).unwrap()
}

fn text(output: &Output) -> &str {
    str::from_utf8(&output.bytes).unwrap()
}

/// Whether a process with this number exists, even as a zombie.
fn is_alive(pid: &str) -> bool {
    assert!(pid.trim().parse::<u32>().is_ok(), "no pid: {pid}");
    Path::new("/proc").join(pid.trim()).exists()
}

/// Waits until the process has exited. An orphan may stay a zombie until the process that inherits
/// it reaps it.
fn dies(pid: &str) -> bool {
    let has_died = || {
        let stat = fs::read(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        let stat = String::from_utf8_lossy(&stat);
        stat.rsplit(") ")
            .next()
            .is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
    };
    (0..1_000).any(|_| has_died() || sh("sleep 0.01", &ample()).end != End::Exited(0))
}
