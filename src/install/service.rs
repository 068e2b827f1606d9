//! The supported service managers: their files and commands.

use std::path::Path;

use crate::base::packed::packed_file;
use crate::sys::tree::Tree;

/// The init script, for all but systemd.
const SCRIPT: &str = "/etc/init.d/mackerel-agent";
const UNIT: &str = "/etc/systemd/system/mackerel-agent.service";
/// The file that makes the agent run as root, for all but systemd, which uses a drop-in.
const AS_ROOT: &str = "/etc/mackerel-agent/run-as-root";
/// The log file, for service managers without a log.
const LOG: &str = "/var/log/mackerel-agent.log";

/// A service manager.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Service {
    Systemd,
    Openrc,
    Procd,
    Sysv,
}

/// All supported service managers.
pub(super) const SERVICES: [Service; 4] = [
    Service::Systemd,
    Service::Openrc,
    Service::Procd,
    Service::Sysv,
];

/// The timer for a daily upgrade, if an administrator has installed it.
pub(super) const TIMER: &str = "/etc/systemd/system/mackerel-agent-upgrade.timer";
/// The files that belong to the timer.
pub(super) const OF_TIMER: [&str; 3] = [
    "/etc/systemd/system/timers.target.wants/mackerel-agent-upgrade.timer",
    "/etc/systemd/system/mackerel-agent-upgrade.service",
    TIMER,
];

/// The directory and the file of the drop-in below which another agent's unit is stopped, until the
/// next boot at most. By its name, it comes after all others.
pub(super) const UNHOOKED: (&str, &str) = (
    "/run/systemd/system/mackerel-agent.service.d",
    "/run/systemd/system/mackerel-agent.service.d/zz-install.conf",
);

/// A file of a service: path, content packed by [`packed_file`], mode.
pub(super) type Part = (&'static str, &'static [u8], u32);

/// The drop-in that makes systemd 254 and later increase the pause between restarts.
pub(super) const RESTART_STEPS: Part = (
    "/etc/systemd/system/mackerel-agent.service.d/restart-steps.conf",
    packed_file!("../../packaging/systemd/restart-steps.conf"),
    0o644,
);

