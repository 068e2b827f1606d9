//! `mackerel-agent supervise`: runs the agent as a child process and restarts it when it has ended.
//!
//! One thread and very little memory: the configuration is checked and dropped.

use std::ffi::OsString;
use std::process;
use std::time::Duration;

use super::policy::{Next, Policy};

use crate::base::clock::{Clock, HostClock, Moment};
use crate::config::Flags;
use crate::settings::apply::{claim_pidfile, set_level};
use crate::settings::child::{APIKEY, SUPERVISOR};
use crate::settings::reload;
use crate::settings::resolve::resolve;
use crate::sys::child::{self, Child, End, Start};
use crate::sys::executable::{self, Executable};
use crate::sys::log::Level;
use crate::sys::notify::Notify;
use crate::sys::random::random;
use crate::sys::signal::{Signal, Signals, Woken};
use crate::sys::{environment, log};

/// The flag that marks the child as one.
const CHILD: &str = "-child";

/// Runs the agent with `arguments` until a signal stops it or the agent cannot start. `arguments`
/// correspond to `flags`, except the API key. Returns the text for the user if the last child
/// failed.
pub(crate) fn supervise(flags: &Flags, mut arguments: Vec<OsString>) -> Result<(), String> {
    log::install();
    let notify = Notify::from_env();
    let signals = Signals::take();
    let config = resolve(flags)?;
    set_level(&config);
    let _pidfile = claim_pidfile(&config)?;
    drop(config);
    let program = Executable::own().map_err(|error| format!("own program not found: {error}"))?;
    arguments.push(CHILD.into());
    environment::set(SUPERVISOR, process::id().to_string());
    if let Some(key) = &flags.apikey {
        environment::set(APIKEY, &**key);
    }
    let clock = HostClock::new();
    let now = clock.moment();
    Supervisor {
        flags,
        start: Start {
            program: program.path(),
            name: &executable::name(),
            arguments: &arguments,
        },
        policy: Policy::new(random, now),
        child: None,
        watchdog: notify.watchdog().map(|limit| (limit / 2, now)),
        notify,
    }
    .run(&clock, &signals)
}

struct Supervisor<'a> {
    flags: &'a Flags,
    start: Start<'a>,
    policy: Policy,
    child: Option<Child>,
    notify: Notify,
    /// The interval of the watchdog messages, and when the next is due.
    watchdog: Option<(Duration, Moment)>,
}

impl Supervisor<'_> {
    fn run(mut self, clock: &dyn Clock, signals: &Signals) -> Result<(), String> {
        loop {
            let now = clock.moment();
            let limit = match self.policy.next(now) {
                Next::End(result) => return result,
                Next::Start => {
                    self.launch(clock.moment());
                    continue;
                }
                Next::Wait(limit) => limit,
            };
            let limits = [limit, self.watch(now)];
            match signals.next(limits.into_iter().flatten().min()) {
                Woken::Time => {}
                Woken::Signal(Signal::Hangup) if self.policy.stops() => {}
                Woken::Child => self.reap(clock),
                Woken::Signal(Signal::Hangup) => self.reload(clock),
                Woken::Signal(signal) => self.stop(signal),
            }
        }
    }

    fn launch(&mut self, now: Moment) {
        match child::start(self.start) {
            Ok(child) => {
                self.policy.started(now);
                // The service manager receives no messages from the agent itself, only from this
                // process.
                self.notify.ready();
                let pid = child.pid();
                self.notify.status(&format!("supervising process {pid}"));
                self.child = Some(child);
            }
            Err(error) => {
                let program = self.start.program.display();
                let why = format!("start {program}: {error}");
                let pause = self.policy.not_started(why.clone(), now);
                self.say(Level::Warn, &why, pause);
            }
        }
    }

    /// Reaps the children that have ended. One of them may be the agent.
    fn reap(&mut self, clock: &dyn Clock) {
        while let Some((pid, end)) = child::reap() {
            if self.child.take_if(|child| child.pid() == pid).is_some() {
                let pause = self.policy.ended(end, clock.moment());
                let level = match end {
                    End::Code(0) => Level::Info,
                    _ => Level::Warn,
                };
                self.say(level, &format!("the agent has ended: {end}"), pause);
            }
        }
    }

    /// Logs what has happened and when the next child starts. Logs nothing if there is no next
    /// child, because the supervisor ends with the same text.
    fn say(&self, level: Level, what: &str, pause: Option<Duration>) {
        let Some(pause) = pause else { return };
        let what = match (pause + Duration::from_millis(999)).as_secs() {
            0 => format!("{what}; starting it again"),
            seconds => format!("{what}; starting it again within {seconds} s"),
        };
        log::at!(level, "{what}");
        self.notify.status(&what);
    }

    /// Restarts the agent with the current configuration, unless that is invalid.
    fn reload(&mut self, clock: &dyn Clock) {
        self.notify.reloading();
        match reload::checked(self.flags) {
            Ok(config) => {
                set_level(&config);
                log::info!("reloading: the agent is started again");
                if self.policy.reload(clock.moment())
                    && let Some(child) = &self.child
                {
                    // SIGQUIT, because a child may be set to retire its host on SIGTERM, which is
                    // wrong here.
                    child.signal(Signal::Quit);
                }
            }
            Err(why) => {
                log::warn!("failed to reload: configtest failed: {why}");
                self.notify.ready();
            }
        }
    }

    fn stop(&mut self, signal: Signal) {
        self.policy.stop();
        self.notify.stopping();
        if let Some(child) = &self.child {
            child.signal(signal);
        }
    }

    /// Sends WATCHDOG=1 if it is due. Returns the time until the next one; `None` without a
    /// watchdog.
    fn watch(&mut self, now: Moment) -> Option<Duration> {
        let (every, due) = self.watchdog.as_mut()?;
        if *due <= now {
            *due = Moment(now.0 + *every);
            self.notify.alive();
        }
        Some(due.since(now))
    }
}
