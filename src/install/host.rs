//! The host of the installation: its files, its service manager, and the steps applied to it.

use std::path::Path;
use std::time::Duration;

use super::command::Commands;
use super::layout::{FIRST, HOME, RUN};
use super::record::{Record, Undo, list, restore, root};
use super::service::{Service, TIMER, UNHOOKED};
use super::step::{Owner, Step};
use crate::base;
use crate::base::clock::pause;
use crate::config::Setup;
use crate::install::layout::PROGRAM;
use crate::install::say;
use crate::sys::running;
use crate::sys::signal::Signals;
use crate::sys::tree::Tree;

/// Checks for a process of the program before it counts as not started.
pub(super) const LOOKS: u32 = 10;

/// Checks for the end of the processes after the command that stops them. procd's returns at once,
/// and kills an agent that is still running after 60 seconds.
const STOP_LOOKS: u32 = 61;

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

/// Why a change was undone.
pub(super) struct Failed {
    pub(super) why: String,
    /// Whether every step was done, and the program did not stay up.
    pub(super) is_of_program: bool,
}

impl From<String> for Failed {
    fn from(why: String) -> Failed {
        Failed {
            why,
            is_of_program: false,
        }
    }
}

impl From<Failed> for String {
    fn from(failed: Failed) -> String {
        failed.why
    }
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

    /// The ids of the processes of the installed agent. Its user is the owner of the state.
    pub(super) fn processes(&self) -> Vec<u32> {
        if self.tree.is_host() {
            let state = self.tree.owner(self.service.state());
            let user = state.ok().flatten().map_or(0, |is| is.uid);
            running::of(&self.tree.path(PROGRAM), user)
        } else {
            Vec::new()
        }
    }

    pub(super) fn is_running(&self) -> bool {
        !self.processes().is_empty()
    }

    /// Whether an agent of this host is not from `install`, whose record is `first`: there was no
    /// run, or it was killed before it replaced the program.
    pub(super) fn is_other(&self, first: Option<&Record>) -> bool {
        first.is_none_or(|first| {
            let copy = self.tree.path(&[FIRST, PROGRAM].concat());
            first.has_replaced(PROGRAM) && self.tree.is_copy(&copy, PROGRAM)
        })
    }