impl Service {
    /// The service manager of this tree.
    ///
    /// Fails if none of the supported ones is found.
    pub(super) fn of(tree: &Tree) -> Result<Service, &'static str> {
        // (file, service manager); running ones come before those that are only installed
        let table = [
            ("/run/systemd/system", Service::Systemd),
            ("/sbin/procd", Service::Procd),
            ("/sbin/openrc-run", Service::Openrc),
            ("/usr/sbin/openrc-run", Service::Openrc),
            ("/bin/systemctl", Service::Systemd),
            ("/usr/bin/systemctl", Service::Systemd),
            ("/etc/init.d", Service::Sysv),
        ];
        let found = table.iter().find(|(path, _)| tree.has(path));
        found.map(|(_, service)| *service).ok_or(
            "there is neither systemd nor OpenRC, procd or /etc/init.d; \
             have mackerel-agent supervise started by what is there",
        )
    }

    /// Whether services can be started: the service manager runs, and the tree is this host's.
    pub(super) fn is_live(self, tree: &Tree) -> bool {
        tree.is_host()
            && match self {
                Service::Systemd => tree.has("/run/systemd/system"),
                Service::Openrc => tree.has("/run/openrc"),
                Service::Procd => tree.has("/var/run/ubus") || tree.has("/var/run/ubus.sock"),
                Service::Sysv => true,
            }
    }

    /// The unit or init script.
    pub(super) fn script(self) -> Part {
        match self {
            Service::Systemd => (
                UNIT,
                packed_file!("../../packaging/systemd/mackerel-agent.service"),
                0o644,
            ),
            Service::Openrc => (
                SCRIPT,
                packed_file!("../../packaging/openrc/mackerel-agent"),
                0o755,
            ),
            Service::Procd => (
                SCRIPT,
                packed_file!("../../packaging/procd/mackerel-agent"),
                0o755,
            ),
            Service::Sysv => (
                SCRIPT,
                packed_file!("../../packaging/sysv/mackerel-agent"),
                0o755,
            ),
        }
    }

    /// The file that makes the agent run as root.
    pub(super) fn as_root(self) -> Part {
        match self {
            Service::Systemd => (
                "/etc/systemd/system/mackerel-agent.service.d/plugins-as-root.conf",
                packed_file!("../../packaging/systemd/plugins-as-root.conf"),
                0o644,
            ),
            _ => (AS_ROOT, &[], 0o644),
        }
    }

    /// The symbolic links that start the agent at boot, with their targets.
    pub(super) fn links(self, tree: &Tree) -> Vec<(String, &'static str)> {
        match self {
            Service::Systemd => vec![(
                "/etc/systemd/system/multi-user.target.wants/mackerel-agent.service".to_owned(),
                UNIT,
            )],
            Service::Openrc => vec![("/etc/runlevels/default/mackerel-agent".to_owned(), SCRIPT)],
            Service::Procd => ["S95", "K10"]
                .map(|when| {
                    (
                        format!("/etc/rc.d/{when}mackerel-agent"),
                        "../init.d/mackerel-agent",
                    )
                })
                .into(),
            Service::Sysv => levels(tree.has("/etc/rc.d/init.d")),
        }
    }

    /// The links on all kinds of hosts.
    pub(super) fn all_links(self) -> Vec<(String, &'static str)> {
        match self {
            Service::Sysv => [levels(true), levels(false)].concat(),
            other => other.links(&Tree::at(Path::new("/nowhere"))),
        }
    }

    /// The agent's state directory.
    pub(super) fn state(self) -> &'static str {
        match self {
            // /var is a file system in memory there.
            Service::Procd => "/etc/mackerel-agent/state",
            _ => "/var/lib/mackerel-agent",
        }
    }

    /// The files with its variables; the last one takes precedence.
    pub(super) fn environment(self) -> &'static [&'static str] {
        match self {
            Service::Systemd | Service::Sysv => &[
                "/etc/default/mackerel-agent",
                "/etc/sysconfig/mackerel-agent",
            ],
            Service::Openrc => &["/etc/conf.d/mackerel-agent"],
            Service::Procd => &[],
        }
    }

    /// Files and directories created by a running agent, except the state. The first is the
    /// directory in which plugins keep files.
    pub(super) fn traces(self) -> &'static [&'static str] {
        match self {
            Service::Systemd => &["/var/cache/mackerel-agent"],
            Service::Openrc => &["/var/cache/mackerel-agent", LOG],
            Service::Procd => &["/var/run/mackerel-agent"],
            Service::Sysv => &[
                "/var/cache/mackerel-agent",
                LOG,
                "/var/run/mackerel-agent.pid",
            ],
        }
    }

    /// The command that applies `verb` to the agent: `start`, `stop`, `restart`.
    pub(super) fn command(self, verb: &'static str) -> Vec<&'static str> {
        match self {
            Service::Systemd => vec!["systemctl", verb, "mackerel-agent"],
            _ => vec![SCRIPT, verb],
        }
    }

    /// The command that makes it read changed files, if one is needed.
    pub(super) fn reload(self) -> Option<&'static [&'static str]> {
        match self {
            Service::Systemd => Some(&["systemctl", "daemon-reload"]),
            _ => None,
        }
    }

    /// The command that prints the agent's last log lines.
    pub(super) fn log(self) -> &'static [&'static str] {
        match self {
            Service::Systemd => &[
                "journalctl",
                "-q",
                "-u",
                "mackerel-agent",
                "-n",
                "5",
                "-o",
                "cat",
                "--no-pager",
            ],
            Service::Procd => &["logread", "-l", "5", "-e", "mackerel-agent"],
            _ => &["tail", "-n", "5", LOG],
        }
    }
}

/// The links of init scripts. `is_red_hat`: whether runlevels are below `/etc/rc.d`.
fn levels(is_red_hat: bool) -> Vec<(String, &'static str)> {
    let (above, target) = if is_red_hat {
        ("/etc/rc.d", "../../init.d/mackerel-agent")
    } else {
        ("/etc", "../init.d/mackerel-agent")
    };
    let levels = ["K05", "K05", "S95", "S95", "S95", "S95", "K05"];
    let link = |(level, when)| format!("{above}/rc{level}.d/{when}mackerel-agent");
    let links = levels.into_iter().enumerate().map(link);
    links.map(|path| (path, target)).collect()
}
