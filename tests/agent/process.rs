//! A child process with waits for its log lines, output and end. It does not outlive the test.

use std::io::{self, BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, WaitId, WaitIdOptions};

use crate::sandbox::Sandbox;

pub(crate) use rustix::process::Signal;

/// How long a stream may stay open after all processes have been killed: only a child that left the
/// group can keep it open.
const STREAMS: Duration = Duration::from_secs(5);

/// A running agent. Dropping it kills it and all its children.
pub(crate) struct Agent<'a> {
    /// Its files must outlive it.
    sandbox: PhantomData<&'a Sandbox>,
    child: Child,
    pid: Pid,
    lines: Receiver<String>,
    /// Its lines on stderr, oldest first.
    log: Vec<String>,
    /// Everything on stdout, once it has ended.
    stdout: Receiver<String>,
    exited: Receiver<()>,
    ended: bool,
    reaped: bool,
}

/// An agent that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Whether its memory was written to a core dump.
    pub(crate) has_dumped: bool,
    pub(crate) stdout: String,
    /// All lines.
    pub(crate) stderr: String,
}

/// Spawns a command, again if its program is busy.
///
/// A program that a test has just copied can be busy for a moment: another test's child, between
/// fork and exec, still has the copy open.
fn spawn(command: &mut Command) -> Child {
    for _ in 0..100 {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            started => return started.unwrap(),
        }
    }
    panic!("the program stays busy");
}

/// Waits until TEST_START_SECOND, such as 58.5, of a minute if it is set.
///
/// An agent's rounds follow the minutes of the wall clock. A test that passes whenever its agents
/// start must pass with the end of a minute just after their start.
fn wait_for_second() {
    let Ok(second) = std::env::var("TEST_START_SECOND") else {
        return;
    };
    let second: f64 = second
        .parse()
        .expect("TEST_START_SECOND: a number below 60");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let left = (second - now.unwrap().as_secs_f64() % 60.0).rem_euclid(60.0);
    thread::sleep(Duration::from_secs_f64(left));
}

impl Agent<'_> {
    /// Starts a command in a sandbox, which must outlive it.
    pub(crate) fn start(mut command: Command) -> Self {
        wait_for_second();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that its children can be ended with it.
            .process_group(0);
        let mut child = spawn(&mut command);
        let (tell_line, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if tell_line.send(line).is_err() {
                    break;
                }
            }
        });
        let mut pipe = child.stdout.take().unwrap();
        let (tell_output, stdout) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            // The receiver may be gone.
            let _ = tell_output.send(String::from_utf8(bytes).unwrap());
        });
        let pid = Pid::from_child(&child);
        let (tell_exit, exited) = mpsc::channel();
        thread::spawn(move || {
            // It stays a zombie, so that its pid is not reused until the agent is dropped.
            let how = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let interrupted = Some(rustix::io::Errno::INTR);
            while rustix::process::waitid(WaitId::Pid(pid), how).err() == interrupted {}
            // The receiver may be gone.
            let _ = tell_exit.send(());
        });
        Agent {
            sandbox: PhantomData,
            child,
            pid,
            lines,
            log: Vec::new(),
            stdout,
            exited,
            ended: false,
            reaped: false,
        }
    }

    /// The pid of the process, or of the emulator.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits up to `limit` for a line on stderr that `look` accepts, earlier ones included, and
    /// returns it. Panics with all lines if there is none.
    #[track_caller]
    pub(crate) fn wait_line(
        &mut self,
        limit: Duration,
        wanted: &str,
        look: impl Fn(&str) -> bool,
    ) -> String {
        let end = Instant::now() + limit;
        let mut looked_at = 0;
        loop {
            while let Some(line) = self.log.get(looked_at) {
                if look(line) {
                    return line.clone();
                }
                looked_at += 1;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no {wanted} within {limit:?} in:\n{}", self.log.join("\n"))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("no {wanted} until its end in:\n{}", self.log.join("\n"))
                }
            }
        }
    }

    /// The lines on stderr until now.
    pub(crate) fn log(&mut self) -> &[String] {
        self.log.extend(self.lines.try_iter());
        &self.log
    }

    /// Panics if it has ended.
    #[track_caller]
    pub(crate) fn assert_running(&mut self) {
        self.ended |= self.exited.try_recv().is_ok();
        assert!(!self.ended, "it has ended:\n{}", self.log().join("\n"));
    }

    /// Sends a signal to the agent alone.
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid, signal).unwrap();
    }

    /// Waits until it ends. Panics if it does not within `limit`.
    #[track_caller]
    pub(crate) fn wait_exit(mut self, limit: Duration) -> Finished {
        if !self.ended && self.exited.recv_timeout(limit).is_err() {
            panic!("no end within {limit:?}:\n{}", self.log().join("\n"));
        }
        let (status, stdout) = self.end();
        Finished {
            code: status.code(),
            signal: status.signal(),
            has_dumped: status.core_dumped(),
            stdout,
            stderr: self.log.join("\n"),
        }
    }

    /// Kills the rest of the group, reaps the child, and reads both streams to their ends.
    ///
    /// They end when no child has them open any more.
    fn end(&mut self) -> (ExitStatus, String) {
        // The group exists until the child is reaped.
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        self.reaped = true;
        let status = self.child.wait().unwrap();
        let stdout = self.stdout.recv_timeout(STREAMS).unwrap_or_default();
        while let Ok(line) = self.lines.recv_timeout(STREAMS) {
            self.log.push(line);
        }
        (status, stdout)
    }
}

