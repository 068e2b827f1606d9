//! Runs commands under a time limit. Each command leads a session, and a process group. Processes
//! that it starts are ended with it, unless they have left the group.

mod account;
mod environment;
mod error;
mod foreground;
mod group;
mod orphans;
mod output;
mod plan;
mod probe;
mod spawn;
mod start;
mod stop;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::time::Duration;

use crate::base::clock::{Clock, HostClock};

pub(crate) use account::groups_of;
pub(crate) use error::ExecError;
pub(crate) use foreground::{ForegroundEnd, Rest, in_foreground};
pub(crate) use orphans::reap_orphans;
pub(crate) use output::Output;
pub(crate) use probe::probe;
pub(crate) use stop::{Stop, StopSign, stop};

use environment::Environment;
use group::ProcessGroup;
use output::Pipe;
use plan::{Action, Cause, Plan};
use start::Setting;
use stop::{entry, poll};

/// Time from the first SIGTERM until SIGKILL.
const GRACE: Duration = Duration::from_secs(10);
/// The same when the agent itself stops.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// Bytes kept of each of stdout and stderr.
const OUTPUT: usize = 1 << 20;

/// A command.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    /// Program and arguments. A program without a slash is searched in the agent's `PATH`.
    pub(crate) argv: &'a [String],
    /// The user that runs it, if not the agent's own. The agent uses sudo for that. If there is no
    /// sudo and the agent is root, it switches to the user as listed in `/etc/passwd`.
    pub(crate) user: Option<&'a str>,
    /// Changes to the agent's environment, in order: a later entry overrides an earlier one, and
    /// `None` removes the variable.
    pub(crate) env: &'a [(&'a str, Option<&'a OsStr>)],
}

/// Limits of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Time until SIGTERM is sent to the group, and from each SIGTERM to the next.
    pub(crate) time: Duration,
    /// Time from the first SIGTERM until SIGKILL.
    pub(crate) grace: Duration,
    /// The same if the command is ended because the agent stops.
    pub(crate) stop_grace: Duration,
    /// Bytes kept of each of stdout and stderr; the rest is read and dropped.
    pub(crate) output: usize,
}

impl Limits {
    /// The default limits of a command that may take `time`.
    pub(crate) fn of(time: Duration) -> Limits {
        Limits {
            time,
            grace: GRACE,
            stop_grace: STOP_GRACE,
            output: OUTPUT,
        }
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// The command exited, perhaps after SIGTERM, or was ended by a signal that the agent did not
    /// send. Holds the exit code, or 128 plus the signal's number.
    Exited(i32),
    /// The time limit was reached, and a signal ended the command.
    TimedOut,
    /// The command was ended, or not started at all, because the agent stops.
    Stopped,
}

/// How a command ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

/// Runs a command to its end and collects its output. Its stdin is `/dev/null`.
///
/// A command has ended when its process has exited and its output is closed. A process that it left
/// running with its output open is waited for too. When `limits.time` has passed, or `stop` is set,
/// the group gets SIGTERM, and SIGKILL later. After SIGKILL, processes that left the group and hold
/// the output open are not waited for. Takes 24 KiB of stack. Fails if the command cannot be
/// started.
pub(crate) fn run(task: &Task<'_>, limits: &Limits, stop: &StopSign) -> Result<Outcome, ExecError> {
    Setting::of_agent().run(task, limits, stop)
}

/// The same without the agent's environment, in which there may be secrets: there are no variables
/// but those of `task`. Root switches to the user of `task` itself, without sudo.
pub(crate) fn run_bare(
    task: &Task<'_>,
    limits: &Limits,
    stop: &StopSign,
) -> Result<Outcome, ExecError> {
    let setting = Setting {
        environment: Environment::of(Vec::new()),
        ..Setting::of_agent()
    };
    setting.run(task, limits, stop)
}

/// Whether `task` starts a program with this name, or may start one through sudo.
pub(crate) fn may_find(task: &Task<'_>, name: &str) -> bool {
    Setting::of_agent().may_find(task, name)
}

/// Whether the agent runs as root. Plugins may then have fewer rights than the agent.
pub(crate) fn is_root() -> bool {
    Setting::is_root()
}

impl Setting {
    fn run(&self, task: &Task<'_>, limits: &Limits, stop: &StopSign) -> Result<Outcome, ExecError> {
        if stop.is_on() {
            return Ok(Outcome {
                end: End::Stopped,
                stdout: Output::default(),
                stderr: Output::default(),
            });
        }
        let started = self.start(task)?;
        let mut group = ProcessGroup::led_by(started.pid, self.has_pidfd);
        let mut pipes = [
            Pipe::of(started.stdout, limits.output),
            Pipe::of(started.stderr, limits.output),
        ];
        let cause = attend(&mut group, &mut pipes, limits, stop)?;
        if cause.is_some() {
            // Processes that closed their output may still be in the group.
            group.signal(libc::SIGKILL);
        }
        let status = group.reap();
        let [stdout, stderr] = pipes.map(Pipe::into_output);
        let end = match (status, cause) {
            (Err(_), Some(Cause::Limit)) => End::TimedOut,
            (Err(_), Some(Cause::Stop)) => End::Stopped,
            (Err(signal), None) => End::Exited(128 + signal),
            (Ok(code), _) => End::Exited(code),
        };
        Ok(Outcome {
            end,
            stdout,
            stderr,
        })
    }
}

/// Reads the command's output until it has ended, and sends the signals that are due. Returns why
/// the command had to be ended; `None` if it ended by itself.
fn attend(
    group: &mut ProcessGroup,
    pipes: &mut [Pipe; 2],
    limits: &Limits,
    stop: &StopSign,
) -> Result<Option<Cause>, ExecError> {
    let clock = HostClock::new();
    let mut plan = Plan::new(limits, clock.moment());
    let mut is_stopping = false;
    loop {
        // After SIGKILL, only processes outside the group can still hold a pipe open.
        let is_open = !plan.is_killed() && pipes.iter().any(Pipe::is_open);
        if !is_open {
            // A group that is to get one more signal keeps its number until then.
            let has_ended = match plan.cause() {
                None => group.ends(),
                Some(_) => group.has_ended(),
            };
            if has_ended {
                return Ok(plan.cause());
            }
        }
        let now = clock.moment();
        let mut pause = plan.due().map(|due| due.since(now));
        let mut exit = entry(None);
        if !is_open {
            let (fd, nap) = group.exit();
            exit = entry(fd);
            pause = [pause, nap].into_iter().flatten().min();
        }
        let [stdout, stderr] = pipes.each_ref().map(|pipe| {
            if plan.is_killed() {
                entry(None)
            } else {
                pipe.watch()
            }
        });
        let sign = entry((!is_stopping).then(|| stop.fd()));
        let mut watched = [stdout, stderr, exit, sign];
        poll(&mut watched, pause).map_err(|error| ExecError::system("poll", &error))?;

        for (pipe, seen) in pipes.iter_mut().zip(&watched) {
            if seen.revents != 0 {
                pipe.read_some();
            }
        }
        let now = clock.moment();
        if watched[3].revents != 0 {
            is_stopping = true;
            plan.stop(now);
        }
        match plan.take(now) {
            Some(Action::Terminate) => {
                group.signal(libc::SIGTERM);
                // A stopped process handles SIGTERM only once it is continued.
                group.signal(libc::SIGCONT);
            }
            Some(Action::Kill) => group.signal(libc::SIGKILL),
            None => {}
        }
    }
}
