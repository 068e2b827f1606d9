//! Computes the steps that install this program as a service.

use std::path::PathBuf;

use super::host::Host;
use super::layout::PROGRAM;
use super::reach::reach;
use super::service::{Part, RESTART_STEPS, Service};
use super::step::{Owner, Step, host_id};
use super::{conf, layout};
use crate::base::packed::unpack;
use crate::config::{ROOT, Setup};
use crate::sys::executable::Executable;

/// The first version of systemd with `RestartSteps`.
const SYSTEMD_WITH_STEPS: u32 = 254;

/// The result of planning.
pub(super) struct Plan {
    /// All steps, including those already done.
    pub(super) steps: Vec<Step>,
    /// A line for the user about each thing to be done by hand.
    pub(super) left: Vec<String>,
}

/// The steps for `setup` on this host. `is_ours`: whether an existing agent was installed by an
/// earlier run.
pub(super) fn install(host: &Host, setup: &Setup, is_ours: bool) -> Result<Plan, String> {
    let tree = &host.tree;
    let own = Executable::own().map_err(|error| format!("cannot find this program: {error}"))?;
    let conf = conf::plan(tree, setup, host.service)?;
    let as_root = host.service.as_root();
    let is_as_root = setup.as_root.unwrap_or_else(|| {
        tree.has(as_root.0) || (!is_ours && tree.has(PROGRAM) && conf.has_plugins)
    });
    let user = if is_as_root { Owner::Root } else { Owner::User };
    let state = host.service.state();

    let (readable, mut left) = if is_as_root {
        Default::default()
    } else {
        reach(tree, &conf.named, conf.is_roots)
    };
    left.extend(conf.left);
    let mut steps = vec![Step::Account(state)];
    steps.extend(conf.steps);
    steps.extend(readable);
    let id = layout::id(state);
    let other = conf.root.unwrap_or_default();
    let ids = [state, &other, ROOT].map(layout::id);
    let found = ids.into_iter().find(|path| tree.has(path));
    let directory = Step::Directory(state.to_owned(), 0o755, user);
    // Of an agent that was root. systemd would do so, but not in a directory of the right owner.
    if !is_as_root {
        steps.push(Step::State(state));
    }
    match found.map(|from| host_id(tree, &from).map(|_| from)) {
        // The id is copied before its directory goes to the agent's user, who could then replace
        // it.
        Some(Ok(from)) if from == id => {
            steps.extend([Step::Id(from, id, 0o644, user), directory]);
        }
        Some(Ok(from)) => steps.extend([directory, Step::Id(from, id, 0o644, user)]),
        Some(Err(why)) => {
            left.push(why);
            steps.push(directory);
        }
        None => steps.push(directory),
    }
    let part = |(path, packed, mode): Part| {
        let text = unpack(packed).into_bytes();
        Step::File(path.to_owned(), text.into(), mode, Owner::Root)
    };
    // Before the program, by which a later run decides whose agent this is.
    steps.push(if is_as_root {
        part(as_root)
    } else {
        Step::Remove(as_root.0.to_owned())
    });
    steps.push(Step::Copy(
        own.path().to_owned(),
        PROGRAM.to_owned(),
        0o755,
        Owner::Root,
    ));
    steps.push(part(host.service.script()));
    if has_restart_steps(host) {
        steps.push(part(RESTART_STEPS));
    }
    let links = host.service.links(tree).into_iter();
    steps.extend(links.map(|(path, target)| Step::Link(path, target.to_owned())));
    let steps = with_parents(host, steps);
    Ok(Plan { steps, left })
}

fn has_restart_steps(host: &Host) -> bool {
    if host.service != Service::Systemd || !host.tree.is_host() {
        return false;
    }
    let output = host.commands.output(&["systemctl", "--version"]);
    let said = output.unwrap_or_default();
    let version = said.split_ascii_whitespace().nth(1);
    version.is_some_and(|version| version.parse().is_ok_and(|v: u32| v >= SYSTEMD_WITH_STEPS))
}

/// Inserts a step for each missing directory before the step that needs it, so that its owner is
/// defined.
fn with_parents(host: &Host, steps: Vec<Step>) -> Vec<Step> {
    let mut all: Vec<Step> = Vec::new();
    for step in steps {
        let path = step.path().map(PathBuf::from).unwrap_or_default();
        let makes = !matches!(step, Step::Own(..) | Step::Remove(_) | Step::RemoveAll(_));
        // Each directory is inserted before the ones below it.
        let at = all.len();
        for above in path.ancestors().skip(1) {
            let Some(above) = above.to_str().filter(|above| makes && !above.is_empty()) else {
                continue;
            };
            let directory = Step::Directory(above.to_owned(), 0o755, Owner::Root);
            if !host.tree.has(above) && !all.contains(&directory) {
                all.insert(at, directory);
            }
        }
        all.push(step);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::service::SERVICES;
    use super::*;

    #[test]
    fn service_files_agree_with_the_program() {
        for service in SERVICES {
            let (path, packed, _) = service.script();
            let text = unpack(packed);
            assert!(text.contains(PROGRAM), "{path}");
            assert!(text.contains(service.state()), "{path}");
            for trace in service.traces() {
                let name = trace.rsplit('/').next().unwrap();
                assert!(text.contains(name), "{path}: {trace}");
            }
        }
    }
}