impl Drop for Agent<'_> {
    #[expect(clippy::print_stdout, reason = "cargo shows it if the test fails")]
    fn drop(&mut self) {
        if !self.reaped {
            self.end();
            if thread::panicking() {
                println!("log of the agent:\n{}", self.log.join("\n"));
            }
        }
    }
}

/// Whether this is a line of the log with this level: `2006/01/02 15:04:05 LEVEL <tag> message`.
pub(crate) fn has_level(line: &str, level: &str) -> bool {
    let mut words = line.split(' ');
    words.nth(2) == Some(level) && words.next().is_some_and(|tag| tag.starts_with('<'))
}

/// Whether this line reports that something went wrong.
pub(crate) fn is_trouble(line: &str) -> bool {
    has_level(line, "WARNING") || has_level(line, "ERROR")
}

mod tests {
    use std::fs;

    use super::*;
    use crate::sandbox::limit;

    fn shell<'a>(sandbox: &'a Sandbox, script: &str) -> Agent<'a> {
        sandbox.spawn(&["sh", "-c", script])
    }

    #[test]
    fn lines_exit_code_and_output_arrive() {
        let sandbox = Sandbox::empty();
        let mut agent = shell(&sandbox, "echo one >&2; echo out; echo two >&2; exit 3");
        let line = agent.wait_line(limit(20), "line", |line| line.starts_with('t'));
        assert_eq!(line, "two");
        let line = agent.wait_line(limit(20), "earlier line", |line| line == "one");
        assert_eq!(line, "one");
        let finished = agent.wait_exit(limit(20));
        assert_eq!((finished.code, finished.signal), (Some(3), None));
        assert_eq!(finished.stdout, "out\n");
        assert_eq!(finished.stderr, "one\ntwo");
    }

    #[test]
    fn signals_reach_it() {
        let script = "trap 'exit 7' TERM; sleep 300 & echo ready >&2; wait";
        let sandbox = Sandbox::empty();
        let mut agent = shell(&sandbox, script);
        agent.wait_line(limit(20), "trap", |line| line == "ready");
        agent.assert_running();
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_exit(limit(20)).code, Some(7));
        let sandbox = Sandbox::empty();
        let agent = shell(&sandbox, "kill -9 $$");
        assert_eq!(agent.wait_exit(limit(20)).signal, Some(9));
    }

    #[test]
    fn no_child_outlives_it() {
        let sandbox = Sandbox::empty();
        let mut agent = shell(&sandbox, "sleep 300 & echo $! >&2; wait");
        let pid = agent.wait_line(limit(20), "pid", |line| !line.is_empty());
        drop(agent);
        // Until it is reaped, it exists without memory, and so without a command line.
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert_eq!(words, b"", "it lives");
    }

    #[test]
    fn a_line_that_does_not_come_is_a_failure_that_shows_the_others() {
        for (script, word) in [("echo one >&2", "until its end"), ("sleep 300", "within")] {
            let waited = std::panic::catch_unwind(|| {
                let sandbox = Sandbox::empty();
                let mut agent = shell(&sandbox, script);
                agent.wait_line(Duration::from_millis(300), "two", |line| line == "two");
            });
            let message = waited.unwrap_err().downcast::<String>().unwrap();
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn the_environment_is_clean() {
        let sandbox = Sandbox::empty();
        let finished = sandbox.spawn(&["env"]).wait_exit(limit(20));
        let mut keys: Vec<&str> = finished
            .stdout
            .lines()
            .filter_map(|line| line.split('=').next())
            .collect();
        keys.sort_unstable();
        assert_eq!(keys, ["HOME", "PATH", "TMPDIR"]);
    }

    #[test]
    fn a_level_is_told_from_a_word() {
        let line = "2026/11/22 04:00:00 WARNING <api> ERROR in the text";
        assert!(has_level(line, "WARNING") && is_trouble(line));
        assert!(!has_level(line, "ERROR"));
        assert!(!is_trouble("WARNING <api> no time"));
    }
}
