//! `mackerel-agent install`, `uninstall` and `upgrade`: this program as a service of the host.
//!
//! What is to be done is a list of steps, found out before the first one is taken; `-dry-run` prints
//! it. Before anything is changed, what is there is recorded on disk, so that a run which fails, or
//! is told to stop, leaves everything as it was.

mod account;
mod command;
mod conf;
mod environment;
mod fetch;
mod layout;
mod package;
mod plan;
mod reach;
mod record;
mod service;
mod step;
mod upgrade;

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use command::Commands;
use record::{FIRST, HOME, RUN, Record, Undo, put_back};
use service::{OF_TIMER, Service, TIMER};
use step::{Step, host_id};

use crate::base::clock::pause;
use crate::config::{APIBASE, CONFFILE, Setup};
use crate::sys::running;
use crate::sys::signal::{Signals, Woken};
use crate::sys::tree::Tree;

pub(crate) use environment::service_flags;
pub(crate) use upgrade::upgrade;

/// Where the program is.
const PROGRAM: &str = "/usr/bin/mackerel-agent";
/// Looks for a process of the program before it is taken not to run.
const LOOKS: u32 = 10;
/// From one look to the next.
const LOOK: Duration = Duration::from_secs(1);
/// For how long the program has to run until it is taken to stay.
const SETTLE: Duration = Duration::from_secs(3);
/// Waits of this length: on a slow host a supervisor starts its child during the first.
const SETTLES: usize = 3;

/// Makes this program a service of the host, or of the tree that is to become one. Returns the text
/// for the user if that cannot be done; everything is as it was then.
pub(crate) fn install(setup: &Setup) -> Result<(), String> {
    let host = Host::of(setup)?;
    let first = Record::load(&host.tree, FIRST)?;
    let warning = package::warning(&host)?;
    let plan::Plan { mut steps, left } = plan::install(&host, setup, first.is_some())?;
    steps.retain(|step| !step.is_done(&host.tree));
    for line in left.iter().chain(&warning) {
        say(&format!("WARNING: {line}"))?;
    }
    let is_done = steps.is_empty() && (host.is_running() || !host.is_live());
    if is_done {
        return say("everything is in its place");
    }
    if setup.dry_run {
        let before = host.before(first.is_none() && host.is_running());
        return host.rehearse(&before, &steps, &host.after(Some("restart")));
    }
    host.change(&steps, first)?;
    say(match host.is_live() {
        true => "mackerel-agent is installed and runs",
        false => "mackerel-agent is installed; no service manager runs here, so nothing is started",
    })
}

/// Undoes what [`install`] did. Returns the text for the user if that cannot be done.
pub(crate) fn uninstall(setup: &Setup) -> Result<(), String> {
    let host = Host::of(setup)?;
    let Some(first) = Record::load(&host.tree, FIRST)? else {
        return Err(format!(
            "there is no {FIRST}.list: this host's agent is not one of mackerel-agent install; \
             what a package has installed is removed with the package"
        ));
    };
    let has_other = first.has_replaced(PROGRAM);
    if has_other && setup.restore.is_none() {
        return Err(
            "there was an agent before this one: -restore hands back to it, \
             -restore=false removes its program as well"
                .to_owned(),
        );
    }
    let is_given_back = setup.restore.unwrap_or_default();
    let how = match (is_given_back, setup.purge) {
        (true, _) => Undo::Back,
        (false, true) => Undo::Purge,
        (false, false) => Undo::Remove,
    };
    // After the agent has been stopped once more: what its user has left is looked at then.
    let steps = || {
        let timer = OF_TIMER.map(|path| Step::Remove(path.to_owned()));
        let mut steps: Vec<Step> = timer.into();
        steps.extend(first.undo(&host.tree, FIRST, how));
        steps.push(Step::RemoveAll(HOME.to_owned()));
        steps.retain(|step| !step.is_done(&host.tree));
        steps
    };
    let id = host_id(&host.tree, &layout::id(host.service.state()));
    let id = id.ok().flatten().filter(|_| !is_given_back);
    let start = (is_given_back && first.was_running).then_some("start");
    if setup.dry_run {
        let mut before = host.before(true);
        before.extend(host.timer());
        host.rehearse(&before, &steps(), &host.after(start))?;
        return id.map_or(Ok(()), |id| say(&still_there(&id)));
    }
    host.stop()?;
    if let Some(words) = host.timer() {
        host.run(&words)?;
    }
    let _signals = Signals::take();
    let steps = steps();
    for step in steps.iter().filter(|step| !step.is_done(&host.tree)) {
        say(&step.to_string())?;
        step.take(&host.tree, &host.commands)?;
    }
    for words in host.after(start) {
        host.run(&words)?;
    }
    if host.tree.has(CONFFILE) && how == Undo::Remove && first.has_made(CONFFILE) {
        say(&format!(
            "{CONFFILE} is not as install wrote it and stays; -purge removes it"
        ))?;
    }
    if let Some(id) = id {
        say(&still_there(&id))?;
    }
    say("mackerel-agent is uninstalled")
}

/// Whether the processes of the agent stayed; `None` if there are only new ones besides.
fn stayed(before: &[u32], now: &[u32]) -> Option<bool> {
    let is_one_gone = before.iter().any(|pid| !now.contains(pid));
    (is_one_gone || before == now).then_some(!is_one_gone)
}