    /// Whether the agent is stopped before `steps`, and not restarted after them: it could write what
    /// they give away. `is_other`: whether it is not from `install`.
    pub(super) fn stops(steps: &[Step], is_other: bool) -> bool {
        is_other || steps.iter().any(|step| matches!(step, Step::State(_)))
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
        say("-dry-run: nothing has been changed")
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

    /// Applies `steps` and starts the agent, if it was running or if `starts`. On any failure,
    /// everything is undone.
    pub(super) fn change(
        &self,
        steps: &[Step],
        first: Option<Record>,
        starts: bool,
    ) -> Result<(), Failed> {
        // From here on, signals stay pending until a step has ended.
        let signals = Signals::take();
        let was_running = self.is_running();
        let is_other = self.is_other(first.as_ref());
        let stops = was_running && Host::stops(steps, is_other);
        let traces = self.service.traces();
        let now = Record::of(&self.tree, steps, traces, was_running);
        let home = match first {
            None => {
                // Without its list, these are copies of a run that could not write it.
                Step::RemoveAll(FIRST.to_owned()).take(&self.tree, &self.commands)?;
                FIRST
            }
            Some(mut first) => {
                first.extend(&now).save(&self.tree, FIRST)?;
                // Remove what an earlier, interrupted run has left.
                self.forget(RUN)?;
                RUN
            }
        };
        let saved = self.hold().and_then(|()| now.save(&self.tree, home));
        if let Err(why) = saved {
            drop(self.forget(home));
            return Err(why.into());
        }
        let done = self.take(
            steps,
            &signals,
            stops.then_some(is_other),
            starts || was_running,
        );
        let Err(why) = done else {
            return Ok(self.forget(RUN)?);
        };
        let is_of_program =
            !signals.is_told_to_stop() && steps.iter().all(|step| step.is_done(&self.tree));
        say("it does not work; what was done is undone")?;
        // The service manager may be about to restart it, or may not have the service at all.
        drop(self.stop(is_other));
        let mut failed = restore(
            &now.undo(&self.tree, home, Undo::Back),
            &self.tree,
            &self.commands,
        );
        for words in self.after(was_running.then_some("start")) {
            failed.extend(self.run(&words).err());
        }
        let why = if failed.is_empty() {
            self.forget(home)?;
            format!("{why}; everything is as it was before")
        } else {
            format!("{why}; and not all could be undone: {}", failed.join("; "))
        };
        Err(Failed { why, is_of_program })
    }

    /// Takes the steps. `stops`: whether the agent is stopped before, and whether it is another one.
    fn take(
        &self,
        steps: &[Step],
        signals: &Signals,
        stops: Option<bool>,
        starts: bool,
    ) -> Result<(), String> {
        if let Some(is_other) = stops {
            self.stop(is_other)?;
        }
        self.rehook()?;
        for step in steps {
            if signals.is_told_to_stop() {
                return Err("interrupted".to_owned());
            }
            say(&step.to_string())?;
            step.take(&self.tree, &self.commands)?;
        }
        if !self.is_live() {
            return Ok(());
        }
        let ran = |words: &Words| self.run(words);
        self.after(starts.then_some("restart"))
            .iter()
            .try_for_each(ran)
            .and_then(|()| if starts { self.settle(signals) } else { Ok(()) })
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
            if signals.is_told_to_stop() {
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

    /// Keeps the hooks of `install`'s unit and scripts from retiring the host, until
    /// [`Host::forget`] removes the record of the run.
    pub(super) fn hold(&self) -> Result<(), String> {
        let held = self.tree.write(&list(RUN), b"", root(0o600));
        held.map_err(|error| base::report(&error))
    }

    /// The step that keeps the hooks of another agent's unit from retiring the host; `None` if no
    /// unit is stopped.
    pub(super) fn unhook(&self) -> Option<Step> {
        let content = b"[Service]\nExecStopPost=\n".into();
        let step = Step::File(UNHOOKED.1.to_owned(), content, 0o644, Owner::Root);
        (self.service == Service::Systemd && self.is_live()).then_some(step)
    }

    /// Stops the agent's service. Fails if the program still runs afterwards.
    ///
    /// With `is_other`, without the hooks of the unit. The service manager must read its files
    /// again afterwards.
    pub(super) fn stop(&self, is_other: bool) -> Result<(), String> {
        if !self.is_live() {
            return Ok(());
        }
        let Some(step) = self.unhook().filter(|_| is_other) else {
            return self.end();
        };
        say(&step.to_string())?;
        let unhooked = step.take(&self.tree, &self.commands);
        let stopped = unhooked
            .and_then(|()| {
                self.after(None)
                    .iter()
                    .try_for_each(|words| self.run(words))
            })
            .and_then(|()| self.end());
        stopped.and(self.rehook())
    }

    /// Removes what [`Host::unhook`] has made, also in a run that was killed.
    pub(super) fn rehook(&self) -> Result<(), String> {
        let (directory, file) = UNHOOKED;
        let steps = [file, directory].map(|path| Step::Remove(path.to_owned()));
        let failed = restore(&steps, &self.tree, &self.commands).pop();
        failed.map_or(Ok(()), Err)
    }

    /// Has the service manager stop the agent, and waits for its end.
    fn end(&self) -> Result<(), String> {
        let stopped = self.run(&self.service.command("stop"));
        let mut looks = STOP_LOOKS;
        while stopped.is_ok() && looks > 0 && self.is_running() {
            looks -= 1;
            pause(LOOK);
        }
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
        let list = list(home);
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
