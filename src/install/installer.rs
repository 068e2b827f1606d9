//! `mackerel-agent install` and `uninstall`.

use std::path::Path;

use super::layout::{FIRST, HOME, RUN};
use super::record::{Record, Undo};
use super::service::{OF_TIMER, Service};
use super::step::{Step, host_id};
use crate::config::{APIBASE, CONFFILE, Setup};
use crate::install::host::Host;
use crate::install::layout::PROGRAM;
use crate::install::{plan, say};
use crate::sys::signal::Signals;
use crate::sys::tree::Tree;

/// Installs this program as a service of the host, or of a tree that becomes one. Returns the text
/// for the user on failure; nothing is changed then.
pub(crate) fn install(setup: &Setup) -> Result<(), String> {
    let host = Host::of(setup)?;
    let first = Record::load(&host.tree, FIRST)?;
    let warning = super::package::warning(&host)?;
    let is_other = host.is_other(first.as_ref());
    let stops = is_other && host.is_running();
    if stops && host.is_live() {
        super::environment::keeps_host(&host.tree, host.service)?;
    }
    let plan::Plan { mut steps, left } = super::plan::install(&host, setup, !is_other)?;
    steps.retain(|step| !step.is_done(&host.tree));
    for line in left.iter().chain(&warning) {
        say(&format!("WARNING: {line}"))?;
    }
    let is_done = steps.is_empty() && (host.is_running() || !host.is_live());
    if is_done {
        return say("everything is in its place");
    }
    if setup.dry_run {
        if let Some(step) = host.unhook().filter(|_| stops) {
            say(&step.to_string())?;
        }
        let before = host.before(host.is_running() && Host::stops(&steps, is_other));
        return host.rehearse(&before, &steps, &host.after(Some("restart")));
    }
    host.change(&steps, first, true)?;
    let result = if host.is_live() {
        "mackerel-agent is installed and runs"
    } else {
        "mackerel-agent is installed; no service manager runs here, so nothing is started"
    };
    say(result)
}

/// Undoes what [`install`] did. Returns the text for the user on failure.
pub(crate) fn uninstall(setup: &Setup) -> Result<(), String> {
    let host = Host::of(setup)?;
    super::package::warning(&host)?;
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
    let how = if is_given_back {
        Undo::Back
    } else if setup.purge {
        Undo::Purge
    } else {
        Undo::Remove
    };
    // Evaluated again after the agent has been stopped, so that files written by its user until
    // then are included.
    let steps = || {
        let timer = OF_TIMER.map(|path| Step::Remove(path.to_owned()));
        let mut steps: Vec<Step> = timer.into();
        steps.extend(first.undo(&host.tree, FIRST, how));
        steps.push(Step::RemoveAll(HOME.to_owned()));
        steps.retain(|step| !step.is_done(&host.tree));
        steps
    };
    let id_path = super::layout::id(host.service.state());
    let id = || {
        let id = host_id(&host.tree, &id_path).ok().flatten();
        id.filter(|_| !is_given_back)
    };
    let start = (is_given_back && first.was_running).then_some("start");
    if setup.dry_run {
        let mut before = host.before(true);
        before.extend(host.timer());
        host.rehearse(&before, &steps(), &host.after(start))?;
        return id().map_or(Ok(()), |id| say(&still_there(&id)));
    }
    let _signals = Signals::take();
    if is_given_back {
        host.hold()?;
    }
    let stopped = host.stop(false);
    if is_given_back {
        host.forget(RUN)?;
    }
    stopped?;
    // With AUTO_RETIREMENT, the stop has retired the host.
    let id = id();
    if let Some(words) = host.timer() {
        host.run(&words)?;
    }
    host.rehook()?;
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

/// The text about the host, which stays registered without its agent.
fn still_there(id: &str) -> String {
    format!(
        "the host {id} is still in Mackerel: retire it in its web pages, or by curl -X POST -d '{{}}' \
         -H 'Content-Type: application/json' -H \"X-Api-Key: $MACKEREL_APIKEY\" \
         {APIBASE}/api/v0/hosts/{id}/retire (before uninstall: mackerel-agent retire)"
    )
}

/// Whether the service of this host prevents its processes from gaining rights. This is so for a
/// systemd unit that does not run as root.
pub(crate) fn is_sandboxed() -> bool {
    let tree = Tree::at(Path::new("/"));
    let as_root = |service: Service| tree.has(service.as_root().0);
    Service::of(&tree).is_ok_and(|service| service == Service::Systemd && !as_root(service))
}
