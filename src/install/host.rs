//! The host of the installation: its files, its service manager, and the steps applied to it.

use std::path::Path;
use std::time::Duration;

use super::command::Commands;
use super::layout::{FIRST, HOME, RUN};
use super::record::{Record, Undo, restore};
use super::service::{Service, TIMER};
use super::step::Step;
use crate::base::clock::pause;
use crate::config::Setup;
use crate::install::layout::PROGRAM;
use crate::install::say;
use crate::sys::running;
use crate::sys::signal::{Signals, Woken};
use crate::sys::tree::Tree;

/// Checks for a process of the program before it counts as not started.
pub(super) const LOOKS: u32 = 10;

/// Pause between two checks.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// How long the program must run to count as stable.
pub(super) const SETTLE: Duration = Duration::from_secs(3);

/// Number of such periods. On a slow host, a supervisor starts its child during the first.
pub(super) const SETTLES: usize = 3;

/// Whether the agent's processes kept running; `None` if new ones were added.
pub(super) fn stayed(before: &[u32], now: &[u32]) -> Option<bool> {
    let is_one_gone = before.iter().any(|pid| !now.contains(pid));
    (is_one_gone || before == now).then_some(!is_one_gone)
}

/// A command line.
pub(super) type Words = Vec<&'static str>;

/// The running host, or a tree that becomes one.
pub(super) struct Host {
    pub(super) tree: Tree,
    pub(super) service: Service,
    pub(super) commands: Commands,
}

impl Host {
    pub(super) fn of(setup: &Setup) -> Result<Host, String> {
        let top = setup.prefix.as_deref().unwrap_or(Path::new("/"));
        let tree = Tree::at(top);
        if tree.is_host() && !tree.may_give() && !setup.dry_run {
            return Err("must be run as root (try sudo)".to_owned());
        }
        Ok(Host {
            service: Service::of(&tree)?,
            commands: Commands::new()?,
            tree,
        })
    }

    /// Whether services can be started.
    pub(super) fn is_live(&self) -> bool {
        self.service.is_live(&self.tree)
    }

    /// The ids of the processes that run the installed program.
    pub(super) fn processes(&self) -> Vec<u32> {
        if self.tree.is_host() {
            running::of(&self.tree.path(PROGRAM))
        } else {
            Vec::new()
        }
    }

    pub(super) fn is_running(&self) -> bool {
        !self.processes().is_empty()
    }

    /// Prints what would be done.
    pub(super) fn rehearse(
        &self,
        before: &[Words],
        steps: &[Step],
        after: &[Words],
    ) -> Result<(), String> {
        for words in before {
            say(&words.join(" "))?;
        }
        for step in steps.iter().filter(|step| !step.is_done(&self.tree)) {
            say(&step.to_string())?;
        }
        for words in after {
            say(&words.join(" "))?;
        }
        say("this was a rehearsal: nothing has been changed")
    }

    /// The commands before the first step. `stops`: whether the agent is stopped.
    pub(super) fn before(&self, stops: bool) -> Vec<Words> {
        let stop = (stops && self.is_live()).then(|| self.service.command("stop"));
        stop.into_iter().collect()
    }

    /// The commands after the last step. `verb` is applied to the agent's service.
    pub(super) fn after(&self, verb: Option<&'static str>) -> Vec<Words> {
        if !self.is_live() {
            return Vec::new();
        }
        let reload = self.service.reload().map(<[_]>::to_vec);
        let verb = verb.map(|verb| self.service.command(verb));
        reload.into_iter().chain(verb).collect()
    }

    /// The command that stops the timer of the daily upgrade; `None` if there is none.
    pub(super) fn timer(&self) -> Option<Words> {
        let is_there = self.service == Service::Systemd && self.is_live() && self.tree.has(TIMER);
        is_there.then(|| {
            let unit = TIMER.rsplit('/').next().unwrap_or_default();
            vec!["systemctl", "stop", unit]
        })
    }