/// The host does not go with its agent.
fn still_there(id: &str) -> String {
    format!(
        "the host {id} is still in Mackerel: retire it in its web pages, or by curl -X POST -d '{{}}' \
         -H 'Content-Type: application/json' -H \"X-Api-Key: $MACKEREL_APIKEY\" \
         {APIBASE}/api/v0/hosts/{id}/retire (before uninstall: mackerel-agent retire)"
    )
}

/// Whether the service of this host forbids its processes to gain rights: a unit of systemd that is not
/// told to run as root.
pub(crate) fn is_sandboxed() -> bool {
    let tree = Tree::at(Path::new("/"));
    let as_root = |service: Service| tree.has(service.as_root().0);
    Service::of(&tree).is_ok_and(|service| service == Service::Systemd && !as_root(service))
}

/// A command.
type Words = Vec<&'static str>;

/// The host, or the tree that is to become one.
struct Host {
    tree: Tree,
    service: Service,
    commands: Commands,
}

impl Host {
    fn of(setup: &Setup) -> Result<Host, String> {
        let top = setup.prefix.as_deref().unwrap_or(Path::new("/"));
        let tree = Tree::at(top);
        if tree.is_host() && !tree.may_give() && !setup.dry_run {
            return Err("this needs root; sudo gives it".to_owned());
        }
        Ok(Host {
            service: Service::of(&tree)?,
            commands: Commands::new()?,
            tree,
        })
    }

    /// Whether services can be started.
    fn is_live(&self) -> bool {
        self.service.is_live(&self.tree)
    }

    /// The processes of the installed program.
    fn processes(&self) -> Vec<u32> {
        match self.tree.is_host() {
            true => running::of(&self.tree.path(PROGRAM)),
            false => Vec::new(),
        }
    }

    fn is_running(&self) -> bool {
        !self.processes().is_empty()
    }

    /// Says what would be done.
    fn rehearse(&self, before: &[Words], steps: &[Step], after: &[Words]) -> Result<(), String> {
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

    /// The commands before the first step; `stops`: whether the agent is stopped.
    fn before(&self, stops: bool) -> Vec<Words> {
        let stop = (stops && self.is_live()).then(|| self.service.command("stop"));
        stop.into_iter().collect()
    }

    /// The commands after the last step, and what is done with the agent.
    fn after(&self, verb: Option<&'static str>) -> Vec<Words> {
        if !self.is_live() {
            return Vec::new();
        }
        let reload = self.service.reload().map(<[_]>::to_vec);
        let verb = verb.map(|verb| self.service.command(verb));
        reload.into_iter().chain(verb).collect()
    }

    /// The command that stops the daily upgrade, if that is there.
    fn timer(&self) -> Option<Words> {
        let is_there = self.service == Service::Systemd && self.is_live() && self.tree.has(TIMER);
        is_there.then(|| {
            let unit = TIMER.rsplit('/').next().unwrap_or_default();
            vec!["systemctl", "stop", unit]
        })
    }

    /// Takes `steps`, and has the agent started. Whatever goes wrong on the way is undone.
    fn change(&self, steps: &[Step], first: Option<Record>) -> Result<(), String> {
        // From here on signals wait for the end of a step.
        let signals = Signals::take();
        let was_running = self.is_running();
        let traces = self.service.traces();
        let now = Record::of(&self.tree, steps, traces, was_running);
        let home = match first {
            None => FIRST,
            Some(mut first) => {
                first.extend(&now).save(&self.tree, FIRST)?;
                // What a run has left that did not end.
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
        // It may be waiting to be started again, or not know the service at all.
        drop(self.stop());
        let mut failed = put_back(
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

    fn take(&self, steps: &[Step], signals: &Signals, is_other: bool) -> Result<(), String> {
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

    /// Waits until the installed program runs, and then whether it stays.
    fn settle(&self, signals: &Signals) -> Result<(), String> {
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

    /// Has the agent stopped, whichever it is. Fails if it runs nevertheless.
    fn stop(&self) -> Result<(), String> {
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

    fn run(&self, words: &[&str]) -> Result<(), String> {
        say(&words.join(" "))?;
        self.commands.run(words)
    }

    /// Removes a record.
    fn forget(&self, home: &str) -> Result<(), String> {
        let list = format!("{home}.list");
        let paths: &[&str] = match home {
            FIRST => &[HOME],
            _ => &[home, &list],
        };
        let steps: Vec<Step> = paths
            .iter()
            .map(|path| Step::RemoveAll((*path).to_owned()))
            .collect();
        match put_back(&steps, &self.tree, &self.commands).pop() {
            None => Ok(()),
            Some(why) => Err(why),
        }
    }
}

fn is_told_to_stop(signals: &Signals) -> bool {
    loop {
        match signals.next(Some(Duration::ZERO)) {
            Woken::Signal(_) => return true,
            Woken::Child => {}
            Woken::Time => return false,
        }
    }
}

/// Tells the user. A name may have been chosen by anybody: nothing in it moves the cursor.
fn say(line: &str) -> Result<(), String> {
    let line = command::shown(line);
    let said = writeln!(io::stdout(), "{line}");
    said.map_err(|error| format!("cannot write to standard output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_knows_a_slow_start_from_an_agent_that_ends() {
        // (why this row exists, processes before, and after the wait, whether they stayed)
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
