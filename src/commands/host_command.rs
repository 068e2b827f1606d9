//! Runs a command of the host for its answer.

use std::time::Duration;

use crate::sys::exec::{self, End, Limits, Task};

/// Time for a command until it is ended.
const LIMIT: Duration = Duration::from_secs(5);
/// Time from SIGTERM until SIGKILL.
const GRACE: Duration = Duration::from_secs(1);
/// Bytes that are kept of the output.
const OUTPUT: usize = 64 << 10;

/// The exit code of a command, and what it printed to stdout; `None` if it cannot be started or does
/// not end.
pub(super) fn run(words: &[&str]) -> Option<(i32, String)> {
    let (_open, sign) = exec::stop().ok()?;
    let argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let task = Task {
        argv: &argv,
        user: None,
        env: &[("MACKEREL_APIKEY", None)],
    };
    let limits = Limits {
        time: LIMIT,
        grace: GRACE,
        stop_grace: GRACE,
        output: OUTPUT,
    };
    let outcome = exec::run(&task, &limits, &sign).ok()?;
    let End::Exited(code) = outcome.end else {
        return None;
    };
    let output = String::from_utf8_lossy(&outcome.stdout.bytes);
    Some((code, output.into_owned()))
}