    /// Applies `steps` and starts the agent. On any failure, everything is undone.
    pub(super) fn change(&self, steps: &[Step], first: Option<Record>) -> Result<(), String> {
        // From here on, signals stay pending until a step has ended.
        let signals = Signals::take();
        let was_running = self.is_running();
        let traces = self.service.traces();
        let now = Record::of(&self.tree, steps, traces, was_running);
        let home = match first {
            None => FIRST,
            Some(mut first) => {
                first.extend(&now).save(&self.tree, FIRST)?;
                // Remove what an earlier, interrupted run has left.
                self.forget(RUN)?;
                RUN
            }
        };
        now.save(&self.tree, home)?;
        let done = self.take(steps, &signals, home == FIRST && was_running);
        let Err(why) = done else {
            return match home {
                RUN => self.forget(RUN),
                _ => Ok(()),
            };
        };
        say("it does not work; what was done is undone")?;
        // The service manager may be about to restart it, or may not have the service at all.
        drop(self.stop());
        let mut failed = restore(
            &now.undo(&self.tree, home, Undo::Back),
            &self.tree,
            &self.commands,
        );
        for words in self.after(was_running.then_some("start")) {
            failed.extend(self.run(&words).err());
        }
        if !failed.is_empty() {
            return Err(format!(
                "{why}; and not all could be undone: {}",
                failed.join("; ")
            ));
        }
        self.forget(home)?;
        Err(format!("{why}; everything is as it was before"))
    }

    pub(super) fn take(
        &self,
        steps: &[Step],
        signals: &Signals,
        is_other: bool,
    ) -> Result<(), String> {
        if is_other && self.is_live() {
            self.stop()?;
        }
        for step in steps {
            if is_told_to_stop(signals) {
                return Err("interrupted".to_owned());
            }
            say(&step.to_string())?;
            step.take(&self.tree, &self.commands)?;
        }
        if !self.is_live() {
            return Ok(());
        }
        let ran = |words: &Words| self.run(words);
        self.after(Some("restart"))
            .iter()
            .try_for_each(ran)
            .and_then(|()| self.settle(signals))
            .map_err(|why| {
                let log = self.commands.output(self.service.log()).unwrap_or_default();
                format!("{why}\n{log}\n").trim().to_owned()
            })
    }

    /// Waits until the installed program runs, and checks that it keeps running.
    pub(super) fn settle(&self, signals: &Signals) -> Result<(), String> {
        let mut looks = LOOKS;
        while !self.is_running() {
            looks -= 1;
            if looks == 0 {
                return Err("the agent does not start".to_owned());
            }
            pause(LOOK);
        }
        let mut before = self.processes();
        for _ in 0..SETTLES {
            pause(SETTLE);
            if is_told_to_stop(signals) {
                return Err("interrupted".to_owned());
            }
            let now = self.processes();
            match stayed(&before, &now) {
                Some(true) => return Ok(()),
                Some(false) => break,
                None => before = now,
            }
        }
        Err("the agent does not stay up".to_owned())
    }

    /// Stops the agent's service. Fails if the program still runs afterwards.
    pub(super) fn stop(&self) -> Result<(), String> {
        if !self.is_live() {
            return Ok(());
        }
        let stopped = self.run(&self.service.command("stop"));
        match self.processes().first() {
            None => Ok(()),
            Some(pid) => stopped.and_then(|()| {
                Err(format!(
                    "process {pid} runs {PROGRAM} and is not of the service; stop it first"
                ))
            }),
        }
    }

    pub(super) fn run(&self, words: &[&str]) -> Result<(), String> {
        say(&words.join(" "))?;
        self.commands.run(words)
    }

    /// Removes a record.
    pub(super) fn forget(&self, home: &str) -> Result<(), String> {
        let list = format!("{home}.list");
        let paths: &[&str] = match home {
            FIRST => &[HOME],
            _ => &[home, &list],
        };
        let steps: Vec<Step> = paths
            .iter()
            .map(|path| Step::RemoveAll((*path).to_owned()))
            .collect();
        match restore(&steps, &self.tree, &self.commands).pop() {
            None => Ok(()),
            Some(why) => Err(why),
        }
    }
}

pub(super) fn is_told_to_stop(signals: &Signals) -> bool {
    loop {
        match signals.next(Some(Duration::ZERO)) {
            Woken::Signal(_) => return true,
            Woken::Child => {}
            Woken::Time => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_distinguishes_a_slow_start_from_an_agent_that_ends() {
        // (why this row exists, processes before, processes after the wait, whether they kept
        // running)
        type Row = (&'static str, &'static [u32], &'static [u32], Option<bool>);
        let table: [Row; 5] = [
            ("nothing has changed", &[10, 11], &[10, 11], Some(true)),
            ("a supervisor has started its child", &[10], &[10, 11], None),
            ("all have ended", &[10, 11], &[], Some(false)),
            (
                "the child crashed and started again",
                &[10, 11],
                &[10, 12],
                Some(false),
            ),
            ("the service started again", &[10], &[12], Some(false)),
        ];
        for (why, before, now, expected) in table {
            assert_eq!(stayed(before, now), expected, "{why}");
        }
    }
}
