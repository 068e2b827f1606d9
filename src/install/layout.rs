//! The paths that `install` creates or changes. The list is fixed, so that no record can name
//! another.

use super::service::{RESTART_STEPS, SERVICES};
use crate::config::CONFFILE;

/// The path of the program.
pub(crate) const PROGRAM: &str = "/usr/bin/mackerel-agent";

/// The directory with the records and other files of `install`.
pub(crate) const HOME: &str = "/usr/lib/mackerel-agent";

/// The record of the first run, kept until the agent is uninstalled.
pub(crate) const FIRST: &str = "/usr/lib/mackerel-agent/first";

/// The record of one run, kept until it has succeeded.
pub(crate) const RUN: &str = "/usr/lib/mackerel-agent/run";

/// What upgrades have failed with since the last one that worked.
pub(crate) const FAILED: &str = "/usr/lib/mackerel-agent/failed";

/// A copy of the configuration as `install` wrote it.
pub(crate) const WRITTEN: &str = "/usr/lib/mackerel-agent/written.conf";

/// The name of the agent's user and its group.
pub(crate) const NAME: &str = "mackerel-agent";

/// The kind of a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A directory or file of the agent's user, removed with its content.
    Own,
    /// The host id, in a directory of the agent's user.
    Id,
    /// The configuration.
    Conf,
    /// A file or link of root.
    Part,
    /// A directory above one of these.
    Above,
}

/// The kind of `path`; `None` if `install` creates no such file.
pub(super) fn kind(path: &str) -> Option<Kind> {
    if path == CONFFILE {
        return Some(Kind::Conf);
    }
    let mut is_above = false;
    let mut is = |known: &str| {
        let rest = known.strip_prefix(path);
        is_above |= !path.is_empty() && rest.is_some_and(|rest| rest.starts_with('/'));
        path == known
    };
    is(CONFFILE);
    let parts = [PROGRAM, RESTART_STEPS.0, WRITTEN];
    if parts.into_iter().any(&mut is) {
        return Some(Kind::Part);
    }
    for service in SERVICES {
        if is(service.state()) || service.traces().iter().any(|trace| is(trace)) {
            return Some(Kind::Own);
        }
        if is(&id(service.state())) {
            return Some(Kind::Id);
        }
        let links = service.all_links();
        let parts = [service.script().0, service.as_root().0];
        if parts.into_iter().any(&mut is) || links.iter().any(|(link, _)| is(link)) {
            return Some(Kind::Part);
        }
    }
    (is_above || path == HOME).then_some(Kind::Above)
}

/// The path of the host id.
pub(super) fn id(state: &str) -> String {
    [state, "/id"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_has_the_paths_of_install_and_no_other() {
        // (path, its kind)
        let table = [
            ("/usr/bin/mackerel-agent", Some(Kind::Part)),
            ("/etc/init.d/mackerel-agent", Some(Kind::Part)),
            ("/etc/rc.d/rc3.d/S95mackerel-agent", Some(Kind::Part)),
            ("/etc/rc0.d/K05mackerel-agent", Some(Kind::Part)),
            ("/etc/mackerel-agent/mackerel-agent.conf", Some(Kind::Conf)),
            ("/etc/mackerel-agent/run-as-root", Some(Kind::Part)),
            ("/etc/mackerel-agent/state", Some(Kind::Own)),
            ("/etc/mackerel-agent/state/id", Some(Kind::Id)),
            ("/var/lib/mackerel-agent", Some(Kind::Own)),
            ("/var/lib/mackerel-agent/id", Some(Kind::Id)),
            ("/var/log/mackerel-agent.log", Some(Kind::Own)),
            ("/etc/mackerel-agent", Some(Kind::Above)),
            ("/usr/lib/mackerel-agent", Some(Kind::Above)),
            ("/etc/systemd/system", Some(Kind::Above)),
            ("/var", Some(Kind::Above)),
            ("/etc/passwd", None),
            ("/etc/shadow", None),
            ("/etc/mackerel-agent/conf.d/a.conf", None),
            ("/var/lib/mackerel-agent/sh", None),
            ("/var/lib/mackerel-agent/id\n", None),
            ("/var/lib/mackerel-agent/", None),
            ("/var/lib/mackerel", None),
            ("/", None),
            ("", None),
        ];
        for (path, expected) in table {
            assert_eq!(kind(path), expected, "{path:?}");
        }
    }
}
