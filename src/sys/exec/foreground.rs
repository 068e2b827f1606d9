//! A command in the foreground: with this process's standard input, in its process group, so that a
//! terminal's keys reach it. Its output is passed on as it comes.

use std::ffi::{CString, OsStr, OsString};
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::Environment;
use super::error::ExecError;
use super::spawn::{Place, spawn};
use super::start::find;
use super::stop::{entry, poll};
use crate::sys::signal::{Signal, Signals, Woken};
use crate::sys::terminal::{Stream, is_terminal};

/// Bytes of one read: what a pipe holds at least.
const CHUNK: usize = 4 << 10;
/// Reads by which all is read that a pipe holds.
const READS: usize = 16;

/// How a command in the foreground ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ForegroundEnd {
    /// It exited with this code.
    Code(u8),
    /// It was ended by the signal with this number.
    Signal(u8),
}

/// The output of a command that has ended. Processes that it has left behind may hold it open.
pub(crate) struct Rest<'a> {
    pipes: [Option<PipeReader>; 2],
    signals: &'a Signals,
    /// Readable while a signal is pending.
    descriptor: OwnedFd,
}

impl Rest<'_> {
    /// Passes the output on until it is closed or a signal comes.
    pub(crate) fn pass_on(mut self) {
        while self.pipes.iter().any(Option::is_some)
            && !self.signals.is_told_to_stop()
            && self.turn(None, &mut |_| {}).is_ok()
        {}
    }

    /// Waits for output or a signal, at most `limit` long, and passes the output on. Returns whether
    /// there was any.
    fn turn(
        &mut self,
        limit: Option<Duration>,
        seen: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, ExecError> {
        let [stdout, stderr] = self
            .pipes
            .each_ref()
            .map(|pipe| entry(pipe.as_ref().map(AsRawFd::as_raw_fd)));
        let mut watched = [stdout, stderr, entry(Some(self.descriptor.as_raw_fd()))];
        poll(&mut watched, limit).map_err(|error| ExecError::system("poll", &error))?;
        let mut is_any = false;
        for (at, pipe) in self.pipes.iter_mut().enumerate() {
            if watched.get(at).is_some_and(|seen| seen.revents != 0) {
                pass_on(pipe, at == 0, seen);
                is_any = true;
            }
        }
        Ok(is_any)
    }
}

/// Runs a command with the environment `variables`, and waits until it has exited. What it writes
/// goes to this process's output and error, and to `seen`. Signals that this process gets go to the
/// command. Fails if the command cannot be started.
pub(crate) fn in_foreground<'a>(
    words: &[OsString],
    variables: Vec<(OsString, OsString)>,
    signals: &'a Signals,
    seen: &mut dyn FnMut(&[u8]),
) -> Result<(ForegroundEnd, Rest<'a>), ExecError> {
    let environment = Environment::of(variables);
    let name = words.first().map_or(OsStr::new(""), |name| name);
    let program = if name.as_bytes().contains(&b'/') {
        PathBuf::from(name)
    } else {
        let shown = name.to_string_lossy();
        find(&shown, environment.path()).ok_or_else(|| ExecError::not_in_path(&shown))?
    };
    let invalid = |_| ExecError::other("exec: a word of the command contains NUL");
    let mut argv = Vec::new();
    for word in words {
        argv.push(CString::new(word.as_bytes()).map_err(invalid)?);
    }
    let variables = environment.strings().map_err(invalid)?;
    let file = CString::new(program.as_os_str().as_bytes()).map_err(invalid)?;
    let descriptor = signals.descriptor();
    let descriptor = descriptor.map_err(|error| ExecError::system("signalfd", &error))?;
    let started = spawn(&file, &argv, &variables, None, Place::Foreground);
    let started = started.map_err(|error| refused(&program, &error))?;
    let mut rest = Rest {
        pipes: [Some(started.stdout), Some(started.stderr)],
        signals,
        descriptor,
    };
    let end = loop {
        if let Some(end) = reap(started.pid) {
            break end;
        }
        rest.turn(None, seen)?;
        if let Woken::Signal(signal) = signals.next(Some(Duration::ZERO)) {
            pass_signal_on(started.pid, signal);
        }
    };
    // What the command itself has written: a process that it has left behind may never end.
    for _ in 0..READS {
        if !rest.turn(Some(Duration::ZERO), seen)? {
            break;
        }
    }
    Ok((end, rest))
}

fn refused(program: &Path, error: &io::Error) -> ExecError {
    ExecError::refused(&program.to_string_lossy(), error)
}

/// Reads once and writes that to this process's output or error. A reader that is gone does not end
/// the command: the rest goes to `seen` alone.
fn pass_on(pipe: &mut Option<PipeReader>, is_output: bool, seen: &mut dyn FnMut(&[u8])) {
    let mut chunk = [0; CHUNK];
    let Some(source) = pipe else { return };
    match source.read(&mut chunk) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Ok(0) | Err(_) => *pipe = None,
        Ok(length) => {
            let bytes = chunk.get(..length).unwrap_or_default();
            seen(bytes);
            let written = if is_output {
                let mut output = io::stdout();
                output.write_all(bytes).and_then(|()| output.flush())
            } else {
                io::stderr().write_all(bytes)
            };
            drop(written);
        }
    }
}

/// Sends the command a signal that this process has got. What a terminal's keys send has reached the
/// command already, which is in the same group.
fn pass_signal_on(pid: libc::pid_t, signal: Signal) {
    let is_key = matches!(signal, Signal::Interrupt | Signal::Quit);
    if !(is_key && is_terminal(Stream::Input)) {
        // SAFETY: kill takes plain integers. The child has not been reaped.
        unsafe { libc::kill(pid, signal.number()) };
    }
}

/// Reaps the child if it has exited. Its output may be closed before that, or stay open after it.
fn reap(pid: libc::pid_t) -> Option<ForegroundEnd> {
    let mut status = 0;
    // SAFETY: the place for the status is valid for the call. SIGCHLD is blocked, so that an end
    // after the call is still pending for the wait.
    if unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == 0 {
        return None;
    }
    let byte = |number: libc::c_int| u8::try_from(number).unwrap_or(u8::MAX);
    Some(if libc::WIFSIGNALED(status) {
        ForegroundEnd::Signal(byte(libc::WTERMSIG(status)))
    } else {
        ForegroundEnd::Code(byte(libc::WEXITSTATUS(status)))
    })
}
