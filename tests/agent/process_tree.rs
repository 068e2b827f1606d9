//! Processes that are not the test's own children, seen through `/proc`.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::Agent;

/// Pause between two looks: other processes' children cause no notification.
const LOOK: Duration = Duration::from_millis(5);

/// Repeats `look` until it finds something. Panics after `limit`.
#[track_caller]
pub(crate) fn poll_until<T>(limit: Duration, wanted: &str, look: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "no {wanted} within {limit:?}");
        thread::sleep(LOOK);
    }
}

/// State and parent of a process. `None` if it does not exist.
fn stat(pid: i32) -> Option<(char, i32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may contain anything.
    let (_, rest) = text.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    let state = words.next()?.chars().next()?;
    Some((state, words.next()?.parse().ok()?))
}

/// Whether the process exists and has not ended.
pub(crate) fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

/// The children of a process, including ended ones that have not been reaped.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let all = fs::read_dir("/proc")
        .unwrap()
        .map_while(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    all.filter(|child| stat(*child).is_some_and(|(_, parent)| parent == pid))
        .collect()
}

/// Whether the test runs as root, which can read private files below `/proc` of every process.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A file below `/proc` of a process, with NULs as blanks.
pub(crate) fn text(pid: i32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

impl Agent<'_> {
    /// The only living child of the process, once there is exactly one.
    #[track_caller]
    pub(crate) fn only_child(&self, limit: Duration) -> i32 {
        poll_until(limit, "only child", || match children(self.pid())[..] {
            [child] => Some(child).filter(|child| is_alive(*child)),
            _ => None,
        })
    }

    /// The only living child of the process, once it is another one than `former`.
    #[track_caller]
    pub(crate) fn next_child(&self, limit: Duration, former: i32) -> i32 {
        poll_until(limit, "other child", || match children(self.pid())[..] {
            [child] => Some(child).filter(|child| *child != former && is_alive(*child)),
            _ => None,
        })
    }
}
